package dialog_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bulkhead/dialog"
)

// life makes the same random life of an outbound leg again and again: each word
// is a response, a request, a signal, or time.
type life struct{ r *rig }

const vocabulary = 20

// anyOut is an outbound leg with a session timer that lets INFO pass.
func anyOut(t *testing.T) *rig {
	p := timed(30*time.Minute, 0, false)
	p.Relay = []string{"INFO"}
	return outbound(t, p, path("198.51.100.1:5060", dialog.UDP), offer)
}

// say does one thing to the leg. It gives back the message, where it was one.
func (l *life) say(word int) *dialog.Message {
	r := l.r
	var m *dialog.Message
	switch word {
	case 0, 1, 2, 3, 4, 5, 6:
		code := []int{100, 180, 183, 200, 200, 486, 487}[word]
		tag := []string{"", "a", "b", "a", "b", "a", ""}[word]
		m = r.response(r.sent[0], code, tag, []string{"", offer}[word%2])
	case 7:
		m = r.request("BYE", "a", 9, "bye", "")
	case 8:
		m = r.request("INVITE", "a", 3, "re", offer)
	case 9:
		r.leg.Step(r.now, dialog.Modified{Code: 200, Body: described})
	case 10:
		l.step(dialog.Modify{Method: "INVITE", Body: described})
	case 11:
		l.step(dialog.End{Cause: dialog.Cause{Why: dialog.Cancelled, Code: 487}})
	case 12:
		if d := r.leg.Deadline(); !d.IsZero() {
			r.now = d
		}
		l.step(dialog.Due{})
	case 13:
		last := r.sent[len(r.sent)-1]
		if last.Code == 0 && last.Method != "ACK" && last.Method != "INVITE" {
			m = r.response(last, 200, "a", "")
		}
	case 14, 15:
		m = r.response(r.sent[0], 183, "a", offer, "Require: 100rel", fmt.Sprint("RSeq: ", word-13))
	case 16:
		l.step(dialog.Info{Ref: 5, Method: "INFO"})
	case 17:
		m = r.request("INFO", "a", 4, "info", "")
	case 18, 19:
		last := r.sent[len(r.sent)-1]
		if last.Code == 0 && (last.Method == "INVITE" || last.Method == "UPDATE") && len(r.sent) > 1 && r.read(last).ToTag != "" {
			m = r.response(last, []int{491, 422}[word-18], "a", "", "Min-SE: 2000")
		}
	}
	if m != nil {
		l.step(dialog.Received{Message: m, Path: r.path})
	}
	return m
}

func (l *life) step(ev dialog.Event) string {
	actions := l.r.leg.Step(l.r.now, ev)
	for _, a := range actions {
		if s, ok := a.(dialog.Send); ok {
			l.r.sent = append(l.r.sent, s)
		}
	}
	return describe(actions)
}

// A copy of what a leg has just been given changes nothing of what it will do:
// its state is the same but for counters, no signal leaves, and what it sends it
// has sent before.
func TestRepeatsChangeNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		words := rapid.SliceOfN(rapid.IntRange(0, vocabulary-1), 1, 25).Draw(rt, "life")
		l := &life{r: anyOut(t)}
		for i, w := range words {
			m := l.say(w)
			if m == nil {
				continue
			}
			before, known := image(l.r.leg), len(l.r.sent)
			did := l.step(dialog.Received{Message: m, Path: l.r.path})
			for _, signal := range []string{"Progress", "Answer", "Confirm", "Modif", "End", "Setup", "Info"} {
				if strings.Contains(did, signal) {
					rt.Fatalf("a copy of word %d (%d) of %v is told: %s", i, w, words, did)
				}
			}
			if after := image(l.r.leg); after != before {
				rt.Fatalf("a copy of word %d (%d) of %v changes\n%s\nto\n%s", i, w, words, before, after)
			}
			for _, s := range l.r.sent[known:] {
				seen := false
				for _, old := range l.r.sent[:known] {
					seen = seen || string(old.Data) == string(s.Data)
				}
				if !seen {
					rt.Fatalf("a copy of word %d (%d) of %v makes it send something new (%s):\n%s", i, w, words, did, s.Data)
				}
			}
		}
	})
}

// image is a leg's state as text, without counters and the time of its repeats.
func image(l *dialog.Leg) string {
	c := *l
	c.Marks.Absorbed, c.Policy, c.Dialogs, c.Tx = 0, nil, nil, nil
	s := fmt.Sprintf("%+v", c)
	for _, d := range l.Dialogs {
		s += fmt.Sprintf("\n  %+v", *d)
	}
	for _, t := range l.Tx {
		s += fmt.Sprintf("\n  %+v", *t)
	}
	return s
}

// Whatever has happened, in silence the leg comes to its end, in bounded time.
func TestSilenceEndsEveryLeg(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		words := rapid.SliceOfN(rapid.IntRange(0, vocabulary-1), 0, 25).Draw(rt, "life")
		l := &life{r: anyOut(t)}
		for _, w := range words {
			l.say(w)
		}
		l.step(dialog.End{})
		ended := l.r.now
		for range 300 {
			if l.r.leg.Done() {
				return
			}
			d := l.r.leg.Deadline()
			if d.IsZero() || d.Sub(ended) > 10*time.Minute {
				rt.Fatalf("after %v the deadline is %v", words, d)
			}
			l.r.now = d
			l.step(dialog.Due{})
		}
		rt.Fatalf("after %v it never ends", words)
	})
}

// The same life twice is the same to the byte: there is no clock and no chance
// in a leg.
func TestALegIsAFunctionOfItsEvents(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		words := rapid.SliceOfN(rapid.IntRange(0, vocabulary-1), 0, 25).Draw(rt, "life")
		one, two := &life{r: anyOut(t)}, &life{r: anyOut(t)}
		for _, w := range words {
			one.say(w)
			two.say(w)
		}
		if !reflect.DeepEqual(one.r.sent, two.r.sent) || !reflect.DeepEqual(one.r.leg.Marks, two.r.leg.Marks) {
			rt.Fatal("they differ")
		}
	})
}
