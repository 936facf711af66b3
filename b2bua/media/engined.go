package media

import (
	"context"
	"errors"
	"fmt"
	"strconv"
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
	client  *ng.Client
	silence time.Duration

	mu   sync.Mutex
	live map[string]engagement // by the call's name there
}

// engagement is an anchor that an rtpengine has.
type engagement struct {
	call, node string
	leg        uint8
}

// NewEngined makes the way; a call is silent where nothing is heard for that long.
func NewEngined(c *ng.Client, silence time.Duration) *Engined {
	return &Engined{client: c, silence: silence, live: map[string]engagement{}}
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
	d, err := read(body, &legs[from], nil)
	if err != nil {
		return nil, err
	}
	if a.Root == 0 {
		a.Root = a.Leg
	}
	x := e.exchange(call, a, legs, from, body)
	if x.From = tag(a, from); a.Agreed && !a.Renew {
		x.To = tag(a, 1-from)
	}
	ctx := context.Background() // the client has a bound of its own
	got, err := e.client.Offer(ctx, x)
	if a.Node != "" && (errors.Is(err, ng.ErrNodeLost) || errors.Is(err, ng.ErrUnknownCall)) {
		x.Node, x.To = "", "" // as of a new call at another node: both sides describe themselves anew
		got, err = e.client.Offer(ctx, x)
	}
	if err != nil {
		return nil, unavailable(err)
	}
	moved := a.Node != "" && got.Node != a.Node
	a.Node = got.Node
	e.engage(call, a) // it has ports there, whatever comes of them
	out, err := ruled(got.Body, &legs[1-from])
	if err != nil {
		return nil, err
	}
	if moved {
		a.moved()
	}
	if a.Renew && !moved { // not before the next attempt's offer: the trunk's ports would go
		was := strconv.Itoa(int(a.Was))
		_ = e.client.Release(ctx, ng.Exchange{Node: a.Node, Call: x.Call, From: tag(a, Trunk), Branch: was})
	}
	if a.Renew {
		a.Renew, a.Agreed, a.Bodies[Carrier] = false, false, nil
		a.Offered &^= By(Carrier)
	}
	d.said(a, from)
	a.Offers[from] = body
	a.Offered |= By(from)
	return out, nil
}

// Answer is Way.
func (e *Engined) Answer(call string, a *Anchor, legs *Legs, from Side, body []byte) ([]byte, error) {
	d, err := read(body, &legs[from], nil)
	if err != nil {
		return nil, err
	}
	x := e.exchange(call, a, legs, from, body)
	x.From, x.To = tag(a, 1-from), tag(a, from)
	got, err := e.client.Answer(context.Background(), x)
	if err != nil {
		return nil, unavailable(err)
	}
	out, err := ruled(got.Body, &legs[1-from])
	if err != nil {
		return nil, err
	}
	d.said(a, from)
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
	if _, err := e.client.Offer(context.Background(), x); err != nil {
		return // what holds is told with the next description
	}
	back := e.exchange(call, a, legs, 1-from, a.Bodies[1-from])
	back.From, back.To = x.From, x.To
	_, _ = e.client.Answer(context.Background(), back)
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

// ruled is a description of rtpengine's as a peer may see it.
func ruled(body []byte, to *Leg) ([]byte, error) {
	b, err := sdp.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("%w: of rtpengine: %w", ErrUnavailable, err)
	}
	var keep sdp.Keep
	if to.Secure {
		keep = sdp.KeepCrypto
	}
	out, err := b.Rewrite(sdp.Rules{Keep: keep})
	if err != nil {
		return nil, fmt.Errorf("%w: of rtpengine: %w", ErrUnsupported, err)
	}
	return out, nil
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

func (e *Engined) engage(call string, a *Anchor) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.live[name(call, a)] = engagement{call, a.Node, a.Leg}
}

