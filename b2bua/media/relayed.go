package media

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"bulkhead/b2bua/media/relay"
	"bulkhead/b2bua/media/sdp"
)

// Relayed is the way by the relay of this process.
type Relayed struct {
	// Random is what keys are made of; nil: crypto/rand. It is set before the way is used.
	Random io.Reader

	ports   Ports
	own     func(netip.AddrPort) bool
	silence time.Duration

	mu    sync.Mutex
	flows map[netip.AddrPort]*flow // by the port on the trunk's side
}

// Ports are pairs of ports, named by the local address of the even one: a *relay.Relay, or a
// fake.
type Ports interface {
	Open(at netip.Addr) (netip.AddrPort, error)
	Restore(local netip.AddrPort) error
	Aim(local netip.AddrPort, to relay.Remote) error
	Join(a, b netip.AddrPort) error
	Stats(local netip.AddrPort) (relay.Stats, bool)
	Close(local netip.AddrPort) relay.Stats
}

// NewRelayed makes the way. own says what is a port of ours, to which no media is sent; a stream is
// silent where nothing is heard for that long.
func NewRelayed(p Ports, own func(netip.AddrPort) bool, silence time.Duration) *Relayed {
	return &Relayed{ports: p, own: own, silence: silence, flows: map[netip.AddrPort]*flow{}}
}

// Offer is Way.
func (r *Relayed) Offer(call string, a *Anchor, legs *Legs, from Side, body []byte) ([]byte, error) {
	d, err := read(body, &legs[from], r.own)
	if err != nil {
		return nil, err
	}
	if err := d.unlock(&legs[from], true, func(int) *End { return nil }); err != nil {
		return nil, err
	}
	if !d.usable() {
		return nil, fmt.Errorf("%w: no stream is one that can be", ErrUnsupported)
	}
	out, err := r.show(a, legs, d, 1-from, true, nil)
	if err != nil {
		return nil, err
	}
	d.said(a, from)
	a.Offered |= By(from)
	return out, nil
}

// Answer is Way.
func (r *Relayed) Answer(call string, a *Anchor, legs *Legs, from Side, body []byte) ([]byte, error) {
	d, err := read(body, &legs[from], r.own)
	if err != nil {
		return nil, err
	}
	ends := func(i int) *End {
		if i < len(a.Streams) {
			return &a.Streams[i].Ends[from]
		}
		return nil
	}
	if err := d.unlock(&legs[from], false, ends); err != nil {
		return nil, err
	}
	out, err := r.show(a, legs, d, 1-from, false, func(own [][]Key) error { return r.agree(call, a, d, from, own) })
	if err != nil {
		return nil, err
	}
	a.Offered &^= By(1 - from)
	return out, nil
}

// show opens what ports a description lacks, and gives it as a side's peer is to see it. Where
// that, or what is to be done then, fails, they go back.
func (r *Relayed) show(a *Anchor, legs *Legs, d *description, to Side, offer bool, then func(own [][]Key) error) ([]byte, error) {
	before := len(a.Streams)
	opened, err := r.prepare(a, legs, d)
	var out []byte
	var own [][]Key
	if err == nil {
		own, err = d.lock(a, legs, to, offer, r.random())
	}
	if err == nil {
		out, err = d.shown(a, legs, to, offer, own)
	}
	if err == nil && then != nil {
		err = then(own)
	}
	if err != nil {
		for _, e := range opened {
			r.ports.Close(e.Local)
			e.Local = netip.AddrPort{}
		}
		a.Streams = a.Streams[:before]
		return nil, err
	}
	a.shows(to, own)
	return out, nil
}

func (r *Relayed) random() io.Reader {
	if r.Random != nil {
		return r.Random
	}
	return rand.Reader
}

// prepare opens the ports that the streams of a description lack. The carrier's side of an anchor
// that was another leg's gets ports of its own, so that nothing of that one reaches the call.
func (r *Relayed) prepare(a *Anchor, legs *Legs, d *description) (opened []*End, err error) {
	for len(a.Streams) < len(d.far) {
		a.Streams = append(a.Streams, Stream{})
	}
	if a.Renew {
		for i := range a.Streams {
			e := &a.Streams[i].Ends[Carrier]
			r.shut(e)
			e.Far, e.Said, e.Own, e.Used = relay.Remote{}, relay.Remote{}, nil, false
		}
		a.Offered &^= By(Carrier)
		a.Renew = false
	}
	for i, far := range d.far {
		if far.RTP.Port() == 0 {
			continue
		}
		for side := range a.Streams[i].Ends {
			e := &a.Streams[i].Ends[side]
			if r.has(e) {
				continue
			}
			if e.Local, err = r.ports.Open(legs[side].Bind); err != nil {
				return opened, exhausted(err)
			}
			e.Used = len(e.Own) > 0
			opened = append(opened, e)
		}
	}
	return opened, nil
}

