package dialog_test

import (
	"testing"
	"time"

	"bulkhead/dialog"
)

// BenchmarkLegStep is the whole life of a leg: INVITE, 180, 200, ACK, BYE.
func BenchmarkLegStep(b *testing.B) {
	t := &testing.T{}
	p, udp := policy(), path("192.0.2.1:5060", dialog.UDP)
	body := dialog.Body{Type: "application/sdp", Data: []byte(offer)}
	b.Run("inbound", func(b *testing.B) {
		r := udpIn(t)
		invite, ack, bye := read(b, trunkInvite, offer), r.trunk("ACK", true, 1, "k", ""), r.trunk("BYE", true, 2, "b", "")
		b.ReportAllocs()
		for b.Loop() {
			l, _ := dialog.Inbound(r.leg.ID, r.now, "acme", invite, udp, p, nil)
			l.Step(r.now, dialog.Progress{Code: 180})
			l.Step(r.now, dialog.Answer{Code: 200, Body: body})
			l.Step(r.now, dialog.Received{Message: ack, Path: udp})
			l.Step(r.now, dialog.Received{Message: bye, Path: udp})
		}
	})
	b.Run("outbound", func(b *testing.B) {
		r := udpOut(t)
		ringing, ok := r.response(r.sent[0], 180, "b", ""), r.response(r.sent[0], 200, "b", offer)
		setup := dialog.Setup{Number: "4930", MaxForwards: 69, Caller: dialog.Party{User: "a"}, Body: body}
		b.ReportAllocs()
		for b.Loop() {
			l, _ := dialog.Outbound(r.leg.ID, r.now, setup, r.leg.Target, p)
			l.Step(r.now, dialog.Received{Message: ringing, Path: udp})
			l.Step(r.now, dialog.Received{Message: ok, Path: udp})
			l.Step(r.now, dialog.End{})
		}
	})
	b.Run("absorb", func(b *testing.B) { // a 487 that a carrier repeats
		r := udpOut(t)
		refusal := r.response(r.sent[0], 487, "b", "")
		r.leg.Step(r.now, dialog.Received{Message: refusal, Path: udp})
		b.ReportAllocs()
		for b.Loop() {
			r.leg.Step(r.now.Add(time.Second), dialog.Received{Message: refusal, Path: udp})
		}
	})
}

func BenchmarkRead(b *testing.B) {
	m := parsed(b, trunkInvite, offer)
	b.ReportAllocs()
	for b.Loop() {
		dialog.Read(m)
	}
}
