package main

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"bulkhead/b2bua"
	"bulkhead/carriers"
)

// partial is as much of a configuration as a call is replayed with: it is written into its
// capture, and a part of every file.
type partial struct {
	Node            string                 `yaml:"node"`
	Realms          map[string]RealmConfig `yaml:"realms"`
	carriers.Config `yaml:",inline"`
}

// notCaptured stands in a capture where a password's file was.
const notCaptured = "not-in-a-capture"

// described is the configuration of a trunk and some carriers of a book, as JSON, which is
// YAML as well. Nothing of who else is there is in it, no password, and not what is no
// matter of the call itself: limits, health, registration, certificates; nor how its media is
// carried, since what came of it is in the steps.
func described(node string, realms map[string]RealmConfig, book b2bua.Book, trunk string, names []string) (json.RawMessage, error) {
	source, ok := book.(interface{ Source() carriers.Config })
	if !ok {
		return nil, fmt.Errorf("of this book no configuration is known")
	}
	all := source.Source()
	p := partial{Node: node, Realms: map[string]RealmConfig{}}
	p.Trunks, p.Carriers = map[string]carriers.TrunkConfig{}, map[string]carriers.CarrierConfig{}
	if t, ok := all.Trunks[trunk]; ok {
		t.Auth, t.Limits, t.Media, t.SRTP, t.Transcode = nil, carriers.LimitsConfig{}, "", false, nil
		p.Trunks[trunk] = t
		p.Realms[t.Realm] = RealmConfig{}
	}
	for _, name := range names {
		c, ok := all.Carriers[name]
		if !ok {
			continue
		}
		if c.Auth != nil {
			c.Auth = &carriers.AuthConfig{Username: c.Auth.Username, PasswordFile: notCaptured}
		}
		c.Media, c.SRTP, c.Transcode = "", false, nil
		c.Register, c.Limits, c.Health, c.Quality, c.Scorecard, c.Rates, c.TLS = nil, carriers.LimitsConfig{}, nil, nil, nil, "", nil
		p.Carriers[name] = c
		p.Realms[c.Realm] = RealmConfig{}
	}
	for name := range p.Realms {
		r := realms[name]
		r.Listen = slices.Clone(r.Listen)
		if r.TLS != nil {
			r.TLS = &TLSConfig{Certificate: notCaptured, Key: notCaptured}
		}
		p.Realms[name] = r
	}
	text, err := json.Marshal(keysOf(reflect.ValueOf(p)))
	if err != nil {
		return nil, fmt.Errorf("writing the configuration: %w", err)
	}
	return text, nil
}

// keysOf is a part of a configuration with the keys that the decoder reads. What must be above
// zero and is not stands for its default, and is left out.
func keysOf(v reflect.Value) any {
	if v.Kind() == reflect.Pointer {
		return keysOf(v.Elem())
	}
	if d, ok := v.Interface().(time.Duration); ok {
		return brief(d)
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		text, err := m.MarshalText()
		if err != nil {
			return err.Error() // which the decoder names
		}
		return string(text)
	}
	switch v.Kind() {
	case reflect.Struct:
		all := map[string]any{}
		for _, f := range fields(v.Type()) {
			one := v.FieldByIndex(f.index)
			nothing := one.IsZero() && (f.positive || one.Kind() == reflect.Pointer || one.Kind() == reflect.Map || one.Kind() == reflect.String)
			if !nothing {
				all[f.name] = keysOf(one)
			}
		}
		return all
	case reflect.Map:
		all := map[string]any{}
		for _, key := range v.MapKeys() {
			all[key.String()] = keysOf(v.MapIndex(key))
		}
		return all
	case reflect.Slice:
		all := make([]any, 0, v.Len())
		for i := range v.Len() {
			all = append(all, keysOf(v.Index(i)))
		}
		return all
	default:
		return v.Interface()
	}
}

// bookOf is the book of a capture's configuration, once something has been changed in it.
func bookOf(name string, f *b2bua.Captured, change func(*carriers.Config) error) (*carriers.Book, error) {
	c, err := read(name, f.Head.Config, "replay", nil, false, nil)
	if err != nil {
		return nil, fmt.Errorf("the configuration in the capture: %w", err)
	}
	if change != nil {
		if err := change(&c.config.Config); err != nil {
			return nil, err
		}
	}
	return c.config.Book()
}
