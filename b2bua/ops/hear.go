package ops

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// How another node is listened to: a connection for each who listens here, which asks it for
// what happens there, and for no other node's. One that is lost is tried again, for as long
// as the cluster knows of the node.

// PeerStands says whether the events of another node come.
type PeerStands struct {
	At     time.Time `json:"at"`
	Node   string    `json:"node"`
	Unit   string    `json:"unit,omitempty"`
	State  string    `json:"state" enum:"joined,lost,dead,left" doc:"Joined: what happens there is told from now on. Lost: it is not, until it joins again. Dead: the cluster has not heard of it either. Left: the cluster does not know of it any more."`
	Reason string    `json:"reason,omitempty" doc:"Why it is lost."`
}

// How long things take between nodes.
const (
	lookEach   = time.Second     // for nodes that come and go
	rejoinEach = time.Second     // for one that is lost
	quietFor   = 3 * aliveToPeer // one that says nothing is lost
	heardMost  = 256 << 10       // bytes of a line
	deadQuiet  = 2 * deadWithin  // one that has not been heard of, until it says something
)

// errQuiet is why a node is lost that is connected.
var errQuiet = errors.New("it has said nothing for a while")

// peersOf are the nodes of a scope as they are known now; false: nobody knows.
func (s *Server) peersOf(in scope) ([]Peer, bool) {
	peers, err := in.store.Peers()
	if in.here {
		return peers, err == nil
	}
	return slices.DeleteFunc(slices.Clone(peers), func(p Peer) bool { return p.Node != in.peers[0].Node }), err == nil
}

// hear gives a listener the events of the other nodes of a scope until the context ends.
func (s *Server) hear(ctx context.Context, in scope, uri string, l *listener) {
	var hearing sync.WaitGroup
	defer hearing.Wait()
	heard, dead := map[string]context.CancelFunc{}, map[string]bool{}
	tick := time.NewTicker(lookEach)
	defer tick.Stop()
	for {
		peers, known := s.peersOf(in)
		for _, p := range peers {
			if heard[p.Node] == nil {
				one, cancel := context.WithCancel(ctx)
				heard[p.Node] = cancel
				hearing.Go(func() { s.hearNode(one, in, p, uri, l) })
			}
			if p.Dead && !dead[p.Node] {
				l.tell(ctx, PeerStands{At: time.Now().UTC(), Node: p.Node, Unit: p.Unit, State: "dead"})
			}
			dead[p.Node] = p.Dead
		}
		for name, end := range heard {
			if known && !slices.ContainsFunc(peers, func(p Peer) bool { return p.Node == name }) {
				end()
				delete(heard, name)
				delete(dead, name)
				l.tell(ctx, PeerStands{At: time.Now().UTC(), Node: name, State: "left"})
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			for _, end := range heard {
				end()
			}
			return
		}
	}
}

// tell waits until there is room for an event: what follows is not understood without it.
func (l *listener) tell(ctx context.Context, event any) {
	select {
	case l.events <- event:
	case <-ctx.Done():
	}
}

// hearNode listens to a node until the context ends.
func (s *Server) hearNode(ctx context.Context, in scope, p Peer, uri string, l *listener) {
	for first, joined := true, false; ; first = false {
		stands := func(state, reason string) {
			l.tell(ctx, PeerStands{time.Now().UTC(), p.Node, p.Unit, state, reason})
		}
		err := s.hearOnce(ctx, p, uri, l, func() {
			joined = true
			stands("joined", "")
		})
		if ctx.Err() != nil {
			return
		}
		if first || joined { // else it is known
			joined = false
			stands("lost", err.Error())
		}
		select {
		case <-time.After(rejoinEach):
		case <-ctx.Done():
			return
		}
		peers, _ := s.peersOf(in)
		if i := slices.IndexFunc(peers, func(now Peer) bool { return now.Node == p.Node }); i >= 0 {
			p = peers[i] // it may listen elsewhere by now
		}
	}
}

// hearOnce listens to a node for as long as its stream lasts, and says why it has ended.
// joined is called when it has begun.
func (s *Server) hearOnce(ctx context.Context, p Peer, uri string, l *listener, joined func()) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	quiet := quietFor
	if p.Dead {
		quiet = deadQuiet
	}
	silence := time.AfterFunc(quiet, func() { end(errQuiet) })
	defer silence.Stop()
	response, err := s.open(ctx, p, http.MethodGet, uri)
	if err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, heardMost)
	var name, data string
	for lines.Scan() {
		silence.Reset(quietFor)
		line := lines.Text()
		if line != "" {
			field, value, _ := strings.Cut(line, ":")
			switch value = strings.TrimPrefix(value, " "); field { // of the HTML standard, §9.2.6
			case "event":
				name = value
			case "data":
				data = value
			}
			continue
		}
		if joined != nil {
			joined()
			joined = nil
		}
		event, err := heardEvent(name, data, p.Node)
		if err != nil {
			return err
		}
		if event != nil {
			l.give(event)
		}
		name, data = "", ""
	}
	return cmp.Or(context.Cause(ctx), lines.Err(), errors.New("it has ended the stream"))
}

// heardEvent is what another node has said; nil: nothing that is passed on.
func heardEvent(name, data, node string) (event any, err error) {
	read := func(into any) {
		if wrong := json.Unmarshal([]byte(data), into); wrong != nil {
			err = fmt.Errorf("its event %s cannot be read: %w", cmp.Or(name, "message"), wrong)
		}
	}
	switch name {
	case "step":
		var e Step
		read(&e)
		e.Node = node
		event = e
	case "", "message":
		var e Message
		read(&e)
		e.Node = node
		event = e
	case "carrier":
		var e CarrierStands
		read(&e)
		e.Node = node
		event = e
	case "missed":
		var e Missed
		read(&e)
		e.Node = node
		event = e
	}
	return event, err
}
