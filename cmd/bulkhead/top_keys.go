package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gdamore/tcell/v2"

	"bulkhead/b2bua/ops"
)

// top is the live board in a terminal. Its goroutine has the view; others ask the node, and
// hand it what came of it as events of the screen.
type top struct {
	node   *remote
	screen tcell.Screen
	every  time.Duration
	view   view
	asking bool
}

// heard is what a node has said: of everything, or of one call.
type heard struct {
	live     ops.Live
	calls    ops.Calls
	filter   string // that it was asked with
	of, what string // of one call; empty: of everything
	story    []string
	err      error
}

// run shows the board until q is pressed or the context ends.
func (t *top) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := make(chan tcell.Event, 16)
	quit := make(chan struct{})
	defer close(quit)
	go t.screen.ChannelEvents(events, quit)
	said := make(chan heard, 4)
	tick := time.NewTicker(t.every)
	defer tick.Stop()
	t.view.width, t.view.height = t.screen.Size()
	t.ask(ctx, said)
	for {
		t.draw()
		select {
		case ev, ok := <-events:
			if !ok {
				return nil
			}
			switch ev := ev.(type) {
			case *tcell.EventResize:
				t.view.width, t.view.height = ev.Size()
				t.screen.Sync()
			case *tcell.EventKey:
				if t.key(ctx, ev, said) {
					return nil
				}
			}
		case h := <-said:
			t.hear(h)
		case <-tick.C:
			t.ask(ctx, said)
		case <-ctx.Done():
			return nil
		}
	}
}

// ask asks the node, one question at a time.
func (t *top) ask(ctx context.Context, said chan<- heard) {
	if t.asking {
		return
	}
	t.asking = true
	filter := t.view.filter
	q, err := parseFilter(filter)
	go func() {
		h := heard{filter: filter, err: err}
		if err == nil {
			h.live, h.calls, h.err = t.node.look(ctx, q)
		}
		select {
		case said <- h:
		case <-ctx.Done():
		}
	}()
	if t.view.of != "" {
		t.tell(ctx, said, t.view.of, t.view.what)
	}
}

// tell asks for the story of a call.
func (t *top) tell(ctx context.Context, said chan<- heard, id, what string) {
	go func() {
		h := heard{of: id, what: what}
		h.story, h.err = t.node.story(ctx, id, what)
		select {
		case said <- h:
		case <-ctx.Done():
		}
	}()
}

// hear takes what the node has said. The call that was chosen stays chosen, wherever it
// stands now.
func (t *top) hear(h heard) {
	v := &t.view
	if h.of != "" {
		if h.of == v.of && h.what == v.what {
			v.story, v.err = h.story, problem(h.err)
		}
		return
	}
	t.asking = false
	if h.filter != v.filter {
		return
	}
	if v.of == "" {
		v.err = problem(h.err)
	}
	if h.err != nil {
		return
	}
	ids, was := v.ids(), ""
	if v.at < len(ids) {
		was = ids[v.at]
	}
	first := v.at < len(v.wrong()) || v.at == 0 // among what went wrong, or nothing was chosen
	q, _ := parseFilter(h.filter)               // as it was asked with
	v.take(h.live, h.calls, q.Has("node"))
	ids = v.ids()
	at := slices.Index(ids, was)
	if !first && at >= 0 && at < len(v.wrong()) { // it has gone wrong meanwhile, and stands there too
		if n := slices.Index(ids[len(v.wrong()):], was); n >= 0 {
			at = len(v.wrong()) + n
		}
	}
	if at < 0 {
		at = min(v.at, max(0, len(ids)-1))
	}
	v.at = at
}

// problem is an error in words for the last line.
func problem(err error) string {
	if err == nil {
		return ""
	}
	if p, ok := errors.AsType[*ops.Problem](err); ok {
		text := p.Detail
		for _, e := range p.Errors {
			text += "; " + e.Location + ": " + e.Message
		}
		return text
	}
	return err.Error()
}

