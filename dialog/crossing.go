package dialog

import (
	"encoding/hex"
	"iter"
	"strings"
)

// Header fields that cross from one side to the other. What a peer has said is heard by its
// own profile, which lets through what may cross, free of addresses; the profile of the other
// side says what of that its peer is shown. Nothing else of a message crosses but what
// the signals have.

// Profile is what a trunk or carrier lets cross. It is shared by many legs, and its methods
// are functions of their arguments.
type Profile interface {
	// Heard is what of a message of the peer's may cross, in order. Of the INVITE that
	// begins a call a Setup is made instead.
	Heard(m *Message) []Header

	// Shown is what the peer is shown of what has crossed.
	Shown(list []Header, to Shown) []Header
}

// Shown is where header fields are to stand.
type Shown struct {
	Host   string // what our side calls itself there
	Call   CallID
	Invite bool // in a response to the INVITE that has begun the call
}

// SessionID is the pair of RFC 7989 on one leg, as we send it: the identifier of who is on
// the other side, and of the peer.
type SessionID struct{ Local, Remote UUID }

// UUID is an identifier of RFC 7989; zero: none is known, the nil UUID of RFC 7989 §5.
type UUID [16]byte

// String writes 32 hexadecimal digits.
func (u UUID) String() string { return hex.EncodeToString(u[:]) }

// ParseUUID reads them. False: it is none, or the nil UUID.
func ParseUUID(s string) (u UUID, ok bool) {
	if len(s) != 2*len(u) {
		return UUID{}, false
	}
	if _, err := hex.Decode(u[:], []byte(s)); err != nil {
		return UUID{}, false
	}
	return u, u != UUID{}
}

const sessionID = "Session-ID"

// Fields are the header fields of a message in order, as they came.
func (m *Message) Fields() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, h := range m.headers {
			if !yield(h.Name(), h.Value()) {
				return
			}
		}
	}
}

// session is the identifier that the sender of a message has given itself.
func (m *Message) session() (UUID, bool) {
	id, _, _ := strings.Cut(m.sessionID, ";")
	return ParseUUID(strings.TrimSpace(id))
}

// heard is what of a message of the peer's may cross.
func (s *step) heardOf(m *Message) (list []Header) {
	if s.Policy.Profile != nil {
		list = s.Policy.Profile.Heard(m)
	}
	if id, ok := m.session(); ok {
		s.SessionID.Remote = id
		list = append(list, Header{sessionID, id.String()})
	}
	return list
}

// show is what of the header fields that have crossed the peer is shown; who is on the
// other side is remembered for all that we say to the peer.
func (s *step) show(list []Header, invite bool) []Header {
	list = s.identified(list)
	if s.Policy.Profile == nil {
		return list
	}
	return s.Policy.Profile.Shown(list, Shown{Host: s.local(s.Path.Transport), Call: s.ID.Call, Invite: invite})
}

// identified takes out of a list who is on the other side.
func (l *Leg) identified(list []Header) []Header {
	for i, h := range list {
		if h.Name == sessionID {
			if id, ok := ParseUUID(h.Value); ok {
				l.SessionID.Local = id
			}
			return append(list[:i:i], list[i+1:]...)
		}
	}
	return list
}

// session writes the Session-ID of a message of ours, if anybody has one (RFC 7989 §6, §7):
// we pass what the ends call themselves, and have none of our own.
func (t text) session(id SessionID) text {
	if id == (SessionID{}) {
		return t
	}
	t = append(append(t, sessionID...), ": "...)
	t = hex.AppendEncode(t, id.Local[:])
	t = append(t, ";remote="...)
	return append(hex.AppendEncode(t, id.Remote[:]), "\r\n"...)
}

// crossing lists what a record says of header fields: most legs have none, and one byte says so.
func (l *Leg) crossing(c *Coder) {
	p, a := &l.Reliable.Progress.Headers, &l.Reliable.Answer.Headers
	c.Maybe(l.SessionID != SessionID{} || len(*p) > 0 || len(*a) > 0, func() {
		for _, u := range [...]*UUID{&l.SessionID.Local, &l.SessionID.Remote} {
			b := u[:]
			if *u == (UUID{}) {
				b = nil
			}
			c.Bytes(&b)
			if c.Reading() && len(b) > 0 && copy(u[:], b) != len(u) {
				c.Fail()
			}
		}
		headers(c, p)
		headers(c, a)
	})
}

func headers(c *Coder, list *[]Header) {
	List(c, list, func(h *Header) {
		c.String(&h.Name)
		c.String(&h.Value)
	})
}
