package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bulkhead/b2bua"
	"bulkhead/carriers"
)

// changeKeys are the keys that a replay may have another value of: of all carriers, of the one
// whose name stands before it, or of the trunk.
var changeKeys = []string{"no_response", "no_ringing", "no_answer", "linger", "stop", "continue", "after_early_media", "max_setup", "max_duration"}

// otherwise is the book of a replay that asks what if: of another file, or of the capture's
// configuration, with some keys changed.
func otherwise(name string, f *b2bua.Captured, config string, changes []string) (*carriers.Book, error) {
	change := func(c *carriers.Config) error {
		for _, one := range changes {
			if err := changed(c, one); err != nil {
				return fmt.Errorf("--what-if %s: %w", one, err)
			}
		}
		return nil
	}
	if config == "" {
		return bookOf(name, f, change)
	}
	c, _, err := Load(config)
	if err != nil {
		return nil, err
	}
	if err := change(&c.Config); err != nil {
		return nil, err
	}
	return c.Book()
}

// changed gives a key another value.
func changed(c *carriers.Config, text string) error {
	key, value, ok := strings.Cut(text, "=")
	if !ok {
		return fmt.Errorf("want KEY=VALUE, such as no_answer=8s")
	}
	who, key := split(key)
	trunk := key == "max_setup" || key == "max_duration"
	var d time.Duration
	var list []string
	switch key {
	case "stop", "continue":
		list = strings.Split(value, ",")
	case "after_early_media":
	default:
		if !slices.Contains(changeKeys, key) {
			return fmt.Errorf("there is no key %q here; known: %s", key, strings.Join(changeKeys, ", "))
		}
		var err error
		if d, err = time.ParseDuration(value); err != nil || d < 0 {
			return fmt.Errorf("%q is not a duration, such as 8s", value)
		}
	}
	found := false
	if trunk {
		for name, t := range c.Trunks {
			if who != "" && who != name {
				continue
			}
			found = true
			if key == "max_setup" {
				t.MaxSetup = d
			} else {
				t.MaxDuration = d
			}
			c.Trunks[name] = t
		}
		return named(found, who, slices.Sorted(maps.Keys(c.Trunks)))
	}
	for name, k := range c.Carriers {
		if who != "" && who != name {
			continue
		}
		found = true
		switch key {
		case "no_response":
			k.Timers.NoResponse = d
		case "no_ringing":
			k.Timers.NoRinging = d
		case "no_answer":
			k.Timers.NoAnswer = d
		case "linger":
			k.Linger = d
		case "stop":
			k.Reroute.Stop = list
		case "continue":
			k.Reroute.Continue = list
		case "after_early_media":
			k.AfterMedia = value
		}
		c.Carriers[name] = k
	}
	return named(found, who, slices.Sorted(maps.Keys(c.Carriers)))
}

// split is a key and whose it is; empty: everybody's.
func split(key string) (who, rest string) {
	if i := strings.LastIndexByte(key, '.'); i >= 0 {
		return key[:i], key[i+1:]
	}
	return "", key
}

func named(found bool, who string, there []string) error {
	if found {
		return nil
	}
	return fmt.Errorf("nobody is called %q; there are: %s", who, strings.Join(there, ", "))
}
