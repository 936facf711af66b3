package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/gdamore/tcell/v2"
	"github.com/spf13/cobra"

	"bulkhead/b2bua/ops"
)

// onTop is how many calls the board asks for: more than a terminal has lines.
const onTop = 200

func topCommand() *cobra.Command {
	var flags remoteFlags
	every, once, asked, one := time.Second, false, "", ""
	c := &cobra.Command{
		Use:   "top [FILE]",
		Short: "Show what a running cluster does, live",
		Long: "Show the calls of a node's whole cluster by state, the carriers with what they answer and how\n" +
			"fast, what went wrong last, and the calls, the newest first. Those of a node that is dead are as\n" +
			"the store has them, and marked. The arrows choose a call or what went wrong; Enter shows the\n" +
			"ladder of that call, w says why it went so, Esc goes back. / asks for what to show: a number\n" +
			"that begins so, or state=up, trunk=, carrier=, from=, longer_than=90s, attempts=2, and node=, of\n" +
			"which then is all of the board; n goes from node to node. q ends.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if every < 100*time.Millisecond {
				return fmt.Errorf("--every %s: 100ms at least", every)
			}
			if one != "" {
				asked = strings.TrimSpace(asked + " node=" + one)
			}
			filter, err := parseFilter(asked)
			if err != nil {
				return fmt.Errorf("--filter: %w", err)
			}
			node, _, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			if once {
				v := view{filter: asked, width: 100, plain: true}
				l, calls, err := node.look(cmd.Context(), filter)
				if err != nil {
					return told(cmd, err)
				}
				v.take(l, calls, filter.Has("node"))
				for _, l := range v.board() {
					fmt.Fprintln(cmd.OutOrStdout(), strings.TrimRight(l.text(), " "))
				}
				return nil
			}
			if !terminal(os.Stdin) || !terminal(os.Stdout) {
				return errors.New("top needs a terminal; --once prints one board")
			}
			screen, err := tcell.NewScreen()
			if err != nil {
				return fmt.Errorf("opening the terminal: %w (TERM=%s)", err, os.Getenv("TERM"))
			}
			if err := screen.Init(); err != nil {
				return fmt.Errorf("opening the terminal: %w", err)
			}
			defer screen.Fini()
			return (&top{node: node, screen: screen, every: every, view: view{filter: asked}}).run(cmd.Context())
		},
	}
	flags.add(c, 0)
	c.Flags().DurationVar(&every, "every", every, "how often to look")
	c.Flags().BoolVar(&once, "once", false, "print the board once, as text, and end")
	c.Flags().StringVar(&one, "node", "", "of this node; default: of the whole cluster")
	c.Flags().StringVar(&asked, "filter", "", "which calls to show, as after /")
	return c
}

// filterKeys are what calls can be filtered by; all but the number are named.
var filterKeys = []string{"state", "trunk", "carrier", "number", "from", "longer_than", "attempts", "node"}

// parseFilter reads what calls are to be shown: words, each key=value or what a number
// begins with.
func parseFilter(text string) (url.Values, error) {
	q := url.Values{}
	for _, word := range strings.Fields(text) {
		key, value, named := strings.Cut(word, "=")
		if !named {
			key, value = "number", word
		}
		key = strings.ReplaceAll(key, "-", "_")
		known := false
		for _, k := range filterKeys {
			known = known || k == key
		}
		if !known || value == "" {
			return nil, fmt.Errorf("%s: want what a number begins with, or one of %s with = and a value", word, strings.Join(filterKeys, ", "))
		}
		q.Set(key, value)
	}
	return q, nil
}

// look asks a node what its cluster does and for the calls, or for those of the node that the
// filter names. A node that serves none has none.
func (r *remote) look(ctx context.Context, filter url.Values) (l ops.Live, c ops.Calls, err error) {
	if err := r.ask(ctx, http.MethodGet, "/v1/live?"+url.Values{"node": filter["node"]}.Encode(), &l); err != nil {
		return l, c, err
	}
	filter.Set("limit", fmt.Sprint(onTop))
	err = r.ask(ctx, http.MethodGet, "/v1/calls?"+filter.Encode(), &c)
	if p, ok := errors.AsType[*ops.Problem](err); ok && p.Status == http.StatusServiceUnavailable {
		err = nil
	}
	return l, c, err
}

// story is what is shown of one call: its ladder, or why it went so.
func (r *remote) story(ctx context.Context, id, what string) ([]string, error) {
	if what == "why" {
		var s ops.Reasons
		err := r.ask(ctx, http.MethodGet, "/v1/calls/"+url.PathEscape(id)+"/why", &s)
		return s.Why, err
	}
	text, err := r.said(ctx, http.MethodGet, "/v1/calls/"+url.PathEscape(id)+"/ladder?format=text")
	return strings.Split(strings.TrimRight(string(text), "\n"), "\n"), err
}
