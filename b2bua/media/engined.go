package media

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"bulkhead/b2bua/media/ng"
	"bulkhead/b2bua/media/relay"
	"bulkhead/b2bua/media/sdp"
)

// Engined is the way by rtpengine. An anchor is a call there, whose tags are our legs and whose
// branches are the attempts; its node is in the anchor. What it describes is put through our rules
// before a peer sees it.
type Engined struct {
	client  Engines
	own     func(netip.AddrPort) bool
	silence time.Duration

	// Failed, if any, is told what an rtpengine could not be told or asked of a call, where no
	// description depends on it. It is set before the first call.
	Failed func(call string, doing Doing, err error)

	mu    sync.Mutex
	live  map[string]*engagement    // by the call's name there
	ports map[netip.AddrPort]string // of rtpengines: the name of the call that has it
}

// Engines are rtpengines: an *ng.Client, or a fake.
type Engines interface {
	Offer(ctx context.Context, x ng.Exchange) (ng.Result, error)
	Answer(ctx context.Context, x ng.Exchange) (ng.Result, error)
	Release(ctx context.Context, x ng.Exchange) error
	Delete(ctx context.Context, node, call string) (ng.Stats, error)
	Query(ctx context.Context, node, call string) (ng.Stats, error)
	Poll(ctx context.Context, every time.Duration, calls func(node string) []string, told ng.Told)
	Nodes() []ng.State
}

// Doing is what an rtpengine was to do.
type Doing string

// What may fail beside a description: that it forgets an attempt that is over, that it deletes a
// call, that it says what it has counted, that it restores what a refused offer has changed.
const (
	Releasing Doing = "release"
	Deleting  Doing = "delete"
	Querying  Doing = "query"
	Restoring Doing = "restore"
)

// NewEngined makes the way. own says what is a port of ours beside those of the rtpengines, to which no
// media is sent either; a call is silent where nothing is heard for that long, 0: none is.
func NewEngined(c Engines, own func(netip.AddrPort) bool, silence time.Duration) *Engined {
	return &Engined{client: c, own: own, silence: silence, live: map[string]*engagement{}, ports: map[netip.AddrPort]string{}}
}

// name is that of an anchor at rtpengine: a transfer has two of a call for a while.
func name(call string, a *Anchor) string { return call + "-" + strconv.Itoa(int(a.Root)) }

// tag is the name of a side of it.
func tag(a *Anchor, s Side) string {
	if s == Trunk {
		return "0"
	}
	return strconv.Itoa(int(a.Leg))
}

// Offer is Way.
func (e *Engined) Offer(call string, a *Anchor, legs *Legs, from Side, body []byte) ([]byte, error) {
	d, body, err := e.read(body, &legs[from])
	if err != nil {
		return nil, err
	}
	if !d.usable() {
		return nil, fmt.Errorf("%w: no stream is one that can be", ErrUnsupported)
	}
	if a.Root == 0 {
		a.Root = a.Leg
	}
	x := e.exchange(call, a, legs, from, body)
	if x.From = tag(a, from); a.Agreed && !a.Renew {
		x.To = tag(a, 1-from)
	}
	x.Anew = true                                       // at another node, or at one that has forgotten it, both sides describe themselves anew
	got, err := e.client.Offer(context.Background(), x) // the client has a bound of its own
	if got.Node != "" {                                 // it has ports there, whatever comes of them
		if a.Node = got.Node; got.Anew {
			a.moved()
		}
		e.engage(call, a)
	}
	if err != nil {
		return nil, unavailable(err)
	}
	out, opened, err := ruled(got.Body, &legs[1-from])
	if err != nil {
		return nil, err
	}
	if a.Renew && !got.Anew { // not before the next attempt's offer: the trunk's ports would go
		e.part(call, a)
	}
	if a.Renew {
		a.Renew, a.Agreed, a.Bodies[Carrier] = false, false, nil
		a.Offered &^= By(Carrier)
		for i := range a.Streams {
			a.Streams[i].Ends[Carrier] = End{Stats: a.Streams[i].Ends[Carrier].Stats, Before: a.Streams[i].Ends[Carrier].Before}
		}
	}
	d.said(a, from)
	e.opened(call, a, 1-from, opened)
	a.Offers[from] = body
	a.Offered |= By(from)
	return out, nil
}

