package main

import "strings"

// pendingKey is a key whose feature is not there yet.
type pendingKey struct {
	pattern string // path of the key; a '*' stands for one name
	unless  string // a value that has effect already; empty: none has
	feature string
}

// pending lists the keys that are read, checked and warned of. Whoever builds a
// feature takes its lines away. There are none now.
func pending() []pendingKey {
	return nil
}

// covers says that the key of this path and value does nothing yet.
func (k pendingKey) covers(p place) bool {
	rest, more := k.pattern, true
	for _, key := range p.path {
		var name string
		if !more {
			return false
		}
		if name, rest, more = strings.Cut(rest, "."); name != "*" && name != key {
			return false
		}
	}
	return !more && (k.unless == "" || k.unless != p.text)
}
