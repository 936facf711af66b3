package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

// holder keeps calls up in systems.
type holder struct {
	b      *bench
	keeper *exec.Cmd
	said   string // its statistics
	ctx    context.Context
	cancel func()

	mu      sync.Mutex
	callers map[string][]caller // by system
}

// caller is a SIPp whose calls are up until it is killed.
type caller struct {
	cmd   *exec.Cmd
	calls int
	stats string
}

func (b *bench) holder(ctx context.Context) (*holder, error) {
	ctx, cancel := context.WithCancel(ctx)
	keeper, said, err := b.answering(ctx, keeperIP)
	if err != nil {
		cancel()
		return nil, err
	}
	return &holder{b: b, keeper: keeper, said: said, ctx: ctx, cancel: cancel, callers: map[string][]caller{}}, nil
}

// add sets up more calls through a system, and returns when the last has been begun.
func (h *holder) add(s *system, calls int) error {
	rate := h.b.fill
	if s.fill != 0 {
		rate = min(rate, s.fill)
	}
	c := caller{calls: calls, stats: h.b.file("held")}
	c.cmd = h.b.sipp(h.ctx, "perf_uac.xml", "-m", strconv.Itoa(calls), "-i", holderIP, "-key", "digit", "2",
		"-r", strconv.Itoa(rate), "-l", strconv.Itoa(calls+1), "-d", "7200000", "-trace_stat", "-stf", c.stats, "-fd", "1", s.door+":5060")
	if err := c.cmd.Start(); err != nil {
		return err
	}
	h.mu.Lock()
	h.callers[s.name] = append(h.callers[s.name], c)
	h.mu.Unlock()
	return wait(h.ctx, time.Duration(calls)*time.Second/time.Duration(rate)+time.Second)
}

// holds is how many calls are up through a system, nearly all at least. Those that cannot be set up have failed 64·T1 after
// they were begun.
func (h *holder) holds(s *system) (up int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	begun := 0
	for _, c := range h.callers[s.name] {
		last, err := lastly(c.stats)
		if err != nil {
			return 0, err
		}
		begun, up = begun+c.calls, up+last["CurrentCall"]
	}
	if up < begun*99/100 {
		return up, fmt.Errorf("of %d calls that are to be held only %d are up", begun, up)
	}
	return up, nil
}

// drop lets go of all calls, whose systems learn nothing of that.
func (h *holder) drop() {
	h.cancel()
	kill(h.keeper)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, callers := range h.callers {
		for _, c := range callers {
			kill(c.cmd)
		}
	}
}

// From so many calls on, memory a held call says something.
const worth = 10_000

// What a call takes beside held ones is measured under so long a load: by then collections come as they always will, and
// the one that a Bulkhead makes when it is at rest again is a small part.
const steady = 20 * time.Second

// settled is when what set the calls up is over: its transactions, and what a system does to be rid of their memory.
const settled = 42 * time.Second

// rested is how long it is then measured what it needs at rest.
const rested = 8 * time.Second

// few measures what a call takes beside few others that are held: systems in turn.
func (b *bench) few(ctx context.Context, up []*system) error {
	h, err := b.holder(ctx)
	if err != nil {
		return err
	}
	defer h.drop()
	so := 0
	for _, n := range b.held {
		if n >= worth {
			break
		}
		costs := make([]cost, len(up))
		for i, s := range up {
			if err := h.add(s, n-so); err != nil {
				return fmt.Errorf("%s: holding %d calls: %w", s.name, n, err)
			}
			if costs[i], err = b.spend(ctx, s, b.beside, steady); err != nil {
				return fmt.Errorf("%s: beside %d calls: %w", s.name, n, err)
			}
		}
		for i, s := range up {
			if err := b.growth(ctx, h, s, n, costs[i]); err != nil {
				return err
			}
		}
		so = n
	}
	return nil
}

// growth notes what a call took beside so many others.
func (b *bench) growth(ctx context.Context, h *holder, s *system, n int, c cost) error {
	call, err := c.each(ctx, s)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if _, err := h.holds(s); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if !c.outcome.fine() {
		b.remark("%s at %d calls/s beside %d held: %s", s.name, c.rate, n, c.outcome)
		return nil
	}
	b.grows(s, c.rate, n, call)
	return nil
}

// grows notes what a call takes beside so many others.
func (b *bench) grows(s *system, rate, n int, call taken) {
	figure := fmt.Sprintf("CPU a call at %d/s beside held", rate)
	b.note(s, figure, "µs", held(n), call.own)
	if s.store != nil {
		b.note(s, figure+", of Redis", "µs", held(n), call.store)
	}
}

// many measures memory a held call, and what a call takes beside many: systems that have seen few calls. Each sets up its calls
// when nobody else does or is measured; what was set up settles meanwhile.
func (b *bench) many(ctx context.Context, up []*system) error {
	h, err := b.holder(ctx)
	if err != nil {
		return err
	}
	defer h.drop()
	var turn sync.Mutex
	var all sync.WaitGroup
	faults := make([]error, len(up))
	for i, s := range up {
		all.Go(func() {
			if err := b.fills(h.ctx, h, s, &turn); err != nil {
				faults[i] = fmt.Errorf("%s: %w", s.name, err)
			}
		})
	}
	all.Wait()
	return errors.Join(faults...)
}

// fills has one system hold more and more calls.
func (b *bench) fills(ctx context.Context, h *holder, s *system, turn *sync.Mutex) error {
	own, store, err := s.memory()
	if err != nil {
		return err
	}
	so := 0
	for _, n := range b.held {
		if n < worth || so == s.most {
			continue
		}
		if n > s.most {
			b.remark("%s holds %s of %s calls: %s", s.name, grouped(float64(s.most)), grouped(float64(n)), s.why)
			n = s.most
		}
		turn.Lock()
		err := h.add(s, n-so)
		turn.Unlock()
		so = n
		if err == nil {
			err = wait(ctx, settled-rested)
		}
		if err == nil {
			err = s.rests(ctx)
		}
		up := 0
		if err == nil {
			up, err = h.holds(s)
		}
		if err != nil {
			return fmt.Errorf("holding %d calls: %w", n, err)
		}
		b.note(s, "CPU at rest", "ms/s", held(n), s.idle*1000)
		ownNow, storeNow, err := s.memory()
		if err != nil {
			return err
		}
		b.note(s, "memory a held call", "KiB", held(n), float64(ownNow-own)/1024/float64(up))
		if s.store != nil {
			b.note(s, "memory a held call of Redis", "KiB", held(n), float64(storeNow-store)/1024/float64(up))
		}
		turn.Lock()
		c, err := b.spend(ctx, s, b.beside, steady)
		turn.Unlock()
		if err != nil {
			return fmt.Errorf("beside %d calls: %w", n, err)
		}
		if err := b.growth(ctx, h, s, n, c); err != nil {
			return err
		}
	}
	return nil
}

// memory is that of a system and of its store, in bytes.
func (s *system) memory() (own, store int64, err error) {
	if own, err = proportional(s.cmd); err == nil && s.store != nil {
		store, err = proportional(s.store.cmd)
	}
	return own, store, err
}