// Answer is Way.
func (e *Engined) Answer(call string, a *Anchor, legs *Legs, from Side, body []byte) ([]byte, error) {
	d, body, err := e.read(body, &legs[from])
	if err != nil {
		return nil, err
	}
	x := e.exchange(call, a, legs, from, body)
	x.From, x.To = tag(a, 1-from), tag(a, from)
	got, err := e.client.Answer(context.Background(), x)
	if err != nil {
		return nil, unavailable(err)
	}
	out, opened, err := ruled(got.Body, &legs[1-from])
	if err != nil {
		return nil, err
	}
	d.said(a, from)
	e.opened(call, a, 1-from, opened)
	if a.Offered&By(1-from) != 0 {
		a.Bodies[1-from] = a.Offers[1-from]
		a.Offered &^= By(1 - from)
	}
	for i := range a.Streams {
		for side := range a.Streams[i].Ends {
			a.Streams[i].Ends[side].Far = a.Streams[i].Ends[side].Said
		}
	}
	a.Bodies[from], a.Offers[1-from], a.Agreed = body, nil, true
	return out, nil
}

// Refused is Way. What rtpengine has been told of the offer is told otherwise: what was
// described before, by both.
func (e *Engined) Refused(call string, a *Anchor, legs *Legs, from Side) {
	if a.Offered&By(from) == 0 {
		return
	}
	a.Offered &^= By(from)
	a.Offers[from] = nil
	if !a.Agreed || a.Bodies[Trunk] == nil || a.Bodies[Carrier] == nil {
		return
	}
	x := e.exchange(call, a, legs, from, a.Bodies[from])
	x.From, x.To = tag(a, from), tag(a, 1-from)
	_, err := e.client.Offer(context.Background(), x)
	if err == nil { // else what holds is told with the next description
		back := e.exchange(call, a, legs, 1-from, a.Bodies[1-from])
		back.From, back.To = x.From, x.To
		_, err = e.client.Answer(context.Background(), back)
	}
	e.failed(call, Restoring, err)
}

func (e *Engined) failed(call string, doing Doing, err error) {
	if err != nil && e.Failed != nil {
		e.Failed(call, doing, err)
	}
}

// read reads what the peer of a leg describes, and gives what of it rtpengine is to see: it would
// describe what it cannot carry either, so a stream that nobody here can carry is refused before.
func (e *Engined) read(body []byte, leg *Leg) (*description, []byte, error) {
	d, err := read(body, leg, func(at netip.AddrPort) bool { return e.Owns(at) || e.own != nil && e.own(at) })
	if err != nil {
		return nil, nil, err
	}
	rules, refused := sdp.Rules{Keep: sdp.KeepAll}, false
	for i, m := range d.body.Media() {
		if leg.Secure && len(m.Crypto) > 0 && slices.Contains([]string{"RTP/SAVP", "RTP/SAVPF"}, strings.ToUpper(m.Proto)) {
			m.Proto = sdp.Plain(m.Proto) // it is SRTP to that peer alone
			if d.far[i], err = remote(&m, leg); err != nil {
				return nil, nil, err
			}
		}
		no := d.far[i].RTP.Port() == 0
		refused = refused || no && !m.Refused()
		rules.Media = append(rules.Media, sdp.MediaRules{Same: !no, Mux: sdp.SameMux})
	}
	if !refused {
		return d, body, nil
	}
	if body, err = d.body.Rewrite(rules); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return d, body, nil
}

// Owns says that a port is an rtpengine's for a call of ours: nobody is to send there but who was told to.
func (e *Engined) Owns(at netip.AddrPort) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, is := e.ports[at]
	return is
}

