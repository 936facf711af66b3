package b2bua

import (
	"strings"
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// admit takes an INVITE that begins a call, or refuses it without keeping
// anything. The profiles are those that know the trunk.
func (e *Engine) admit(id dialog.CallID, p *profiles, trunk *carriers.Trunk, it item) {
	r, name := e.objection(it.message, p.trunks[trunk.Name])
	if name != "draining" { // who proves nothing learns nothing else (RFC 3261 §8.2)
		if asked, why := e.authenticate(it.at, id, trunk, p.trunks[trunk.Name], it); why != "" {
			r, name = asked, why
		}
	}
	if name != "" {
		e.refuse(it.message, it.path, r, name)
		return
	}
	asked := askedFor(id, trunk, it.message)
	if !asked.Privacy.Provided() { // RFC 3323 §5
		e.refuse(it.message, it.path, dialog.Refusal{Code: 500, Phrase: privacyNotProvided}, "privacy")
		return
	}
	places, ok := e.bounded(id, p, trunk, asked.Number, it)
	if !ok {
		return
	}
	it.admit = func(s *strand, now time.Time) []Action {
		e.metrics.Calls.WithLabelValues(e.metrics.trunks.of(trunk.Name)).Inc()
		e.saw(it.sight(s))
		choice := s.profiles.choose(now, asked, chooser{e, id})
		a := s.profiles.admission(trunk, it.message, it.path, &asked, choice)
		a.Judge, a.Anchors, a.Choosing = s, s.anchors(), choice.Ask != nil
		a = s.admitted(a)
		call, actions := NewCall(id, now, a)
		s.call = call
		if s.capture != nil {
			s.captured(now, a, &it, actions)
		}
		if a.Choosing {
			s.decide(now, choice.Ask, asked, s.profiles.chosen)
		}
		return actions
	}
	e.open(id, p, trunk.Name, places, it)
}

// askedFor is what an INVITE asks for, in the words of its trunk's profile.
func askedFor(id dialog.CallID, trunk *carriers.Trunk, m *dialog.Message) dialog.Setup {
	if !dialog.Acceptable(m) {
		m.Body = dialog.Body{} // optional: not passed on (RFC 3261 §8.2.3)
	}
	asked := trunk.Setup(m)
	asked.Call, asked.Body = id, m.Body
	return asked
}

const privacyNotProvided = "Privacy Not Provided"

// admission is what a call begins with.
func (p *profiles) admission(trunk *carriers.Trunk, m *dialog.Message, from dialog.Path, asked *dialog.Setup, c carriers.Choice) Admission {
	return Admission{
		Trunk: trunk.Name, Invite: m, From: from, Asked: asked,
		Policy: p.trunks[trunk.Name], Redirects: p, Setup: trunk.MaxSetup, Limit: trunk.MaxDuration,
		Targets: p.list(c), Skipped: c.Skipped, Refusal: c.Refusal,
	}
}

// objection is why an INVITE cannot begin a call (RFC 3261 §8.2, §16.3).
func (e *Engine) objection(m *dialog.Message, p *dialog.Policy) (dialog.Refusal, string) {
	if e.draining.Load() {
		return outOfService(), "draining"
	}
	if r, name := e.inspect(m); name != "" {
		return r, name
	}
	if m.MaxForwards == 0 {
		return dialog.Refusal{Code: 483}, "too_many_hops"
	}
	if !dialog.Acceptable(m) && !dialog.Optional(m) {
		return dialog.UnsupportedMedia(), "media_type"
	}
	if r, refused := p.TooSmall(m); refused {
		return r, "session_interval"
	}
	return dialog.Refusal{}, ""
}

// outOfService is the answer of a node that takes no new calls.
func outOfService() dialog.Refusal {
	return dialog.Refusal{Code: 503, Extra: []dialog.Header{{Name: "Retry-After", Value: "30"}}}
}

// inspect finds what no request may have, in the order of RFC 3261 §8.2.
func (e *Engine) inspect(m *dialog.Message) (dialog.Refusal, string) {
	switch strings.ToLower(m.URI.Scheme) {
	case "sip", "sips", "tel":
	default:
		return dialog.Refusal{Code: 416}, "uri_scheme"
	}
	if asked := dialog.Extensions(m); len(asked) > 0 {
		return dialog.Unsupported(asked), "extension"
	}
	return dialog.Refusal{}, ""
}
