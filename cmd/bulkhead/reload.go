package main

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"bulkhead/b2bua/ops"
)

func reloadCommand() *cobra.Command {
	var flags remoteFlags
	c := &cobra.Command{
		Use:   "reload [FILE]",
		Short: "Have a running node read its configuration again",
		Long: "Ask the node, by the socket of its API, to put its configuration file in force: trunks,\n" +
			"carriers, routes and what they name, realms' certificates, the API's tokens, the log's\n" +
			"level. Calls that are there go on with what they began with. Print what has changed.\n\n" +
			"If the file cannot be used, or changes what needs a restart, nothing changes: print\n" +
			"every fault with its line and column, and fail. Of a pair, each node reads its own file.",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, _, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			var done ops.Reloaded
			if err := node.ask(cmd.Context(), http.MethodPost, "/v1/reload", &done); err != nil {
				return told(cmd, err)
			}
			for _, w := range done.Warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), w)
			}
			out := cmd.OutOrStdout()
			for _, change := range done.Changes {
				if _, err := fmt.Fprintf(out, "%-8s %s\n", change.How, change.Key); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintf(out, "generation %d of %s is in force\n", done.Generation, done.File)
			return err
		},
	}
	flags.add(c, 0)
	return c
}
