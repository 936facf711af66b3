package main

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"syscall"
	"time"
)

// storeAt is where the Redis of a measured Bulkhead listens: on the loopback, where it
// costs most of what it can cost in processor time, and least in delay.
const storeAt = "127.0.1.20:6379"

// store is a Redis that keeps the calls of a system.
type store struct{ cmd *exec.Cmd }

// startStore starts an empty Redis and returns when it listens.
func (b *bench) startStore(ctx context.Context) (*store, error) {
	host, port, err := net.SplitHostPort(storeAt)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "redis-server", "--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--dir", b.work)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &store{cmd}
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", storeAt)
		if err == nil {
			return s, conn.Close()
		}
		if time.Now().After(deadline) {
			s.stop()
			return nil, fmt.Errorf("redis-server does not listen: %w", err)
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			s.stop()
			return nil, err
		}
	}
}

// config is what the system's configuration says of the store.
func (s *store) config() string {
	return fmt.Sprintf("state: {redis: {addresses: [%q]}}\n", storeAt)
}

func (s *store) stop() {
	if s != nil {
		end(s.cmd)
	}
}
