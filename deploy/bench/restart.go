package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// restarts measures start, restore and drain of each Bulkhead, with so many calls held.
func (b *bench) restarts(ctx context.Context, kinds []kind) error {
	for _, k := range kinds {
		if !k.bulkhead() || k.media[0] != "" {
			continue
		}
		if err := b.restart(ctx, k); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	return nil
}

// restart takes one system through its life. With a store it is killed when the calls are up, and starts again beside them.
func (b *bench) restart(ctx context.Context, k kind) error {
	records := filepath.Join(b.work, k.name+"-calls.jsonl")
	if err := os.Remove(records); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	begun := time.Now()
	s, err := b.start(ctx, k)
	if err != nil {
		return err
	}
	up := []*system{s}
	defer func() { fell(up) }()
	b.note(s, "start until it answers", "s", held(0), time.Since(begun).Seconds())
	if k.storeIP != "" {
		if err := wait(ctx, newcomer); err != nil {
			return err
		}
	}
	h, err := b.holder(ctx)
	if err != nil {
		return err
	}
	defer h.drop()
	if err := h.add(s, b.restarted); err != nil {
		return err
	}
	if err := wait(ctx, settled); err != nil {
		return err
	}
	if up, err := h.holds(s); err != nil || up != b.restarted {
		return errors.Join(err, fmt.Errorf("%d of %d calls are up", up, b.restarted))
	}
	if k.storeIP != "" {
		if err := b.again(ctx, s); err != nil {
			return err
		}
	}
	return b.drains(ctx, h, s, records)
}

// again kills a system and starts it anew beside its store.
func (b *bench) again(ctx context.Context, s *system) error {
	kill(s.cmd)
	begun := time.Now()
	if err := b.begin(ctx, s, "info"); err != nil {
		return err
	}
	b.note(s, "start until it answers", "s", held(b.restarted), time.Since(begun).Seconds())
	var taken struct {
		Msg   string  `json:"msg"`
		Calls int     `json:"calls"`
		Took  float64 `json:"took"` // s
	}
	for taken.Msg != "unit taken" {
		if time.Since(begun) > time.Minute {
			return fmt.Errorf("it does not say that it has its calls:\n%s", b.said(s.kind))
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
		f, err := os.Open(b.log(s.kind))
		if err != nil {
			return err
		}
		for lines := bufio.NewScanner(f); lines.Scan() && taken.Msg != "unit taken"; {
			_ = json.Unmarshal(lines.Bytes(), &taken) // a line that is being written comes again
		}
		_ = f.Close()
	}
	if taken.Calls != b.restarted {
		return fmt.Errorf("of %d calls it has %d again", b.restarted, taken.Calls)
	}
	b.note(s, "start until all calls are restored", "s", held(b.restarted), time.Since(begun).Seconds())
	b.note(s, "restore alone", "s", held(b.restarted), taken.Took)
	return nil
}

// drains has a system end, and with it each call by BYE.
func (b *bench) drains(ctx context.Context, h *holder, s *system, records string) error {
	before, err := s.used()
	if err != nil {
		return err
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	ended := make(chan error, 1)
	cmd := s.cmd
	go func() { ended <- cmd.Wait() }()
	var last used
	for {
		select {
		case err := <-ended:
			if err != nil {
				return fmt.Errorf("draining: %w\n%s", err, b.said(s.kind))
			}
		case <-time.After(200 * time.Millisecond):
			if now, err := s.used(); err == nil {
				last = now // what it has used until it is gone, but for the last moment
			}
			continue
		case <-ctx.Done():
			return ctx.Err()
		}
		break
	}
	b.note(s, "drain until it has ended", "s", held(b.restarted), time.Since(before.at).Seconds())
	if own, _, length := last.since(before); length > 0 {
		b.note(s, "CPU of a call's drain", "µs", held(b.restarted), float64(own.Microseconds())/float64(b.restarted))
	}
	n, err := lines(records)
	if err != nil {
		return err
	}
	if n != b.restarted {
		return fmt.Errorf("of %d calls it has written %d records", b.restarted, n)
	}
	if err := wait(ctx, 2*time.Second); err != nil { // SIPp writes its statistics each second
		return err
	}
	stats, err := lastly(h.said)
	if err != nil {
		return err
	}
	if got := stats["SuccessfulCall(C)"]; got != b.restarted {
		return fmt.Errorf("of %d calls the carrier saw %d end by BYE", b.restarted, got)
	}
	return nil
}

// lines counts those of a file.
func lines(file string) (int, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n := 0
	r := bufio.NewScanner(f)
	for r.Buffer(nil, 1<<20); r.Scan(); n++ {
	}
	return n, r.Err()
}
