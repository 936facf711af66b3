package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// errBroken ends a chaos run whose report has been printed.
var errBroken = errors.New("chaos: promises broke")

func chaosCommand() *cobra.Command {
	c := &cobra.Command{Use: "chaos", Short: "Play misbehaving carriers and callers against a running border, and judge it"}
	c.AddCommand(chaosListCommand(), chaosRunCommand())
	return c
}

func chaosListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list [SUITE]",
		Short: "Name the scenarios, with one line each",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			names := chaosSuites()
			if len(args) > 0 {
				names = args
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, name := range names {
				list, err := chaosSuite(name)
				if err != nil {
					return err
				}
				for _, s := range list {
					fmt.Fprintf(table, "%s\t%s\t%s (%s)\n", name, s.name, s.about, s.section)
				}
			}
			return table.Flush()
		},
	}
}

func chaosRunCommand() *cobra.Command {
	var config, target, output string
	var only []string
	var verbose bool
	c := &cobra.Command{
		Use:   "run SUITE --config FILE --target NAME|ADDRESS",
		Short: "Play a suite of scenarios against a target that the file names, and print what broke",
		Long: "Play the scenarios of a suite (" + strings.Join(chaosSuites(), ", ") + ") over UDP against a running border:\n" +
			"as its trunk we call, as its two carriers we misbehave. Only targets that FILE names are played\n" +
			"against; nothing is sent elsewhere, nor heard from there. All scenarios run at once, each under\n" +
			"a number of its own. A scenario that fails is printed with the first check that broke and the\n" +
			"ladder of what was seen. Fails if one broke.\n" +
			"Ctrl-C ends the calls in order (CANCEL, BYE) before it ends.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("--output %q: it is text or json", output)
			}
			list, err := chaosSuite(args[0])
			if err != nil {
				return err
			}
			if list, err = chosenScenarios(args[0], list, only); err != nil {
				return err
			}
			t, err := chaosTargetOf(config, target)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			b := newBar(cmd.ErrOrStderr(), "scenarios", int64(len(list)), false)
			r, err := t.play(ctx, args[0], list, func() { b.add(1) })
			b.done()
			if err != nil {
				return err
			}
			if output == "json" {
				err = r.json(cmd.OutOrStdout())
			} else {
				err = r.text(cmd.OutOrStdout(), verbose)
			}
			switch {
			case err != nil:
				return err
			case context.Cause(ctx) != nil:
				return r.interrupted()
			case r.Failed > 0:
				return fmt.Errorf("%w in %d of %d scenarios", errBroken, r.Failed, len(r.Scenarios))
			}
			return nil
		},
	}
	c.Flags().StringVar(&config, "config", "", "the file that names the targets (required)")
	c.Flags().StringVar(&target, "target", "", "a target of the file, by its name or its address (required)")
	c.Flags().StringVarP(&output, "output", "o", "text", "how to print: text, json")
	c.Flags().StringSliceVar(&only, "only", nil, "play these scenarios alone")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "print every check and ladder, not those of failures alone")
	return c
}

// chosenScenarios are those that an operator asked for; all, if he named none.
func chosenScenarios(suite string, list []scenario, only []string) ([]scenario, error) {
	if len(only) == 0 {
		return list, nil
	}
	var chosen []scenario
	for _, name := range only {
		i := slices.IndexFunc(list, func(s scenario) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("--only %q: %s has no such scenario; see bulkhead chaos list %s", name, suite, suite)
		}
		chosen = append(chosen, list[i])
	}
	return chosen, nil
}

// interrupted says what became of the calls that were cut short.
func (r *chaosReport) interrupted() error {
	left := 0
	for _, v := range r.Scenarios {
		if v.Left != "" {
			left++
		}
	}
	if left > 0 {
		return fmt.Errorf("chaos: interrupted; %d calls could not be ended", left)
	}
	return errors.New("chaos: interrupted; every call that was begun has been ended in order")
}
