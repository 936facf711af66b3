package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"bulkhead/b2bua"
	"bulkhead/b2bua/wire"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

func routeCommand() *cobra.Command {
	c := &cobra.Command{Use: "route", Short: "Look at the routes"}
	c.AddCommand(routeTestCommand())
	return c
}

// tried is a call whose way is asked for.
type tried struct {
	trunk, to, from, domain, call string
	headers                       []string
	at                            time.Time
	assume                        map[string]string
}

func routeTestCommand() *cobra.Command {
	var call tried
	var at string
	assume, format := []string{}, "text"
	c := &cobra.Command{
		Use:   "test FILE --trunk NAME --to NUMBER",
		Short: "Say where a call would go, with the code that calls take",
		Long: "Say which route a call takes, which targets are tried in which order, with which\n" +
			"number, headers and timers, and why others are skipped. Nothing is sent, but to who\n" +
			"decides about a route that asks. What a running node knows, who is down or full, is\n" +
			"not known here: --assume says it, in a word of the record such as down or calls (a limit,\n" +
			"which holds also where nobody else is left). Weights and percentages are drawn by the call's id:\n" +
			"without --call one is taken as a sample, and the shares of all are told.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, _, err := Load(args[0])
			if err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), err)
				return errRefused
			}
			write, ok := map[string]func(*tour) error{
				"text": func(t *tour) error { return t.text(cmd.OutOrStdout()) },
				"json": func(t *tour) error { return t.json(cmd.OutOrStdout()) },
			}[format]
			if !ok {
				return fmt.Errorf("-o %s: want one of text, json", format)
			}
			if call.at, err = askedAt(at, time.Now()); err != nil {
				return err
			}
			if call.assume, err = config.assumed(assume); err != nil {
				return err
			}
			t, err := config.try(call)
			if err != nil {
				return err
			}
			return write(t)
		},
	}
	f := c.Flags()
	f.StringVar(&call.trunk, "trunk", "", "who calls")
	f.StringVar(&call.to, "to", "", "number dialled: user part of the Request-URI")
	f.StringVar(&call.from, "from", "", "user part of From; default: none")
	f.StringVar(&call.domain, "domain", "", "host of the Request-URI; default: our own address")
	f.StringArrayVar(&call.headers, "header", nil, "another header field of the INVITE, as \"Name: value\"; may be repeated")
	f.StringVar(&at, "at", "", "when, as 2026-01-31T08:00 (UTC) or RFC 3339; default: now")
	f.StringArrayVar(&assume, "assume", nil, "CARRIER=WORD or GATEWAY=WORD: skipped, and why, such as tc1=down; may be repeated")
	f.StringVar(&call.call, "call", "", "id of the call, as in its record: the draws are those of that call")
	f.StringVarP(&format, "output", "o", format, "how to print: text, json")
	for _, name := range []string{"trunk", "to"} {
		if err := c.MarkFlagRequired(name); err != nil {
			panic(err) // it is declared above
		}
	}
	return c
}

// askedAt reads a time, in UTC where it does not say.
func askedAt(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return now, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return now, fmt.Errorf("--at %s: want a time, such as 2026-01-31T08:00 or 2026-01-31T08:00:00+01:00", s)
}

// assumed reads what is to be taken for granted of carriers and gateways.
func (c *Config) assumed(list []string) (map[string]string, error) {
	known := map[string]bool{}
	for name, k := range c.Carriers {
		known[name] = true
		for _, g := range k.Gateways {
			known[g.Address] = true
		}
	}
	all := map[string]string{}
	for _, s := range list {
		who, why, ok := strings.Cut(s, "=")
		switch {
		case !ok || why == "":
			return nil, fmt.Errorf("--assume %s: want CARRIER=WORD, such as tc1=down", s)
		case !known[who]:
			return nil, fmt.Errorf("--assume %s: there is no carrier or gateway %q", s, who)
		}
		all[who] = why
	}
	return all, nil
}

// assumptions judge by what is assumed.
type assumptions map[string]string

