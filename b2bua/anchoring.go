package b2bua

import (
	"context"
	"net/netip"
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
	Engine media.Way // rtpengine; nil: there is none
	Latch  relay.Latch
	Realms map[string]MediaAddress
	Counts func() relay.Totals // of the relay; nil: there is none
}

// MediaAddress is that of a realm.
type MediaAddress struct {
	Said netip.Addr // in descriptions
	Bind netip.Addr // of our ports
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

// legs are the two of an anchor.
func (a anchoring) legs(trunk, carrier Talker) *media.Legs {
	of := func(t Talker) media.Leg {
		at := a.engine.config.Media.Realms[t.Path.Realm]
		return media.Leg{
			Number: t.Leg, Address: at.Said, Bind: at.Bind, Source: t.Path.Remote.Addr().Unmap(),
			Latch: a.engine.config.Media.Latch, Secure: t.Path.Transport == dialog.TLS,
		}
	}
	return &media.Legs{media.Trunk: of(trunk), media.Carrier: of(carrier)}
}

// Offer is Anchors.
func (a anchoring) Offer(an *media.Anchor, trunk, carrier Talker, from media.Side, body []byte) ([]byte, error) {
	w := a.engine.way(an.Mode)
	if w == nil {
		return nil, a.failed(an, media.ErrUnavailable)
	}
	out, err := w.Offer(a.id.String(), an, a.legs(trunk, carrier), from, body)
	return out, a.failed(an, err)
}

// Answer is Anchors.
func (a anchoring) Answer(an *media.Anchor, trunk, carrier Talker, from media.Side, body []byte) ([]byte, error) {
	w := a.engine.way(an.Mode)
	if w == nil {
		return nil, a.failed(an, media.ErrUnavailable)
	}
	out, err := w.Answer(a.id.String(), an, a.legs(trunk, carrier), from, body)
	return out, a.failed(an, err)
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
	return w != nil && w.Silent(an)
}

// Sync is Anchors.
func (a anchoring) Sync(an *media.Anchor) {
	if w := a.engine.way(an.Mode); w != nil {
		w.Sync(a.id.String(), an)
	}
}

// failed counts a description that could not be carried, by what is wrong with it.
func (a anchoring) failed(an *media.Anchor, err error) error {
	if err == nil {
		return nil
	}
	why, e := media.Reason(err), a.engine
	e.metrics.Unanchored.WithLabelValues(an.Mode.String(), why).Inc()
	if n := e.notices.due("media "+why, time.Now()); n > 0 {
		e.log.Warn("media not anchored", zap.Stringer("call", a.id), zap.Stringer("mode", an.Mode), zap.Int("times", n), zap.Error(err))
	}
	return err
}

// listen watches the streams of the relay until the context ends.
func (e *Engine) listen(ctx context.Context) {
	if e.config.Media == nil || e.config.Media.Relay == nil {
		return
	}
	r := e.config.Media.Relay
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

// reopen opens the ports that a call which is taken over has.
func (e *Engine) reopen(call string, s *media.State) {
	if e.config.Media == nil || e.config.Media.Relay == nil {
		return
	}
	for i := range s.Anchors {
		a := &s.Anchors[i]
		if a.Mode != media.Relay || a.Ended {
			continue
		}
		if err := e.config.Media.Relay.Restore(call, a); err != nil {
			e.metrics.Unanchored.WithLabelValues(a.Mode.String(), "not_restored").Inc()
			e.log.Error("media not restored", zap.String("call", call), zap.Error(err))
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
