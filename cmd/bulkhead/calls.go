package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"bulkhead/b2bua/ops"
)

// formats are how calls can be printed.
var formats = []string{"table", "wide", "json", "jsonl", "csv"}

func callsCommand() *cobra.Command {
	var flags remoteFlags
	filter, format, most := url.Values{}, "table", 1000
	again, each := false, 2*time.Second
	c := &cobra.Command{
		Use:   "calls [FILE]",
		Short: "List the calls of a cluster",
		Long: "Ask a node, by the socket of its API, for the calls of its cluster, the newest first. A call is\n" +
			"hunting until a carrier rings, ringing, up, ending, and then settling: its record is\n" +
			"written, and what peers still say is absorbed.",
		RunE: func(cmd *cobra.Command, args []string) error {
			write, ok := printers[format]
			if !ok {
				return fmt.Errorf("-o %s: want one of %s", format, strings.Join(formats, ", "))
			}
			node, _, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			if again {
				return node.watch(cmd, filter, most, each, write, format == "table" || format == "wide")
			}
			l, err := node.calls(cmd, filter, most)
			if err != nil {
				return err
			}
			return printed(cmd.OutOrStdout(), cmd.ErrOrStderr(), l, write)
		},
	}
	flags.add(c, 0)
	c.Flags().StringVarP(&format, "output", "o", format, "how to print: "+strings.Join(formats, ", "))
	c.Flags().BoolVarP(&again, "watch", "w", false, "list them again and again, until ^C")
	c.Flags().DurationVar(&each, "every", each, "how often, with --watch")
	c.Flags().IntVar(&most, "limit", most, "how many calls to show at most")
	filterFlags(c, filter)
	c.AddCommand(hangupCallsCommand())
	return c
}

// filterFlags are those that narrow a list, as the API has them.
func filterFlags(c *cobra.Command, filter url.Values) {
	for _, f := range [][2]string{
		{"state", "hunting, ringing, up, ending, settling; several with commas"}, {"trunk", "of this trunk"}, {"carrier", "at this carrier"},
		{"number", "the number dialled, or asked for, begins so"}, {"from", "the caller's number begins so"},
		{"longer-than", "begun so long ago at least, such as 90s or 1h"}, {"attempts", "with so many attempts at least"},
		{"strays", "with so many messages at least that came after they could matter"},
		{"node", "of this node; default: of the whole cluster"},
	} {
		name := f[0]
		c.Flags().Func(name, f[1], func(s string) error {
			filter.Set(strings.ReplaceAll(name, "-", "_"), s)
			return nil
		})
	}
}

// printed prints a list, and notes what is not in it.
func printed(out, notes io.Writer, l ops.Calls, write printer) error {
	if err := write(out, l.Calls, time.Now()); err != nil {
		return err
	}
	if n := l.Matched - len(l.Calls); n > 0 {
		fmt.Fprintf(notes, "and %d more: --limit says how many are shown\n", n)
	}
	if l.Missing > 0 {
		fmt.Fprintf(notes, "%s wait for the store and could not be looked at\n", plural(l.Missing, "call"))
	}
	gaps(notes, l.Incomplete)
	return nil
}

// gaps notes which nodes have not told of their calls.
func gaps(notes io.Writer, all []ops.Gap) {
	for _, g := range all {
		fmt.Fprintf(notes, "incomplete: %s\n", missing(g))
	}
}

// missing is who has not told of its calls, and why.
func missing(g ops.Gap) string {
	switch {
	case g.Node != "":
		return "node " + g.Node + ": " + g.Reason
	case g.Unit != "":
		return "unit " + g.Unit + ": " + g.Reason
	}
	return g.Reason
}

// calls asks for the pages of a list until there are as many calls as are wanted, and makes
// one of them.
func (r *remote) calls(cmd *cobra.Command, filter url.Values, most int) (all ops.Calls, err error) {
	filter.Del("cursor")
	for {
		filter.Set("limit", strconv.Itoa(max(1, min(1000, most-len(all.Calls)))))
		var l ops.Calls
		if err := r.ask(cmd.Context(), http.MethodGet, "/v1/calls?"+filter.Encode(), &l); err != nil {
			return all, told(cmd, err)
		}
		l.Calls = append(all.Calls, l.Calls...)
		if len(all.Calls) > 0 {
			l.Matched = all.Matched
		}
		if all = l; len(all.Calls) >= most || all.Next == "" {
			all.Calls = all.Calls[:min(len(all.Calls), most)]
			return all, nil
		}
		filter.Set("cursor", all.Next)
	}
}

// columns are what a table shows of a call.
var columns = []string{"call", "state", "age", "trunk", "from", "to", "carrier", "attempts"}

// printer writes calls in some format.
type printer func(io.Writer, []ops.Call, time.Time) error

// printers write calls in each format.
var printers = map[string]printer{
	"table": func(w io.Writer, all []ops.Call, now time.Time) error { return table(w, all, now, false) },
	"wide":  func(w io.Writer, all []ops.Call, now time.Time) error { return table(w, all, now, true) },
	"json": func(w io.Writer, all []ops.Call, _ time.Time) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(append([]ops.Call{}, all...)) // none are a list too
	},
	"jsonl": func(w io.Writer, all []ops.Call, _ time.Time) error {
		e := json.NewEncoder(w)
		for _, c := range all {
			if err := e.Encode(c); err != nil {
				return err
			}
		}
		return nil
	},
	"csv": func(w io.Writer, all []ops.Call, _ time.Time) error {
		c := csv.NewWriter(w)
		_ = c.Write([]string{"id", "state", "trunk", "from", "to", "carrier", "gateway", "number", "attempts", "strays", "began", "answered", "ended", "node", "unit", "owner", "stored"}) // Error has it
		for _, o := range all {
			_ = c.Write([]string{o.ID, o.State, o.Trunk, o.From, o.To, o.Carrier, o.Gateway, o.Number, strconv.Itoa(o.Attempts), strconv.Itoa(o.Strays),
				instant(o.Began), instant(o.Answered), instant(o.Ended),
				o.Node, o.Unit, o.Owner, instant(o.Stored)})
		}
		c.Flush()
		return c.Error()
	},
}

func table(out io.Writer, all []ops.Call, now time.Time, wide bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	head := columns
	owner := false // said where it says something
	for _, c := range all {
		owner = owner || c.Owner != ""
	}
	if owner && !wide {
		head = append(head[:len(head):len(head)], "owner")
	}
	if wide {
		head = append(head[:len(head):len(head)], "gateway", "number", "began", "answered", "strays", "node", "owner")
	}
	fmt.Fprintln(w, strings.ToUpper(strings.Join(head, "\t"))) // Flush has the error
	for _, c := range all {
		row := []string{c.ID, c.State, now.Sub(c.Began).Round(time.Second).String(), c.Trunk, c.From, c.To, c.Carrier, strconv.Itoa(c.Attempts)}
		if owner && !wide {
			row = append(row, ownership(c))
		}
		if wide {
			row = append(row, c.Gateway, c.Number, instant(c.Began), instant(c.Answered), strconv.Itoa(c.Strays), c.Node, ownership(c))
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

// instant is an instant as a machine reads it; empty: it has not come.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// ownership is whether a call's node has told of it, in words.
func ownership(c ops.Call) string {
	if c.Owner == "" {
		return "live"
	}
	if c.Stored.IsZero() {
		return c.Owner + ", as stored"
	}
	return fmt.Sprintf("%s, as stored %s ago", c.Owner, time.Duration(c.Age*float64(time.Second)).Round(time.Second))
}
