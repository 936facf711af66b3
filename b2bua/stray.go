package b2bua

import (
	"bulkhead/dialog"
)

// A stray is a message that belongs to no call. What must have an answer gets
// one of which nothing is kept; the rest is counted.

// outside answers a request that belongs to no call.
func (e *Engine) outside(m *dialog.Message, from dialog.Path) {
	if m.Method == "ACK" {
		e.stray(m, "stray_ack")
		return
	}
	if m.Method == "CANCEL" {
		e.refuse(m, from, dialog.Refusal{Code: 481}, "no_transaction")
		return
	}
	if r, name := e.inspect(m); name != "" {
		e.refuse(m, from, r, name)
		return
	}
	profile := e.profile(from)
	allow := dialog.Header{Name: "Allow", Value: profile.Allow()}
	switch {
	case m.ToTag != "":
		e.refuse(m, from, dialog.Refusal{Code: 481}, "no_dialog")
	case m.Method == "OPTIONS" && e.draining.Load() && e.owner(from) != "":
		e.refuse(m, from, outOfService(), "draining") // as an INVITE (RFC 3261 §11.2); we ourselves ask whether we live
	case m.Method == "OPTIONS":
		e.answer(m, from, dialog.Refusal{Code: 200, Extra: profile.Capabilities()})
	case m.Method == "BYE":
		e.refuse(m, from, dialog.Refusal{Code: 481}, "no_dialog")
	case m.Method == "REFER" && e.profile(from).Transfers != dialog.NoTransfers:
		// Allow lists it, and yet it may not begin anything (RFC 3261 §21.4.4).
		e.refuse(m, from, dialog.Refusal{Code: 403}, "refer_outside")
	case dialog.Defined(m.Method):
		e.refuse(m, from, dialog.Refusal{Code: 405, Extra: []dialog.Header{allow}}, "method")
	default:
		e.refuse(m, from, dialog.Refusal{Code: 501, Extra: []dialog.Header{allow}}, "unknown_method")
	}
}

// refuse answers a request without keeping anything, and counts why.
func (e *Engine) refuse(m *dialog.Message, from dialog.Path, r dialog.Refusal, name string) {
	if m.Method == "ACK" {
		e.stray(m, name)
		return
	}
	e.metrics.Refused.WithLabelValues(name).Inc()
	e.answer(m, from, r)
}

// answer sends a stateless response. Its To-tag is the same for every repeat of
// the request (RFC 3261 §8.2.7).
func (e *Engine) answer(m *dialog.Message, from dialog.Path, r dialog.Refusal) {
	id := dialog.ID{Call: e.seal.Call("", m.CallID, m.FromTag, m.CSeq), Leg: dialog.Stateless}
	r.Agent = e.config.Agent
	data, to := dialog.Refuse(m, from, e.seal.Tag(id), r)
	if !e.speaks() {
		return
	}
	e.metrics.messages.went(m.Method, r.Code, false)
	e.wire.Send(hopOf(to), wireNowhere, data, nil)
}

// stray counts a message that gets no answer.
func (e *Engine) stray(m *dialog.Message, name string) {
	e.metrics.Dropped.WithLabelValues("stray", name).Inc()
}

// late deals with a response to an INVITE of ours whose call is gone. The peer
// may still repeat it for want of an ACK, or hold a call that bills: it gets its
// ACK, and a 2xx its BYE, made of the response alone.
func (e *Engine) late(m *dialog.Message, from dialog.Path, a dialog.Address) {
	e.stray(m, "late_response")
	if m.Method != "INVITE" || m.Code < 200 || e.owner(from) == "" || !e.speaks() {
		return
	}
	local, _ := e.wire.Local(from.Realm, hopOf(from).Transport)
	for _, s := range dialog.Afterwards(m, from, a, e.seal, local) {
		e.metrics.messages.went(s.Method, s.Code, s.Repeat)
		e.wire.Send(hopOf(s.Path), wireNowhere, s.Data, nil)
	}
}

// owner names the carrier or trunk that a message came from, or came from when a call
// began that is still there; empty: nobody.
func (e *Engine) owner(from dialog.Path) string {
	if name := e.profiles().owner(from); name != "" {
		return name
	}
	for _, p := range e.earlier() {
		if name := p.owner(from); name != "" {
			return name
		}
	}
	return ""
}

func (p *profiles) owner(from dialog.Path) string {
	ip := from.Remote.Addr().Unmap()
	if t := p.Trunk(from.Realm, ip); t != nil {
		return t.Name
	}
	for _, name := range p.Carriers() {
		if p.CarrierAt(from.Realm, ip, name) {
			return name
		}
	}
	return ""
}

// profile is how we behave toward who is at an address.
func (e *Engine) profile(from dialog.Path) *dialog.Policy {
	p := e.profiles()
	name := p.owner(from)
	if p.Trunk(from.Realm, from.Remote.Addr().Unmap()) != nil {
		return p.TrunkPolicy(name, from.Realm)
	}
	return p.CarrierPolicy(name, from.Realm)
}

// belongs says that a message comes from the peer of its leg: nobody else has a
// say in a call, however it learnt our tags.
func (e *Engine) belongs(s *strand, it *item) bool {
	ip := it.path.Remote.Addr().Unmap()
	if it.leg == 0 {
		t := s.profiles.Trunk(it.path.Realm, ip)
		return t != nil && t.Name == s.trunk
	}
	leg := s.call.leg(it.leg)
	if leg == nil {
		return false
	}
	// Its own address stays the peer's, wherever the carrier's name leads by now.
	at := leg.Target.Path
	return at.Realm == it.path.Realm && at.Remote.Addr() == ip || s.profiles.CarrierAt(it.path.Realm, ip, leg.Target.Carrier)
}
