package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"bulkhead/dialog"
)

// ladder prints calls as they happen: one column a party, one line a message.
type ladder struct {
	mu      sync.Mutex
	out     io.Writer
	began   time.Time
	parties []string // trunk, bulkhead, then the legs' peers in their order
	waiting *rung    // the last that came in: what became of it is not known yet
}

// rung is one message.
type rung struct {
	at    time.Time
	leg   uint8
	in    bool
	label string
	note  string
}

const lane = 26 // characters from one column to the next

// head prints the names of the columns.
func (l *ladder) head() {
	var b strings.Builder
	b.WriteString("           ")
	for _, p := range l.parties {
		b.WriteString(pad(p, lane))
	}
	fmt.Fprintln(l.out, strings.TrimRight(b.String(), " "))
}

// Saw is b2bua.Observer.
func (l *ladder) Saw(_ dialog.CallID, leg uint8, in bool, now time.Time, data []byte, note string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if data == nil {
		if l.waiting != nil && l.waiting.leg == leg {
			l.waiting.note = note
		}
		return
	}
	l.flush()
	r := &rung{at: now, leg: leg, in: in, label: label(data)}
	if in {
		l.waiting = r
		return
	}
	l.print(r)
}

// done prints what is still held.
func (l *ladder) done() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
}

func (l *ladder) flush() {
	if l.waiting != nil {
		l.print(l.waiting)
		l.waiting = nil
	}
}

// print draws one rung between Bulkhead's column and the peer's.
func (l *ladder) print(r *rung) {
	column := 0 // of the peer
	if r.leg > 0 {
		column = int(r.leg) + 1
	}
	if column >= len(l.parties) {
		return
	}
	line := []rune(strings.Repeat(pad("│", lane), len(l.parties)-1) + "│")
	from, to := min(1, column)*lane, max(1, column)*lane
	for i := from + 1; i < to; i++ {
		line[i] = '─'
	}
	if right := r.in == (r.leg == 0); right {
		line[to-1] = '▶'
	} else {
		line[from+1] = '◀'
	}
	text := []rune(" " + r.label + " ")
	if r.note != "" {
		text = []rune(" " + r.label + " ✱ ")
	}
	if room := to - from - 5; len(text) > room {
		text = text[:room]
	}
	copy(line[from+(to-from-len(text))/2+1:], text)
	suffix := ""
	if r.note != "" {
		suffix = "   ✱ " + r.note
	}
	fmt.Fprintf(l.out, "%9.3f  %s%s\n", r.at.Sub(l.began).Seconds(), string(line), suffix)
}

// label is what a message is: method and number, or status code and method.
func label(data []byte) string {
	first, _, _ := strings.Cut(string(data), "\r\n")
	f := strings.Fields(first)
	if len(f) < 2 {
		return first
	}
	if f[0] == "SIP/2.0" {
		method := ""
		if _, cseq, ok := strings.Cut(string(data), "\r\nCSeq: "); ok {
			value, _, _ := strings.Cut(cseq, "\r\n")
			_, method, _ = strings.Cut(value, " ")
		}
		if method == "INVITE" {
			return f[1]
		}
		return f[1] + " (" + method + ")"
	}
	if f[0] == "INVITE" {
		user, _, _ := strings.Cut(strings.TrimPrefix(f[1], "sip:"), "@")
		return "INVITE " + user
	}
	return f[0]
}

func pad(s string, width int) string {
	if n := width - len([]rune(s)); n > 0 {
		return s + strings.Repeat(" ", n)
	}
	return s
}
