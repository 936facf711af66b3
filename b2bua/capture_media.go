package b2bua

import (
	"errors"

	"bulkhead/b2bua/media"
	"bulkhead/dialog"
)

// CaptureMedia is what became of one thing that a call has asked of its media: which ports were
// free is not known any more when the call is replayed.
type CaptureMedia struct {
	Do      string `json:"do"` // mode, offer, answer, refused, release, silent, sync
	Mode    uint8  `json:"mode,omitempty"`
	SDP     string `json:"sdp,omitempty"`    // as the other side was to see it
	Failed  string `json:"failed,omitempty"` // why it could not be
	Refusal int    `json:"refusal,omitempty"`
	Silent  bool   `json:"silent,omitempty"`
	Anchor  []byte `json:"anchor,omitempty"` // as it was then, as a record has it
}

// mediaWitness asks the media of a call that is captured, and takes down what it is told.
type mediaWitness struct {
	Anchors
	one *Capture
}

// witnessed is the media of a call that may be captured.
func (s *strand) witnessed(a Anchors) Anchors {
	if a == nil || s.capture == nil {
		return a
	}
	return mediaWitness{a, s.capture}
}

func (w mediaWitness) note(m CaptureMedia, a *media.Anchor) {
	if a != nil {
		m.Anchor = stored(a)
	}
	w.one.anchored = append(w.one.anchored, m)
}

// stored is an anchor as a record has it.
func stored(a *media.Anchor) []byte {
	w := dialog.NewWriter(nil)
	s := media.State{Anchors: []media.Anchor{*a}}
	s.Fields(w)
	return w.Data()
}

// Mode is Anchors.
func (w mediaWitness) Mode(carrier string) media.Mode {
	m := w.Anchors.Mode(carrier)
	w.note(CaptureMedia{Do: "mode", Mode: uint8(m)}, nil)
	return m
}

// Offer is Anchors.
func (w mediaWitness) Offer(a *media.Anchor, trunk, carrier Talker, from media.Side, sdp []byte) ([]byte, error) {
	out, err := w.Anchors.Offer(a, trunk, carrier, from, sdp)
	w.note(described("offer", out, err), a)
	return out, err
}

// Answer is Anchors.
func (w mediaWitness) Answer(a *media.Anchor, trunk, carrier Talker, from media.Side, sdp []byte) ([]byte, error) {
	out, err := w.Anchors.Answer(a, trunk, carrier, from, sdp)
	w.note(described("answer", out, err), a)
	return out, err
}

func described(do string, out []byte, err error) CaptureMedia {
	m := CaptureMedia{Do: do, SDP: string(out)}
	if err != nil {
		m.Failed, m.Refusal = err.Error(), noMedia(err).Code
	}
	return m
}

// Refused is Anchors.
func (w mediaWitness) Refused(a *media.Anchor, trunk, carrier Talker, from media.Side) {
	w.Anchors.Refused(a, trunk, carrier, from)
	w.note(CaptureMedia{Do: "refused"}, a)
}

// Release is Anchors.
func (w mediaWitness) Release(a *media.Anchor) {
	w.Anchors.Release(a)
	w.note(CaptureMedia{Do: "release"}, a)
}

// Silent is Anchors.
func (w mediaWitness) Silent(a *media.Anchor) bool {
	is := w.Anchors.Silent(a)
	w.note(CaptureMedia{Do: "silent", Silent: is}, a)
	return is
}

// Sync is Anchors.
func (w mediaWitness) Sync(a *media.Anchor) {
	w.Anchors.Sync(a)
	w.note(CaptureMedia{Do: "sync"}, a)
}

// replayed is the media of a call that is replayed: what it was when it happened. What the core
// asks now and has not asked then, is refused.
type replayed struct{ r *Replay }

// remembered is an error of a capture.
type remembered struct {
	text string
	kind error
}

func (e remembered) Error() string { return e.text }
func (e remembered) Unwrap() error { return e.kind }

var errNotAsked = errors.New("the capture does not know of it")

func (p replayed) next(do string, a *media.Anchor) (m CaptureMedia, ok bool) {
	s := p.r.step
	if s == nil || p.r.anchored >= len(s.Media) || s.Media[p.r.anchored].Do != do {
		return m, false
	}
	m = s.Media[p.r.anchored]
	p.r.anchored++
	if a != nil && m.Anchor != nil {
		var was media.State
		if was.Fields(dialog.NewReader(m.Anchor)); len(was.Anchors) == 1 {
			*a = was.Anchors[0]
		}
	}
	return m, true
}

// Mode is Anchors.
func (p replayed) Mode(string) media.Mode {
	m, _ := p.next("mode", nil)
	return media.Mode(m.Mode)
}

// Passes is Anchors: what was counted then is not again.
func (replayed) Passes(sdp []byte, secure bool) ([]byte, error) { return media.Passed(sdp, secure) }

// Offer is Anchors.
func (p replayed) Offer(a *media.Anchor, _, _ Talker, _ media.Side, _ []byte) ([]byte, error) {
	return p.described("offer", a)
}

// Answer is Anchors.
func (p replayed) Answer(a *media.Anchor, _, _ Talker, _ media.Side, _ []byte) ([]byte, error) {
	return p.described("answer", a)
}

func (p replayed) described(do string, a *media.Anchor) ([]byte, error) {
	m, ok := p.next(do, a)
	switch {
	case !ok:
		return nil, errNotAsked
	case m.Refusal == 503:
		return nil, remembered{m.Failed, media.ErrExhausted}
	case m.Failed != "":
		return nil, remembered{m.Failed, media.ErrUnsupported}
	}
	return []byte(m.SDP), nil
}

// Refused is Anchors.
func (p replayed) Refused(a *media.Anchor, _, _ Talker, _ media.Side) { p.next("refused", a) }

// Release is Anchors.
func (p replayed) Release(a *media.Anchor) { p.next("release", a) }

// Silent is Anchors.
func (p replayed) Silent(a *media.Anchor) bool {
	m, _ := p.next("silent", a)
	return m.Silent
}

// Sync is Anchors.
func (p replayed) Sync(a *media.Anchor) { p.next("sync", a) }
