package b2bua

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"bulkhead/dialog"
)

// TestGlanceSeesWhatDecodeReads: of a record with every field set.
func TestGlanceSeesWhatDecodeReads(t *testing.T) {
	c, p := full()
	c.Out[0].State, c.Out[1].State = dialog.Confirmed, dialog.Leaving
	c.Out[0].Target.Carrier, c.Out[1].Target.Carrier = "one", "two"
	record := c.Encode(nil)
	if _, err := Decode(record, p); err != nil {
		t.Fatal(err)
	}
	trunk, number, with, ok := glance(record)
	if !ok || string(trunk) != c.Setup.Trunk || string(number) != c.Setup.Number {
		t.Errorf("%v: %q %q", ok, trunk, number)
	}
	if !slices.EqualFunc(with, []string{"one"}, func(a []byte, b string) bool { return string(a) == b }) {
		t.Errorf("legs with %q", with)
	}
	for n := range record { // cut short, it is nobody's
		glance(record[:n])
	}
}

func BenchmarkGlance(b *testing.B) {
	c, _ := full()
	record := c.Encode(nil)
	b.ReportAllocs()
	for b.Loop() {
		glance(record)
	}
}

// TestGlimpseIsTheOverview of what Decode reads, for calls in every state, with every field
// set and with hardly any; of a record with lists that it does not go past it says nothing.
func TestGlimpseIsTheOverview(t *testing.T) {
	c, p := full()
	if _, ok := glimpse(c.Encode(nil)); ok {
		t.Error("goes past contacts and transfers")
	}
	c.Skips = nil
	if _, ok := glimpse(c.Encode(nil)); ok {
		t.Error("goes past transfers")
	}
	c.Transfers = nil
	c.Out[0].Marks.Absorbed, c.Out[1].Marks.Absorbed, c.In.Marks.Absorbed = 3, 4, 5
	c.Out[1].Target.Carrier, c.Out[1].Target.Gateway, c.Out[1].Target.Number = "tc2", "192.0.2.1:5060", "+49"
	seen := map[CallState]bool{}
	for n := range 1 << 6 {
		is := func(bit int) bool { return n>>bit&1 == 1 }
		at := func(set bool) time.Time {
			if set {
				return time.Unix(1e9+7, 8)
			}
			return time.Time{}
		}
		c.Written, c.EndedAt, c.Answered = is(0), at(is(1)), at(is(2))
		c.Winner, c.In.State = -1, dialog.Early
		if is(3) {
			c.Winner = 0
		}
		if is(4) {
			c.In.State = dialog.Trying
		}
		out := c.Out
		if is(5) && c.Winner < 0 {
			c.Out, c.Begun, c.Moving.By, c.Targets = nil, 0, 0, nil
		}
		record := c.Encode(nil)
		call, err := Decode(record, p)
		if err != nil {
			t.Fatal(err)
		}
		want := call.Overview()
		seen[want.State] = true
		if got, ok := glimpse(record); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%v\nglimpsed %+v\ndecoded  %+v", ok, got, want)
		}
		for cut := range record { // cut short, it says nothing, and ends
			glimpse(record[:cut])
		}
		c.Out = out
	}
	if len(seen) != len(CallStates) {
		t.Errorf("states %v", seen)
	}
}

func BenchmarkGlimpse(b *testing.B) {
	c, _ := full()
	c.Skips, c.Transfers = nil, nil
	record := c.Encode(nil)
	b.ReportAllocs()
	for b.Loop() {
		glimpse(record)
	}
}
