package main

import (
	"maps"
	"slices"
	"time"
)

// expired warns of certificates of ours whose time is over: peers that look refuse them, and
// nothing else here would say why. A node serves all the same: others may not look.
func (v *validator) expired(now time.Time) {
	chains := v.config.chains()
	for _, of := range slices.Sorted(maps.Keys(chains)) {
		path := of + ".certificate"
		if until, ok := validUntil(chains[of]); ok && now.After(until) && v.decoder.decoded(path) {
			at := v.decoder.find(path)
			v.warnings = append(v.warnings, Warning{v.decoder.file, at.line, at.column, path, chains[of] + " is not valid since " + until.UTC().Format(time.RFC3339)})
		}
	}
}
