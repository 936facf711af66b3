package b2bua

import (
	"errors"
	"net/netip"
	"time"

	"bulkhead/b2bua/media"
	"bulkhead/dialog"
)

// Anchoring: what a peer describes is its business and ours, and the other side is shown an
// end of ours in its place. Descriptions cross in signals alone, so this stands where signals
// do. A leg tells what its peer has said and is told what its peer is to be shown; in between
// the ways of package media say which that is, and open ports.
//
// An offer holds from its answer on. So what is refused leaves all as it was, and each
// description of a fork or of the next carrier, an answer to the same offer, takes the place of
// the one before.

// Anchors carries the media of one call, by whichever way its peers' profiles ask for. A call
// holds one as it does a Judge: ports that are free now are no part of what it is.
type Anchors interface {
	// Mode is the way for an attempt at a carrier.
	Mode(carrier string) media.Mode

	// Passes is a description that nobody anchors as a leg is to see it, whose SIP goes by TLS or not: as media.Passed has it. One that
	// cannot be read is counted.
	Passes(sdp []byte, secure bool) ([]byte, error)

	// These are of media.Way.
	Offer(a *media.Anchor, trunk, carrier Talker, from media.Side, sdp []byte) ([]byte, error)
	Answer(a *media.Anchor, trunk, carrier Talker, from media.Side, sdp []byte) ([]byte, error)
	Refused(a *media.Anchor, trunk, carrier Talker, from media.Side)
	Release(a *media.Anchor)
	Silent(a *media.Anchor) bool
	Sync(a *media.Anchor)
}

// Talker is a leg as its media has to know it.
type Talker struct {
	Leg  uint8
	Name string // of the carrier; empty: the trunk
	Path dialog.Path
}

// Silence says that for too long nothing was heard of a stream, which has this port on the
// trunk's side, or of the media of a leg.
type Silence struct {
	At  netip.AddrPort
	Leg uint8 // where At is zero
}

// Heard says that somebody was heard from where he had not been before, on a stream that has this port on the trunk's side: what
// is stored is old. Without a port it is asked for what has been heard of all streams, and it is stored before anything else is done.
type Heard struct{ At netip.AddrPort }

func (Silence) event() {}
func (Heard) event()   {}

// NoMedia is why a target was skipped: what the trunk offers cannot be anchored toward it.
const NoMedia = "no_media"

func talker(l *dialog.Leg) Talker {
	return Talker{Leg: l.ID.Leg, Name: l.Target.Carrier, Path: l.Path}
}

// carried is a description of one leg's peer as that of the other leg is to see it: an answer
// or an offer. What is no description passes.
func (c *Call) carried(from, to *dialog.Leg, b dialog.Body, answer bool) (dialog.Body, error) {
	side, carrier := media.Trunk, to
	if from != c.In {
		side, carrier = media.Carrier, from
	}
	a := c.Media.Of(carrier.ID.Leg)
	if c.anchors == nil {
		return b, nil
	}
	if a == nil {
		return c.passing(b, to.Path)
	}
	trunk, other := talker(c.In), talker(carrier)
	return b.Rewritten(func(sdp []byte) ([]byte, error) {
		if answer {
			return c.anchors.Answer(a, trunk, other, side, sdp)
		}
		return c.anchors.Offer(a, trunk, other, side, sdp)
	})
}

// offered is the trunk's offer as the carrier of the next attempt is to see it. That attempt has
// the anchor of the one before: the trunk has one session (R20). bare: none is shown to it.
func (c *Call) offered(next Target, b dialog.Body, bare bool) (dialog.Body, error) {
	if c.anchors == nil || next.Dead != "" {
		return b, nil
	}
	leg := uint8(len(c.Out) + 1)
	a := c.hand(leg, c.anchors.Mode(next.Carrier))
	if bare {
		return b, nil
	}
	if a == nil {
		return c.passing(b, next.Path)
	}
	to := Talker{Leg: leg, Name: next.Carrier, Path: next.Path}
	return b.Rewritten(func(sdp []byte) ([]byte, error) {
		return c.anchors.Offer(a, talker(c.In), to, media.Trunk, sdp)
	})
}

// passing is a description that nobody anchors: it goes on as it came, whatever it says, but for keys.
func (c *Call) passing(b dialog.Body, to dialog.Path) (dialog.Body, error) {
	return b.Rewritten(func(sdp []byte) ([]byte, error) { return c.anchors.Passes(sdp, to.Transport == dialog.TLS) })
}

// hand gives the anchor of the hunt that is on to its next attempt, or a new one; nil: its media
// is not anchored. While a transfer is carried out, who has asked for it keeps its own.
func (c *Call) hand(leg uint8, mode media.Mode) *media.Anchor {
	for i := range c.Media.Anchors {
		a := &c.Media.Anchors[i]
		switch {
		case a.Ended || c.Moving.By != 0 && int(a.Leg) <= c.Begun:
		case a.Mode != mode:
			c.anchors.Release(a)
		case a.Leg == leg:
			return a
		default:
			if !a.Renew {
				a.Was = a.Leg
			}
			a.Leg, a.Renew = leg, true
			return a
		}
	}
	if mode == media.Bypass {
		return nil
	}
	c.Media.Anchors = append(c.Media.Anchors, media.Anchor{Leg: leg, Mode: mode})
	return &c.Media.Anchors[len(c.Media.Anchors)-1]
}

