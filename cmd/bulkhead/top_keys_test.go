package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/gdamore/tcell/v2"

	"bulkhead/b2bua/ops"
)

// typing presses keys on a top whose node never answers by itself.
func typing(t *testing.T, p *top, keys ...any) {
	t.Helper()
	said := make(chan heard, 100)
	for _, k := range keys {
		switch k := k.(type) {
		case tcell.Key:
			p.key(t.Context(), tcell.NewEventKey(k, 0, 0), said)
		case string:
			for _, r := range k {
				p.key(t.Context(), tcell.NewEventKey(tcell.KeyRune, r, 0), said)
			}
		}
	}
}

// TestTopSaysWhatIsWrong with a filter until the next key, whatever the node says meanwhile.
func TestTopSaysWhatIsWrong(t *testing.T) {
	p := &top{node: newRemote("nowhere"), view: aView()}
	typing(t, p, "/colour=red", tcell.KeyEnter)
	for range 2 {
		if last := p.view.rows()[p.view.height-1].text(); !strings.HasPrefix(last, "colour=red: want what") {
			t.Errorf("the last line says %q", last)
		}
		p.hear(heard{live: aView().live, calls: aView().calls})
	}
	typing(t, p, tcell.KeyDown)
	if last := p.view.rows()[p.view.height-1].text(); strings.Contains(last, "colour") || p.view.filter != "" {
		t.Errorf("the last line says %q, with filter %q", last, p.view.filter)
	}
}

// TestTopKeepsWhatIsChosen: the call stays chosen where others come before it, or after it
// has gone wrong, until it is gone.
func TestTopKeepsWhatIsChosen(t *testing.T) {
	p := &top{node: newRemote("nowhere"), view: aView()}
	typing(t, p, tcell.KeyDown, "j")
	chosen := func() string { return p.view.ids()[p.view.at] }
	if chosen() != "ccccccccccccc" {
		t.Fatalf("%s is chosen", chosen())
	}
	next := aView()
	next.calls.Calls = slices.Insert(next.calls.Calls, 0, ops.Call{ID: "ddddddddddddd"})
	next.live.Wrong = append([]ops.Step{{Call: "ccccccccccccc", What: "failed"}}, next.live.Wrong...)
	p.hear(heard{live: next.live, calls: next.calls})
	if chosen() != "ccccccccccccc" || p.view.at != 4 {
		t.Errorf("number %d, %s, is chosen", p.view.at, chosen())
	}
	next.calls.Calls = next.calls.Calls[:1]
	next.live.Wrong = nil
	p.hear(heard{live: next.live, calls: next.calls})
	if chosen() != "ddddddddddddd" {
		t.Errorf("%s is chosen", chosen())
	}
	// An answer to the filter of before says nothing of this one.
	p.view.filter = "state=up"
	p.hear(heard{live: aView().live, calls: aView().calls})
	if len(p.view.calls.Calls) != 1 {
		t.Error("what was not asked for is shown")
	}
}

// TestTopTellsOfOneCall, and an answer that comes for the one before is not taken for it.
func TestTopTellsOfOneCall(t *testing.T) {
	p := &top{node: newRemote("nowhere"), view: aView()}
	typing(t, p, tcell.KeyDown, tcell.KeyEnter)
	if p.view.of != "bbbbbbbbbbbbb" || p.view.what != "ladder" {
		t.Fatalf("%s of %s", p.view.what, p.view.of)
	}
	typing(t, p, "w")
	p.hear(heard{of: "bbbbbbbbbbbbb", what: "ladder", story: []string{"INVITE"}})
	if slices.Contains(p.view.story, "INVITE") {
		t.Error("a ladder is shown for why")
	}
	p.hear(heard{of: "bbbbbbbbbbbbb", what: "why", story: []string{"tc1 was\x1b[31m silent."}})
	if text := textOf(p.view.rows()); !strings.Contains(text, "tc1 was?[31m silent.") {
		t.Errorf("%s", text)
	}
	typing(t, p, tcell.KeyEscape)
	if p.view.of != "" {
		t.Error("Esc does not lead back")
	}
	if said := make(chan heard, 1); !p.key(t.Context(), tcell.NewEventKey(tcell.KeyRune, 'q', 0), said) {
		t.Error("q does not end")
	}
}
