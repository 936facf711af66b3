package b2bua

import (
	"slices"
	"testing"

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
