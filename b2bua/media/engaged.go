package media

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"bulkhead/b2bua/media/ng"
)

// What rtpengines have of us: which calls and ports, and whether anybody is heard there.

// engagement is an anchor that an rtpengine has.
type engagement struct {
	call, node string
	leg        uint8
	since      time.Time // of the last description; before it nobody has to be heard
	ports      []netip.AddrPort
}

// engage has an anchor known as one that an rtpengine has, from now on, and its ports as ours.
func (e *Engined) engage(call string, a *Anchor) {
	is := &engagement{call: call, node: a.Node, leg: a.Leg, since: time.Now()}
	for i := range a.Streams {
		for _, end := range a.Streams[i].Ends {
			if at := end.Local; at.IsValid() {
				is.ports = append(is.ports, at, netip.AddrPortFrom(at.Addr(), at.Port()+1)) // that of RTCP (RFC 3550 §11)
			}
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.disengage(name(call, a))
	e.live[name(call, a)] = is
	for _, at := range is.ports {
		e.ports[at] = name(call, a)
	}
}

// disengage ends that; e.mu is held.
func (e *Engined) disengage(name string) {
	if is := e.live[name]; is != nil {
		for _, at := range is.ports {
			if e.ports[at] == name {
				delete(e.ports, at)
			}
		}
	}
	delete(e.live, name)
}

// Silent is Way: rtpengine has lost the call or timed it out, or has heard nobody for too long. On
// hold nobody has to be heard.
func (e *Engined) Silent(call string, a *Anchor) bool {
	if a.Node == "" {
		return false
	}
	if err := e.count(call, a, Querying, e.client.Query); err != nil {
		return errors.Is(err, ng.ErrUnknownCall) // a node that does not answer may still forward
	}
	e.mu.Lock()
	since := time.Time{}
	if is := e.live[name(call, a)]; is != nil {
		since = is.since
	}
	e.mu.Unlock()
	if e.silence == 0 || !a.Agreed {
		return false
	}
	silent := false
	for i := range a.Streams {
		s := &a.Streams[i]
		if !s.due() {
			continue
		}
		if e.heard(since, s.Ends[Trunk].Stats.Last, s.Ends[Carrier].Stats.Last) {
			return false
		}
		silent = true
	}
	return silent
}

// heard says that one of the times is not too long ago. rtpengine says them to the second.
func (e *Engined) heard(times ...time.Time) bool {
	last := time.Time{}
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return time.Since(last) < e.silence
}

// Restore lets it be known that an rtpengine has an anchor.
func (e *Engined) Restore(call string, a *Anchor) {
	if a.Node != "" && !a.Ended {
		e.engage(call, a)
	}
}

// WatchEvery is how often each call is asked for: often enough that silence is found soon.
func (e *Engined) WatchEvery() time.Duration {
	if e.silence == 0 {
		return 15 * time.Second
	}
	return min(max(e.silence/4, time.Second), 15*time.Second)
}

// Watch asks for each call, once in a while, whether its node still has it and has heard anybody, until
// the context ends; dead is told of each that may be over: Silent knows.
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
	}, func(name, _ string, stats ng.Stats, err error) {
		e.mu.Lock()
		is := e.live[name]
		e.mu.Unlock()
		if is != nil && (err != nil || e.silence > 0 && !e.heard(append(lasts(&stats), is.since)...)) {
			dead(is.call, is.leg)
		}
	})
}

// lasts are when each stream has last had a packet.
func lasts(stats *ng.Stats) (all []time.Time) {
	for _, leg := range stats.Legs {
		for _, m := range leg.Media {
			for _, s := range m.Streams {
				if !s.RTCP && s.Received.Packets > 0 {
					all = append(all, s.Last)
				}
			}
		}
	}
	return all
}
