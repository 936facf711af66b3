package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"bulkhead/b2bua/ops"
)

func configCommand() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Look at the configuration of a running node, and change it"}
	c.AddCommand(configShowCommand(), configValidateCommand(), configDiffCommand(), configApplyCommand(), configRollbackCommand(), configHistoryCommand())
	return c
}

// proposed reads a configuration that is to be looked at; - is standard input.
func proposed(cmd *cobra.Command, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(cmd.InOrStdin())
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading the new configuration: %w", err)
	}
	return text, nil
}

// calledAs has a node call what it is sent by the name that it has here.
func calledAs(name string) string { return "?" + url.Values{"name": {name}}.Encode() }

func configShowCommand() *cobra.Command {
	var flags remoteFlags
	generation := 0
	c := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Print the configuration in force, or a kept one as it was written",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, _, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			if generation > 0 {
				text, err := node.said(cmd.Context(), http.MethodGet, "/v1/config/generations/"+strconv.Itoa(generation))
				if err != nil {
					return told(cmd, err)
				}
				_, err = cmd.OutOrStdout().Write(text)
				return err
			}
			var is ops.Configuration
			if err := node.ask(cmd.Context(), http.MethodGet, "/v1/config", &is); err != nil {
				return told(cmd, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "# generation %d of %s\n%s", is.Generation, is.File, is.Text)
			return err
		},
	}
	flags.add(c, 0)
	c.Flags().IntVar(&generation, "generation", 0, "as the history has it; default: the one in force, with all defaults")
	return c
}

func configValidateCommand() *cobra.Command {
	var flags remoteFlags
	c := &cobra.Command{
		Use:   "validate [FILE] NEW",
		Short: "Have a running node say everything that is wrong with a configuration",
		Long: "As `bulkhead check NEW`, with the eyes of the node: its files, its certificates. NEW may be -.\n" +
			"Keys that need a restart are told.",
		RunE: func(cmd *cobra.Command, args []string) error {
			seen, err := looked(cmd, &flags, args, "/v1/config/validate")
			if err != nil {
				return err
			}
			for _, key := range seen.Restart {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s needs a restart\n", key)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "it can be used")
			return err
		},
	}
	flags.add(c, 1)
	return c
}

func configDiffCommand() *cobra.Command {
	var flags remoteFlags
	c := &cobra.Command{
		Use:   "diff [FILE] NEW",
		Short: "Say what a configuration would change on a running node",
		RunE: func(cmd *cobra.Command, args []string) error {
			seen, err := looked(cmd, &flags, args, "/v1/config/diff")
			if err != nil {
				return err
			}
			if err := changes(cmd.OutOrStdout(), seen.Changes); err != nil {
				return err
			}
			for _, key := range seen.Restart {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s needs a restart: it cannot be applied\n", key)
			}
			return nil
		},
	}
	flags.add(c, 1)
	return c
}

// looked asks a node what it says of a configuration.
func looked(cmd *cobra.Command, flags *remoteFlags, args []string, path string) (seen ops.Looked, err error) {
	node, rest, err := flags.find(cmd, args)
	if err != nil {
		return seen, err
	}
	text, err := proposed(cmd, rest[0])
	if err != nil {
		return seen, err
	}
	if _, err := node.post(cmd.Context(), path+calledAs(rest[0]), "", text, &seen); err != nil {
		return seen, told(cmd, err)
	}
	for _, w := range seen.Warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), w)
	}
	return seen, nil
}

func configApplyCommand() *cobra.Command {
	var flags remoteFlags
	generation := 0
	c := &cobra.Command{
		Use:   "apply [FILE] NEW",
		Short: "Put a configuration in force and into the node's file",
		Long: "All of NEW is taken or nothing: it is checked, the configuration before is kept as a numbered\n" +
			"generation beside the file, and the file is replaced at once. Calls go on with what they\n" +
			"began with. NEW may be -.",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, rest, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			text, err := proposed(cmd, rest[0])
			if err != nil {
				return err
			}
			return change(cmd, node, generation, "/v1/config/apply"+calledAs(rest[0]), text)
		},
	}
	flags.add(c, 1)
	c.Flags().IntVar(&generation, "generation", 0, "that NEW was made for: any other one in force is not overwritten")
	return c
}

func configRollbackCommand() *cobra.Command {
	var flags remoteFlags
	to, generation := 0, 0
	c := &cobra.Command{
		Use:   "rollback [FILE]",
		Short: "Put a configuration of before in force again",
		Long: "Put the configuration in force that was before the one that is. It becomes a new generation;\n" +
			"those that have been gone back from do not count, so that each rollback goes further back,\n" +
			"and never forth again: for that, --to names one of the history. Who puts a text in force\n" +
			"that there was, by whichever command, has gone back to it.",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, _, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			path := "/v1/config/rollback"
			if to > 0 {
				path += "?" + url.Values{"to": {strconv.Itoa(to)}}.Encode()
			}
			return change(cmd, node, generation, path, nil)
		},
	}
	flags.add(c, 0)
	c.Flags().IntVar(&to, "to", 0, "generation, as the history has it; default: the one before, further back each time")
	c.Flags().IntVar(&generation, "generation", 0, "that is to be in force, or nothing is done")
	return c
}

// change changes the configuration that is in force now, or only that of a generation.
func change(cmd *cobra.Command, node *remote, generation int, path string, text []byte) error {
	var is ops.Configuration
	tag, err := node.tagged(cmd.Context(), "/v1/config", &is)
	if err != nil {
		return told(cmd, err)
	}
	if generation > 0 && generation != is.Generation {
		return fmt.Errorf("generation %d is in force, not %d: nothing is changed", is.Generation, generation)
	}
	var done ops.Reloaded
	if _, err := node.post(cmd.Context(), path, tag, text, &done); err != nil {
		return told(cmd, err)
	}
	for _, w := range done.Warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), w)
	}
	if err := changes(cmd.OutOrStdout(), done.Changes); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "generation %d of %s is in force\n", done.Generation, done.File)
	return err
}

func configHistoryCommand() *cobra.Command {
	var flags remoteFlags
	c := &cobra.Command{
		Use:   "history [FILE]",
		Short: "List the configurations that can be had again",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, _, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			var all []ops.Generation
			if err := node.ask(cmd.Context(), http.MethodGet, "/v1/config/generations", &all); err != nil {
				return told(cmd, err)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "GENERATION\tTAKEN\tBYTES\t") // Flush has the error
			for _, g := range all {
				now := ""
				if g.Current {
					now = "in force"
				}
				fmt.Fprintf(w, "%d\t%s\t%d\t%s\n", g.Number, g.Taken.Format(time.RFC3339), g.Size, now)
			}
			return w.Flush()
		},
	}
	flags.add(c, 0)
	return c
}

// changes prints a line for each.
func changes(w io.Writer, list []ops.Change) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "nothing changes")
		return err
	}
	for _, c := range list {
		if _, err := fmt.Fprintln(w, c.Text); err != nil {
			return err
		}
	}
	return nil
}
