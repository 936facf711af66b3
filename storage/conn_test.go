package storage_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"bulkhead/storage"
	"bulkhead/storage/storagetest"
)

// TestConnectionsThatRedisHasClosed are not used: nobody is told that a call is not
// safe because Redis, or what is on the way to it, let go of an idle connection.
func TestConnectionsThatRedisHasClosed(t *testing.T) {
	server := storagetest.StartRedis(t)
	r := connect(t, at(server))
	epoch := own(t, r, "a")
	other := redis.NewClient(&redis.Options{Addr: server.Address})
	defer other.Close()
	for i := range 20 {
		if n, err := other.ClientKillByFilter(t.Context(), "TYPE", "normal", "SKIPME", "yes").Result(); err != nil || n == 0 {
			t.Fatal(n, err)
		}
		storagetest.Eventually(t, "the connections are gone", func() bool {
			list, err := other.ClientList(t.Context()).Result()
			return err == nil && strings.Count(list, "\n") == 1
		})
		it := storage.Item{ID: fmt.Sprint(i), Version: 1, Data: []byte("x"), Expires: time.Now().Add(time.Minute)}
		if err := r.Write(t.Context(), epoch, storage.Batch{Puts: []storage.Item{it}}); err != nil {
			t.Fatalf("write %d: %v", i, err)
		}
		if _, err := r.Get(t.Context(), it.ID); err != nil {
			t.Fatalf("read %d: %v", i, err)
		}
	}
}

// TestLargeBatchOverOneConnection: more than a socket's buffers hold, both ways.
func TestLargeBatchOverOneConnection(t *testing.T) {
	server := storagetest.StartRedis(t)
	o := at(server)
	o.Timeout = 10 * time.Second
	r := connect(t, o)
	epoch := own(t, r, "a")
	var b storage.Batch
	for i := range 1000 {
		b.Puts = append(b.Puts, storage.Item{ID: fmt.Sprint(i), Version: 1, Data: make([]byte, 32<<10), Expires: time.Now().Add(time.Minute)})
	}
	if err := r.Write(t.Context(), epoch, b); err != nil {
		t.Fatal(err)
	}
	seen := 0
	if err := r.Scan(t.Context(), func(it storage.Item) error {
		if len(it.Data) != 32<<10 {
			return errors.New("cut short")
		}
		seen++
		return nil
	}); err != nil || seen != 1000 {
		t.Error(seen, err)
	}
}
