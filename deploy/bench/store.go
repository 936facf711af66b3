package main

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"syscall"
	"time"
)

// store is a Redis that keeps the calls of a system: on the loopback, where it costs most of what it can cost in
// processor time, and least in delay.
type store struct{ cmd *exec.Cmd }

// startStore starts an empty Redis and returns when it listens.
func (b *bench) startStore(ctx context.Context, ip string) (*store, error) {
	cmd := exec.CommandContext(ctx, "redis-server", "--bind", ip, "--port", storePort, "--save", "", "--appendonly", "no", "--dir", b.work)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &store{cmd}
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", net.JoinHostPort(ip, storePort))
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

func (s *store) stop() {
	if s != nil {
		kill(s.cmd)
	}
}
