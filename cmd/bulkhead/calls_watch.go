package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// leastEach is how often a list is asked for again at most.
const leastEach = 100 * time.Millisecond

// clearing puts the cursor at the top left and wipes what is there (ECMA-48 §8.3.21, §8.3.39).
const clearing = "\x1b[H\x1b[J"

// watch prints a list again and again until it is interrupted: on a terminal over the one
// before, elsewhere below it. For people each has a head; what a machine reads has nothing
// between. A node that does not answer for a while is asked on.
func (r *remote) watch(cmd *cobra.Command, filter url.Values, most int, each time.Duration, print printer, people bool) error {
	if each < leastEach {
		return fmt.Errorf("--every %s: want %s at least", each, leastEach)
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cmd.SetContext(ctx)
	tick := time.NewTicker(each)
	defer tick.Stop()
	over := terminal(cmd.OutOrStdout())
	for first := true; ; first = false {
		var page bytes.Buffer
		notes := cmd.ErrOrStderr()
		if over {
			notes = &page // else they would be wiped with the list before
		}
		l, err := r.calls(cmd, filter, most)
		switch {
		case errors.Is(ctx.Err(), context.Canceled):
			return nil
		case err != nil && first:
			return err
		case err != nil:
			fmt.Fprintf(notes, "%s: %v\n", time.Now().Format(time.TimeOnly), err)
		default:
			if people {
				fmt.Fprintf(&page, "%s: %s\n", time.Now().Format(time.TimeOnly), plural(l.Matched, "call"))
			}
			if err := printed(&page, notes, l, print); err != nil {
				return err
			}
		}
		text := page.String()
		switch {
		case over:
			text = clearing + text
		case people && !first:
			text = "\n" + text
		}
		if _, err := fmt.Fprint(cmd.OutOrStdout(), text); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
