package main

import (
	"encoding"
	"maps"
	"reflect"
	"slices"

	"bulkhead/carriers"
)

// difference is a key that does not say what it said before.
type difference struct {
	path keyPath
	how  string // added, removed, changed

	was, is string // of a value that has changed, in short; empty: not said, or too much
}

// differences are the keys in which two configurations differ, in the order of the
// reference: as deep as both have them, and lists as a whole.
func differences(before, after *Config) []difference {
	return differing(nil, reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem(), nil)
}

func differing(path keyPath, a, b reflect.Value, found []difference) []difference {
	if a.Kind() == reflect.Pointer && !a.IsNil() && !b.IsNil() {
		a, b = a.Elem(), b.Elem()
	}
	_, text := reflect.New(a.Type()).Interface().(encoding.TextUnmarshaler)
	switch {
	case a.Kind() == reflect.Struct && !text:
		for _, f := range fields(a.Type()) {
			found = differing(path.with(f.name), a.FieldByIndex(f.index), b.FieldByIndex(f.index), found)
		}
	case a.Kind() == reflect.Map:
		names := map[string]bool{}
		for _, key := range append(a.MapKeys(), b.MapKeys()...) {
			names[key.String()] = true
		}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			key := reflect.ValueOf(name).Convert(a.Type().Key())
			was, is := a.MapIndex(key), b.MapIndex(key)
			switch {
			case !was.IsValid():
				found = append(found, difference{path: path.with(name), how: "added"})
			case !is.IsValid():
				found = append(found, difference{path: path.with(name), how: "removed"})
			default:
				found = differing(path.with(name), was, is, found)
			}
		}
	case reflect.DeepEqual(a.Interface(), b.Interface()):
	case a.Kind() == reflect.Pointer && a.IsNil():
		found = append(found, difference{path: path, how: "added"})
	case a.Kind() == reflect.Pointer && b.IsNil():
		found = append(found, difference{path: path, how: "removed"})
	default:
		found = append(found, difference{path: path, how: "changed", was: shown(a), is: shown(b)})
	}
	return found
}

// swappable says that a key can change while the node runs: who is at the border and
// the way between them, the certificates, how much is logged.
func (p keyPath) swappable() bool {
	for _, f := range fields(reflect.TypeFor[carriers.Config]()) {
		if p[0] == f.name {
			return true
		}
	}
	return p[0] == "realms" && len(p) > 2 && p[2] == "tls" || p.String() == "log.level"
}

// follows says that the default of a key is made of another one.
func (p keyPath) follows(other keyPath) bool {
	if p.String() == "api.socket" {
		return other.String() == "node"
	}
	return p[0] == "realms" && len(p) == 3 && (p[2] == "advertise" || p[2] == "media") &&
		slices.Equal(other, keyPath{p[0], p[1], "listen"})
}

// keeps wants everything else to be as the node runs with it.
func (v *validator) keeps(before *Config) {
	c := *v.config
	c.Realms = maps.Clone(c.Realms)
	c.complete()
	for _, d := range restarting(differences(before, &c)) {
		v.fault(d.path.String(), "is %s, which needs a restart", d.how)
	}
}

// restarting are the differences that a running node cannot take.
func restarting(all []difference) (list []difference) {
	for _, d := range all {
		follows := slices.ContainsFunc(all, func(other difference) bool { return d.path.follows(other.path) })
		if !d.path.swappable() && !follows {
			list = append(list, d)
		}
	}
	return list
}
