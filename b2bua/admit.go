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
	if !dialog.Acceptable(it.message) {
		it.message.Body = dialog.Body{} // optional: not passed on (RFC 3261 §8.2.3)
	}
	it.admit = func(s *strand, now time.Time) []Action {
		e.metrics.Calls.WithLabelValues(trunk.Name).Inc()
		e.saw(it.sight(id))
		a := Admission{
			Trunk: trunk.Name, Invite: it.message, From: it.path,
			Policy: s.profiles.trunks[trunk.Name], Redirects: s.profiles, Setup: trunk.MaxSetup, Limit: trunk.MaxDuration,
		}
		setup := dialog.Setup{
			Call: id, Trunk: trunk.Name, Number: it.message.Dialled(), Domain: strings.Clone(it.message.URI.Host),
			Caller: it.message.Caller(), Body: it.message.Body,
		}
		a.Targets, a.Refusal = s.profiles.targets(now, setup)
		call, actions := NewCall(id, now, a)
		s.call = call
		return actions
	}
	e.open(id, p, trunk.Name, it)
}

// targets asks the routes.
func (p *profiles) targets(now time.Time, setup dialog.Setup) ([]Target, dialog.Cause) {
	choice := p.Select(now, setup, nil)
	list := make([]Target, 0, len(choice.Targets))
	for _, t := range choice.Targets {
		list = append(list, p.target(t))
	}
	return list, choice.Refusal
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
