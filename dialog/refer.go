package dialog

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Transfers (RFC 3515, RFC 5589): a peer's REFER is refused, crosses to the other side,
// or is carried out by the call, as its profile says. What became of it is told in NOTIFYs of
// the subscription that it implies: notify.go.

// Transfers is what becomes of a peer's REFERs, and whether it may be sent any.
type Transfers uint8

// The profiles.
const (
	NoTransfers     Transfers = iota // 405
	RelayTransfers                   // they cross, both ways
	FollowTransfers                  // we carry them out
)

// String is the word of the configuration.
func (t Transfers) String() string { return [...]string{"refuse", "relay", "follow"}[t] }

// methods are those that a profile serves for the sake of transfers: who sends a REFER
// is sent NOTIFYs.
func (t Transfers) methods() string { return [...]string{"", ", REFER, NOTIFY", ", REFER"}[t] }

// refer takes a REFER of the peer's. One is under way at a time; what the reference
// itself must not have is answered by codes that end neither dialog nor usage
// (RFC 5057 §5.1).
func (s *step) refer(d *Dialog, m *Message, from Path) {
	t := s.accept(m, from, server)
	reference, refusal, sound := m.Reference()
	asked := Extensions(m)
	if s.Policy.Transfers == FollowTransfers {
		asked = slices.DeleteFunc(asked, func(option string) bool { return strings.EqualFold(option, "norefersub") })
	}
	later := reply{Extra: []Header{{"Retry-After", "1"}}}
	switch {
	case s.State == Leaving || d.Left:
		s.respond(t, 481, "", reply{}) // RFC 5407 §3.3.3
	case s.Policy.Transfers == NoTransfers:
		s.respond(t, 405, "", reply{Extra: s.Policy.Capabilities()})
	case len(asked) > 0:
		s.respond(t, 420, "", reply{Extra: Unsupported(asked).Extra})
	case s.State != Confirmed:
		s.respond(t, 500, "", later)
	case s.Referred.Ref != 0:
		s.respond(t, 491, "", reply{})
	case !sound:
		s.respond(t, refusal.Code, "", reply{})
	default:
		here := s.here(reference.Host, from, d.Target, m.target())
		ev, ok := s.crossing(reference, here)
		if s.Policy.Transfers == FollowTransfers {
			ev, ok = followed(reference, here)
		}
		if !ok {
			s.respond(t, 603, "", reply{})
			return
		}
		s.number()
		t.Seq, t.Target = s.Seq, m.target()
		ev.Ref, ev.By, ev.Silent = t.Seq, m.referredBy(), m.silent()
		s.Referred = Referral{Ref: t.Seq, CSeq: m.CSeq, Count: s.Referred.Count + 1}
		s.tell(ev)
	}
}

// crossing is the reference as the other side is to be told it. Addresses of this side
// say nothing there; a dialog of ours has another name there, and any other dialog no name
// at all (P2).
func (s *step) crossing(r Reference, here bool) (Refer, bool) {
	ev := Refer{User: strings.Clone(r.User), URI: strings.Clone(r.URI)}
	if here {
		ev.URI = ""
	}
	if r.Replaces != (Replaces{}) {
		if s.replaced == nil {
			return ev, false
		}
		ev.Replaces, ev.URI, ev.Call = s.replaced.Replaces, s.replaced.Target, s.replaced.Call
	}
	return ev, ev.URI != "" || ev.User != ""
}

// followed is the reference as we call it ourselves: a number at our own address, at the
// peer's or at none, and nothing but that. To anywhere else, or in place of another call,
// nobody is called.
func followed(r Reference, here bool) (Refer, bool) {
	scheme, _, _ := strings.Cut(r.URI, ":")
	return Refer{User: strings.Clone(r.User)}, (here || r.Host == "") && r.User != "" && r.Replaces == Replaces{} && !strings.EqualFold(scheme, "sips")
}

// here says that a host is of this side of the border: ours, as the peer knows us, or the
// peer's own, whose Contacts are given.
func (s *step) here(host string, from Path, contacts ...string) bool {
	known := append([]string{s.Path.Remote.String(), from.Remote.String(), s.Target.Host}, s.Policy.Local[:]...)
	for _, contact := range contacts {
		var uri sip.Uri
		if contact != "" && sip.ParseUri(contact, &uri) == nil {
			known = append(known, uri.Host)
		}
	}
	return host != "" && slices.ContainsFunc(known, func(k string) bool { return sameHost(strings.Trim(host, "[]"), hostOf(k)) })
}

