package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"bulkhead/b2bua/ops"
)

func logCommand() *cobra.Command {
	var flags remoteFlags
	c := &cobra.Command{
		Use:   "log [FILE]",
		Short: "Print how much a running node logs, or change it",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, _, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			var l ops.Log
			if err := node.ask(cmd.Context(), http.MethodGet, "/v1/log", &l); err != nil {
				return told(cmd, err)
			}
			return printLog(cmd, l)
		},
	}
	flags.add(c, 0)
	c.AddCommand(logLevelCommand(), logDebugCommand(), logQuietCommand())
	return c
}

func printLog(cmd *cobra.Command, l ops.Log) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "level %s\n", l.Level) // Flush has the error
	for _, f := range l.Debug {
		fmt.Fprintf(w, "%s\tuntil %s\t%s\tby %s\n", f.Name, instant(f.Until), strings.Join(which(f.Meant), " "), f.By)
	}
	return w.Flush()
}

// which says which calls are meant, as the flags of a command do.
func which(m ops.Meant) (list []string) {
	for i, v := range []string{m.Call, m.Trunk, m.Carrier, m.Number, m.From} {
		if v != "" {
			list = append(list, meantFlags[i][0]+"="+v)
		}
	}
	return list
}

// meantBy are the flags that meant has read.
func meantBy(v url.Values) ops.Meant {
	return ops.Meant{Call: v.Get("call"), Trunk: v.Get("trunk"), Carrier: v.Get("carrier"), Number: v.Get("number"), From: v.Get("from")}
}

func logLevelCommand() *cobra.Command {
	var flags remoteFlags
	c := &cobra.Command{
		Use:   "level [FILE] LEVEL",
		Short: "Have a running node log debug, info, warn or error",
		Long: "Change how much a running node logs, until a reload brings another log.level or the\n" +
			"process ends. At debug there is a line for every message; `log debug` has that for some\n" +
			"calls alone.",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, rest, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			var l ops.Log
			if err := node.send(cmd.Context(), http.MethodPut, "/v1/log/level", ops.LevelAsked{Level: rest[0]}, &l); err != nil {
				return told(cmd, err)
			}
			return printLog(cmd, l)
		},
	}
	flags.add(c, 1)
	return c
}

func logDebugCommand() *cobra.Command {
	var flags remoteFlags
	asked, span := url.Values{}, 10*time.Minute
	c := &cobra.Command{
		Use:   "debug [FILE]",
		Short: "Have every message of some calls logged for a while",
		Long: "Have a running node log the head of every message of some calls, whatever its level is. Of\n" +
			"credentials nothing is logged, and numbers are shown as log.redact says.",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, _, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			var l ops.Log
			if err := node.send(cmd.Context(), http.MethodPost, "/v1/log/debug", ops.DebugAsked{Meant: meantBy(asked), For: span.String()}, &l); err != nil {
				return told(cmd, err)
			}
			return printLog(cmd, l)
		},
	}
	flags.add(c, 0)
	meant(c, asked)
	c.Flags().DurationVar(&span, "for", span, "for how long, 24h at most")
	return c
}

func logQuietCommand() *cobra.Command {
	var flags remoteFlags
	c := &cobra.Command{
		Use:   "quiet [FILE] NAME",
		Short: "End what log debug has begun",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, rest, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			var l ops.Log
			if err := node.ask(cmd.Context(), http.MethodDelete, "/v1/log/debug/"+url.PathEscape(rest[0]), &l); err != nil {
				return told(cmd, err)
			}
			return printLog(cmd, l)
		},
	}
	flags.add(c, 1)
	return c
}
