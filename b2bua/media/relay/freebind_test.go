//go:build linux && !goroutines

package relay

const freebind = true
