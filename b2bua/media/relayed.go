package media

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"bulkhead/b2bua/media/relay"
	"bulkhead/b2bua/media/sdp"
)

// Relayed is the way by the relay of this process. It knows the streams of the relay by the
// trunk's side of their ports, which is all that a stored anchor has to name.
type Relayed struct {
	relay   Streams
	own     func(netip.AddrPort) bool
	silence time.Duration

	mu   sync.Mutex
	open map[netip.AddrPort]Ports
}

// Streams opens ports: a relay.Relay, or a fake.
type Streams interface {
	Open(call string, trunk, carrier netip.Addr) (Ports, error)
	Restore(call string, st relay.State) (Ports, error)
}

// Ports are those of one stream: a *relay.Stream, or a fake.
type Ports interface {
	Local(Side) netip.AddrPort
	Aim(Side, relay.Endpoint) error
	Move(Side, netip.Addr) error
	State() relay.State
	Silence() time.Duration
	Close()
}

// NewRelayed makes the way. own says what is a port of ours, to which no media is sent; a call is
// silent where nothing is heard for that long.
func NewRelayed(s Streams, own func(netip.AddrPort) bool, silence time.Duration) *Relayed {
	return &Relayed{relay: s, own: own, silence: silence, open: map[netip.AddrPort]Ports{}}
}

// Offer is Way.
func (r *Relayed) Offer(call string, a *Anchor, legs *Legs, from Side, body []byte) ([]byte, error) {
	d, err := read(body, &legs[from], r.own)
	if err != nil {
		return nil, err
	}
	if !d.usable() {
		return nil, fmt.Errorf("%w: no stream is one that can be", ErrUnsupported)
	}
	undo := len(a.Streams)
	opened, err := r.prepare(call, a, legs, d)
	if err != nil {
		return nil, err
	}
	out, err := d.shown(a, legs, 1-from)
	if err != nil {
		r.close(a, opened)
		a.Streams = a.Streams[:undo]
		return nil, err
	}
	for i, e := range d.far {
		a.Streams[i].Kind, a.Streams[i].Said[from] = d.kind(i), e
	}
	a.Offered |= By(from)
	return out, nil
}

// Answer is Way.
func (r *Relayed) Answer(call string, a *Anchor, legs *Legs, from Side, body []byte) ([]byte, error) {
	d, err := read(body, &legs[from], r.own)
	if err != nil {
		return nil, err
	}
	undo := len(a.Streams)
	opened, err := r.prepare(call, a, legs, d)
	if err != nil {
		return nil, err
	}
	to := 1 - from
	out, err := d.shown(a, legs, to)
	if err == nil {
		err = r.aim(a, d, from)
	}
	if err != nil {
		r.close(a, opened)
		a.Streams = a.Streams[:undo]
		return nil, err
	}
	a.Offered &^= By(to)
	r.Sync(call, a)
	return out, nil
}

// aim has each stream flow as it is agreed: the answer's side as it says now, and the other as it
// has offered.
func (r *Relayed) aim(a *Anchor, d *description, from Side) error {
	to := 1 - from
	for i := range a.Streams {
		s := &a.Streams[i]
		p := r.of(s)
		if p == nil {
			continue
		}
		far, near := relay.Endpoint{}, s.Relay.Sides[to].Remote
		if i < len(d.far) {
			far = d.far[i]
		}
		if a.Offered&By(to) != 0 {
			near = s.Said[to]
		}
		if s.Said[to].RTP == near.RTP {
			near.Mux = s.Said[to].Mux // what another fork has made of it is not its word
		}
		s.Kind, s.Said[from] = d.kindOr(i, s.Kind), far
		agreed := far.Mux && near.Mux // RFC 5761 §5.1.1: by both, or not at all
		far.Mux, near.Mux = agreed, agreed
		if err := errors.Join(p.Aim(from, far), p.Aim(to, near)); err != nil {
			return fmt.Errorf("%w: %w", ErrUnsupported, err)
		}
	}
	return nil
}

// prepare opens what ports the streams of a description lack, and gives the carrier's side of
// an anchor that was another leg's ports of its own. It says which streams it has opened.
func (r *Relayed) prepare(call string, a *Anchor, legs *Legs, d *description) (opened []int, err error) {
	if a.Renew {
		for i := range a.Streams {
			p := r.of(&a.Streams[i])
			if p == nil {
				continue
			}
			if err := p.Move(Carrier, legs[Carrier].Bind); err != nil {
				return nil, exhausted(err)
			}
			a.Streams[i].Said[Carrier] = relay.Endpoint{}
			a.Streams[i].Relay = p.State()
		}
		a.Offered &^= By(Carrier)
		a.Renew = false
	}
	for i, e := range d.far {
		if i == len(a.Streams) {
			a.Streams = append(a.Streams, Stream{})
		}
		s := &a.Streams[i]
		if e.RTP.Port() == 0 || r.of(s) != nil {
			continue
		}
		p, err := r.relay.Open(call, legs[Trunk].Bind, legs[Carrier].Bind)
		if err != nil {
			r.close(a, opened)
			return nil, exhausted(err)
		}
		r.enter(s, p)
		opened = append(opened, i)
	}
	return opened, nil
}

