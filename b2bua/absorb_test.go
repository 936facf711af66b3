package b2bua_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"bulkhead/b2bua"
)

// TestAbsorbingIsBounded lets carriers repeat their refusals of more calls than
// are kept: each copy is acknowledged all the same, by a call that is kept or
// from what the copy itself says.
func TestAbsorbingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const kept, calls = 3, 10
		e, s, m := benchWith(t, b2bua.Config{Absorbing: kept})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go e.Run(ctx)
		var refusals [][]byte
		for i := range calls {
			invite := strings.Join([]string{
				"INVITE sip:123@127.0.10.1 SIP/2.0", fmt.Sprintf("Via: SIP/2.0/UDP 127.0.11.5;branch=z9hG4bK%d", i),
				"From: <sip:a@127.0.11.5>;tag=trunk", "To: <sip:123@127.0.10.1>", fmt.Sprintf("Call-ID: %d", i),
				"CSeq: 1 INVITE", "Contact: <sip:127.0.11.5>", "Content-Length: 0", "", "",
			}, "\r\n")
			if err := feed(e, "core", trunkSource, []byte(invite)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			for _, out := range s.take() {
				if out.to.Realm == "peering" {
					refusals = append(refusals, respond(out.data, "486 Busy Here", "carrier"))
				}
			}
			if err := feed(e, "peering", carrierSource, refusals[i]); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			to := field(sentFirst(s.take(), "SIP/2.0 486"), "To")
			ack := strings.NewReplacer("INVITE sip", "ACK sip", "1 INVITE", "1 ACK", "<sip:123@127.0.10.1>", to).Replace(invite)
			if err := feed(e, "core", trunkSource, []byte(ack)); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(10 * time.Second) // Timer I of the last
		synctest.Wait()
		if n := e.Strands(); n != kept {
			t.Errorf("%d calls kept, want %d", n, kept)
		}
		if n := e.Active(); n != 0 {
			t.Errorf("%d calls without a record", n)
		}
		for _, again := range refusals {
			if err := feed(e, "peering", carrierSource, again); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		acks := 0
		for _, out := range s.take() {
			if out.to.Realm != "peering" || !strings.HasPrefix(string(out.data), "ACK ") {
				t.Errorf("sent %s: %q", out.to.Realm, out.data)
			}
			acks++
		}
		if acks != calls {
			t.Errorf("%d ACKs for %d copies", acks, calls)
		}
		if n := testutil.ToFloat64(m.Dropped.WithLabelValues("stray", "late_response")); n != calls-kept {
			t.Errorf("%v answered without a call, want %d", n, calls-kept)
		}
	})
}

// respond writes a carrier's response to a request of ours.
func respond(request []byte, status, tag string) []byte {
	lines := []string{"SIP/2.0 " + status}
	for line := range strings.SplitSeq(string(request), "\r\n") {
		switch name, _, _ := strings.Cut(line, ":"); name {
		case "Via", "From", "Call-ID", "CSeq":
			lines = append(lines, line)
		case "To":
			lines = append(lines, line+";tag="+tag)
		}
	}
	lines = append(lines, "Contact: <sip:127.0.21.1>", "Content-Length: 0", "", "")
	return []byte(strings.Join(lines, "\r\n"))
}