func exhausted(err error) error {
	if errors.Is(err, relay.ErrExhausted) {
		return fmt.Errorf("%w: %w", ErrExhausted, err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// has says that an end has ports, and that they are open here.
func (r *Relayed) has(e *End) bool {
	_, is := r.ports.Stats(e.Local)
	return is && e.Local.IsValid()
}

// agree has each stream flow as it is agreed: the answer's side as it says now, and the other as
// it has offered. own are the keys that the latter is shown.
func (r *Relayed) agree(call string, a *Anchor, d *description, from Side, own [][]Key) error {
	to := 1 - from
	for i := range a.Streams {
		s := &a.Streams[i]
		far, near := relay.Remote{}, *a.holds(i, to)
		if i < len(d.far) {
			far, s.Kind = d.far[i], d.kind(i)
		}
		said := far
		if s.Ends[to].Said.RTP == near.RTP {
			near.Mux, near.Clock = s.Ends[to].Said.Mux, s.Ends[to].Said.Clock // what another fork has made of it is not its word
		}
		if far.Clock != 0 {
			near.Clock = far.Clock // both talk what is answered (RFC 3264 §6.1)
		}
		agreed := far.Mux && near.Mux // RFC 5761 §5.1.1: by both, or not at all
		far.Mux, near.Mux = agreed, agreed
		far.Crypto = sending(far.Crypto, s.Ends[from].Own, s.Ends[from].Used)
		near.Crypto = sending(near.Crypto, own[i], s.Ends[to].Used)
		if !r.has(&s.Ends[from]) || !r.has(&s.Ends[to]) {
			continue
		}
		if err := errors.Join(r.ports.Aim(s.Ends[from].Local, far), r.ports.Aim(s.Ends[to].Local, near), r.ports.Join(s.Ends[0].Local, s.Ends[1].Local)); err != nil {
			return fmt.Errorf("%w: %w", ErrUnsupported, err)
		}
		s.Ends[from].Said, s.Ends[from].Far, s.Ends[to].Far = said, far, near
		r.follow(call, s)
	}
	return nil
}

// Refused is Way.
func (r *Relayed) Refused(_ string, a *Anchor, _ *Legs, from Side) {
	a.Offered &^= By(from)
	a.hides(1 - from)
}

// shut gives back the ports of an end, and keeps what it has counted.
func (r *Relayed) shut(e *End) {
	if r.has(e) {
		e.Stats = added(e.Before, r.ports.Close(e.Local))
	}
	e.Before, e.Local = e.Stats, netip.AddrPort{}
}

// Release is Way.
func (r *Relayed) Release(_ string, a *Anchor) {
	for i := range a.Streams {
		s := &a.Streams[i]
		r.leave(s)
		r.shut(&s.Ends[Trunk])
		r.shut(&s.Ends[Carrier])
	}
	a.Ended = true
}

// Sync is Way.
func (r *Relayed) Sync(_ string, a *Anchor) {
	for i := range a.Streams {
		for side := range a.Streams[i].Ends {
			e := &a.Streams[i].Ends[side]
			if now, is := r.ports.Stats(e.Local); is {
				e.Stats = added(e.Before, now)
			}
		}
	}
}

// added is what was counted before, by another node or at other ports, and since.
func added(before, now relay.Stats) relay.Stats {
	all := before.Packets + now.Packets
	if all > 0 {
		now.Jitter = time.Duration((float64(before.Jitter)*float64(before.Packets) + float64(now.Jitter)*float64(now.Packets)) / float64(all))
	}
	now.Packets, now.Octets, now.RTCP = all, before.Octets+now.Octets, before.RTCP+now.RTCP
	now.Lost, now.Dropped, now.Foreign = before.Lost+now.Lost, before.Dropped+now.Dropped, before.Foreign+now.Foreign
	now.Unkeyed, now.Replayed = before.Unkeyed+now.Unkeyed, before.Replayed+now.Replayed
	now.MaxJitter, now.Gap = max(before.MaxJitter, now.MaxJitter), max(before.Gap, now.Gap)
	if now.Last.IsZero() {
		now.Last, now.Heard, now.SSRC = before.Last, before.Heard, before.SSRC
	}
	return now
}

// Restore opens the ports that a stored anchor names, and has its streams flow as they did. Those
// that cannot be opened are opened anew when the session is described next; the error says which
// they are.
func (r *Relayed) Restore(call string, a *Anchor) error {
	var faults []error
	for i := range a.Streams {
		s := &a.Streams[i]
		if a.Ended {
			continue
		}
		for side := range s.Ends {
			e := &s.Ends[side]
			if !e.Local.IsValid() || r.has(e) {
				continue
			}
			if err := r.ports.Restore(e.Local); err != nil {
				faults = append(faults, err)
				continue
			}
			e.Before = e.Stats
			far := e.Far
			far.Heard, far.SSRC = e.Stats.Heard, e.Stats.SSRC
			if far.Crypto = sending(far.Crypto, e.Own, true); far.Crypto != nil {
				far.Crypto.Rollovers = e.Stats.Rollovers
			}
			if far != (relay.Remote{}) {
				faults = append(faults, r.ports.Aim(e.Local, far))
			}
		}
		if r.has(&s.Ends[Trunk]) && r.has(&s.Ends[Carrier]) && s.Ends[Carrier].Far != (relay.Remote{}) {
			faults = append(faults, r.ports.Join(s.Ends[Trunk].Local, s.Ends[Carrier].Local))
			r.follow(call, s)
		}
	}
	return errors.Join(faults...)
}

// description is a body that has been read, and where its streams are to go.
type description struct {
	body *sdp.Body
	far  []relay.Remote
}

// read reads what the peer of a leg describes. A stream that nobody here can carry is one that
// is refused.
func read(body []byte, leg *Leg, own func(netip.AddrPort) bool) (*description, error) {
	b, err := sdp.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	if err := b.Check(leg.Source, own); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	d := &description{body: b}
	for _, m := range b.Media() {
		far, err := remote(&m, leg)
		if err != nil {
			return nil, err
		}
		d.far = append(d.far, far)
	}
	return d, nil
}

// remote is where one stream is to go.
func remote(m *sdp.Media, leg *Leg) (relay.Remote, error) {
	far := relay.Remote{Source: leg.Source, Latch: leg.Latch, Mux: m.Mux, Held: m.Held(), UDPTL: m.Transport == sdp.UDPTL}
	if m.Refused() || m.Transport == sdp.OtherTransport || m.Secured() {
		return far, nil
	}
	if !m.Addr.IsValid() {
		return far, fmt.Errorf("%w: media to %q, which is no address", ErrUnsupported, m.Host)
	}
	far.RTP, far.RTCP = m.Remote(), m.RTCP
	for _, f := range m.Formats {
		if f.Rate > 0 {
			far.Clock = uint32(f.Rate) // it is above zero
			break
		}
	}
	if m.Addr.IsUnspecified() {
		return far, nil
	}
	for _, at := range [...]netip.AddrPort{far.RTP, far.RTCP} {
		ip := at.Addr()
		if at.IsValid() && (ip.IsLinkLocalUnicast() || ip.Zone() != "" || at.Port() == 0 || ip.Unmap().Is4() != leg.Bind.Is4()) {
			return far, fmt.Errorf("%w: media to %v from %v", ErrUnsupported, at, leg.Bind)
		}
	}
	return far, nil
}

// usable says that there is a stream that can be carried, or none that should be.
func (d *description) usable() bool {
	none := true
	for i, far := range d.far {
		if far.RTP.Port() != 0 {
			return true
		}
		none = none && d.body.Media()[i].Refused()
	}
	return none
}

func (d *description) kind(i int) string { return d.body.Media()[i].Kind }

// shown is the description as a side's peer is to see it.
func (d *description) shown(a *Anchor, legs *Legs, to Side, offer bool, own [][]Key) ([]byte, error) {
	rules := sdp.Rules{Addr: legs[to].Address, Media: make([]sdp.MediaRules, len(d.far))}
	for i, far := range d.far {
		m := &d.body.Media()[i]
		rules.Media[i] = sdp.MediaRules{Mux: sdp.SameMux}
		keys := lines(own[i])
		switch {
		case far.RTP.Port() == 0 && !offer && m.Transport == sdp.RTP && a.holds(i, to).Crypto != nil:
			rules.Media[i].Proto = sdp.Secure(m.Proto) // as it was offered (RFC 3264 §6)
		case far.RTP.Port() == 0 && !offer && m.Transport == sdp.RTP && a.holds(i, to).RTP.Port() != 0:
			rules.Media[i].Proto = sdp.Plain(m.Proto)
		case far.RTP.Port() == 0:
			rules.Media[i].Proto = m.Proto // refused, and said of what
		case len(keys) > 0:
			rules.Media[i].Proto, rules.Media[i].Crypto = sdp.Secure(m.Proto), keys
		case m.Transport == sdp.RTP:
			rules.Media[i].Proto = sdp.Plain(m.Proto)
		}
		if far.RTP.Port() != 0 {
			rules.Media[i].Port = a.Streams[i].Ends[to].Local.Port()
		}
	}
	out, err := d.body.Rewrite(rules)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return out, nil
}
