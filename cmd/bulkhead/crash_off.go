//go:build !crash

package main

import "bulkhead/b2bua"

// crashing is for the tests that kill a node from inside; see crash_on.go.
func crashing(k b2bua.Keeper) (b2bua.Keeper, b2bua.Observer) { return k, nil }
