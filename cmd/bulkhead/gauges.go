package main

import (
	"crypto/x509"
	"encoding/pem"
	"maps"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/b2bua"
)

// standing shows how a node and its store stand when they are asked for
// (prometheus.Collector).
type standing struct{ *process }

func nodeDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("bulkhead_"+name, help, labels, nil)
}

var (
	buildInfo   = nodeDesc("build_info", "1, with what runs.", "version", "revision", "go")
	nodeInfo    = nodeDesc("node_info", "1, with the name of the node and of the unit whose calls it serves or may serve; empty: it has none.", "node", "unit")
	nodeState   = nodeDesc("node_state", "1 for what the node does: starting, serving, standing by, draining.", "state")
	unitOwner   = nodeDesc("unit_owner", "Whether the unit's calls are this node's: of the nodes of a unit, of one.", "unit")
	unstored    = nodeDesc("store_unstored_calls", "Calls whose newest state is not in the store.")
	turnedAway  = nodeDesc("store_refused_calls", "Of those, calls that a store which is full has refused, until it is asked again.")
	lag         = nodeDesc("store_lag_seconds", "For how long the call that has waited longest is not in the store; 0: all are.")
	degraded    = nodeDesc("store_degraded", "Whether writes to the store fail, are late or refused: new promises are unprotected.")
	breakerOpen = nodeDesc("store_breaker_open", "Whether nobody waits for the store, since it has not answered in time.")
	expires     = nodeDesc("certificate_expiry_timestamp_seconds", "When the first certificate of a chain of ours is valid no longer, in Unix time, by the key of the configuration.", "of")
	caughtUp    = nodeDesc("records_caught_up_timestamp_seconds", "When last no record of an ended call waited in the store for the record file, or the unit was taken since, in Unix time.")
	shelvedNow  = nodeDesc("records_waiting", "Records of ended calls that wait in memory for the record file, on a node without a store.")
	hepLost     = nodeDesc("hep_lost_total", "Messages that the HEP collector did not get.")
)

var nodeStates = []string{"starting", "serving", "standing by", "draining"}

// Describe is prometheus.Collector.
func (standing) Describe(d chan<- *prometheus.Desc) {
	for _, one := range []*prometheus.Desc{buildInfo, nodeInfo, nodeState, unitOwner, unstored, turnedAway, lag, degraded, breakerOpen, caughtUp, shelvedNow, expires, hepLost} {
		d <- one
	}
}

// Collect is prometheus.Collector.
func (s standing) Collect(m chan<- prometheus.Metric) {
	show := func(d *prometheus.Desc, v float64, labels ...string) {
		m <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	version, revision := built()
	show(buildInfo, 1, version, revision, runtime.Version())
	is, _ := s.State()
	for _, state := range nodeStates {
		show(nodeState, one(state == is), state)
	}
	s.mu.Lock()
	node, unit, files := s.config.Node, "", s.config.chains()
	if s.pair {
		unit = s.config.unitName()
	}
	if s.border != nil && s.border.hep != nil {
		m <- prometheus.MustNewConstMetric(hepLost, prometheus.CounterValue, float64(s.border.hep.Lost()))
	}
	s.mu.Unlock()
	show(nodeInfo, 1, node, unit)
	waiting := 0
	if s.shelf != nil {
		waiting = s.shelf.waiting()
	}
	show(shelvedNow, float64(waiting))
	if s.pair {
		show(unitOwner, one(s.serving.Load()), unit)
	}
	if w := s.unit.writer.Load(); w != nil {
		at, behind := w.Standing(), 0.0
		if !at.Oldest.IsZero() {
			behind = time.Since(at.Oldest).Seconds()
		}
		show(unstored, float64(at.Unstored))
		show(turnedAway, float64(at.Refused))
		show(lag, behind)
		show(degraded, one(at.Degraded))
		show(breakerOpen, one(at.Open))
		if at := s.unit.exported.Load(); at > 0 {
			show(caughtUp, float64(at))
		}
	}
	for of, file := range files {
		if until, ok := validUntil(file); ok {
			show(expires, float64(until.Unix()), of)
		}
	}
}

// one is 1 for what is so.
func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// chains are the files of our own certificates by the key that names them.
func (c *Config) chains() map[string]string {
	all := map[string]string{}
	for name, files := range c.certificates() {
		carrier, its := strings.CutPrefix(name, b2bua.KeysOf(""))
		if its && c.Carriers[carrier].TLS.Certificate == "" {
			continue // its realm's
		}
		all[whose(name)] = files.Certificate
	}
	if c.API != nil && c.API.TLS != nil {
		all["api.tls"] = string(c.API.TLS.Certificate)
	}
	maps.DeleteFunc(all, func(_, file string) bool { return file == "" })
	return all
}

// validUntil is when the first certificate of a file ends; false: there is none that can
// be read, which who uses the file tells.
func validUntil(file string) (first time.Time, ok bool) {
	rest, err := os.ReadFile(file)
	if err != nil {
		return first, false
	}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return first, ok
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err == nil && (!ok || c.NotAfter.Before(first)) {
			first, ok = c.NotAfter, true
		}
	}
}
