package main

import (
	"fmt"
	"io"
	"net/url"
	"os"

	"github.com/spf13/cobra"
)

func evidenceCommand() *cobra.Command {
	var flags remoteFlags
	var hour, file string
	c := &cobra.Command{
		Use:   "evidence [FILE] CARRIER",
		Short: "Write what a carrier does that SIP does not foresee, as a zip to send to it",
		Long: "Write a zip with a letter that names each misbehaviour, how often it was and what the RFC\n" +
			"says, the counts by the hour, and ladders of calls that have not ended longer ago than\n" +
			"trace.keep says. Numbers are cut, and who else had a part in the calls is not named.",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, rest, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			if file == "" {
				file = rest[0] + "-evidence.zip"
			}
			query := ""
			if hour != "" {
				query = "?hour=" + url.QueryEscape(hour)
			}
			b := newBar(cmd.ErrOrStderr(), "collecting evidence", -1, true)
			defer b.done()
			response, err := node.stream(cmd.Context(), "/v1/carriers/"+url.PathEscape(rest[0])+"/evidence"+query)
			if err != nil {
				return told(cmd, err)
			}
			defer response.Body.Close()
			out, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			defer out.Close()
			n, err := io.Copy(out, io.TeeReader(response.Body, b))
			b.done()
			if err != nil {
				return fmt.Errorf("reading what the node at %s says: %w", node.socket, err)
			}
			if err := out.Close(); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d bytes\n", file, n)
			return err
		},
	}
	flags.add(c, 1)
	c.Flags().StringVar(&hour, "hour", "", "of this hour alone, in UTC, such as 2026-11-27T01")
	c.Flags().StringVarP(&file, "write", "w", "", "file to write; default: CARRIER-evidence.zip")
	return c
}
