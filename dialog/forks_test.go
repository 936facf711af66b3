package dialog_test

import (
	"fmt"
	"testing"
)

// More To-tags than a leg keeps, each with a reliable provisional: those that are kept
// have their PRACK, the others are counted and may not ask for anything; one of them that
// answers is the call all the same.
func TestManyForks(t *testing.T) {
	r := udpOut(t)
	for n := range 100 {
		want := "PRACK, Progress 183"
		if n >= 64 {
			want = "(too_many_dialogs)"
		}
		tag := fmt.Sprintf("fork%d", n)
		r.gets(r.response(r.sent[0], 183, tag, offer, "Require: 100rel", "RSeq: 1", "Allow: UPDATE"), want)
		if n < 64 {
			r.gets(r.response(r.find("PRACK", 0), 200, tag, ""), "")
		}
	}
	if n := len(r.leg.Dialogs); n != 64 {
		t.Errorf("%d early dialogs are kept", n)
	}
	for tag, want := range map[string]string{"fork1": "500 to UPDATE", "fork99": "481 to UPDATE"} {
		r.gets(r.request("UPDATE", tag, 1, tag, offer), want)
	}
	r.gets(r.response(r.sent[0], 200, "fork99", offer), "ACK, Answer 200")
	if n := len(r.leg.Dialogs); n != 1 {
		t.Errorf("%d dialogs are kept of a call that is up", n)
	}
}
