package b2bua

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"bulkhead/b2bua/media"
	"bulkhead/b2bua/media/relay"
	"bulkhead/dialog"
)

// Media is how the media of calls is carried.
type Media struct {
	Mode   media.Mode // where neither the trunk nor the carrier asks for one
	Relay  *media.Relayed
	Engine *media.Engined // rtpengine; nil: there is none
	Latch  relay.Latch
	Realms map[string]MediaAddresses
	Counts func() relay.Totals // of the relay; nil: there is none
}

// MediaAddress is one of a realm.
type MediaAddress struct {
	Said netip.Addr // in descriptions
	Bind netip.Addr // of our ports
}

// MediaAddresses are those of a realm, one of a family.
type MediaAddresses []MediaAddress

// toward is the address for a peer: of its family, or else the first; zero: there is none.
func (all MediaAddresses) toward(peer netip.Addr) MediaAddress {
	if i := slices.IndexFunc(all, func(a MediaAddress) bool { return a.Said.Is4() == peer.Unmap().Is4() }); i > 0 {
		return all[i]
	}
	if len(all) == 0 {
		return MediaAddress{}
	}
	return all[0]
}

// anchoring is a strand as the Anchors of its call.
type anchoring struct{ *strand }

// anchors is nil where no media is anchored at all: descriptions pass.
func (s *strand) anchors() Anchors {
	if s.engine.config.Media == nil {
		return nil
	}
	return anchoring{s}
}

// ModeOf is what a trunk and a carrier come to. Who asks for more than the other has it: an engine
// before the relay, that before none. Who says nothing goes along with the other; where both
// say nothing, the default holds.
func ModeOf(trunk, carrier string, otherwise media.Mode) media.Mode {
	most, said := media.Bypass, false
	for _, one := range [...]string{trunk, carrier} {
		for m, name := range media.Modes {
			if one == name {
				most, said = max(most, media.Mode(m)), true
			}
		}
	}
	if !said {
		return otherwise
	}
	return most
}

// Mode is Anchors.
func (a anchoring) Mode(carrier string) media.Mode {
	trunk, there := "", ""
	if t := a.profiles.TrunkNamed(a.trunk); t != nil {
		trunk = t.Media
	}
	if c := a.profiles.Carrier(carrier); c != nil {
		there = c.Media
	}
	return ModeOf(trunk, there, a.engine.config.Media.Mode)
}

// Passes is Anchors.
func (a anchoring) Passes(sdp []byte, secure bool) ([]byte, error) {
	out, err := media.Passed(sdp, secure)
	why := err
	if why == nil {
		why = media.Readable(sdp)
	}
	if why != nil {
		a.unanchored(media.Bypass, why)
	}
	return out, err
}

// way is how an anchor's media is carried; nil: this node cannot.
func (e *Engine) way(m media.Mode) media.Way {
	c := e.config.Media
	switch {
	case m == media.RTPEngine && c.Engine != nil:
		return c.Engine
	case m == media.Relay && c.Relay != nil:
		return c.Relay
	}
	return nil
}

// waits says that a step may wait for somebody outside of this process.
func (e *Engine) waits() bool { return e.config.Media != nil && e.config.Media.Engine != nil }

// legs are the two of an anchor.
func (a anchoring) legs(trunk, carrier Talker) *media.Legs {
	of := func(t Talker) media.Leg {
		at := a.engine.config.Media.Realms[t.Path.Realm].toward(t.Path.Remote.Addr())
		srtp, transcode := false, []string(nil)
		if c := a.profiles.Carrier(t.Name); t.Name != "" && c != nil {
			srtp, transcode = c.SRTP, c.Transcode
		} else if k := a.profiles.TrunkNamed(a.trunk); t.Name == "" && k != nil {
			srtp, transcode = k.SRTP, k.Transcode
		}
		srtp = srtp || t.Name == "" && a.call != nil && a.call.Media.Secured() // it stays so when a transfer begins anew
		return media.Leg{
			SRTP: srtp, Transcode: transcode,
			Number: t.Leg, Address: at.Said, Bind: at.Bind, Source: t.Path.Remote.Addr().Unmap(),
			Latch: a.engine.config.Media.Latch, Secure: t.Path.Transport == dialog.TLS,
		}
	}
	return &media.Legs{media.Trunk: of(trunk), media.Carrier: of(carrier)}
}

