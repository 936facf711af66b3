package b2bua_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/storage"
)

// with adds header fields to a message.
func with(message []byte, fields string) []byte {
	return bytes.Replace(message, []byte("\r\nContent-Length"), []byte("\r\n"+fields+"\r\nContent-Length"), 1)
}

// TestR23_ASessionIsRefreshedAfterATakeover: the node that takes over refreshes when the
// one that died would have, and ends the call when nobody answers.
func TestR23_ASessionIsRefreshedAfterATakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(time.Now)
		a := takes(t, store, "a", nil)
		die := a.serves()
		// No Supported: the trunk's proxy wants the timer, so the refreshes are ours.
		timed := append(slices.Clone(invited), "Session-Expires: 1800", "Allow: UPDATE")
		invite := find(t, a.trunk(timed...), "INVITE ")
		ok := find(t, a.carrier(respond(invite, "200 OK", "carrier")), "SIP/2.0 200")
		if !bytes.Contains(ok, []byte("Session-Expires: 1800;refresher=uas")) {
			t.Errorf("the trunk is answered\n%s", ok)
		}
		a.trunk(within("ACK", "ack", 1, ok)...)
		<-time.After(10 * time.Minute)
		die()

		b := takes(t, store, "b", nil)
		defer b.serves()()
		b.restores()
		b.net.take()
		<-time.After(299 * time.Second)
		synctest.Wait()
		sends(t, "a second before the refresh", b.net.take())
		<-time.After(2 * time.Second)
		synctest.Wait()
		find(t, b.net.take(), "UPDATE ")
		<-time.After(32 * time.Second)
		synctest.Wait()
		byes := 0
		for _, line := range firsts(b.net.take()) {
			if line == "BYE" {
				byes++
			}
		}
		if byes < 2 {
			t.Errorf("%d BYEs after a refresh without an answer", byes)
		}
	})
}

// TestR13_PRACKPending: a node dies with the PRACKs of both legs pending. What was lost
// with it is sent again, as it was, and the call is answered.
func TestR13_PRACKPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(time.Now)
		a := takes(t, store, "a", nil)
		die := a.serves()
		invite := find(t, a.trunk(append(slices.Clone(invited), "Require: 100rel")...), "INVITE ")
		early := with(respond(invite, "180 Ringing", "carrier"), "Require: 100rel\r\nRSeq: 7")
		sent := a.carrier(early)
		prack, ringing := find(t, sent, "PRACK "), find(t, sent, "SIP/2.0 180")
		die()

		b := takes(t, store, "b", nil)
		defer b.serves()()
		b.restores()
		<-time.After(300 * time.Millisecond)
		synctest.Wait()
		sent = b.net.take()
		if again := find(t, sent, "PRACK "); !bytes.Equal(again, prack) {
			t.Errorf("the PRACK was\n%s\nand is\n%s", prack, again)
		}
		if again := find(t, sent, "SIP/2.0 180"); !bytes.Equal(again, ringing) {
			t.Errorf("the 180 was\n%s\nand is\n%s", ringing, again)
		}
		_, rseq, _ := strings.Cut(string(ringing), "\r\nRSeq: ")
		rseq, _, _ = strings.Cut(rseq, "\r\n")
		sends(t, "PRACK of the trunk", b.trunk(append(within("PRACK", "prack", 2, ringing), "RAck: "+rseq+" 1 INVITE")...), "200 PRACK")
		sends(t, "200 to the PRACK", b.carrier(respond(prack, "200 OK", "")))
		sends(t, "the 180 again", b.carrier(early))
		find(t, b.carrier(respond(invite, "200 OK", "carrier")), "SIP/2.0 200")
	})
}
