package main

import (
	"bytes"
	"testing"
)

// TestAdvertised: an address of this node alone serves others; one that every node has, or
// none, has to be said otherwise.
func TestAdvertised(t *testing.T) {
	for _, one := range []struct {
		api     *APIConfig
		listens string
		want    string
	}{
		{nil, "192.0.2.1:8080", ""},
		{&APIConfig{}, "", ""},
		{&APIConfig{}, "192.0.2.1:8080", "http://192.0.2.1:8080"},
		{&APIConfig{}, "[2001:db8::1]:8080", "http://[2001:db8::1]:8080"},
		{&APIConfig{TLS: &TLSConfig{}}, "192.0.2.1:8080", "https://192.0.2.1:8080"},
		{&APIConfig{}, "0.0.0.0:8080", ""},
		{&APIConfig{}, "[::]:8080", ""},
		{&APIConfig{}, "127.0.0.1:8080", ""},
		{&APIConfig{Advertise: "https://sbc-a.example"}, "127.0.0.1:8080", "https://sbc-a.example"},
	} {
		if got := one.api.advertised(one.listens); got != one.want {
			t.Errorf("%+v at %s: %q, want %q", one.api, one.listens, got, one.want)
		}
	}
}

// TestDerivedKeys tell nothing of each other.
func TestDerivedKeys(t *testing.T) {
	key := [32]byte{1}
	if name := derive(key, "cluster name"); bytes.Equal(name, derive(key, "cluster api")) || bytes.Equal(name, derive([32]byte{2}, "cluster name")) || !bytes.Equal(name, derive(key, "cluster name")) {
		t.Error("keys of two purposes, or of two clusters, are one")
	}
}