// by is what carries the descriptions of an anchor, and the legs that it is between. An address that is not there would leave
// in them that of who has written them.
func (a anchoring) by(an *media.Anchor, trunk, carrier Talker) (media.Way, *media.Legs, error) {
	w, legs := a.engine.way(an.Mode), a.legs(trunk, carrier)
	if w == nil {
		return nil, nil, media.ErrUnavailable
	}
	for side, t := range [...]Talker{media.Trunk: trunk, media.Carrier: carrier} {
		if an.Mode == media.Relay && !legs[side].Address.IsValid() { // an rtpengine has its own
			return nil, nil, fmt.Errorf("%w: realm %s has no address for it", media.ErrUnsupported, t.Path.Realm)
		}
	}
	return w, legs, nil
}

// Offer is Anchors.
func (a anchoring) Offer(an *media.Anchor, trunk, carrier Talker, from media.Side, body []byte) ([]byte, error) {
	w, legs, err := a.by(an, trunk, carrier)
	if err != nil {
		return nil, a.failed(an, err)
	}
	out, err := w.Offer(a.id.String(), an, legs, from, body)
	return out, a.failed(an, err)
}

// Answer is Anchors.
func (a anchoring) Answer(an *media.Anchor, trunk, carrier Talker, from media.Side, body []byte) ([]byte, error) {
	w, legs, err := a.by(an, trunk, carrier)
	if err != nil {
		return nil, a.failed(an, err)
	}
	out, err := w.Answer(a.id.String(), an, legs, from, body)
	return out, a.failed(an, err)
}

// Refused is Anchors.
func (a anchoring) Refused(an *media.Anchor, trunk, carrier Talker, from media.Side) {
	if w := a.engine.way(an.Mode); w != nil {
		w.Refused(a.id.String(), an, a.legs(trunk, carrier), from)
	}
}

// Release is Anchors.
func (a anchoring) Release(an *media.Anchor) {
	if w := a.engine.way(an.Mode); w != nil {
		w.Release(a.id.String(), an)
	}
	an.Ended = true
	a.engine.metrics.gauges.media.ended(an)
}

// Silent is Anchors.
func (a anchoring) Silent(an *media.Anchor) bool {
	w := a.engine.way(an.Mode)
	return w != nil && w.Silent(a.id.String(), an)
}

// Sync is Anchors.
func (a anchoring) Sync(an *media.Anchor) {
	if w := a.engine.way(an.Mode); w != nil {
		w.Sync(a.id.String(), an)
	}
}

// failed counts a description that could not be carried, by what is wrong with it.
func (a anchoring) failed(an *media.Anchor, err error) error {
	if err != nil {
		a.unanchored(an.Mode, err)
	}
	return err
}

func (a anchoring) unanchored(mode media.Mode, err error) {
	why, e := media.Reason(err), a.engine
	e.metrics.Unanchored.WithLabelValues(mode.String(), why).Inc()
	if n := e.notices.due("media "+why, time.Now()); n > 0 {
		e.log.Warn("media not anchored", zap.Stringer("call", a.id), zap.Stringer("mode", mode), zap.Int("times", n), zap.Error(err))
	}
}

