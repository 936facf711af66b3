package main

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"bulkhead/b2bua/ops"
)

func nodeCommand() *cobra.Command {
	c := &cobra.Command{Use: "node", Short: "Take a running node out of service and put it back"}
	c.AddCommand(nodeShowCommand(), nodeDrainCommand(), nodeResumeCommand(), nodeHandoverCommand())
	return c
}

func nodeShowCommand() *cobra.Command {
	var flags remoteFlags
	c := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Say what a node does",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, _, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			var is ops.NodeState
			if err := node.ask(cmd.Context(), http.MethodGet, "/v1/node", &is); err != nil {
				return told(cmd, err)
			}
			return does(cmd.OutOrStdout(), is)
		},
	}
	flags.add(c, 0)
	return c
}

func nodeDrainCommand() *cobra.Command {
	var flags remoteFlags
	var within time.Duration
	reason := ""
	c := &cobra.Command{
		Use:   "drain [FILE]",
		Short: "Have a node take no new calls",
		Long: "New calls get 503 with Retry-After, so do OPTIONS of trunks and carriers; /readyz says 503,\n" +
			"/healthz stays 200. Calls that are there end in their own time, or by BYE when --within is\n" +
			"over. It holds until `node resume`, or until the process ends. Of a pair, `node handover`\n" +
			"has the other node go on with the calls instead.",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, _, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			wish := map[string]string{}
			if cmd.Flags().Changed("within") {
				wish["within"] = within.String()
			}
			if reason != "" {
				wish["reason"] = reason
			}
			var is ops.NodeState
			if err := node.send(cmd.Context(), http.MethodPost, "/v1/node/drain", wish, &is); err != nil {
				return told(cmd, err)
			}
			return does(cmd.OutOrStdout(), is)
		},
	}
	flags.add(c, 0)
	c.Flags().DurationVar(&within, "within", 0, "after which calls that are left are ended by BYE; default: never")
	c.Flags().StringVar(&reason, "reason", "", "why; shown and logged")
	return c
}

func nodeResumeCommand() *cobra.Command {
	var flags remoteFlags
	c := &cobra.Command{
		Use:   "resume [FILE]",
		Short: "Have a node take new calls again",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, _, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			var is ops.NodeState
			if err := node.ask(cmd.Context(), http.MethodPost, "/v1/node/resume", &is); err != nil {
				return told(cmd, err)
			}
			return does(cmd.OutOrStdout(), is)
		},
	}
	flags.add(c, 0)
	return c
}

func nodeHandoverCommand() *cobra.Command {
	var flags remoteFlags
	to := ""
	c := &cobra.Command{
		Use:   "handover [FILE]",
		Short: "Hand a unit's calls over to another node, by the API of any of its nodes",
		Long:  "As `bulkhead handover`, which asks the store; this asks a node, which logs who wanted it.",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, _, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			wish := map[string]string{}
			if to != "" {
				wish["to"] = to
			}
			var done ops.Handover
			if err := node.send(cmd.Context(), http.MethodPost, "/v1/node/handover", wish, &done); err != nil {
				return told(cmd, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "unit %s: handed over from %s to %s in %v\n",
				done.Unit, done.From, done.To, time.Duration(done.Seconds*float64(time.Second)).Round(time.Millisecond))
			return err
		},
	}
	flags.add(c, 0)
	c.Flags().StringVar(&to, "to", "", "node to hand over to; default: the one heard last")
	return c
}

// does prints what a node does.
func does(w io.Writer, is ops.NodeState) error {
	text := fmt.Sprintf("%s: %s, %d calls", is.Node, is.State, is.Calls)
	if d := is.Drain; d != nil {
		text += fmt.Sprintf("; drained by operator %s since %s", d.By, d.Since.Format(time.RFC3339))
		if !d.Ends.IsZero() {
			text += ", calls end by " + d.Ends.Format(time.RFC3339)
		}
		if d.Reason != "" {
			text += ": " + d.Reason
		}
	}
	_, err := fmt.Fprintln(w, text)
	return err
}
