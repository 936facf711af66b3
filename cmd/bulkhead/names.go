package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"bulkhead/carriers"
	"bulkhead/carriers/dns"
)

// firstAnswers is how long service waits for the names of gateways at the start. A call
// that needs one that has no answer then tries the next target.
const firstAnswers = 2 * time.Second

// resolve begins to follow the names that the gateways have, until the context ends.
func (p *process) resolve(ctx context.Context) error {
	book, err := p.config.Book()
	if err != nil {
		return err
	}
	conf := dns.Config{Servers: dns.System("/etc/resolv.conf"), Keep: p.config.longest(), Watch: leads(p.log)}
	if d := p.config.DNS; d != nil {
		conf.Stale = d.Stale
		if len(d.Servers) > 0 {
			conf.Servers = dns.Listed(d.Servers)
		}
	}
	p.names = dns.New(conf)
	p.config.names = p.names
	p.showNames()
	go p.names.Run(ctx)
	p.lead(book)
	return nil
}

// showNames counts the names that are followed, by how they stand.
func (p *process) showNames() {
	for state, is := range map[string]func(dns.State) bool{
		"fresh":   func(s dns.State) bool { return s.Err == nil && len(s.Addresses) > 0 },
		"stale":   func(s dns.State) bool { return s.Err != nil && len(s.Addresses) > 0 },
		"nowhere": func(s dns.State) bool { return len(s.Addresses) == 0 },
	} {
		p.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "bulkhead", Name: "gateway_names", ConstLabels: prometheus.Labels{"state": state},
			Help: "Host names of gateways: fresh, stale (their last answer serves on while no name server gives another), or leading nowhere.",
		}, func() (n float64) {
			for _, s := range p.names.States() {
				if is(s) {
					n++
				}
			}
			return n
		}))
	}
}

// lead follows the names of a book instead of those before, when it is known where they
// lead, or that it takes too long to find out.
func (p *process) lead(book *carriers.Book) {
	var both []carriers.Name
	for n := range p.names.States() {
		both = append(both, n)
	}
	p.names.Follow(append(both, book.Names()...))
	wait, cancel := context.WithTimeout(context.Background(), firstAnswers)
	defer cancel()
	p.names.First(wait)
	p.names.Follow(book.Names())
}

// longest is how long a call may last at an address that its name does not lead to any
// more, and be repeated afterwards.
func (c *Config) longest() time.Duration {
	keep := time.Duration(0)
	for _, t := range c.Trunks {
		keep = max(keep, t.MaxDuration)
	}
	linger := time.Duration(0)
	for _, k := range c.Carriers {
		linger = max(linger, k.Linger)
	}
	return keep + linger + 64*c.Timers.T1
}

// leads logs where names lead.
func leads(log *zap.Logger) func(carriers.Name, dns.State) {
	return func(n carriers.Name, s dns.State) {
		var at []string
		for _, a := range s.Addresses {
			at = append(at, a.Transport.String()+" "+a.Remote.String())
		}
		fields := []zap.Field{zap.Stringer("name", n), zap.Strings("addresses", at)}
		switch {
		case s.Err != nil && len(at) > 0:
			log.Warn("name cannot be renewed; its last answer serves on", append(fields, zap.Time("until", s.Until), zap.Error(s.Err))...)
		case s.Err != nil:
			log.Error("name leads nowhere", append(fields, zap.String("reason", s.Fault), zap.Error(s.Err))...)
		case len(at) == 0:
			log.Warn("name leads nowhere", append(fields, zap.String("reason", s.Fault))...)
		default:
			log.Info("name leads to", fields...)
		}
	}
}
