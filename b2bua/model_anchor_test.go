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
	modes  []media.Mode // of carriers, in the order in which they are tried; nil: all have the relay's
	fails  uint8        // of shortages
	asked  int          // descriptions in this step
	silent bool         // nobody is heard
	broken string
}

// shortages are the ways in which descriptions fail, by how many were asked for before in the step. What a slow
// rtpengine does to a call is what time does: every timer may have fired by the next event.
var shortages = [...]struct {
	name string
	of   func(asked int) error
}{
	{},
	{"no port is free", func(int) error { return media.ErrExhausted }},
	{"no rtpengine answers the first time", func(n int) error { return failing(n == 0, media.ErrUnavailable) }},
	{"the rtpengine is lost after the first", func(n int) error { return failing(n > 0, media.ErrUnavailable) }},
	{"it cannot be carried", func(int) error { return media.ErrUnsupported }},
}

func failing(does bool, with error) error {
	if does {
		return with
	}
	return nil
}

// Mode is Anchors.
func (e *ends) Mode(carrier string) media.Mode {
	var leg int
	if _, err := fmt.Sscanf(carrier, "tc%d", &leg); err != nil || leg > len(e.modes) {
		return media.Relay
	}
	return e.modes[leg-1]
}

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
	case a.Mode != e.Mode(carrier.Name):
		e.breaks("leg %d is anchored by another way than its carrier's", a.Leg)
	case bytes.Contains(sdp, []byte("a=end:")):
		e.breaks("what one side was shown is taken for what it has said")
	}
	if e.fails > 0 {
		e.asked++
		if err := shortages[e.fails].of(e.asked - 1); err != nil {
			return nil, err
		}
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
func (e *ends) Silent(*media.Anchor) bool { return e.silent }
func (e *ends) Sync(*media.Anchor)        {}

// Passes is Anchors.
func (e *ends) Passes(sdp []byte, secure bool) ([]byte, error) { return media.Passed(sdp, secure) }

// bypassed says that the media of a carrier's leg goes by nobody.
func (s *seen) bypassed(leg uint8) bool {
	return leg > 0 && s.ends.Mode(s.after.leg(leg).Target.Carrier) == media.Bypass
}

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
	if all := len(s.after.Media.Anchors); s.ends.modes == nil && s.after.Begun == 0 && all > 1 {
		return fmt.Sprintf("R20: %d anchors for one hunt: the trunk has one session", all)
	}
	if s.forgotten() {
		return "P7: a change has no answer, and nobody is asked for one"
	}
	if v := s.silenced(); v != "" {
		return v
	}
	if w := s.after.Winner; w >= 0 && !s.bypassed(uint8(w+1)) && s.after.EndedAt.IsZero() && s.after.In.State != dialog.Leaving && s.after.Out[w].State != dialog.Leaving &&
		s.after.Media.Of(uint8(w+1)) == nil {
		return "R20: the winner has lost its media"
	}
	if w := s.after.Winner; w >= 0 && s.after.Moving.By == 0 && still(s.after.In) && still(s.after.Out[w]) {
		if a := s.after.Media.Of(uint8(w + 1)); a != nil && a.Offered != 0 {
			return "R20: an offer that has come to nothing still stands"
		}
	}
	for i, t := range s.texts {
		a, body := s.sends[i], string(t.msg.Body.Data)
		if a.Repeat || !strings.Contains(body, "m=") || strings.Contains(body, "m=audio 0 ") || t.msg.Body.Type != "application/sdp" {
			continue
		}
		_, end, found := strings.Cut(body, "a=end:")
		if !found && (s.bypassed(a.Leg) || a.Leg == 0 && slices.Contains(s.ends.modes, media.Bypass)) {
			continue // what a carrier has said by itself
		}
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

// forgotten says that a peer's change waits for an answer while nothing is under way on the other
// side that could bring one.
func (s *seen) forgotten() bool {
	w := s.after.Winner
	if w < 0 || s.after.Moving.By != 0 {
		return false
	}
	in, out := s.after.In, s.after.Out[w]
	return still(out) && waiting(in) || still(in) && waiting(out)
}

// waiting says that a change of the peer's is under way on a leg whose dialog is up.
func waiting(l *dialog.Leg) bool {
	return l.State == dialog.Confirmed && l.Change.Seq != 0 && !l.Change.Ours
}

// still says that a leg's dialog is up and nothing is under way in it that could bring a description: no change, and
// no offer of its peer's that our ACK has yet to answer.
func still(l *dialog.Leg) bool {
	if slices.ContainsFunc(l.Dialogs, func(d *dialog.Dialog) bool { return !d.Offer.Empty() }) {
		return false
	}
	return l.State == dialog.Confirmed && l.Change.Seq == 0 && l.Join.Seq == 0 && l.Again.IsZero()
}

// silenced holds what is told of media to what it concerns: the winner's, where nobody is heard, ends the call;
// anything else changes nothing.
func (s *seen) silenced() string {
	if s.move.kind != dies {
		return ""
	}
	b := s.before
	a := b.Media.Of(s.move.leg)
	switch ends := a != nil && s.ends.silent && b.Winner+1 == int(s.move.leg) && b.EndedAt.IsZero(); {
	case ends && s.after.EndedAt.IsZero():
		return "R20: nobody is heard, and the call goes on"
	case !ends && (len(s.actions) > 0 || hashCall(b) != hashCall(s.after)):
		return "R20: the media of another leg than the winner's does something to the call"
	}
	return ""
}

// deaths are the moves in which somebody says that media has ended: truly or not, by its leg or by its port.
func deaths(c *Call, list []move) []move {
	for i := range c.Out {
		for how := range dying {
			list = append(list, move{kind: dies, leg: uint8(i + 1), tag: uint8(how)})
		}
	}
	return list
}

var dying = [...]string{"is said to be silent, and is not", "is silent", "is silent, by its port"}

// death is what the call is told.
func death(c *Call, m move) Silence {
	if m.tag < 2 {
		return Silence{Leg: m.leg}
	}
	if a := c.Media.Of(m.leg); a != nil && len(a.Streams) > 0 {
		return Silence{At: a.Streams[0].Ends[media.Trunk].Local}
	}
	return Silence{At: netip.AddrPortFrom(netip.IPv4Unspecified(), 9)} // of none
}

// bareMoves are the moves in which descriptions fail, in each of these ways.
func bareMoves(list []move, how []uint8) []move {
	for _, m := range slices.Clone(list) {
		if m.kind != says && m.kind != fires {
			continue
		}
		for _, m.bare = range how {
			list = append(list, m)
		}
	}
	return list
}
