package main

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"bulkhead/carriers"
)

// sections are what one of each is called.
var sections = map[string]string{"realms": "realm", "trunks": "trunk", "carriers": "carrier"}

// words is a difference as an operator says it: trunk pbx added; carrier tc1: limits.calls is
// 500, was 400.
func (d difference) words(before, after *Config) string {
	if d.path.String() == "routes" {
		return "routes: " + rerouted(before.Routes, after.Routes)
	}
	what, rest := d.path[0], d.path[1:]
	if one, ok := sections[what]; ok && len(rest) > 0 {
		what, rest = one+" "+rest[0], rest[1:]
	}
	if len(rest) > 0 {
		what += ": " + rest.String()
	}
	switch {
	case d.how != "changed":
		return what + " " + d.how
	case d.is == "" && d.was == "":
		return what + " changed"
	case len(rest) == 0:
		return fmt.Sprintf("%s: %s, was %s", what, orNone(d.is), orNone(d.was))
	}
	return fmt.Sprintf("%s is %s, was %s", what, orNone(d.is), orNone(d.was))
}

func orNone(value string) string {
	if value == "" {
		return "not said"
	}
	return value
}

// mostShown bounds a value in characters.
const mostShown = 80

// shown is a value in short; empty: it is absent, or too much to show.
func shown(v reflect.Value) string {
	text := ""
	switch value := v.Interface().(type) {
	case time.Duration:
		text = brief(value)
	case encoding.TextMarshaler:
		if b, err := value.MarshalText(); err == nil {
			text = string(b)
		}
	case []string:
		if len(value) > 0 {
			text = "[" + strings.Join(value, ", ") + "]"
		}
	default:
		switch v.Kind() {
		case reflect.String, reflect.Bool, reflect.Int:
			text = fmt.Sprint(value)
		default:
		}
	}
	if len([]rune(text)) > mostShown {
		return ""
	}
	return text
}

// rerouted says which routes have come, gone and moved, by their numbers from 1. One in the
// place of another for the same calls has changed.
func rerouted(before, after []carriers.RouteConfig) string {
	gone, was := without(before, after)
	come, is := without(after, before)
	var list []string
	for i, r := range before {
		switch {
		case !gone[i]:
		case come[i] && reflect.DeepEqual(r.Match, after[i].Match):
			list = append(list, fmt.Sprintf("%d for %s changed", i+1, forCalls(r.Match)))
			delete(come, i)
		default:
			list = append(list, fmt.Sprintf("%d for %s removed", i+1, forCalls(r.Match)))
		}
	}
	for i, r := range after {
		if come[i] {
			list = append(list, fmt.Sprintf("%d for %s added", i+1, forCalls(r.Match)))
		}
	}
	if !reflect.DeepEqual(was, is) {
		list = append(list, "in another order")
	}
	return strings.Join(list, "; ")
}

// without are the places of the routes that the others do not have, and the routes that both have.
func without(list, others []carriers.RouteConfig) (places map[int]bool, both []carriers.RouteConfig) {
	places = map[int]bool{}
	left := slices.Clone(others)
	for i, r := range list {
		found := slices.IndexFunc(left, func(o carriers.RouteConfig) bool { return reflect.DeepEqual(r, o) })
		if found < 0 {
			places[i] = true
			continue
		}
		left = slices.Delete(left, found, found+1)
		both = append(both, r)
	}
	return places, both
}

// forCalls is which calls a route is for, in short.
func forCalls(m carriers.MatchConfig) string {
	var list []string
	for _, part := range []struct{ name, value string }{{"trunk", m.Trunk}, {"number", m.Number}, {"caller", m.Caller}, {"domain", m.Domain}} {
		if part.value != "" {
			list = append(list, part.name+" "+part.value)
		}
	}
	if len(list) == 0 {
		return "every call"
	}
	return strings.Join(list, ", ")
}