// listen watches the streams of the relay until the context ends.
func (e *Engine) listen(ctx context.Context) {
	m := e.config.Media
	if m == nil {
		return
	}
	if m.Engine != nil {
		var over sync.WaitGroup
		defer over.Wait()
		over.Go(func() { m.Engine.Watch(ctx, m.Engine.WatchEvery(), e.dead) })
	}
	if m.Relay == nil {
		<-ctx.Done()
		return
	}
	r := m.Relay
	tick := time.NewTicker(r.WatchEvery())
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			r.Watch(now, media.Watched{Silent: e.silence, Heard: e.heardFrom})
		case <-ctx.Done():
			return
		}
	}
}

// dead tells a call that its rtpengine may have lost it, or heard nobody for too long.
func (e *Engine) dead(call string, leg uint8) {
	if id, ok := dialog.ParseCallID(call); ok {
		e.give(id, item{command: Silence{Leg: leg}})
	}
}

// silence tells a call that one of its streams is silent, by the port of it on the trunk's side.
func (e *Engine) silence(call string, at netip.AddrPort) {
	if id, ok := dialog.ParseCallID(call); ok {
		e.give(id, item{command: Silence{At: at}})
	}
}

// heardFrom tells a call that what is stored of one of its streams is old.
func (e *Engine) heardFrom(call string, at netip.AddrPort) {
	if id, ok := dialog.ParseCallID(call); ok && e.config.Keeper != nil {
		e.give(id, item{command: Heard{At: at}})
	}
}

// Account stores with each call what the relay has counted of it: for a node that is about to take over, whose own counts
// begin at nothing. It returns when that is stored, or the context ends. It goes by a few calls at a time: all at once would look
// like a store that is late.
func (e *Engine) Account(ctx context.Context) {
	if e.config.Keeper == nil || e.config.Media == nil || e.config.Media.Relay == nil {
		return
	}
	for some := range slices.Chunk(e.strands(), accountAtOnce) {
		var left sync.WaitGroup
		for _, s := range some {
			left.Add(1)
			if !s.put(item{command: Heard{}}) || !s.put(item{state: func(*strand) { left.Done() }}) {
				left.Done()
			}
		}
		stored := make(chan struct{})
		go func() { left.Wait(); close(stored) }()
		select {
		case <-stored:
		case <-ctx.Done():
			return
		}
	}
}

const accountAtOnce = 256

// reopen opens the ports that a call which is taken over has.
func (e *Engine) reopen(call string, s *media.State) {
	m := e.config.Media
	if m == nil {
		return
	}
	for i := range s.Anchors {
		a := &s.Anchors[i]
		if a.Mode == media.RTPEngine && m.Engine != nil {
			m.Engine.Restore(call, a)
		}
		if m.Relay == nil || a.Mode != media.Relay || a.Ended {
			continue
		}
		if err := m.Relay.Restore(call, a); err != nil {
			e.metrics.Unanchored.WithLabelValues(a.Mode.String(), "not_restored").Inc()
			e.log.Error("media not restored", zap.String("call", call), zap.Error(err))
		}
	}
}

// hear brings up to date what is known of the call's media, for who looks at it.
func (s *strand) hear() {
	if s.engine.config.Media == nil {
		return
	}
	for i := range s.call.Media.Anchors {
		if a := &s.call.Media.Anchors[i]; !a.Ended {
			anchoring{s}.Sync(a)
		}
	}
}

// relayed brings up to date what the relay has counted, which asks nobody outside: so the counts of a record are as old as it is.
func (s *strand) relayed() {
	if s.engine.config.Media == nil {
		return
	}
	for i := range s.call.Media.Anchors {
		if a := &s.call.Media.Anchors[i]; !a.Ended && a.Mode == media.Relay {
			anchoring{s}.Sync(a)
		}
	}
}

// forsake gives back what the media of a call takes up which ends without its own doing.
func (s *strand) forsake() {
	if s.call == nil || s.engine.config.Media == nil {
		return
	}
	for i := range s.call.Media.Anchors {
		if a := &s.call.Media.Anchors[i]; !a.Ended {
			anchoring{s}.Release(a)
		}
	}
}