// exchange is what all of them have.
func (e *Engined) exchange(call string, a *Anchor, legs *Legs, from Side, body []byte) ng.Exchange {
	to := &legs[1-from]
	x := ng.Exchange{Node: a.Node, Call: name(call, a), Branch: strconv.Itoa(int(a.Leg)), Body: body}
	if legs[from].Latch == relay.Any { // else what its SDP says alone: with more, whoever sprays may have the call
		x.Learn = ng.LearnHeuristic
	}
	switch x.Toward.Transcode = to.Transcode; {
	case to.SRTP && to.Secure:
		x.Toward.SRTP = ng.SRTPSDES
	case !to.Secure: // never a key where all can read it
		x.Toward.SRTP = ng.SRTPOff
	}
	if at := to.Address; at.IsValid() {
		x.Toward.Family = ng.FamilyIP4
		if at.Is6() {
			x.Toward.Family = ng.FamilyIP6
		}
	}
	return x
}

// ruled is a description of rtpengine's as a peer may see it, and the ports in it.
func ruled(body []byte, to *Leg) ([]byte, []netip.AddrPort, error) {
	b, err := sdp.Parse(body)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: of rtpengine: %w", ErrUnavailable, err)
	}
	var keep sdp.Keep
	if to.Secure {
		keep = sdp.KeepCrypto
	}
	out, err := b.Rewrite(sdp.Rules{Keep: keep})
	if err != nil {
		return nil, nil, fmt.Errorf("%w: of rtpengine: %w", ErrUnsupported, err)
	}
	var ports []netip.AddrPort
	for _, m := range b.Media() {
		at := m.Remote()
		if m.Refused() || !at.IsValid() {
			at = netip.AddrPort{}
		}
		ports = append(ports, at)
	}
	return out, ports, nil
}

// unavailable is what an error of the client means to a call.
func unavailable(err error) error {
	for _, e := range [...]error{ng.ErrNoNode, ng.ErrNodeLost, ng.ErrBusy, ng.ErrClosed, ng.ErrUnknownCall, ng.ErrGarbled} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return fmt.Errorf("%w: %w", ErrUnsupported, err)
}

// said notes what a side has described: what it is, and whether it is on hold.
func (d *description) said(a *Anchor, from Side) {
	for len(a.Streams) < len(d.far) {
		a.Streams = append(a.Streams, Stream{})
	}
	for i, far := range d.far {
		a.Streams[i].Kind, a.Streams[i].Ends[from].Said = d.kind(i), far
	}
}

// moved keeps what the node before had counted, and has nothing agreed at the new one.
func (a *Anchor) moved() {
	a.Agreed, a.Bodies = false, [2][]byte{}
	for i := range a.Streams {
		for side := range a.Streams[i].Ends {
			end := &a.Streams[i].Ends[side]
			end.Before = end.Stats
		}
	}
}

// opened notes the ports of rtpengine that a side was shown.
func (e *Engined) opened(call string, a *Anchor, side Side, ports []netip.AddrPort) {
	for i := range a.Streams {
		if i < len(ports) {
			a.Streams[i].Ends[side].Local = ports[i]
		}
	}
	e.engage(call, a)
}

// part lets go of the carrier's side of an anchor that was another leg's, and keeps what it has counted.
func (e *Engined) part(call string, a *Anchor) {
	if a.Agreed { // else it has described nothing, so nothing of it was taken
		_ = e.count(call, a, Querying, e.client.Query)
	}
	for i := range a.Streams {
		end := &a.Streams[i].Ends[Carrier]
		end.Before = end.Stats
	}
	was := ng.Exchange{Node: a.Node, Call: name(call, a), From: tag(a, Trunk), Branch: strconv.Itoa(int(a.Was))}
	e.failed(call, Releasing, e.client.Release(context.Background(), was))
}

// Release is Way.
func (e *Engined) Release(call string, a *Anchor) {
	e.mu.Lock()
	e.disengage(name(call, a))
	e.mu.Unlock()
	if a.Node != "" {
		_ = e.count(call, a, Deleting, e.client.Delete)
	}
	a.Ended, a.Bodies, a.Offers = true, [2][]byte{}, [2][]byte{}
}

// Nodes are how the rtpengines are.
func (e *Engined) Nodes() []ng.State { return e.client.Nodes() }
