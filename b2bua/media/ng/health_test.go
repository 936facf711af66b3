package ng_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"bulkhead/b2bua/media/ng"
)

// change is what Changed was told.
type change struct {
	node string
	up   bool
}

func changes(config *ng.Config) <-chan change {
	c := make(chan change, 100)
	config.Changed = func(node string, up bool) { c <- change{node, up} }
	return c
}

func TestNodeIsDownAfterThreePingsAndUpAfterTwo(t *testing.T) {
	pings := make(chan asked, 100)
	f := newFakeAt(t, "127.0.0.1:0", pings)
	config := ng.Config{Ping: 60 * time.Millisecond, Timeout: 20 * time.Second, Repeat: never}
	told := changes(&config)
	c := newClient(t, config, f)
	f.answer(wait(t, pings), "d6:result4:ponge")
	until(t, "a round trip", func() bool { return c.Nodes()[0].RoundTrip > 0 })
	waiting := offer(c, ng.Exchange{Call: "c1", From: "L0"})
	f.next()
	// Two are not answered, the next is: all is well.
	wait(t, pings)
	wait(t, pings)
	f.answer(wait(t, pings), "d6:result4:ponge")
	for range 3 {
		if len(told) > 0 {
			t.Fatal("it went down early")
		}
		wait(t, pings)
	}
	if got := wait(t, told); got != (change{"n0", false}) {
		t.Fatalf("%v", got)
	}
	if r := wait(t, waiting); !errors.Is(r.err, ng.ErrNodeLost) || !strings.Contains(r.err.Error(), "went down") {
		t.Errorf("who waits is told at once: %v", r.err)
	}
	if _, err := c.Query(context.Background(), "n0", "c1"); !errors.Is(err, ng.ErrNodeLost) || !strings.Contains(err.Error(), "is down") {
		t.Errorf("its calls are told at once: %v", err)
	}
	if _, err := c.Offer(context.Background(), ng.Exchange{Call: "c2", From: "L0", Body: []byte(sdp)}); !errors.Is(err, ng.ErrNoNode) {
		t.Errorf("new calls are told at once: %v", err)
	}
	if _, err := c.Choose("c2"); !errors.Is(err, ng.ErrNoNode) || c.Alive("n0") {
		t.Errorf("chosen or alive: %v", err)
	}
	if s := c.Nodes()[0]; s.Up || s.Since.IsZero() || s.Waiting > 1 {
		t.Errorf("%+v", s)
	}
	// One answer is not enough for new calls; who has a call there may ask.
	f.answer(wait(t, pings), "d6:result4:ponge")
	done := make(chan error, 1)
	until(t, "the node to be asked", func() bool {
		go func() {
			_, err := c.Query(context.Background(), "n0", "c1")
			done <- err
		}()
		select {
		case a := <-f.got:
			f.answer(a, "d12:error-reason15:Unknown call-id6:result5:errore")
			return true
		case err := <-done:
			if !errors.Is(err, ng.ErrNodeLost) {
				t.Error(err)
			}
			return false
		}
	})
	if err := wait(t, done); !errors.Is(err, ng.ErrUnknownCall) {
		t.Error(err)
	}
	if c.Nodes()[0].Up {
		t.Error("it came up early")
	}
	// A miss between them begins it anew.
	wait(t, pings)
	f.answer(wait(t, pings), "d6:result4:ponge")
	next := wait(t, pings)
	if c.Nodes()[0].Up {
		t.Error("it came up after one answer and a miss")
	}
	f.answer(next, "d6:result4:ponge")
	if got := wait(t, told); got != (change{"n0", true}) {
		t.Errorf("%v", got)
	}
}

