package main

import (
	"encoding"
	"fmt"
	"reflect"
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

// rerouted says which routes have come, gone and moved.
func rerouted(before, after []carriers.RouteConfig) string {
	var list []string
	common := func(of, in []carriers.RouteConfig, how string) (both []carriers.RouteConfig) {
		left := append([]carriers.RouteConfig(nil), in...)
		for i, r := range of {
			found := -1
			for j, other := range left {
				if reflect.DeepEqual(r, other) {
					found = j
					break
				}
			}
			if found < 0 {
				list = append(list, fmt.Sprintf("%d for %s %s", i+1, forCalls(r.Match), how))
				continue
			}
			left = append(left[:found], left[found+1:]...)
			both = append(both, r)
		}
		return both
	}
	was := common(before, after, "removed")
	is := common(after, before, "added")
	if !reflect.DeepEqual(was, is) {
		list = append(list, "in another order")
	}
	return strings.Join(list, "; ")
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
