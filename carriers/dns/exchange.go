package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Servers lists the name servers, each as ip:port.
type Servers func() ([]string, error)

// Exchange asks one server one thing.
type Exchange func(ctx context.Context, m *dns.Msg, server string) (*dns.Msg, error)

// patience is how long a server may take; there are rounds rounds of all of them.
const (
	patience = time.Second
	rounds   = 2
)

// payload is how large a datagram may be that is sent to us: it is not fragmented
// anywhere (DNS flag day 2020).
const payload = 1232

// Listed are servers that are configured: an address each, with or without a port.
func Listed(list []string) Servers {
	servers := make([]string, 0, len(list))
	for _, s := range list {
		servers = append(servers, withPort(s))
	}
	return func() ([]string, error) { return servers, nil }
}

// System are the servers of a resolv.conf(5), read anew each time: whoever writes the
// file may change it.
func System(file string) Servers {
	return func() ([]string, error) {
		c, err := dns.ClientConfigFromFile(file)
		if err != nil {
			return nil, fmt.Errorf("name servers: %w", err)
		}
		servers := make([]string, 0, len(c.Servers))
		for _, s := range c.Servers {
			servers = append(servers, net.JoinHostPort(s, c.Port))
		}
		return servers, nil
	}
}

func withPort(s string) string {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(a, 53).String()
	}
	return s
}

// Ask sends the question by UDP, and by TCP if the answer is too long for that.
func Ask(ctx context.Context, m *dns.Msg, server string) (*dns.Msg, error) {
	c := dns.Client{UDPSize: payload}
	reply, _, err := c.ExchangeContext(ctx, m, server)
	if err == nil && reply.Truncated {
		c.Net = "tcp"
		reply, _, err = c.ExchangeContext(ctx, m, server)
	}
	return reply, err
}

var errNoServers = errors.New("there are no name servers")

// ask goes round the servers, beginning with the one that answered last, until one
// says what there is or that there is nothing.
func (r *Resolver) ask(ctx context.Context, q dns.Question) (*dns.Msg, error) {
	servers, err := r.config.Servers()
	if err != nil || len(servers) == 0 {
		return nil, errors.Join(err, errNoServers)
	}
	first := int(r.server.Load()) % len(servers)
	var faults []error
	for i := range rounds * len(servers) {
		n := (first + i) % len(servers)
		reply, err := r.try(ctx, q, servers[n])
		if err == nil {
			r.server.Store(uint32(n))
			return reply, nil
		}
		if fault := fmt.Errorf("%s: %w", servers[n], err); i < len(servers) {
			faults = append(faults, fault)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(faults...)
}

// try asks one server, and again without EDNS where it is too old for that.
func (r *Resolver) try(ctx context.Context, q dns.Question, server string) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, extended := range [...]bool{true, false} {
		m := &dns.Msg{Question: []dns.Question{q}}
		m.Id, m.RecursionDesired = dns.Id(), true
		if extended {
			m.SetEdns0(payload, false)
		}
		reply, err := r.config.Exchange(ctx, m, server)
		switch {
		case err != nil:
			return nil, err
		case reply.Id != m.Id || !reply.Response || !slices.EqualFunc(reply.Question, m.Question, sameQuestion):
			return nil, errors.New("the answer is to another question")
		case reply.Rcode == dns.RcodeSuccess || reply.Rcode == dns.RcodeNameError:
			return reply, nil
		case extended && (reply.Rcode == dns.RcodeFormatError || reply.Rcode == dns.RcodeNotImplemented):
			continue
		}
		return nil, errors.New(dns.RcodeToString[reply.Rcode])
	}
	return nil, errors.New("the server does not understand the question")
}

func sameQuestion(a, b dns.Question) bool {
	return strings.EqualFold(a.Name, b.Name) && a.Qtype == b.Qtype && a.Qclass == b.Qclass
}