// key does what a key is for; true: it ends.
func (t *top) key(ctx context.Context, k *tcell.EventKey, said chan<- heard) (ends bool) {
	v := &t.view
	v.note = ""
	if k.Key() == tcell.KeyCtrlC {
		return true
	}
	if v.typing != nil {
		t.typed(ctx, k, said)
		return false
	}
	move := 0
	switch k.Key() {
	case tcell.KeyUp:
		move = -1
	case tcell.KeyDown:
		move = 1
	case tcell.KeyPgUp:
		move = -max(1, v.height-3)
	case tcell.KeyPgDn:
		move = max(1, v.height-3)
	case tcell.KeyEnter:
		t.open(ctx, said, "ladder")
	case tcell.KeyEscape, tcell.KeyLeft, tcell.KeyBackspace, tcell.KeyBackspace2:
		v.of, v.story, v.scroll, v.err = "", nil, 0, ""
	case tcell.KeyCtrlL:
		t.screen.Sync()
	case tcell.KeyRune:
		switch k.Rune() {
		case 'q':
			return true
		case 'k':
			move = -1
		case 'j':
			move = 1
		case 'w':
			t.open(ctx, said, "why")
		case 'n':
			if v.of == "" {
				v.filter, v.at, v.err, t.asking = v.nextNode(), 0, "", false
				t.ask(ctx, said)
			}
		case '/':
			if v.of == "" {
				text := v.filter
				v.typing = &text
			}
		}
	default: // it is for nothing
	}
	switch {
	case move == 0:
	case v.of != "":
		v.scroll = max(0, v.scroll+move)
	default:
		v.at = max(0, min(v.at+move, len(v.ids())-1))
	}
	return false
}

// open tells of the call that is chosen.
func (t *top) open(ctx context.Context, said chan<- heard, what string) {
	v := &t.view
	id := v.of
	if ids := v.ids(); id == "" && v.at < len(ids) {
		id = ids[v.at]
	}
	if id == "" {
		v.note = "there is no call to tell of"
		return
	}
	v.of, v.what, v.story, v.scroll, v.err = id, what, []string{"…"}, 0, ""
	t.tell(ctx, said, id, what)
}

// typed takes a key of the filter.
func (t *top) typed(ctx context.Context, k *tcell.EventKey, said chan<- heard) {
	v := &t.view
	text := *v.typing
	switch k.Key() {
	case tcell.KeyEscape:
		v.typing, v.err = nil, ""
		return
	case tcell.KeyEnter:
		v.typing = nil
		if _, err := parseFilter(text); err != nil {
			v.note = err.Error()
			return
		}
		v.filter, v.at, v.err, t.asking = text, 0, "", false
		t.ask(ctx, said)
		return
	case tcell.KeyBackspace, tcell.KeyBackspace2:
		if r := []rune(text); len(r) > 0 {
			text = string(r[:len(r)-1])
		}
	case tcell.KeyCtrlU:
		text = ""
	case tcell.KeyRune:
		text += string(k.Rune())
	default: // it types nothing
	}
	v.typing = &text
}

// looks are how the looks of a piece are drawn: with the colours of the terminal.
var looks = map[look]tcell.Style{
	asIs: tcell.StyleDefault, strong: tcell.StyleDefault.Bold(true), faint: tcell.StyleDefault.Dim(true),
	good: tcell.StyleDefault.Foreground(tcell.ColorGreen), bad: tcell.StyleDefault.Foreground(tcell.ColorRed),
	chosen: tcell.StyleDefault.Reverse(true),
}

// draw puts the view on the screen.
func (t *top) draw() {
	t.screen.Clear()
	for y, r := range t.view.rows() {
		x := 0
		for _, p := range r {
			for _, c := range p.string {
				if x < t.view.width {
					t.screen.SetContent(x, y, c, nil, looks[p.look])
				}
				x++
			}
		}
	}
	t.screen.Show()
}
