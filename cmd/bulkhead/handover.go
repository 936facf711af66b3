package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bulkhead/storage"
)

func handoverCommand() *cobra.Command {
	wait := 10 * time.Second
	to := ""
	c := &cobra.Command{
		Use:   "handover FILE",
		Short: "Hand a unit's calls over from the node that serves them to another",
		Long: "Ask the node that serves the unit of the configuration to hand it over, wait until\n" +
			"another one has it, and say who. Any node's configuration does. A unit that follows\n" +
			"an address is handed over by the process's end: whoever keeps it running starts it\n" +
			"again, as a standby.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, _, err := Load(args[0])
			if err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), err)
				return errRefused
			}
			if config.State == nil || config.State.Redis == nil {
				return errors.New("the configuration has no state.redis: there is no unit to hand over")
			}
			if to != "" && config.follows() {
				return errors.New("--to: the unit follows an address, which goes where keepalived takes it")
			}
			store, err := config.redis()
			if err != nil {
				return err
			}
			defer store.Close()
			ctx, cancel := context.WithTimeout(cmd.Context(), wait)
			defer cancel()
			from, next, took, err := handover(ctx, store, to)
			if err != nil {
				return fmt.Errorf("unit %s: %w", config.unitName(), err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "unit %s: handed over from %s to %s in %v\n",
				config.unitName(), from, next, took.Round(time.Millisecond))
			return err
		},
	}
	c.Flags().DurationVar(&wait, "wait", wait, "how long to wait until another node has the unit")
	c.Flags().StringVar(&to, "to", "", "node to hand over to; default: the one heard last")
	return c
}

// handover asks for a unit, for a node or for any, and waits until the owner is
// another one. It returns who had it, who has it, and after how long.
func handover(ctx context.Context, store storage.Assembly, to string) (from, next string, took time.Duration, err error) {
	owner, err := store.Owner(ctx)
	if err != nil {
		return "", "", 0, err
	}
	if to, err = successor(ctx, store, owner.Node, to); err != nil {
		return "", "", 0, err
	}
	began := time.Now()
	deadline, _ := ctx.Deadline()
	if err := store.Wish(ctx, to, time.Until(deadline)); err != nil {
		return "", "", 0, err
	}
	tick := time.NewTicker(leaseAsk)
	defer tick.Stop()
	for {
		now, err := store.Owner(ctx)
		if err == nil && now.Epoch != owner.Epoch && now.Node != owner.Node {
			return owner.Node, now.Node, time.Since(began), nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", "", 0, fmt.Errorf("%s still has it; its log says why", owner.Node)
		}
	}
}

// successor is the node that takes over: the one that is wanted, or the liveliest.
func successor(ctx context.Context, store storage.Assembly, owner, want string) (string, error) {
	all, err := store.Beat(ctx, "", beatForget)
	if err != nil {
		return "", err
	}
	alive := func(name string) bool {
		return slices.ContainsFunc(all, func(n storage.Node) bool { return n.Name == name && n.Silent <= beatSilent })
	}
	if owner == "" || !alive(owner) {
		return "", cannot("no node that is alive has it")
	}
	if want != "" {
		if want == owner || !alive(want) {
			return "", cannot(want + " cannot take it: it has it already, or is not alive")
		}
		return want, nil
	}
	slices.SortFunc(all, func(a, b storage.Node) int { return strings.Compare(a.Name, b.Name) })
	best := ""
	least := beatSilent
	for _, n := range all {
		if n.Name != owner && n.Silent <= least {
			best, least = n.Name, n.Silent
		}
	}
	if best == "" {
		return "", cannot("only " + owner + " is alive: nobody could take it")
	}
	return best, nil
}
