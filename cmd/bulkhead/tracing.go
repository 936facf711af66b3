package main

import (
	"encoding/json"
	"net/netip"

	"go.uber.org/zap"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/dialog"
)

// Captures is ops.Node. It outlives the borders, as the journal does.
func (p *process) Captures() *b2bua.Captures { return p.captures }

// Described is ops.Node.
func (p *process) Described(b b2bua.Book, trunk string, carriers []string) (json.RawMessage, error) {
	p.mu.Lock()
	node, realms := p.config.Node, p.config.Realms
	p.mu.Unlock()
	return described(node, realms, b, trunk, carriers)
}

// Local is ops.Node.
func (p *process) Local(path dialog.Path) netip.AddrPort {
	p.mu.Lock()
	b := p.border
	p.mu.Unlock()
	if b == nil {
		return netip.AddrPort{}
	}
	return (&sockets{edge: b.edge}).localOf(path)
}

// Level is ops.Node.
func (p *process) Level() zap.AtomicLevel { return p.level }

// Loud is ops.Node.
func (p *process) Loud() *zap.Logger { return loud(p.log) }

// Redact is ops.Node.
func (p *process) Redact() ops.Redact { return shownBy(p.log) }

// redact is how much of numbers is shown.
func (c *Config) redact() ops.Redact {
	if c.Log.Redact == nil {
		return ops.Redact{}
	}
	return ops.Redact{Numbers: c.Log.Redact.Numbers}
}
