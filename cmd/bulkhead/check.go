package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
)

// errRefused ends a command whose faults have been printed.
var errRefused = errors.New("the configuration is refused")

func checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Print the configuration in effect, or everything that is wrong with it",
		Long: "Print the configuration in effect, with all defaults, as YAML.\n" +
			"If it cannot be used, print every fault with its line and column, and fail.\n" +
			"Keys that have no effect yet are named on standard error.",
		Args:          cobra.ExactArgs(1),
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, warnings, err := loadShowing(cmd.ErrOrStderr(), args[0])
			return report(cmd.OutOrStdout(), cmd.ErrOrStderr(), c, warnings, err)
		},
	}
}

// report prints what Load returned.
func report(out, problems io.Writer, c *Config, warnings []Warning, err error) error {
	if err != nil {
		fmt.Fprintln(problems, err)
		return errRefused
	}
	for _, w := range warnings {
		fmt.Fprintln(problems, w)
	}
	return c.print(out)
}

// print writes the configuration in the form in which it is read. Secrets are in
// files of their own and are not opened.
func (c *Config) print(w io.Writer) error {
	text, err := yaml.MarshalWithOptions(c,
		yaml.IndentSequence(true),
		yaml.CustomMarshaler(func(d time.Duration) ([]byte, error) { return []byte(brief(d)), nil }),
	)
	if err != nil {
		return fmt.Errorf("printing the configuration: %w", err)
	}
	if _, err := fmt.Fprintf(w, "%s\n", bytes.TrimSpace(text)); err != nil {
		return fmt.Errorf("printing the configuration: %w", err)
	}
	return nil
}
