//go:build crash

package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"bulkhead/b2bua"
	"bulkhead/b2bua/wire"
	"bulkhead/dialog"
	"bulkhead/storage"
)

// crash kills the process, as SIGKILL does, at a point of a call's life that the
// environment names: BULKHEAD_CRASH="in 180 INVITE 1:1", "out BYE 0:1", "stored:2",
// "ended:1". The first two are a message that has come in and is not looked at yet,
// or has just gone out: its method or code with method, and the leg. The others are a
// state, or an end, that has just become safe. Behind the colon: the how many-th time.
type crash struct {
	point string
	times int32
	seen  atomic.Int32
	out   atomic.Bool
}

func crashing(k b2bua.Keeper) (b2bua.Keeper, b2bua.Observer) {
	point, times, _ := strings.Cut(os.Getenv("BULKHEAD_CRASH"), ":")
	n, err := strconv.Atoi(times)
	if err != nil && point != "" {
		panic(err)
	}
	c := &crash{point: point, times: int32(n)}
	return crashKeeper{k, c}, c
}

// is says that the point is the one.
func (c *crash) is(point string) bool { return point == c.point && c.seen.Add(1) == c.times }

// die does not return where the point is the one.
func (c *crash) die(point string) {
	if c.is(point) {
		die()
	}
}

func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// Saw is b2bua.Observer.
func (c *crash) Saw(s b2bua.Sight) {
	if s.Note != "" {
		return
	}
	what := kindOf(s.Data)
	if s.In {
		c.die(fmt.Sprintf("in %s %d", what, s.Leg))
	} else if c.is(fmt.Sprintf("out %s %d", what, s.Leg)) {
		c.out.Store(true)
	}
}

// Hunted is b2bua.Observer.
func (c *crash) Hunted(dialog.CallID, b2bua.Failover) {}

// Ended is b2bua.Observer.
func (c *crash) Ended(dialog.CallID, b2bua.Record) {}

// Left is b2bua.Observer.
func (c *crash) Left(dialog.CallID) {}

// around is the network, after which the process dies if that was the point.
func (c *crash) around(w b2bua.Wire) b2bua.Wire { return crashWire{w, c} }

type crashWire struct {
	b2bua.Wire
	crash *crash
}

func (w crashWire) Send(h, fallback wire.Hop, data []byte, unsent func(error)) {
	w.Wire.Send(h, fallback, data, unsent)
	if w.crash.out.Load() {
		die()
	}
}

type crashKeeper struct {
	b2bua.Keeper
	crash *crash
}

// Put dies, if that is the point, before who waits hears of it.
func (k crashKeeper) Put(it storage.Item, done func(error)) {
	if done != nil {
		told := done
		done = func(err error) { k.crash.die("stored"); told(err) }
	}
	k.Keeper.Put(it, done)
}

// End is like Put, also where nobody waits.
func (k crashKeeper) End(it storage.Item, detail []byte, done func(error)) {
	k.Keeper.End(it, detail, func(err error) {
		k.crash.die("ended")
		if done != nil {
			done(err)
		}
	})
}

// kindOf is "BYE" for a request, "200 BYE" for its answer.
func kindOf(data []byte) string {
	line, rest, _ := bytes.Cut(data, []byte("\r\n"))
	first, more, _ := strings.Cut(string(line), " ")
	if first != "SIP/2.0" {
		return first
	}
	_, cseq, _ := bytes.Cut(rest, []byte("\r\nCSeq:"))
	cseq, _, _ = bytes.Cut(cseq, []byte("\r\n"))
	words := strings.Fields(string(cseq))
	return more[:3] + " " + words[len(words)-1]
}
