package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// outgoing is what a replay sends, in its order for each leg.
type outgoing map[uint8][]string

// Saw is b2bua.Observer.
func (s outgoing) Saw(m b2bua.Sight) {
	if !m.In && m.Data != nil {
		s[m.Leg] = append(s[m.Leg], fmt.Sprintf("%s\n%s", m.At.UTC().Format("15:04:05.000"), m.Data))
	}
}

// Hunted is b2bua.Observer.
func (outgoing) Hunted(dialog.CallID, b2bua.Failover) {}

// Ended is b2bua.Observer.
func (outgoing) Ended(dialog.CallID, b2bua.Record) {}

// Left is b2bua.Observer.
func (outgoing) Left(dialog.CallID) {}

// TestWhatIfNothingWereOtherwise plays the course of every captured call of the suite with
// nothing changed: timers that are found anew, and peers that answer as long after as they
// did, come to the same messages at the same times.
func TestWhatIfNothingWereOtherwise(t *testing.T) {
	files, err := filepath.Glob("../../b2bua/testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	same, calls := 0, 0
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			for _, f := range captureScenario(t, file) {
				calls++
				was, course := outgoing{}, outgoing{}
				play := func(watch outgoing) *b2bua.Replay {
					book, err := bookOf(file, f, nil)
					if err != nil {
						t.Fatal(err)
					}
					r, err := b2bua.NewReplay(f, book)
					if err != nil {
						t.Fatal(err)
					}
					r.Watch = watch
					return r
				}
				before := play(was)
				if _, err := before.Run(); err != nil {
					t.Fatal(err)
				}
				c, err := play(course).WhatIf(before.Call(), false)
				if err != nil {
					t.Fatal(err)
				}
				for leg, list := range was {
					if got, want := strings.Join(course[leg], "\n"), strings.Join(list, "\n"); got != want {
						t.Errorf("leg %d:\n%s", leg, linesOf(want, got))
					}
				}
				if len(c.Unheard) > 0 || len(c.Untold) > 0 {
					t.Errorf("unheard %v, untold %d", c.Unheard, len(c.Untold))
				}
				if !t.Failed() {
					same++
				}
			}
		})
	}
	t.Logf("%d of %d", same, calls)
}

func linesOf(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d: %q became %q", i, w[i], g[i])
		}
	}
	return fmt.Sprintf("%d lines became %d", len(w), len(g))
}
