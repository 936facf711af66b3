package b2bua_test

import (
	"fmt"
	"testing"
	"time"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// sight is a message of call n; its bytes are those of text.
func sight(n byte, at time.Time, text string) b2bua.Sight {
	return b2bua.Sight{Call: dialog.CallID{7: n}, In: true, At: at, Method: "INVITE", Data: []byte(text)}
}

func account(t *testing.T, j *b2bua.Journal, n byte, now time.Time) b2bua.Account {
	t.Helper()
	a, ok := j.Call(dialog.CallID{7: n}, now)
	if !ok {
		t.Fatalf("nothing is known of call %d", n)
	}
	return a
}

func TestJournalFoldsRepeatsAndMarksWhatWasAbsorbed(t *testing.T) {
	j, now := &b2bua.Journal{Keep: time.Minute}, time.Now()
	for i := range 3 {
		at := now.Add(time.Duration(i) * time.Second)
		s := sight(1, at, "SIP/2.0 487 Request Terminated\r\n\r\n")
		s.Leg, s.Code = 2, 487
		j.Saw(s)
		s.Data = nil
		if s.Note = dialog.DropAbsorbed; i > 0 {
			j.Saw(s)
		}
	}
	other := sight(1, now.Add(3*time.Second), "SIP/2.0 180 Ringing\r\n\r\n")
	other.Code = 180
	j.Saw(other)
	other.Data, other.Note = nil, dialog.DropLate
	j.Saw(other)
	other.Note = "of a newer core"
	j.Saw(other)
	a := account(t, j, 1, now)
	if len(a.Rungs) != 2 || a.Whole {
		t.Fatalf("%+v", a)
	}
	if r := a.Rungs[0]; r.Count != 3 || r.Absorbed != 2 || r.Until.Sub(r.At) != 2*time.Second || r.Code != 487 || r.Leg != 2 || !r.In || r.Body || r.Note != "" {
		t.Errorf("%+v", r)
	}
	if r := a.Rungs[1]; r.Note != "dropped" {
		t.Errorf("%+v", r)
	}
}

// TestJournalIsBounded: per call by lines that are no more kept, in all by calls that have
// ended and make room.
func TestJournalIsBounded(t *testing.T) {
	j, now := &b2bua.Journal{Keep: time.Hour, PerCall: 10, InAll: 100}, time.Now()
	for n := range byte(200) {
		for i := range 15 {
			j.Saw(sight(n, now, fmt.Sprint(i)))
		}
		if j.Lines() > 100 {
			t.Fatalf("call %d: %d lines are kept, 100 at most", n, j.Lines())
		}
		a := account(t, j, n, now)
		if len(a.Rungs)+a.Lost != 15 || len(a.Rungs) == 0 || len(a.Rungs) > 10 {
			t.Fatalf("call %d: %d lines, %d lost", n, len(a.Rungs), a.Lost)
		}
		j.Ended(dialog.CallID{7: n}, b2bua.Record{Ended: now})
	}
	for n := range byte(30) { // none of them ends: they get no more than there is
		for i := range 15 {
			j.Saw(sight(n, now, fmt.Sprint("again", i)))
		}
	}
	if j.Lines() > 100 {
		t.Errorf("%d lines are kept, 100 at most", j.Lines())
	}
}

func TestJournalForgets(t *testing.T) {
	j, now := &b2bua.Journal{Keep: time.Minute}, time.Now()
	for n := range byte(3) {
		j.Saw(sight(n, now, "INVITE"))
	}
	j.Ended(dialog.CallID{7: 0}, b2bua.Record{Ended: now})
	j.Left(dialog.CallID{7: 0}) // stays readable
	j.Left(dialog.CallID{7: 1}) // is another node's
	if a := account(t, j, 0, now.Add(time.Minute)); a.Record == nil {
		t.Error("a call that has ended has no record")
	}
	if _, ok := j.Call(dialog.CallID{7: 1}, now); ok {
		t.Error("a call that has left is known")
	}
	if _, ok := j.Call(dialog.CallID{7: 0}, now.Add(time.Minute+1)); ok {
		t.Error("a call is known for longer than keep")
	}
	j.Ended(dialog.CallID{7: 2}, b2bua.Record{Ended: now.Add(2 * time.Minute)})
	if j.Lines() != 1 {
		t.Errorf("%d lines are kept, want 1", j.Lines())
	}
	off := &b2bua.Journal{}
	off.Saw(sight(1, now, "INVITE"))
	off.Ended(dialog.CallID{7: 1}, b2bua.Record{Ended: now})
	off.Left(dialog.CallID{7: 1})
	if off.Lines() != 0 {
		t.Error("a journal that keeps nothing does")
	}
}

func BenchmarkJournal(b *testing.B) {
	j, now := &b2bua.Journal{Keep: time.Millisecond}, time.Now()
	var sights []b2bua.Sight
	for i := range 14 {
		s := sight(1, now, fmt.Sprintf("%700d", i))
		s.Leg = uint8(i % 2)
		sights = append(sights, s)
	}
	b.ReportAllocs()
	for b.Loop() { // a call of 14 messages
		for _, s := range sights {
			j.Saw(s)
		}
		j.Left(dialog.CallID{7: 1})
	}
}