// The kernel of the node's host answers for a process that is gone.
func TestNodeWhosePortIsClosedIsDownAtOnce(t *testing.T) {
	f := newFake(t)
	config := ng.Config{Ping: never, Timeout: never, Repeat: never}
	told := changes(&config)
	c := newClient(t, config, f)
	until(t, "a ping", func() bool { return c.Nodes()[0].Counts.Answered == 1 })
	first := offer(c, ng.Exchange{Call: "c1", From: "L0"})
	f.next()
	f.close()
	r := wait(t, offer(c, ng.Exchange{Call: "c2", From: "L0"}))
	if !errors.Is(r.err, ng.ErrNodeLost) || !errors.Is(r.err, ng.ErrNoNode) {
		t.Errorf("%v", r.err)
	}
	if r := wait(t, first); !errors.Is(r.err, ng.ErrNodeLost) || !strings.Contains(r.err.Error(), "nobody listens") {
		t.Errorf("%v", r.err)
	}
	if got := wait(t, told); got != (change{"n0", false}) {
		t.Errorf("%v", got)
	}
}

func TestOfferGoesToTheNextNodeWhereTheFirstIsLostOrBusy(t *testing.T) {
	nodes := []*fake{newFake(t), newFake(t), newFake(t)}
	c := newClient(t, ng.Config{Ping: never, Repeat: never, Timeout: 800 * time.Millisecond}, nodes...)
	first, second, third := -1, -1, -1
	for i, s := range ranked("c1", 3) {
		switch s {
		case 0:
			first = i
		case 1:
			second = i
		case 2:
			third = i
		}
	}
	if n, err := c.Choose("c1"); err != nil || n != fmt.Sprint("n", first) || !c.Alive(n) {
		t.Errorf("chosen: %s, %v", n, err)
	}
	done := offer(c, ng.Exchange{Call: "c1", From: "L0"})
	nodes[first].next() // and is silent
	nodes[second].answer(nodes[second].next(), "d12:error-reason16:Ran out of ports6:result5:errore")
	nodes[third].answer(nodes[third].next(), fine)
	if r := wait(t, done); r.err != nil || r.Node != fmt.Sprint("n", third) {
		t.Errorf("%+v", r)
	}
	// What is wrong with the offer is wrong everywhere.
	done = offer(c, ng.Exchange{Call: "c1", From: "L0"})
	nodes[first].answer(nodes[first].next(), "d12:error-reason20:Incomplete SDP specs6:result5:errore")
	if r := wait(t, done); r.err == nil || len(nodes[second].got)+len(nodes[third].got) > 0 {
		t.Errorf("%+v", r)
	}
	// A call that has a node stays with it.
	done = offer(c, ng.Exchange{Node: fmt.Sprint("n", third), Call: "c1", From: "L0"})
	nodes[third].next()
	if r := wait(t, done); !errors.Is(r.err, ng.ErrNodeLost) || len(nodes[first].got)+len(nodes[second].got) > 0 {
		t.Errorf("%+v", r)
	}
	// All lost.
	done = offer(c, ng.Exchange{Call: "c1", From: "L0"})
	if r := wait(t, done); !errors.Is(r.err, ng.ErrNoNode) || strings.Count(r.err.Error(), "no answer") != 3 {
		t.Errorf("%+v", r)
	}
}

// However many nodes are asked, together they are waited for no longer than one: each half of what is left,
// while there is another one.
func TestOfferHasOneTimeForAllNodes(t *testing.T) {
	const timeout = 800 * time.Millisecond
	nodes := []*fake{newFake(t), newFake(t), newFake(t)}
	c := newClient(t, ng.Config{Ping: never, Repeat: never, Timeout: timeout}, nodes...)
	r := wait(t, offer(c, ng.Exchange{Call: "c1", From: "L0"}))
	sum, asked := time.Duration(0), 0
	for _, m := range regexp.MustCompile(`no answer for (\S+):`).FindAllStringSubmatch(r.err.Error(), -1) {
		waited, err := time.ParseDuration(m[1])
		if sum, asked = sum+waited, asked+1; err != nil || asked == 1 && waited < timeout/3 {
			t.Errorf("%s: %v", m[0], err)
		}
	}
	if !errors.Is(r.err, ng.ErrNodeLost) || asked != 3 || sum > timeout {
		t.Errorf("%d nodes were waited for, %v: %v", asked, sum, r.err)
	}
}

