package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/b2bua/wire"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

func routeCommand() *cobra.Command {
	c := &cobra.Command{Use: "route", Short: "Look at the routes"}
	c.AddCommand(routeTestCommand())
	return c
}

func routeTestCommand() *cobra.Command {
	var flags remoteFlags
	var asked ops.RouteAsked
	var at string
	live, assume, format := false, []string{}, "text"
	c := &cobra.Command{
		Use:   "test FILE --trunk NAME --to NUMBER",
		Short: "Say where a call would go, with the code that calls take",
		Long: "Say which route a call takes, which targets are tried in which order, with which\n" +
			"number, headers and timers, and why others are skipped. Nothing is sent, but to who\n" +
			"decides about a route that asks. What a running node knows, who is down or full, is\n" +
			"known with --live only, which asks the node, by the configuration in force there: with\n" +
			"--socket or --url it is asked in any case. --assume says what is not known, or is to be\n" +
			"tried out, in a word of the record such as down or calls (a limit, which holds also where\n" +
			"nobody else is left). Weights and percentages are drawn by the call's id: without --call\n" +
			"one is taken as a sample, and the shares of all are told.",
		RunE: func(cmd *cobra.Command, args []string) error {
			write, ok := map[string]func(io.Writer, ops.RouteTrial) error{"text": narrates, "json": tells}[format]
			if !ok {
				return fmt.Errorf("-o %s: want one of text, json", format)
			}
			var err error
			if asked.At, err = askedAt(at); err != nil {
				return err
			}
			if asked.Assume, err = assumed(assume); err != nil {
				return err
			}
			var t ops.RouteTrial
			if len(args) == 0 || live {
				node, _, err := flags.find(cmd, args)
				if err != nil {
					return err
				}
				if err := node.send(cmd.Context(), http.MethodPost, "/v1/routes:test", asked, &t); err != nil {
					return told(cmd, err)
				}
				return write(cmd.OutOrStdout(), t)
			}
			config, _, err := Load(args[0])
			if err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), err)
				return errRefused
			}
			if t, err = config.try(asked); err != nil {
				return err
			}
			return write(cmd.OutOrStdout(), t)
		},
	}
	flags.add(c, 0)
	f := c.Flags()
	f.BoolVar(&live, "live", false, "ask the running node that FILE configures")
	f.StringVar(&asked.Trunk, "trunk", "", "who calls")
	f.StringVar(&asked.To, "to", "", "number dialled: user part of the Request-URI")
	f.StringVar(&asked.From, "from", "", "user part of From; default: none")
	f.StringVar(&asked.Domain, "domain", "", "host of the Request-URI; default: our own address")
	f.StringArrayVar(&asked.Headers, "header", nil, "another header field of the INVITE, as \"Name: value\"; may be repeated")
	f.StringVar(&at, "at", "", "when, as 2026-01-31T08:00 (UTC) or RFC 3339; default: now")
	f.StringArrayVar(&assume, "assume", nil, "CARRIER=WORD or GATEWAY=WORD: skipped, and why, such as tc1=down; may be repeated")
	f.StringVar(&asked.Call, "call", "", "id of the call, as in its record: the draws are those of that call")
	f.StringVarP(&format, "output", "o", format, "how to print: text, json")
	for _, name := range []string{"trunk", "to"} {
		if err := c.MarkFlagRequired(name); err != nil {
			panic(err) // it is declared above
		}
	}
	return c
}

// askedAt reads a time, in UTC where it does not say; zero: nobody has said one.
func askedAt(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--at %s: want a time, such as 2026-01-31T08:00 or 2026-01-31T08:00:00+01:00", s)
}

