package b2bua

import (
	"time"

	"bulkhead/carriers"
)

// Gateways is how many gateways of a carrier are watched, and how many of them take calls.
type Gateways struct {
	Watched int
	Well    int
	Resting int  // of those that do not: to so many the circuit is open
	Capped  bool // the carrier is tried last, since too few of its calls come to something
}

// Gateways tells of each carrier that is watched, by its name.
func (e *Engine) Gateways(now time.Time) map[string]Gateways {
	p := &e.probes
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make(map[string]Gateways, len(p.quality))
	for _, w := range p.gates {
		g := all[w.carrier]
		g.Watched++
		switch w.health.State(now) {
		case carriers.Down:
		case carriers.Resting:
			g.Resting++
		default:
			g.Well++
		}
		all[w.carrier] = g
	}
	for name, q := range p.quality {
		g := all[name]
		g.Capped = q.Capped()
		all[name] = g
	}
	return all
}