// sameHost says that two hosts are one name, or one address in whatever form (RFC 5952 §2).
func sameHost(a, b string) bool {
	one, err := netip.ParseAddr(a)
	other, none := netip.ParseAddr(b)
	return strings.EqualFold(a, b) || err == nil && none == nil && one.Unmap() == other.Unmap()
}

// referredBy is the user part of Referred-By (RFC 3892): who refers. The rest of it is
// of the transferor's side.
func (m *Message) referredBy() string {
	var uri sip.Uri
	if by := addressURI(m.Value("Referred-By")); !plainURI(by) || sip.ParseUri(by, &uri) != nil {
		return ""
	}
	return strings.Clone(uri.User)
}

// ReferredBy names who refers at our own address, as From names who calls.
func (p *Policy) ReferredBy(user string, t Transport) string {
	return "<" + sipURI(user, p.Local[t], UDP) + ">"
}

// silent says that no subscription is wanted, or that there is none (RFC 4488 §4).
func (m *Message) silent() bool {
	value, _, _ := strings.Cut(m.Value("Refer-Sub"), ";")
	return strings.EqualFold(strings.TrimSpace(value), "false")
}

// NotSubscribed says so in a response.
var NotSubscribed = Header{"Refer-Sub", "false"}

// asksToRefer sends the REFER that the other side has sent.
func (s *step) asksToRefer(ev Refer) {
	d := s.current()
	switch {
	case s.State == Leaving:
		return // the other side hears of the End
	case s.Policy.Transfers != RelayTransfers:
		s.tell(Informed{Ref: ev.Ref, Code: 603})
		return
	case d == nil || s.State != Confirmed:
		s.tell(Informed{Ref: ev.Ref, Code: 500, RetryAfter: 1})
		return
	case s.Refers.Ref != 0:
		s.tell(Informed{Ref: ev.Ref, Code: 491})
		return
	}
	uri := ev.URI
	if uri == "" {
		uri = sipURI(ev.User, s.theirs(), UDP)
	}
	if ev.Replaces != (Replaces{}) {
		uri += "?" + ev.Replaces.field()
	}
	fields := []Header{{"Refer-To", "<" + uri + ">"}}
	if ev.By != "" {
		fields = append(fields, Header{"Referred-By", s.Policy.ReferredBy(ev.By, s.Path.Transport)})
	}
	if ev.Silent {
		fields = append(fields, NotSubscribed, Header{"Supported", "norefersub"})
	}
	t := s.asksWithin(d, "REFER", ev.Ref, fields, Body{})
	s.Refers = Referral{Ref: ev.Ref, CSeq: t.CSeq, Count: s.Refers.Count + 1}
}

// theirs is where a number is dialled at the peer.
func (s *step) theirs() string {
	if s.Side == Out {
		return s.Target.Host
	}
	return s.Path.Remote.String()
}

// asksWithin sends a request of the other side's within a dialog.
func (s *step) asksWithin(d *Dialog, method string, ref uint16, fields []Header, body Body) *Tx {
	t := s.begin(method, client, Path{})
	t.Of, t.For = d.Tag, ref
	t.Last, t.Path = s.within(d, method, t.CSeq, t.Seq, fields, body)
	t.Every, t.Repeat = 0, never
	s.start(t)
	s.send(t, method, 0, t.Path, s.fallback(t.Path), t.Last, false)
	return t
}

// referAnswered takes what the final response to a REFER of ours means for its
// subscription: there is none after a refusal, nor where the peer says so.
func (s *step) referAnswered(t *Tx, m *Message) {
	switch {
	case t.Method != "REFER" || s.Refers.Ref != t.For:
	case m == nil || m.Code >= 300 || m.silent():
		s.Refers.over()
	case s.State != Leaving:
		s.Refers.Until = s.now.Add(s.Policy.Referral())
	}
}

// referred takes what the answer to a REFER of the peer's means for its subscription.
func (s *step) referred(t *Tx, ev Informed) {
	switch {
	case t.Method != "REFER" || s.Referred.Ref != ev.Ref || s.State == Leaving:
	case ev.Code >= 300 || slices.Contains(ev.Headers, NotSubscribed):
		s.Referred.over()
	default:
		s.Referred.Until = s.now.Add(s.Policy.Referral())
	}
}

// Referral bounds the life of an implicit subscription: as long as a call may take to be
// answered, and be told of.
func (p *Policy) Referral() time.Duration { return p.NoAnswer + 64*p.Timers.T1 }
