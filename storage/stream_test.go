package storage_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"bulkhead/storage"
	"bulkhead/storage/storagetest"
)

// TestStreamForgetsTheOldest, and keeps at least as many as it is to.
func TestStreamForgetsTheOldest(t *testing.T) {
	t.Parallel()
	server := storagetest.StartRedis(t)
	store, err := storage.NewRedis(storage.RedisOptions{Addresses: []string{server.Address}, Unit: "u", Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	const most, all = 200, 2000
	for n := 0; n < all; {
		var list []storage.Streamed
		for range 100 {
			list = append(list, storage.Streamed{ID: fmt.Sprint("c", n, ":stop"), Kind: "stop", Node: "a", Record: []byte("{}")})
			n++
		}
		if err := store.Stream(t.Context(), most, list); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := strconv.Atoi(server.Do("XLEN", "bulkhead:{u}:records"))
	if err != nil || kept < most || kept > 2*most {
		t.Errorf("%d entries are kept of %d, want about %d: %v", kept, all, most, err)
	}
}
