package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bulkhead/b2bua/ops"
)

func showCommand() *cobra.Command {
	var flags remoteFlags
	format := "text"
	c := &cobra.Command{
		Use:   "show [FILE] CALL",
		Short: "Print all that the cluster knows of a call",
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return fmt.Errorf("-o %s: want one of text, json", format)
			}
			node, rest, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			var d ops.CallDetail
			if err := node.ask(cmd.Context(), http.MethodGet, "/v1/calls/"+url.PathEscape(rest[0]), &d); err != nil {
				return told(cmd, err)
			}
			if format == "text" {
				return show(cmd.OutOrStdout(), d, time.Now())
			}
			e := json.NewEncoder(cmd.OutOrStdout())
			e.SetIndent("", "  ")
			return e.Encode(d)
		},
	}
	flags.add(c, 1)
	c.Flags().StringVarP(&format, "output", "o", format, "how to print: text, json")
	return c
}

func ladderCommand() *cobra.Command {
	var flags remoteFlags
	format := "text"
	c := &cobra.Command{
		Use:   "ladder [FILE] CALL",
		Short: "Print what crossed the wire of a call, a column a party",
		Long:  "Print what crossed the wire of a call, also of one that has ended, for as long as trace.keep says.",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, rest, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			text, err := node.said(cmd.Context(), http.MethodGet, "/v1/calls/"+url.PathEscape(rest[0])+"/ladder?format="+url.QueryEscape(format))
			if err != nil {
				return told(cmd, err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), strings.TrimRight(string(text), "\n"))
			return err
		},
	}
	flags.add(c, 1)
	c.Flags().StringVarP(&format, "output", "o", format, "how to print: text, json, svg")
	return c
}

func whyCommand() *cobra.Command {
	var flags remoteFlags
	c := &cobra.Command{
		Use:   "why [FILE] CALL",
		Short: "Say in sentences why a call went as it did",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, rest, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			var r ops.Reasons
			if err := node.ask(cmd.Context(), http.MethodGet, "/v1/calls/"+url.PathEscape(rest[0])+"/why", &r); err != nil {
				return told(cmd, err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), strings.Join(r.Why, "\n"))
			return err
		},
	}
	flags.add(c, 1)
	return c
}

func hangupCommand() *cobra.Command {
	var flags remoteFlags
	cause := 16
	c := &cobra.Command{
		Use:   "hangup [FILE] CALL",
		Short: "End a call on both sides",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, rest, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			var was ops.Call
			if err := node.ask(cmd.Context(), http.MethodDelete, fmt.Sprintf("/v1/calls/%s?cause=%d", url.PathEscape(rest[0]), cause), &was); err != nil {
				return told(cmd, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "call %s was %s, and is being ended\n", was.ID, was.State)
			return err
		},
	}
	flags.add(c, 1)
	c.Flags().IntVar(&cause, "cause", cause, "cause of Q.850 that both sides are told")
	return c
}
