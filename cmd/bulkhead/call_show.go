package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"bulkhead/b2bua/ops"
)

// show prints a call in full.
func show(out io.Writer, d ops.CallDetail, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, values ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, strings.ReplaceAll(fmt.Sprintf(format, values...), "\t", " ")) // Flush has the error
	}
	ago := func(t time.Time) string { return now.Sub(t).Round(time.Second).String() + " ago" }
	line("call", "%s", d.ID)
	line("state", "%s", d.State)
	line("from", "%s, by trunk %s", d.From, d.Trunk)
	line("to", "%s", d.To)
	if d.Carrier != "" {
		line("carrier", "%s, gateway %s, asked for %s", d.Carrier, d.Gateway, d.Number)
	}
	line("began", "%s, %s", instant(d.Began), ago(d.Began))
	if !d.Answered.IsZero() {
		line("answered", "%s, %s", instant(d.Answered), ago(d.Answered))
	}
	if !d.Ended.IsZero() {
		line("ended", "%s: %s, by %s", instant(d.Ended), d.Record.Cause, d.Record.EndedBy)
	}
	line("node", "%s", d.Node)
	if d.Unit != "" {
		line("unit", "%s, epoch %d", d.Unit, d.Epoch)
	}
	switch {
	case d.Owner != "":
		line("owner", "%s: this is what the store has", ownership(d.Call))
	case !d.Saved.IsZero():
		line("stored", "version %d, %s", d.Version, ago(d.Saved))
	}
	for n, l := range d.Legs {
		fmt.Fprintln(w)
		name := fmt.Sprintf("attempt %d", n)
		if n == 0 {
			name = "trunk"
		}
		line(name, "%s at %s, %s", l.Peer, l.Remote, l.Transport)
		state := l.State + ": " + l.Words
		if l.Cause != "" {
			state += " (" + strings.ReplaceAll(l.Cause, "_", " ") + ")"
		}
		if l.State == l.Words {
			state = l.State
		}
		line("  state", "%s", state)
		if n > 0 && n <= len(d.Record.Attempts) {
			if a := d.Record.Attempts[n-1]; a.Code > 0 {
				line("  answer", "%d", a.Code)
			}
		}
		line("  Call-ID", "%s", l.CallID)
		mediaOf(line, "  it says", l.Said)
		mediaOf(line, "  is shown", l.Shown)
		for _, c := range l.Changed {
			line("  changed", "%s: %s, was %s", c.Name, or(c.To, "withheld"), or(c.From, "not said"))
		}
		if l.Absorbed > 0 {
			line("  strays", "%d absorbed", l.Absorbed)
		}
	}
	if len(d.Left) > 0 {
		fmt.Fprintln(w)
		line("not tried yet", "%s", strings.Join(d.Left, ", "))
	}
	if len(d.Timers) > 0 {
		fmt.Fprintln(w)
	}
	for _, t := range d.Timers {
		of := map[int]string{-1: "call", 0: "trunk"}[t.Leg]
		if of == "" {
			of = fmt.Sprintf("attempt %d", t.Leg)
		}
		due := "in " + t.Due.Sub(now).Round(100*time.Millisecond).String()
		if t.Due.Before(now) {
			due = "overdue"
		}
		line(due, "%s: %s", of, t.Name)
	}
	return w.Flush()
}

// mediaOf prints streams of media.
func mediaOf(line func(name, format string, values ...any), name string, streams []ops.Stream) {
	for _, s := range streams {
		if s.Off {
			line(name, "%s off", s.Kind)
			continue
		}
		line(name, "%s at %s, %s, %s: %s", s.Kind, s.Address, s.Direction, s.Transport, strings.Join(s.Codecs, " "))
	}
}

// or is a text, or what stands for none.
func or(text, none string) string {
	if text == "" {
		return none
	}
	return text
}
