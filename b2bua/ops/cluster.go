package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bulkhead/b2bua"
)

// Cluster is what a node knows of the others, and of calls whose owner does not answer.
type Cluster interface {
	// Peers are the other nodes, as they were heard of last. With an error, that may be
	// long ago, or never.
	Peers() ([]Peer, error)
	// Owner says who has a unit.
	Owner(ctx context.Context, unit string) (Owner, error)
	// Stored calls each with every call of a unit that the store has.
	Stored(ctx context.Context, unit string, each func(*b2bua.Call)) error
	// StoredCall is a call that the store has; nil: it has not.
	StoredCall(ctx context.Context, unit, id string) (*b2bua.Call, error)
}

// Peer is another node of the cluster.
type Peer struct {
	Node string
	Unit string // whose calls it serves, or may serve
	URL  string // of its API; empty: it has none for other nodes
	Dead bool   // it has not been heard of
}

// Owner is who has a unit.
type Owner struct {
	Node  string // that has taken it last; empty: none has
	Epoch uint64
	Holds bool // its lease runs
}

// Where is which nodes a request is about.
type Where struct {
	Node string `query:"node" doc:"This node only. Not said: the whole cluster."`
}

// How long other nodes and the store may take.
const (
	peerWithin   = 2 * time.Second
	deadWithin   = 500 * time.Millisecond // who has not been heard of
	storedWithin = 3 * time.Second
)

// scope is which nodes a request is about: this one, others, or both.
type scope struct {
	here  bool
	peers []Peer
	gaps  []Gap // what is not known of the cluster
	store Cluster
	one   bool // a node has been named
}

// scope finds out. Who asks for somebody asks for what is here.
func (s *Server) scope(ctx context.Context, w Where) (scope, error) {
	self, c := s.self(), s.node.Cluster()
	if whoIn(ctx).Via != "" || c == nil && (w.Node == "" || w.Node == self) {
		return scope{here: true, one: true}, nil
	}
	var peers []Peer
	var err error
	if c != nil {
		peers, err = c.Peers()
	}
	if w.Node == self {
		return scope{here: true, one: true}, nil
	}
	if w.Node != "" {
		names := []string{self}
		for _, p := range peers {
			if p.Node == w.Node {
				return scope{peers: []Peer{p}, store: c, one: true}, nil
			}
			names = append(names, p.Node)
		}
		detail := &huma.ErrorDetail{Message: "known nodes: " + strings.Join(names, ", "), Location: "query.node", Value: w.Node}
		return scope{}, huma.Error422UnprocessableEntity("there is no such node", detail)
	}
	all := scope{here: true, peers: peers, store: c}
	if err != nil {
		all.gaps = append(all.gaps, Gap{Reason: "the store does not answer, so that nodes may be missing: " + err.Error()})
	}
	return all, nil
}

// heardOf is what a node has said.
type heardOf[T any] struct {
	Peer
	answer T
	err    error
}

// idle says that the node has answered that it serves no calls.
func (t *heardOf[T]) idle() bool { return code(t.err) == http.StatusServiceUnavailable }

// code is the status of a refusal; zero: it is none.
func code(err error) int {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p.Status
	}
	return 0
}

// gather asks nodes for the same, all at once, each within its time.
func gather[T any](ctx context.Context, s *Server, peers []Peer, within time.Duration, method, uri string) []heardOf[T] {
	return gatherEach[T](ctx, s, peers, within, method, func(Peer) string { return uri })
}

// gatherEach asks each node for something of its own.
func gatherEach[T any](ctx context.Context, s *Server, peers []Peer, within time.Duration, method string, uri func(Peer) string) []heardOf[T] {
	all := make([]heardOf[T], len(peers))
	var asked sync.WaitGroup
	for i, p := range peers {
		asked.Go(func() {
			within := within
			if p.Dead {
				within = min(within, deadWithin)
			}
			ctx, cancel := context.WithTimeout(ctx, within)
			defer cancel()
			all[i].Peer = p
			var said carried
			if said, all[i].err = s.fetch(ctx, p, method, uri(p)); all[i].err == nil {
				all[i].answer, all[i].err = understood[T](said)
			}
		})
	}
	asked.Wait()
	return all
}

// understood is an answer as a value; one that is carried on is not looked into.
func understood[T any](said carried) (answer T, err error) {
	if raw, ok := any(&answer).(*carried); ok {
		*raw = said
		return answer, nil
	}
	if err = json.Unmarshal(said.text, &answer); err != nil {
		err = fmt.Errorf("its answer cannot be read: %w", err)
	}
	return answer, err
}

// elsewhere asks the other nodes for something of a call that is not here. Only the one that
// has it does not answer that there is none.
func elsewhere[T any](ctx context.Context, s *Server, in scope, within time.Duration, method, uri string) (answer T, from Peer, err error) {
	silent := in.gaps
	for _, t := range gather[T](ctx, s, in.peers, within, method, uri) {
		switch c := code(t.err); {
		case t.err == nil:
			return t.answer, t.Peer, nil
		case c == http.StatusNotFound || t.idle():
		case c != 0:
			problem, _ := errors.AsType[*Problem](t.err)
			return answer, t.Peer, huma.NewError(problem.Status, "node "+t.Node+": "+problem.Detail)
		default:
			silent = append(silent, Gap{t.Node, t.Unit, t.err.Error()})
		}
	}
	return answer, from, &absent{silent}
}

// absent says that no node that answers has a call.
type absent struct{ silent []Gap }

func (a *absent) Error() string {
	var b strings.Builder
	for _, g := range a.silent {
		if g.Node == "" {
			fmt.Fprintf(&b, "; %s", g.Reason)
			continue
		}
		fmt.Fprintf(&b, "; node %s: %s", g.Node, g.Reason)
	}
	return b.String()
}

// units are those whose calls may be in the store only: no node has said that it serves
// them.
func (in *scope) units(s *Server, served map[string]bool) (units []string) {
	if in.store == nil {
		return nil
	}
	own, _ := s.node.Serves()
	known := []string{}
	if in.here {
		known = append(known, own)
	}
	for _, p := range in.peers {
		known = append(known, p.Unit)
	}
	for _, u := range known {
		if u != "" && !served[u] {
			served[u] = true
			units = append(units, u)
		}
	}
	return units
}

// owner is who has a unit that no node has said that it serves, and how it is called. idle
// are nodes that have said that they serve none.
func (in *scope) owner(ctx context.Context, s *Server, unit string, idle map[string]bool) (o Owner, word string, err error) {
	o, err = in.store.Owner(ctx, unit)
	if err != nil {
		return o, "", err
	}
	lives := o.Holds
	for _, p := range in.peers {
		lives = lives || p.Node == o.Node && !p.Dead
	}
	switch {
	case o.Node == "" || o.Node == s.self() || idle[o.Node]:
		return o, "none", nil
	case lives:
		return o, "unreachable", nil
	}
	return o, "dead", nil
}
