package simtest

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"bulkhead/b2bua/media"
	"bulkhead/b2bua/media/ng"
	"bulkhead/b2bua/media/relay"
)

// Outside does what is asked of it where no bubble is. A scenario's time stands still while somebody in its bubble waits for a
// socket, so sockets and whoever reads them are out here, by the time of the machine, and time in there stands still for as
// long as an answer of theirs takes.
type Outside struct {
	mu   sync.Mutex // one thing at a time
	do   chan func()
	done chan struct{}
}

// NewOutside makes one, outside of any bubble. It does things until Close.
func NewOutside() *Outside {
	o := &Outside{do: make(chan func()), done: make(chan struct{})}
	go func() {
		for f := range o.do {
			f()
			o.done <- struct{}{}
		}
		close(o.done)
	}()
	return o
}

// Close ends it.
func (o *Outside) Close() {
	close(o.do)
	<-o.done
}

// Do does it, and returns when it is done.
func (o *Outside) Do(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.do <- f
	<-o.done
}

// Ports are those of a relay with sockets, for a bubble.
func (o *Outside) Ports(p media.Ports) media.Ports { return outerPorts{o, p} }

type outerPorts struct {
	*Outside
	of media.Ports
}

func (p outerPorts) Open(at netip.Addr) (local netip.AddrPort, err error) {
	p.Do(func() { local, err = p.of.Open(at) })
	return local, err
}

func (p outerPorts) Restore(local netip.AddrPort) (err error) {
	p.Do(func() { err = p.of.Restore(local) })
	return err
}

func (p outerPorts) Aim(local netip.AddrPort, to relay.Remote) (err error) {
	p.Do(func() { err = p.of.Aim(local, to) })
	return err
}

func (p outerPorts) Join(a, b netip.AddrPort) (err error) {
	p.Do(func() { err = p.of.Join(a, b) })
	return err
}

func (p outerPorts) Stats(local netip.AddrPort) (s relay.Stats, is bool) {
	p.Do(func() { s, is = p.of.Stats(local) })
	return s, is
}

func (p outerPorts) Close(local netip.AddrPort) (s relay.Stats) {
	p.Do(func() { s = p.of.Close(local) })
	return s
}

// Engines are rtpengines that are spoken to by sockets, for a bubble.
func (o *Outside) Engines(e media.Engines) media.Engines { return outerEngines{o, e} }

type outerEngines struct {
	*Outside
	of media.Engines
}

func (e outerEngines) Offer(_ context.Context, x ng.Exchange) (r ng.Result, err error) {
	e.Do(func() { r, err = e.of.Offer(context.Background(), x) })
	return r, err
}

func (e outerEngines) Answer(_ context.Context, x ng.Exchange) (r ng.Result, err error) {
	e.Do(func() { r, err = e.of.Answer(context.Background(), x) })
	return r, err
}

func (e outerEngines) Release(_ context.Context, x ng.Exchange) (err error) {
	e.Do(func() { err = e.of.Release(context.Background(), x) })
	return err
}

func (e outerEngines) Delete(_ context.Context, node, call string) (s ng.Stats, err error) {
	e.Do(func() { s, err = e.of.Delete(context.Background(), node, call) })
	return s, err
}

func (e outerEngines) Query(_ context.Context, node, call string) (s ng.Stats, err error) {
	e.Do(func() { s, err = e.of.Query(context.Background(), node, call) })
	return s, err
}

// Poll looks at nothing: by the time in here a call is asked for far more often than by theirs.
func (e outerEngines) Poll(ctx context.Context, _ time.Duration, _ func(string) []string, _ ng.Told) {
	<-ctx.Done()
}

func (e outerEngines) Nodes() (all []ng.State) {
	e.Do(func() { all = e.of.Nodes() })
	return all
}