// Release is Way.
func (e *Engined) Release(call string, a *Anchor) {
	e.mu.Lock()
	delete(e.live, name(call, a))
	e.mu.Unlock()
	a.Ended, a.Bodies, a.Offers = true, [2][]byte{}, [2][]byte{}
	if a.Node == "" {
		return
	}
	if stats, err := e.client.Delete(context.Background(), a.Node, name(call, a)); err == nil {
		counted(a, &stats)
	}
}

// Sync is Way.
func (e *Engined) Sync(call string, a *Anchor) {
	if a.Node == "" {
		return
	}
	if stats, err := e.client.Query(context.Background(), a.Node, name(call, a)); err == nil {
		counted(a, &stats)
	}
}

// counted takes what rtpengine has counted. What it knows of quality it has from the RTCP of
// who hears a source.
func counted(a *Anchor, stats *ng.Stats) {
	for _, leg := range stats.Legs {
		side := Carrier
		if leg.Leg == "0" {
			side = Trunk
		} else if leg.Leg != tag(a, Carrier) {
			continue
		}
		for _, m := range leg.Media {
			i := m.Index - 1
			if i < 0 || i >= len(a.Streams) {
				continue
			}
			end := &a.Streams[i].Ends[side]
			var now relay.Stats
			for _, s := range m.Streams {
				if s.RTCP {
					now.RTCP = s.Received.Packets
					continue
				}
				now.Packets, now.Octets, now.Dropped = s.Received.Packets, s.Received.Bytes, s.Received.Errors
				now.SSRC, now.Heard = s.SSRC, s.Remote
				if s.Received.Packets > 0 {
					now.Last = s.Last
				}
				for _, q := range stats.Sources {
					if q.SSRC == s.SSRC && s.SSRC != 0 {
						now.Lost, now.Jitter = uint64(max(q.Lost, 0)), q.Jitter // not negative
						now.MaxJitter = max(end.Stats.MaxJitter, q.Jitter)
					}
				}
			}
			end.Stats = added(end.Before, now)
		}
	}
}

// Silent is Way: rtpengine has lost the call or timed it out, or has heard nobody for too long. On
// hold nobody has to be heard.
func (e *Engined) Silent(call string, a *Anchor) bool {
	if a.Node == "" || !a.Agreed {
		return false
	}
	stats, err := e.client.Query(context.Background(), a.Node, name(call, a))
	if err != nil {
		return errors.Is(err, ng.ErrUnknownCall) // a node that does not answer may still forward
	}
	counted(a, &stats)
	if e.silence == 0 {
		return false
	}
	silent := false
	for i := range a.Streams {
		due, last := true, time.Time{}
		for _, end := range a.Streams[i].Ends {
			due = due && end.Far.RTP.Port() != 0 && !end.Far.Held && !end.Far.RTP.Addr().IsUnspecified()
			if end.Stats.Last.After(last) {
				last = end.Stats.Last
			}
		}
		if !due {
			continue
		}
		if last.IsZero() || time.Since(last) < e.silence {
			return false
		}
		silent = true
	}
	return silent
}

// Restore lets it be known that an rtpengine has an anchor.
func (e *Engined) Restore(call string, a *Anchor) {
	if a.Node != "" && !a.Ended {
		e.engage(call, a)
	}
}

// Watch asks for each call, once in a while, whether its node still has it, until the context
// ends; dead is told of each that it has not.
func (e *Engined) Watch(ctx context.Context, every time.Duration, dead func(call string, leg uint8)) {
	e.client.Poll(ctx, every, func(node string) (names []string) {
		e.mu.Lock()
		defer e.mu.Unlock()
		for name, is := range e.live {
			if is.node == node {
				names = append(names, name)
			}
		}
		return names
	}, func(name, _ string, _ error) {
		e.mu.Lock()
		is, there := e.live[name]
		e.mu.Unlock()
		if there {
			dead(is.call, is.leg)
		}
	})
}

// Nodes are how the rtpengines are.
func (e *Engined) Nodes() []ng.State { return e.client.Nodes() }
