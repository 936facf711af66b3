package dialog

import (
	"slices"
	"strings"
)

// A peer's challenges (RFC 3261 §22): the request goes out once more, on the same leg, with
// credentials. To its user it is the same request, so nobody else hears of that; what has
// been told to wait for its answer waits for that of the other transaction. Later requests
// of the leg bring credentials at once, with a count that rises.

// Auth is what a leg knows of its peer's challenges.
type Auth struct {
	Challenges []Challenge // one a realm, the newest; replaced as a whole, never written into
	Shown      []Header    // credentials of the last INVITE, which the ACK of its 2xx repeats (RFC 3261 §22.1)
	Invite     uint16      // number of the INVITE that makes the leg, once it has been sent again; 0: First
}

// maxAuths is how often one request is sent again: one realm after the other, or with a
// nonce that has gone stale meanwhile.
const maxAuths = 3

// first is the number of the INVITE that makes the leg, in its newest form.
func (l *Leg) first() uint16 { return max(First, l.Auth.Invite) }

// makes says that a transaction of ours is, or was in an older form, the INVITE that makes
// the leg.
func (l *Leg) makes(t *Tx) bool {
	return l.Side == Out && t.machine == inviteClient && t.Seq <= l.first()
}

// challenged meets a challenge to a request of ours, given as it was sent. False: its
// response is a final one like others; why says what was wrong, where it is a challenge.
func (s *step) challenged(t *Tx, m *Message, request []byte) (met bool, why string) {
	switch {
	case m.Code != 401 && m.Code != 407, t.Method == "CANCEL", request == nil:
		return false, ""
	case s.State == Leaving && t.Method != "BYE":
		return false, "" // P5: nothing else is asked any more
	case s.Policy.Login == nil:
		return false, "challenged, and there are no credentials"
	case t.Auths >= maxAuths:
		return false, "challenged again and again"
	case s.makes(t) && s.reliably():
		return false, "challenged after a reliable provisional" // what has been agreed, the same INVITE would not say
	}
	asked, why := challenges(m)
	if why != "" {
		return false, why
	}
	known := slices.Clone(s.Auth.Challenges)
	for _, c := range asked {
		i := find(known, c)
		switch {
		case i < 0 && len(known) < maxRealms:
			i, known = len(known), append(known, Challenge{})
		case i < 0:
			return false, "challenged by too many realms"
		case known[i].For == t.Seq && !c.stale:
			return false, "credentials refused" // the nonce was made for just this request
		}
		if c.stale = false; known[i].Nonce == c.Nonce {
			c.Count = known[i].Count // which rises for as long as the nonce is shown (RFC 7616 §3.4)
		}
		known[i] = c
	}
	s.Auth.Challenges = known
	s.resubmit(t, request)
	return true, ""
}

// reliably says that a provisional of the carrier's was given reliably.
func (l *Leg) reliably() bool {
	return slices.ContainsFunc(l.Dialogs, func(d *Dialog) bool { return d.RSeq != 0 })
}

// resubmit sends a request again, with credentials, as a new transaction (RFC 3261
// §8.1.3.5) in the place of the old one.
func (s *step) resubmit(t *Tx, request []byte) {
	makes := s.makes(t)
	n := s.begin(t.Method, t.machine, t.Path)
	n.Of, n.Offer, n.For, n.Own, n.RSeq, n.Sub, n.Auths = t.Of, t.Offer, t.For, t.Own, t.RSeq, t.Sub, t.Auths+1
	for i := range s.Auth.Challenges { // a copy by now
		if c := &s.Auth.Challenges[i]; c.For == 0 {
			c.For = n.Seq
		}
	}
	n.Last = s.rewritten(request, n)
	fallback := s.fallback(n.Path)
	switch {
	case makes:
		s.Auth.Invite, fallback = n.Seq, Path{}
		s.byTCP(n)
		// The early dialogs have ended with it; without a reliable provisional nothing is under way in them.
		s.Dialogs = slices.DeleteFunc(slices.Clone(s.Dialogs), func(d *Dialog) bool { return d.Early })
	case s.Change.Ours && s.Change.Seq == t.Seq:
		s.Change.Seq = n.Seq
	case t.Method == "REFER" && s.Refers.Ref == t.For:
		s.Refers.CSeq = n.CSeq
	}
	if s.Join.Seq == t.Seq {
		s.Join.Seq = n.Seq
	}
	s.send(n, n.Method, 0, n.Path, fallback, n.Last, false)
	s.promise() // a node that takes over would wait for the answer to the old one
}

// rewritten is a request of ours as another transaction: its branch, its CSeq number and
// its credentials are others.
func (s *step) rewritten(request []byte, t *Tx) []byte {
	head, body, _ := strings.Cut(string(request), "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	_, uri, _ := strings.Cut(lines[0], " ")
	uri = uri[:strings.LastIndexByte(uri, ' ')]
	b := append(make(text, 0, room), lines[0]...)
	b = append(b, "\r\n"...)
	for _, line := range lines[1:] {
		name, _, _ := strings.Cut(line, ":")
		switch name {
		case "Via":
			b = b.line("Via", s.via(t.Path.Transport, s.Policy.Seal.Branch(s.ID, t.Seq)))
			continue
		case "CSeq":
			b = b.line("CSeq", cseq(t.CSeq, t.Method)).authorized(s, t.Method, uri, t.Seq)
			continue
		case "Authorization", "Proxy-Authorization":
			continue
		}
		b = append(append(b, line...), "\r\n"...)
	}
	b = append(b, "\r\n"...)
	return append(append(make([]byte, 0, len(b)+len(body)), b...), body...)
}

// authorized writes the credentials of a request.
func (t text) authorized(s *step, method, uri string, seq uint16) text {
	if s.Policy.Login == nil || len(s.Auth.Challenges) == 0 || method == "CANCEL" || seq >= afterwards {
		return t // what is made anew for every copy must come out the same
	}
	shown := s.Auth.Shown
	if method != "ACK" { // which says what its INVITE has said
		shown = nil
		known := slices.Clone(s.Auth.Challenges)
		for i := range known {
			known[i].Count++
			shown = append(shown, known[i].credentials(*s.Policy.Login, method, uri, s.Policy.Seal.Cnonce(s.ID, seq)))
		}
		s.Auth.Challenges = known
	}
	if method == "INVITE" {
		s.Auth.Shown = shown
	}
	for _, h := range shown {
		t = t.line(h.Name, h.Value)
	}
	return t
}
