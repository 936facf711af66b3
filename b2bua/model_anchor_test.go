package b2bua

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"bulkhead/b2bua/media"
	"bulkhead/dialog"
)

// ends is the anchor of the model: what a call asks of it it notes in the call's state alone, so
// that it is copied and hashed with that. It writes into each description whose end it is, and
// remembers the first thing that a call must not ask for.
type ends struct {
	bare   bool // every description is refused, for want of a port
	broken string
}

// Mode is Anchors.
func (e *ends) Mode(string) media.Mode { return media.Relay }

func (e *ends) breaks(format string, args ...any) {
	if e.broken == "" {
		e.broken = "R20: " + fmt.Sprintf(format, args...)
	}
}

// Offer is Anchors.
func (e *ends) Offer(a *media.Anchor, trunk, carrier Talker, from media.Side, sdp []byte) ([]byte, error) {
	out, err := e.show(a, trunk, carrier, from, sdp)
	if err == nil {
		a.Offered |= media.By(from)
	}
	return out, err
}

// Answer is Anchors.
func (e *ends) Answer(a *media.Anchor, trunk, carrier Talker, from media.Side, sdp []byte) ([]byte, error) {
	out, err := e.show(a, trunk, carrier, from, sdp)
	if err == nil {
		a.Offered &^= media.By(1 - from)
		a.Streams[0].Ends[from].Far.Held = true
	}
	return out, err
}

func (e *ends) show(a *media.Anchor, trunk, carrier Talker, from media.Side, sdp []byte) ([]byte, error) {
	switch {
	case a.Ended:
		e.breaks("media of a leg is used after its end")
	case trunk.Leg != 0 || carrier.Leg != a.Leg:
		e.breaks("the anchor of leg %d is used for leg %d", a.Leg, carrier.Leg)
	case bytes.Contains(sdp, []byte("a=end:")):
		e.breaks("what one side was shown is taken for what it has said")
	}
	if e.bare {
		return nil, media.ErrExhausted
	}
	if len(a.Streams) == 0 {
		a.Streams = append(a.Streams, media.Stream{Kind: "audio"})
		for i := range a.Streams[0].Ends {
			a.Streams[0].Ends[i].Local = netip.AddrPortFrom(netip.IPv4Unspecified(), 2*uint16(a.Leg)+uint16(i))
		}
	}
	a.Renew = false
	return append(bytes.Clone(sdp), fmt.Sprintf("a=end:%d%c\r\n", a.Leg, 'B'-rune(from))...), nil
}

// Refused is Anchors.
func (e *ends) Refused(a *media.Anchor, _, _ Talker, from media.Side) { a.Offered &^= media.By(from) }

// Release is Anchors.
func (e *ends) Release(a *media.Anchor) {
	if a.Ended {
		e.breaks("media is released twice")
	}
	a.Ended, a.Offered = true, 0
}

// Silent and Sync are Anchors.
func (e *ends) Silent(*media.Anchor) bool { return true }
func (e *ends) Sync(*media.Anchor)        {}

// anchored holds a call to R20 and P7: what is opened is released with its leg, there is one
// anchor for the hunt and one more for a transfer, and each peer is shown its own end of it, once.
func (s *seen) anchored() string {
	if s.ends == nil {
		return ""
	}
	if s.ends.broken != "" {
		return s.ends.broken
	}
	live := 0
	for i := range s.after.Media.Anchors {
		a := &s.after.Media.Anchors[i]
		if a.Ended {
			continue
		}
		live++
		leg := s.after.leg(a.Leg)
		switch {
		case leg == nil || leg.State == dialog.Leaving || s.after.In.State == dialog.Leaving:
			return "P7: the media of a leg outlives it"
		case s.after.Media.Of(a.Leg) != a:
			return "R20: two anchors for one leg"
		}
	}
	if most := 1 + min(int(s.after.Moving.By), 1); live > most {
		return fmt.Sprintf("R20: %d anchors", live)
	}
	if w := s.after.Winner; w >= 0 && s.after.EndedAt.IsZero() && s.after.In.State != dialog.Leaving && s.after.Out[w].State != dialog.Leaving &&
		s.after.Media.Of(uint8(w+1)) == nil {
		return "R20: the winner has lost its media"
	}
	for i, t := range s.texts {
		a, body := s.sends[i], string(t.msg.Body.Data)
		if a.Repeat || !strings.Contains(body, "m=") || strings.Contains(body, "m=audio 0 ") || t.msg.Body.Type != "application/sdp" {
			continue
		}
		_, end, found := strings.Cut(body, "a=end:")
		if !found || strings.Contains(end, "a=end:") {
			return fmt.Sprintf("R20: leg %d is shown what no end of ours is: %q", a.Leg, body)
		}
		want := "A\r\n"
		if a.Leg > 0 {
			want = fmt.Sprintf("%dB\r\n", a.Leg)
		}
		if !strings.HasSuffix(end, want) {
			return fmt.Sprintf("R20: leg %d is shown the end %q", a.Leg, end)
		}
	}
	return ""
}

// bareMoves are the moves in which no port is free, for whatever wants one.
func bareMoves(list []move) []move {
	for _, m := range slices.Clone(list) {
		if m.kind == says {
			m.bare = true
			list = append(list, m)
		}
	}
	return list
}
