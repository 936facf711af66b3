package b2bua

import (
	"testing"
	"time"
)

func TestNoticesAreFewAndCountAll(t *testing.T) {
	var n notices
	now := time.Unix(1e9, 0)
	said, counted := 0, 0
	for i := range 100_000 { // 1,000 a second
		if c := n.due("core unknown_source", now.Add(time.Duration(i)*time.Millisecond)); c > 0 {
			said++
			counted += c
		}
	}
	if said != 10 || counted != 90_001 {
		t.Errorf("said %d times, %d counted", said, counted)
	}
	if n.due("peering rate", now) != 1 {
		t.Error("another kind waits for the first")
	}
}
