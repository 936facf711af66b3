package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"bulkhead/b2bua/ops"
	"bulkhead/carriers"
)

// orderCommands are those that keep calls from a carrier.
func orderCommands() (list []*cobra.Command) {
	for _, o := range []struct{ name, short, long string }{
		{"drain", "Have a carrier take no new calls", "No call is tried there any more, whoever else is left; the calls that it has go on."},
		{"quarantine", "Have a carrier tried only where a call has nobody else", "It is tried for calls that would have no target otherwise."},
		{"resume", "Put a carrier into service again", "An order of before is over. Its scorecard may still keep it back."},
	} {
		var flags remoteFlags
		var wish ops.Wish
		var lasts time.Duration
		c := &cobra.Command{
			Use:   o.name + " [FILE] CARRIER",
			Short: o.short,
			Long: o.long + "\n\nAny node of a unit can be asked: all of them have it within a second, and it outlives\n" +
				"reloads, takeovers and restarts. Without state.redis it ends with the process.",
			RunE: func(cmd *cobra.Command, args []string) error {
				node, rest, err := flags.find(cmd, args)
				if err != nil {
					return err
				}
				if lasts != 0 {
					wish.For = lasts.String()
				}
				var done ops.Ordered
				if err := node.send(cmd.Context(), http.MethodPost, "/v1/carriers/"+url.PathEscape(rest[0])+"/"+o.name, wish, &done); err != nil {
					return told(cmd, err)
				}
				if !done.Shared {
					fmt.Fprintln(cmd.ErrOrStderr(), "it holds on this node alone: calls are kept nowhere else, or the store does not answer")
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), stands(done.Carrier, done.Stand))
				return err
			},
		}
		flags.add(c, 1)
		if o.name != "resume" {
			c.Flags().DurationVar(&lasts, "for", 0, "how long; default: until it is resumed")
		}
		c.Flags().StringVar(&wish.Reason, "reason", "", "why; shown wherever it has an effect")
		list = append(list, c)
	}
	return list
}

// stands is a line about a carrier.
func stands(carrier string, s ops.Stand) string {
	text := carrier + ": " + s.Standing.String()
	if s.By != "" {
		text += " by " + s.By
	}
	if !s.Since.IsZero() {
		text += " since " + s.Since.Format(time.RFC3339)
	}
	if !s.Until.IsZero() {
		text += " until " + s.Until.Format(time.RFC3339)
	}
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	return text
}

// keptBack prints a line for each carrier that is not wholly in service.
func keptBack(w io.Writer, all []ops.Carrier) error {
	for _, c := range all {
		if c.Stands.Standing == carriers.InService {
			continue
		}
		if _, err := fmt.Fprintln(w, stands(c.Name, c.Stands)); err != nil {
			return err
		}
	}
	return nil
}