func exhausted(err error) error {
	if errors.Is(err, relay.ErrExhausted) {
		return fmt.Errorf("%w: %w", ErrExhausted, err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// enter makes the ports those of a stream.
func (r *Relayed) enter(s *Stream, p Ports) {
	s.Relay = p.State()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[p.Local(Trunk)] = p
}

// of are the ports of a stream; nil: it has none that are open here.
func (r *Relayed) of(s *Stream) Ports {
	if !s.Open() {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open[s.Relay.Sides[Trunk].Local]
}

// close gives back the ports of some streams of an anchor.
func (r *Relayed) close(a *Anchor, streams []int) {
	for _, i := range streams {
		s := &a.Streams[i]
		p := r.of(s)
		if p == nil {
			continue
		}
		r.mu.Lock()
		delete(r.open, s.Relay.Sides[Trunk].Local)
		r.mu.Unlock()
		s.Relay = p.State()
		p.Close()
		s.Relay.Sides[Trunk].Local, s.Relay.Sides[Carrier].Local = netip.AddrPort{}, netip.AddrPort{}
	}
}

// Release is Way.
func (r *Relayed) Release(_ string, a *Anchor) {
	all := make([]int, len(a.Streams))
	for i := range all {
		all[i] = i
	}
	r.close(a, all)
	a.Ended = true
}

// Sync is Way.
func (r *Relayed) Sync(_ string, a *Anchor) {
	for i := range a.Streams {
		if p := r.of(&a.Streams[i]); p != nil {
			a.Streams[i].Relay = p.State()
		}
	}
}

// Silent says that nothing has been heard of an anchor for too long, and that something should
// have been: of streams that are refused or on hold nothing is.
func (r *Relayed) Silent(a *Anchor) bool {
	silent := false
	for i := range a.Streams {
		s := &a.Streams[i]
		p := r.of(s)
		if p == nil || s.Relay.Sides[Trunk].Remote.RTP.Port() == 0 || s.Relay.Sides[Carrier].Remote.RTP.Port() == 0 {
			continue
		}
		if p.Silence() < r.silence {
			return false
		}
		silent = true
	}
	return silent && r.silence > 0
}

// Restore opens the ports that a stored anchor names. Those that cannot be are opened anew when
// the session is described next; the error says which they are.
func (r *Relayed) Restore(call string, a *Anchor) error {
	var faults []error
	for i := range a.Streams {
		s := &a.Streams[i]
		if a.Ended || !s.Open() || r.of(s) != nil {
			continue
		}
		p, err := r.relay.Restore(call, s.Relay)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		r.mu.Lock()
		r.open[p.Local(Trunk)] = p
		r.mu.Unlock()
	}
	return errors.Join(faults...)
}

// Open is how many streams have ports.
func (r *Relayed) Open() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open)
}

// description is a body that has been read, and where its streams are to go.
type description struct {
	body *sdp.Body
	far  []relay.Endpoint
}

// read reads what the peer of a leg describes. A stream that nobody here can carry is one that
// is refused.
func read(body []byte, leg *Leg, own func(netip.AddrPort) bool) (*description, error) {
	b, err := sdp.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	if err := b.Check(own); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	d := &description{body: b}
	for _, m := range b.Media() {
		e, err := endpoint(&m, leg)
		if err != nil {
			return nil, err
		}
		d.far = append(d.far, e)
	}
	return d, nil
}

// endpoint is where one stream is to go.
func endpoint(m *sdp.Media, leg *Leg) (relay.Endpoint, error) {
	e := relay.Endpoint{SIP: leg.Source, Latch: leg.Latch, Mux: m.Mux, Held: m.Held(), UDPTL: m.Transport == sdp.UDPTL}
	if m.Refused() || m.Transport == sdp.OtherTransport || m.Secured() {
		return e, nil
	}
	if !m.Addr.IsValid() {
		return e, fmt.Errorf("%w: media to %q, which is no address", ErrUnsupported, m.Host)
	}
	e.RTP, e.RTCP = m.Remote(), m.RTCP
	for _, f := range m.Formats {
		if f.Rate > 0 {
			e.Clock = uint32(f.Rate) //nolint:gosec // it is above zero
			break
		}
	}
	for _, at := range [...]netip.AddrPort{e.RTP, e.RTCP} {
		if ip := at.Addr(); at.IsValid() && (ip.IsLinkLocalUnicast() || ip.Zone() != "" || at.Port() == 0) {
			return e, fmt.Errorf("%w: media to %v", ErrUnsupported, at)
		}
	}
	return e, nil
}

// usable says that there is a stream that can be carried, or none that should be.
func (d *description) usable() bool {
	none := true
	for i, e := range d.far {
		if e.RTP.Port() != 0 {
			return true
		}
		none = none && d.body.Media()[i].Refused()
	}
	return none
}

func (d *description) kind(i int) string { return d.body.Media()[i].Kind }

func (d *description) kindOr(i int, before string) string {
	if i < len(d.far) {
		return d.kind(i)
	}
	return before
}

// shown is the description as a side's peer is to see it.
func (d *description) shown(a *Anchor, legs *Legs, to Side) ([]byte, error) {
	rules := sdp.Rules{Addr: legs[to].Address, Media: make([]sdp.MediaRules, len(d.far))}
	for i, e := range d.far {
		rules.Media[i] = sdp.MediaRules{Mux: sdp.SameMux}
		if e.RTP.Port() != 0 {
			rules.Media[i].Port = a.Streams[i].Relay.Sides[to].Local.Port()
		}
	}
	out, err := d.body.Rewrite(rules)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return out, nil
}