// One that has just been lost is not asked again, also where it ranks highest; one that has forgotten is.
func TestOfferOfACallGoesOnAnew(t *testing.T) {
	nodes := []*fake{newFake(t), newFake(t)}
	c := newClient(t, ng.Config{Ping: never, Repeat: never, Timeout: 800 * time.Millisecond}, nodes...)
	first := ranked("c1", 2)[0] // the place of n0 is the number of who ranks highest
	other := 1 - first
	call := ng.Exchange{Node: fmt.Sprint("n", first), Call: "c1", From: "L0", To: "L1", Anew: true}
	done := offer(c, call)
	if a := nodes[first].next(); a.str("to-tag") != "L1" {
		t.Error(a.raw)
	}
	a := nodes[other].next()
	nodes[other].answer(a, fine)
	if r := wait(t, done); r.err != nil || r.Node != fmt.Sprint("n", other) || !r.Anew || a.of.Get("to-tag") != nil || len(nodes[first].got) > 0 {
		t.Errorf("lost: %+v", r)
	}
	done = offer(c, call)
	nodes[first].answer(nodes[first].next(), "d12:error-reason15:Unknown call-id6:result5:errore")
	a = nodes[first].next()
	nodes[first].answer(a, fine)
	if r := wait(t, done); r.err != nil || r.Node != call.Node || !r.Anew || a.of.Get("to-tag") != nil || len(nodes[other].got) > 0 {
		t.Errorf("forgotten: %+v", r)
	}
	done = offer(c, call)
	nodes[first].answer(nodes[first].next(), fine)
	if r := wait(t, done); r.err != nil || r.Anew {
		t.Errorf("known: %+v", r)
	}
}

// ranked has each node's place for the call.
func ranked(call string, nodes int) []int {
	places := make([]int, nodes)
	for i := range nodes {
		for j := range nodes {
			if ng.Score(call, fmt.Sprint("n", j)) > ng.Score(call, fmt.Sprint("n", i)) {
				places[i]++
			}
		}
	}
	return places
}

func TestNodeOfARecordThatIsNotConfiguredIsLost(t *testing.T) {
	c := newClient(t, ng.Config{Ping: never}, newFake(t))
	x := ng.Exchange{Node: "old", Call: "c1", From: "L0", To: "L1", Body: []byte(sdp)}
	_, offered := c.Offer(context.Background(), x)
	_, answered := c.Answer(context.Background(), x)
	_, deleted := c.Delete(context.Background(), "old", "c1")
	_, queried := c.Query(context.Background(), "old", "c1")
	for _, err := range []error{offered, answered, deleted, queried, c.Release(context.Background(), x)} {
		if !errors.Is(err, ng.ErrNodeLost) || !strings.Contains(err.Error(), `"old" is not configured`) {
			t.Errorf("%v", err)
		}
	}
}

// Rendezvous hashing: an even share each, and where a node is gone only its calls go
// elsewhere, to all others alike.
func TestCallsSpreadAndStay(t *testing.T) {
	const calls, nodes, gone = 30000, 5, 2
	var share, moved [nodes]int
	for i := range calls {
		// Ids like ours: they share most of their bytes.
		places := ranked(fmt.Sprintf("u01%020d", i), nodes)
		for n, place := range places {
			if place == 0 {
				share[n]++
			}
			if place == 1 && places[gone] == 0 {
				moved[n]++
			}
		}
	}
	even := func(what string, got int, want float64) {
		if math.Abs(float64(got)-want) > 5*math.Sqrt(want) { // five sigma
			t.Errorf("%s: %d calls, %.0f were even", what, got, want)
		}
	}
	for n := range nodes {
		even(fmt.Sprint("node ", n), share[n], calls/nodes)
		if n != gone {
			even(fmt.Sprint("of the lost node to node ", n), moved[n], float64(share[gone])/(nodes-1))
		}
	}
}
