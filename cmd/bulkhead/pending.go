package main

import "strings"

// pendingKey is a key whose feature is not there yet.
type pendingKey struct {
	pattern string // path of the key; a '*' stands for one name
	unless  string // a value that has effect already; empty: none has
	feature string
}

// pending lists the keys that are read, checked and warned of. Whoever builds a
// feature takes its lines away.
func pending() []pendingKey {
	return []pendingKey{
		{"realms.*.media", "", "anchoring of media"},
		{"trunks.*.media", "bypass", "anchoring of media; it flows directly"},
		{"media", "", "anchoring of media; it flows directly"},
		{"cdr.stream", "", "stream of call records"},
	}
}

// covers says that the key of this path and value does nothing yet.
func (k pendingKey) covers(p place) bool {
	names := strings.Split(k.pattern, ".")
	if len(names) != len(p.path) || k.unless != "" && k.unless == p.text {
		return false
	}
	for i, name := range names {
		if name != "*" && name != p.path[i] {
			return false
		}
	}
	return true
}
