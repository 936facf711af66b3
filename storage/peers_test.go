package storage_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"bulkhead/storage"
	"bulkhead/storage/storagetest"
)

// TestPeersOfACluster: nodes of several units know each other, those of another cluster in
// the same Redis do not; one reads the other unit's calls.
func TestPeersOfACluster(t *testing.T) {
	t.Parallel()
	server := storagetest.StartRedis(t)
	options := func(unit string) storage.RedisOptions {
		o := at(server)
		o.Unit = unit
		return o
	}
	ctx := context.Background()
	one, two := connect(t, options("u1")), connect(t, options("u2"))
	announce := func(r *storage.Redis, cluster string, p storage.Peer) string {
		t.Helper()
		all, err := r.Announce(ctx, cluster, p)
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, p := range all {
			if p.Silent < 0 || p.Silent > 10*time.Second {
				t.Errorf("%s is silent for %v", p.Node, p.Silent)
			}
			text += fmt.Sprintf("%s %s %s;", p.Node, p.Unit, p.URL)
		}
		return text
	}
	b := storage.Peer{Node: "b", Unit: "u2", URL: "http://192.0.2.2:8080"}
	for _, step := range []struct {
		r       *storage.Redis
		cluster string
		self    storage.Peer
		want    string
	}{
		{two, "c", b, "b u2 http://192.0.2.2:8080;"},
		{one, "c", storage.Peer{Node: "a", Unit: "u1"}, "a u1 ;b u2 http://192.0.2.2:8080;"},
		{one, "c", storage.Peer{Node: "a", Unit: "u1", URL: "http://192.0.2.1:8080"}, "a u1 http://192.0.2.1:8080;b u2 http://192.0.2.2:8080;"},
		{one, "other", storage.Peer{Node: "z", Unit: "u1"}, "z u1 ;"},
		{one, "c", storage.Peer{}, "a u1 http://192.0.2.1:8080;b u2 http://192.0.2.2:8080;"},
	} {
		if got := announce(step.r, step.cluster, step.self); got != step.want {
			t.Errorf("%+v: %s, want %s", step.self, got, step.want)
		}
	}
	server.Do("HSET", "bulkhead:peers:c", "garbled", "{")
	server.Do("HSET", "bulkhead:peers:c", "old", `{"unit":"u3","at":1}`)
	if err := two.Depart(ctx, "c", "b"); err != nil {
		t.Fatal(err)
	}
	if got := announce(one, "c", storage.Peer{}); got != "a u1 http://192.0.2.1:8080;" {
		t.Error(got)
	}
	if n := server.Do("HLEN", "bulkhead:peers:c"); n != "1" {
		t.Errorf("%s nodes are kept", n)
	}
	if ttl := server.Do("PTTL", "bulkhead:peers:c"); ttl == "-1" {
		t.Error("the cluster is kept for ever")
	}
	epoch := own(t, two, "b")
	if err := two.Write(ctx, epoch, storage.Batch{Puts: []storage.Item{call("x", 1, 100)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Get(ctx, "x"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("in its own unit: %v", err)
	}
	beside := one.Beside("u2")
	if it, err := beside.Get(ctx, "x"); err != nil || len(it.Data) != 100 {
		t.Errorf("beside: %v %v", it, err)
	}
	n := 0
	if err := beside.Scan(ctx, func(storage.Item) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("%d calls, %v", n, err)
	}
	if o, err := beside.Owner(ctx); err != nil || o.Node != "b" || o.Epoch != epoch {
		t.Errorf("%+v %v", o, err)
	}
}

// TestPeersAreAllowed to a user who may no more than the store needs.
func TestPeersAreAllowed(t *testing.T) {
	t.Parallel()
	server := storagetest.StartRedis(t)
	allow(t, server)
	o := at(server)
	o.Username, o.Password, o.Unit = "bulkhead", "secret", "u"
	r := connect(t, o)
	if _, err := r.Announce(context.Background(), "c", storage.Peer{Node: "a"}); err != nil {
		t.Error(err)
	}
	if err := r.Depart(context.Background(), "c", "a"); err != nil {
		t.Error(err)
	}
}