// refusedBy notes that an offer to a leg's peer has come to nothing: what was, holds.
func (c *Call) refusedBy(leg, asked *dialog.Leg) {
	side, carrier := media.Carrier, asked
	if asked == c.In {
		side, carrier = media.Trunk, leg
	}
	if a := c.Media.Of(carrier.ID.Leg); a != nil && c.anchors != nil && a.Offered&media.By(side) != 0 {
		c.anchors.Refused(a, talker(c.In), talker(carrier), side)
	}
}

// progress is a provisional. One whose description cannot be read says the rest of what it
// says; where it is an offer that wants its answer, the carrier has failed.
func (c *Call) progress(now time.Time, from *dialog.Leg, sig dialog.Progress) {
	body, err := c.carried(from, c.In, sig.Body, from.Offer)
	switch {
	case err == nil:
		sig.Body = body
	case sig.Reliable && !from.Offer:
		c.unheardOf(now, from, noMedia(err))
		return
	default:
		sig.Body = dialog.Body{}
	}
	c.step(now, c.In, sig)
}

// unheardOf ends an attempt whose description cannot be carried, as one that has failed.
func (c *Call) unheardOf(now time.Time, leg *dialog.Leg, cause dialog.Cause) {
	c.step(now, leg, dialog.End{Cause: cause})
	c.hunt(now, dialog.End{Cause: cause})
}

// modify makes of a change that one peer asks for what the other is to see. False: it does not
// get there, and who has asked has its answer.
func (c *Call) modify(now time.Time, from, to *dialog.Leg, sig *dialog.Modify) bool {
	body, err := c.carried(from, to, sig.Body, sig.Unasked > 0) // unasked: what holds already
	if err == nil {
		sig.Body = body
		return true
	}
	if sig.Unasked == 0 {
		cause := noMedia(err)
		no := dialog.Modified{Code: cause.Code, Join: sig.Join}
		if no.Code == 503 { // would be said of all of us (RFC 3261 §21.5.4)
			no.Code, no.RetryAfter = 500, retryMedia
		}
		c.step(now, from, no)
	}
	return false
}

// retryMedia is the Retry-After of a change for which no port was free, in seconds: as long as
// ports rest between two calls.
const retryMedia = 10

// modified makes of the answer to a change what the side that has asked is to see.
func (c *Call) modified(now time.Time, from, to *dialog.Leg, sig dialog.Modified) dialog.Modified {
	if sig.Code >= 300 || sig.Body.Empty() {
		c.refusedBy(from, to)
		return sig
	}
	offer := to.Bare()
	body, err := c.carried(from, to, sig.Body, !offer)
	if err == nil {
		sig.Body = body
		return sig
	}
	c.refusedBy(from, to)
	if offer { // its ACK has to refuse what it describes
		c.step(now, from, dialog.Confirm{})
	}
	return dialog.Modified{Code: noMedia(err).Code, Join: sig.Join}
}

// confirmed makes of an acknowledgement what the other side is to see. Without a description that
// can be carried, its offer is refused.
func (c *Call) confirmed(from, to *dialog.Leg, sig dialog.Confirm) dialog.Confirm {
	body, err := c.carried(from, to, sig.Body, true)
	if err != nil {
		body = dialog.Body{}
	}
	if sig.Body = body; body.Empty() {
		c.refusedBy(from, to)
	}
	return sig
}

// noMedia is why an attempt fails whose media cannot be anchored.
func noMedia(err error) dialog.Cause {
	if errors.Is(err, media.ErrExhausted) || errors.Is(err, media.ErrUnavailable) {
		return dialog.Cause{Why: dialog.NoMedia, Code: 503, Q850: 47, RetryAfter: retryMedia, Text: err.Error()} // resource unavailable
	}
	return dialog.Cause{Why: dialog.NoMedia, Code: 488, Q850: 88, Text: err.Error()} // incompatible destination
}

// parted ends the media of legs that are over, so that whatever ends a leg gives back its
// ports (P7).
func (c *Call) parted() {
	for i := range c.Media.Anchors {
		a := &c.Media.Anchors[i]
		leg := c.leg(a.Leg)
		if a.Ended || leg != nil && leg.State != dialog.Leaving && c.In.State != dialog.Leaving {
			continue
		}
		if c.anchors != nil {
			c.anchors.Release(a)
		}
		a.Ended, a.Offered = true, 0
	}
}

// silent ends a call that nobody speaks in, from either side (Q.850 cause 102: recovery on
// timer expiry). What is on hold is not silent.
func (c *Call) silent(now time.Time, ev Silence) {
	a := c.Media.Of(ev.Leg)
	if ev.At.IsValid() {
		a = c.Media.At(ev.At)
	}
	if a == nil || c.anchors == nil || c.Winner < 0 || int(a.Leg) != c.Winner+1 || !c.EndedAt.IsZero() || !c.anchors.Silent(a) {
		return
	}
	c.changed = true
	c.hangup(now, dialog.Cause{
		Why: dialog.Silent, Code: 408, Q850: 102,
		Reasons: []string{`Q.850;cause=102;text="Media timeout"`},
	})
}

// heard brings up to date what is stored of an anchor, or of all that are ours: an rtpengine counts on, whoever asks it next.
func (c *Call) heard(ev Heard) {
	all := !ev.At.IsValid()
	for i := range c.Media.Anchors {
		a := &c.Media.Anchors[i]
		if c.anchors != nil && !a.Ended && (all && a.Mode == media.Relay || !all && c.Media.At(ev.At) == a) {
			c.anchors.Sync(a)
			c.changed, c.promise = true, c.promise || all
		}
	}
}
