//go:build !linux || goroutines

package relay

const freebind = false // what is not there cannot be bound
