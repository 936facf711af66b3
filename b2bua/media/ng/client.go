package ng

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// Config says where the nodes are. Zero values have a default.
type Config struct {
	Nodes []Node
	Local netip.Addr // we ask from here; default: any address

	Repeat  time.Duration // the first repeat of a request, then doubled; default 100 ms
	Timeout time.Duration // of a request, of an offer at all nodes together; default 1.5 s

	Ping      time.Duration // how often each node is pinged; default 2 s
	DownAfter int           // pings without answer; default 3
	UpAfter   int           // answers in a row; default 2

	// Changed, if any, is told of every node that goes down or comes up. It must not
	// block and not call the client's Close.
	Changed func(node string, up bool)
}

// Node is one rtpengine. Calls remember the name: it must not move to another
// rtpengine while they live. Default: udp://ADDRESS:PORT.
type Node struct {
	Name    string
	Address netip.AddrPort // of its --listen-ng
}

func (c *Config) defaults() {
	duration := func(d *time.Duration, otherwise time.Duration) {
		if *d <= 0 {
			*d = otherwise
		}
	}
	duration(&c.Repeat, 100*time.Millisecond)
	duration(&c.Timeout, 1500*time.Millisecond)
	duration(&c.Ping, 2*time.Second)
	if c.DownAfter <= 0 {
		c.DownAfter = 3
	}
	if c.UpAfter <= 0 {
		c.UpAfter = 2
	}
}

// Client asks the nodes. It has a socket a node, however many requests are in flight.
type Client struct {
	config Config
	nodes  []*node
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// New opens the sockets and begins to ping. Errors name every node that cannot be.
func New(config Config) (*Client, error) {
	config.defaults()
	c := &Client{config: config}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	var errs []error
	if len(config.Nodes) == 0 {
		errs = append(errs, errors.New("no rtpengine nodes"))
	}
	for _, is := range config.Nodes {
		n, err := c.open(is)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		c.nodes = append(c.nodes, n)
	}
	if err := errors.Join(errs...); err != nil {
		for _, n := range c.nodes {
			_ = n.udp.Close()
		}
		c.cancel()
		return nil, err
	}
	for _, n := range c.nodes {
		c.work.Go(n.read)
		c.work.Go(n.ping)
	}
	return c, nil
}

func (c *Client) open(is Node) (*node, error) {
	if !is.Address.IsValid() || is.Address.Port() == 0 || is.Address.Addr().IsUnspecified() || is.Address.Addr().IsMulticast() {
		return nil, fmt.Errorf("rtpengine node %q: address %s is not that of a node", is.Name, is.Address)
	}
	is.Address = netip.AddrPortFrom(is.Address.Addr().Unmap(), is.Address.Port())
	if is.Name == "" {
		is.Name = "udp://" + is.Address.String()
	}
	for _, other := range c.nodes {
		switch {
		case other.name == is.Name:
			return nil, fmt.Errorf("rtpengine node %q: stands twice", is.Name)
		case other.address == is.Address:
			return nil, fmt.Errorf("rtpengine node %q: %s is node %q", is.Name, is.Address, other.name)
		}
	}
	return listen(c, is)
}

// Close ends all requests with ErrClosed, and returns when nothing of the client runs.
func (c *Client) Close() {
	c.cancel()
	for _, n := range c.nodes {
		_ = n.udp.Close()
		n.abandon(ErrClosed)
	}
	c.work.Wait()
}

// State is a node as an operator sees it.
type State struct {
	Name      string
	Address   netip.AddrPort
	Up        bool          // gets new calls
	Since     time.Time     // when that last changed; zero: not since New
	RoundTrip time.Duration // of the latest ping that was answered; 0: none was
	Waiting   int           // requests in flight
	Counts    Counts
}

// Nodes are all nodes as configured.
func (c *Client) Nodes() []State {
	states := make([]State, len(c.nodes))
	for i, n := range c.nodes {
		states[i] = n.state()
	}
	return states
}

// named is the node that a call's record names.
func (c *Client) named(name string) (*node, error) {
	for _, n := range c.nodes {
		if n.name == name {
			return n, nil
		}
	}
	return nil, fmt.Errorf("rtpengine %q is not configured: %w", name, ErrNodeLost)
}