// assumed reads what is to be taken for granted of carriers and gateways.
func assumed(list []string) (map[string]string, error) {
	all := map[string]string{}
	for _, s := range list {
		who, why, ok := strings.Cut(s, "=")
		if !ok || why == "" {
			return nil, fmt.Errorf("--assume %s: want CARRIER=WORD, such as tc1=down", s)
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

// knowing judges by what is assumed, and by what a node knows now.
type knowing struct {
	assumptions
	node carriers.Judge
}

// Skip is carriers.Judge.
func (k knowing) Skip(now time.Time, t dialog.Target) string {
	if why := k.assumptions.Skip(now, t); why != "" {
		return why
	}
	return k.node.Skip(time.Now(), t)
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

// try has an engine that sends nothing and knows of nobody say where a call would go. It is
// *ops.Misasked where there can be no such call.
func (c *Config) try(asked ops.RouteAsked) (none ops.RouteTrial, err error) {
	book, err := c.Book()
	if err != nil {
		return none, err
	}
	engine := b2bua.New(b2bua.Config{
		Agent: "Bulkhead", Timers: dialog.Timers{T1: c.Timers.T1, T2: c.Timers.T2, T4: c.Timers.T4},
	}, book, unsent{c}, discard{}, zap.NewNop(), b2bua.NewMetrics(prometheus.NewRegistry()), nil)
	return c.tryWith(engine, asked, func(dialog.CallID) carriers.Judge { return assumptions(asked.Assume) })
}

// maxRetries is how often a route is tried that is another one by the time that it has been.
const maxRetries = 3

// Try is ops.Node: with the configuration in force, and what the engine knows.
func (p *process) Try(asked ops.RouteAsked) (none ops.RouteTrial, err error) {
	for range maxRetries {
		p.mu.Lock()
		config, border := p.config, p.border
		p.mu.Unlock()
		if border == nil {
			return none, ops.Conflict("this node serves no calls: another one of its unit does")
		}
		t, err := config.tryWith(border.engine, asked, func(id dialog.CallID) carriers.Judge {
			return knowing{asked.Assume, border.engine.Judge(id)}
		})
		p.mu.Lock()
		same := p.config == config && p.border == border // so the engine has had the routes of this configuration
		p.mu.Unlock()
		if same {
			return t, err
		}
	}
	return none, ops.Conflict("the configuration changes faster than a route can be tried")
}

// tryWith has an engine that has this configuration say where a call would go.
func (c *Config) tryWith(engine *b2bua.Engine, asked ops.RouteAsked, judge func(dialog.CallID) carriers.Judge) (none ops.RouteTrial, err error) {
	if asked.At.IsZero() {
		asked.At = time.Now()
	}
	if _, ok := c.Trunks[asked.Trunk]; !ok {
		known := strings.Join(slices.Sorted(maps.Keys(c.Trunks)), ", ")
		return none, &ops.Misasked{Field: "trunk", Value: asked.Trunk, Message: "there is no such trunk; known here: " + known}
	}
	var id dialog.CallID
	if asked.Call != "" {
		var ok bool
		if id, ok = dialog.ParseCallID(asked.Call); !ok {
			return none, &ops.Misasked{Field: "call", Value: asked.Call, Message: "is not the id of a call, such as v4vg4fnr3in6i"}
		}
	}
	if err := c.knows(asked.Assume); err != nil {
		return none, err
	}
	m, from, err := c.invite(asked)
	if err != nil {
		return none, err
	}
	trial, ok := engine.Try(asked.At, id, asked.Trunk, m, from, judge(id))
	if !ok {
		return none, &ops.Misasked{Field: "trunk", Value: asked.Trunk, Message: "it has just gone"}
	}
	t := tour{Trial: trial, asked: asked, id: id, routes: c.Routes, judge: judge}
	return t.told(), nil
}

// knows refuses to assume something of who is not there.
func (c *Config) knows(assume map[string]string) error {
	known := map[string]bool{}
	for name, k := range c.Carriers {
		known[name] = true
		for _, g := range k.Gateways {
			known[g.Address] = true
		}
	}
	for _, who := range slices.Sorted(maps.Keys(assume)) {
		switch {
		case !known[who]:
			return &ops.Misasked{Field: "assume", Value: who, Message: "there is no such carrier or gateway"}
		case assume[who] == "":
			return &ops.Misasked{Field: "assume." + who, Message: "want a word, such as down"}
		}
	}
	return nil
}

// invite is the INVITE of a call, as the trunk would send it. It is *ops.Misasked where it
// cannot be made.
func (c *Config) invite(asked ops.RouteAsked) (*dialog.Message, dialog.Path, error) {
	trunk := c.Trunks[asked.Trunk]
	path := dialog.Path{Realm: trunk.Realm, Transport: c.Sockets()[trunk.Realm][0].Transport}
	first, _, _ := strings.Cut(trunk.From[0], "/")
	source, err := netip.ParseAddr(first)
	if err != nil {
		return nil, path, err
	}
	path.Remote = netip.AddrPortFrom(source, 5060)
	domain := asked.Domain
	if domain == "" {
		domain, _ = unsent{c}.Local(trunk.Realm, wire.Transport(path.Transport))
	}
	for _, part := range [][2]string{{"to", asked.To}, {"from", asked.From}, {"domain", asked.Domain}} {
		if strings.ContainsFunc(part[1], func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("<>@\"", r) }) {
			return nil, path, &ops.Misasked{Field: part[0], Value: part[1], Message: "is no part of a URI: there is a space, a control character or one of <>@\" in it"}
		}
	}
	caller := "sip:"
	if asked.From != "" {
		caller += asked.From + "@"
	}
	lines := []string{
		"INVITE sip:" + asked.To + "@" + domain + " SIP/2.0",
		"Via: SIP/2.0/" + path.Transport.String() + " " + path.Remote.String() + ";branch=z9hG4bKtest",
		"From: <" + caller + path.Remote.Addr().String() + ">;tag=test",
		"To: <sip:" + asked.To + "@" + domain + ">",
		"Call-ID: test", "CSeq: 1 INVITE", "Contact: <sip:" + path.Remote.String() + ">", "Max-Forwards: 70",
	}
	m, why := parsed(lines)
	if why != "" {
		return nil, path, &ops.Misasked{Field: "to", Value: asked.To, Message: "no INVITE can be made of that: " + why}
	}
	for i, h := range asked.Headers { // one after another, so that the one at fault is named
		name, _, ok := strings.Cut(h, ":")
		if !ok || strings.TrimSpace(name) == "" {
			why = "want Name: value"
		} else if strings.ContainsAny(h, "\r\n") {
			why = "want one line"
		} else {
			lines = append(lines, h)
			m, why = parsed(lines)
		}
		if why != "" {
			return nil, path, &ops.Misasked{Field: fmt.Sprintf("headers[%d]", i), Value: h, Message: "no INVITE can be made with that: " + why}
		}
	}
	return m, path, nil
}

// parsed is a request without a body, as it comes from the wire, or why there can be none
// such.
func parsed(lines []string) (*dialog.Message, string) {
	m, fault, err := wire.Parse([]byte(strings.Join(append(slices.Clip(lines), "Content-Length: 0", "", ""), "\r\n")), wire.Limits{})
	switch {
	case err != nil:
		return nil, err.Error()
	case fault != nil:
		return nil, fault.Phrase
	}
	return dialog.Read(m), ""
}
