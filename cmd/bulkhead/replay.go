package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

func replayCommand() *cobra.Command {
	var config string
	var whatIf []string
	c := &cobra.Command{
		Use:   "replay CAPTURE",
		Short: "Play a captured call again, and what would have become of it",
		Long: "Play a call again from its capture, which `bulkhead trace capture` has written: the core of\n" +
			"this program gets what came in, at the times at which it came, and must come to the same\n" +
			"messages, byte for byte. Then its ladder is printed. Neither the cluster's key nor a\n" +
			"password is needed: the identifiers and responses that were made with them are in the\n" +
			"capture. The exit status is 1 where something comes out otherwise.\n\n" +
			"With --what-if our side decides anew: its timers fire when they are due, and what a peer\n" +
			"said comes as long after what it followed as it did. What is different is marked. Of a\n" +
			"carrier that was not tried nobody knows what it would have said: it is silent. Nor does a\n" +
			"peer acknowledge what it was not sent in the capture.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			captured, err := b2bua.ReadCaptured(f)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return replay(cmd, args[0], captured, config, whatIf)
		},
	}
	c.Flags().StringVar(&config, "config", "", "what if this were the configuration, with its routes; names of gateways are not looked up")
	c.Flags().StringArrayVar(&whatIf, "what-if", nil, "a key with another value, such as no_answer=8s or tc1.no_answer=8s: "+strings.Join(changeKeys, ", "))
	return c
}

// errOtherwise is a replay that comes to something else.
var errOtherwise = errors.New("the call came out otherwise than in its capture")

func replay(cmd *cobra.Command, name string, f *b2bua.Captured, config string, whatIf []string) error {
	out := cmd.OutOrStdout()
	book, err := bookOf(name, f, nil)
	if err != nil {
		return err
	}
	was, before, err := replayed(f, book)
	if err != nil {
		return err
	}
	difference, err := was.Run()
	if err != nil {
		return err
	}
	if difference != nil {
		fmt.Fprintf(out, "step %d of %d, at %s (%s): the capture has\n", difference.Step, len(f.Steps), difference.At.UTC().Format(time.RFC3339Nano), f.Steps[difference.Step-1].Event)
		for _, d := range difference.Want {
			fmt.Fprintf(out, "  - %s\n", d)
		}
		fmt.Fprintln(out, "and this program comes to")
		for _, d := range difference.Got {
			fmt.Fprintf(out, "  + %s\n", d)
		}
		return errOtherwise
	}
	fmt.Fprintf(out, "call %s: %d steps replayed, and each has come to the same, byte for byte\n", f.Head.Call, len(f.Steps))
	if f.Head.Lost > 0 || f.Head.Broken {
		fmt.Fprintln(out, "the capture is not whole: what came after its bound, or after a defect, is not in it")
	}
	if config == "" && len(whatIf) == 0 {
		_, err := io.WriteString(out, before.ladder(was.Call()).Text())
		return err
	}
	other, err := otherwise(name, f, config, whatIf)
	if err != nil {
		return err
	}
	again, after, err := replayed(f, other)
	if err != nil {
		return err
	}
	course, err := again.WhatIf(was.Call(), config != "")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\n", strings.Join(append(whatIf, config), " "))
	fmt.Fprintf(out, "  as it was:        %s\n", outcome(was.Call()))
	fmt.Fprintf(out, "  as it would be:   %s\n", outcome(course.Call))
	for _, t := range course.Unheard {
		fmt.Fprintf(out, "  %s at %s was not tried in the capture: what it would have said nobody knows, and it is silent here\n", t.Carrier, t.Gateway)
	}
	for _, line := range untold(course.Untold, f.Head.Began) {
		fmt.Fprintf(out, "  has no place any more: %s\n", line)
	}
	return printDifference(out, before.ladder(was.Call()).Text(), after.ladder(course.Call).Text())
}

// watched is the journal of a replay.
type watched struct {
	b2bua.Journal
	id dialog.CallID
}

func replayed(f *b2bua.Captured, book *carriers.Book) (*b2bua.Replay, *watched, error) {
	r, err := b2bua.NewReplay(f, book)
	if err != nil {
		return nil, nil, err
	}
	w := &watched{Journal: b2bua.Journal{Keep: 100 * 365 * 24 * time.Hour, PerCall: 100_000}}
	w.id, _ = dialog.ParseCallID(f.Head.Call)
	r.Watch = w
	return r, w, nil
}

// ladder is what crossed the wire.
func (w *watched) ladder(c *b2bua.Call) *ops.Ladder {
	now := c.Deadline()
	if !c.EndedAt.IsZero() {
		now = c.EndedAt
	}
	a, _ := w.Call(w.id, now)
	if a.Record != nil {
		return ops.NewLadder(a, *a.Record)
	}
	return ops.NewLadder(a, c.Record(now))
}

// untold are lines of what has no place in a course, repeats as one.
func untold(steps []b2bua.CaptureStep, began time.Time) (lines []string) {
	count := map[string]int{}
	first := map[string]time.Time{}
	var order []string
	for _, s := range steps {
		what := s.What
		if what == "" {
			what = s.Event
		}
		key := fmt.Sprintf("%s, leg %d", what, s.Leg)
		if count[key]++; count[key] == 1 {
			order, first[key] = append(order, key), s.At
		}
	}
	for _, key := range order {
		line := fmt.Sprintf("%s, at %.3f", key, first[key].Sub(began).Seconds())
		if n := count[key]; n > 1 {
			line += fmt.Sprintf(" and %d times more", n-1)
		}
		lines = append(lines, line)
	}
	return lines
}

// outcome is what became of a call, in a line.
func outcome(c *b2bua.Call) string {
	now := c.EndedAt
	if now.IsZero() {
		now = c.In.Marks.Began
	}
	r := c.Record(now)
	var attempts []string
	for _, a := range r.Attempts {
		attempts = append(attempts, strings.TrimSpace(a.Carrier+" "+a.Cause))
	}
	text := r.Result
	if r.Code != 0 {
		text += fmt.Sprintf(" %d", r.Code)
	}
	if !r.Answered.IsZero() {
		text += fmt.Sprintf(" after %.3f s", r.Answered.Sub(r.Began).Seconds())
	} else if !r.Ended.IsZero() {
		text += fmt.Sprintf(" after %.3f s", r.Ended.Sub(r.Began).Seconds())
	}
	return text + " (" + strings.Join(attempts, ", ") + ")"
}

// printDifference prints two texts as one, with what is only in the first or in the second marked.
func printDifference(out io.Writer, before, after string) error {
	a, b := strings.Split(strings.TrimRight(before, "\n"), "\n"), strings.Split(strings.TrimRight(after, "\n"), "\n")
	// How long the longest common part of what is left of both is.
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i, x := range slices.Backward(a) {
		for j, y := range slices.Backward(b) {
			if x == y {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var text strings.Builder
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			text.WriteString("  " + a[i] + "\n")
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			text.WriteString("- " + a[i] + "\n")
			i++
		default:
			text.WriteString("+ " + b[j] + "\n")
			j++
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}