// Skip is carriers.Judge.
func (a assumptions) Skip(_ time.Time, t dialog.Target) string {
	if why := a[t.Carrier]; why != "" {
		return why
	}
	return a[t.Gateway]
}

// unsent is the network of an engine that sends nothing.
type unsent struct{ *Config }

// Send is b2bua.Wire.
func (unsent) Send(_, _ wire.Hop, _ []byte, _ func(error)) {}

// Local is b2bua.Wire: what a socket of the realm would call itself.
func (u unsent) Local(realm string, t wire.Transport) (string, bool) {
	r := u.Realms[realm]
	for _, s := range r.sockets() {
		if wire.Transport(s.Transport) != t {
			continue
		}
		host := r.Advertise
		if host == "" {
			host = s.Address.Addr().String()
		}
		if at, err := netip.ParseAddr(host); err == nil {
			return netip.AddrPortFrom(at, s.Address.Port()).String(), true
		}
		return fmt.Sprintf("%s:%d", host, s.Address.Port()), true
	}
	return "", false
}

// try has an engine that sends nothing say where a call would go.
func (c *Config) try(call tried) (*tour, error) {
	book, err := c.Book()
	if err != nil {
		return nil, err
	}
	trunk := book.TrunkNamed(call.trunk)
	if trunk == nil {
		return nil, fmt.Errorf("--trunk %s: there is no such trunk; known here: %s", call.trunk, strings.Join(book.Trunks(), ", "))
	}
	var id dialog.CallID
	if call.call != "" {
		var ok bool
		if id, ok = dialog.ParseCallID(call.call); !ok {
			return nil, fmt.Errorf("--call %s is not the id of a call, such as v4vg4fnr3in6i", call.call)
		}
	}
	network := unsent{c}
	engine := b2bua.New(b2bua.Config{
		Agent: "Bulkhead", Timers: dialog.Timers{T1: c.Timers.T1, T2: c.Timers.T2, T4: c.Timers.T4},
	}, book, network, discard{}, zap.NewNop(), b2bua.NewMetrics(prometheus.NewRegistry()), nil)
	m, from, err := c.invite(call, trunk, network)
	if err != nil {
		return nil, err
	}
	t := engine.Try(call.at, id, trunk, m, from, assumptions(call.assume))
	return &tour{Trial: t, config: c, book: book, call: call, id: id}, nil
}

// invite is the INVITE of a call, as the trunk would send it.
func (c *Config) invite(call tried, trunk *carriers.Trunk, network unsent) (*dialog.Message, dialog.Path, error) {
	path := dialog.Path{Realm: trunk.Realm, Transport: c.Sockets()[trunk.Realm][0].Transport}
	first, _, _ := strings.Cut(c.Trunks[trunk.Name].From[0], "/")
	source, err := netip.ParseAddr(first)
	if err != nil {
		return nil, path, err
	}
	path.Remote = netip.AddrPortFrom(source, 5060)
	domain := call.domain
	if domain == "" {
		domain, _ = network.Local(trunk.Realm, wire.Transport(path.Transport))
	}
	caller := "sip:"
	if call.from != "" {
		caller += call.from + "@"
	}
	lines := []string{
		"INVITE sip:" + call.to + "@" + domain + " SIP/2.0",
		"Via: SIP/2.0/" + path.Transport.String() + " " + path.Remote.String() + ";branch=z9hG4bKtest",
		"From: <" + caller + path.Remote.Addr().String() + ">;tag=test",
		"To: <sip:" + call.to + "@" + domain + ">",
		"Call-ID: test", "CSeq: 1 INVITE", "Contact: <sip:" + path.Remote.String() + ">", "Max-Forwards: 70",
	}
	lines = append(append(lines, call.headers...), "Content-Length: 0", "", "")
	m, fault, err := wire.Parse([]byte(strings.Join(lines, "\r\n")), wire.Limits{})
	switch {
	case err != nil:
		return nil, path, fmt.Errorf("no INVITE can be made of that: %w", err)
	case fault != nil:
		return nil, path, errors.New("no INVITE can be made of that: " + fault.Phrase)
	}
	return dialog.Read(m), path, nil
}
