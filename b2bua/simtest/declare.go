package simtest

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"bulkhead/b2bua/wire"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

// declare takes what stands before the first thing that happens; false: it is
// no declaration.
func (s *Stage) declare(words []string) (bool, error) {
	o, err := readOptions(words[1:])
	if err != nil {
		return false, err
	}
	switch words[0] {
	case "carrier":
		return true, s.carrier(o)
	case "trunk":
		if len(words) > 1 && !strings.Contains(words[1], "=") {
			return false, nil
		}
		return true, s.trunk(o)
	case "stranger":
		if len(words) > 1 {
			return false, nil
		}
		s.peer("stranger", "core", wire.UDP, "198.51.100.66:5060")
		return true, nil
	case "route":
		if len(o.bare) < 2 {
			return true, fmt.Errorf("a route has a pattern and targets")
		}
		r := carriers.RouteConfig{Match: carriers.MatchConfig{Number: o.bare[0]}}
		for _, t := range o.bare[1:] {
			name, number, _ := strings.Cut(t, "/")
			r.Targets = append(r.Targets, carriers.TargetConfig{Carrier: name, Number: number})
		}
		s.config.Routes = append(s.config.Routes, r)
		return true, nil
	case "ask":
		return true, s.asks(o)
	case "media":
		return true, s.relays(o)
	case "reject":
		if len(o.bare) < 2 {
			return true, fmt.Errorf("reject has a pattern and a code")
		}
		code, err := strconv.Atoi(o.bare[1])
		r := carriers.RouteConfig{Match: carriers.MatchConfig{Number: o.bare[0]}, Reject: &carriers.RejectConfig{Code: code}}
		if len(o.bare) > 2 {
			r.Reject.Reason = o.bare[2]
		}
		s.config.Routes = append(s.config.Routes, r)
		return true, err
	}
	return false, nil
}

func (s *Stage) trunk(o options) error {
	t, p := s.config.Trunks["trunk"], s.peers["trunk"]
	for key, value := range o.values {
		var err error
		switch key {
		case "max_duration":
			t.MaxDuration, err = time.ParseDuration(value)
		case "p_early_media":
			t.EarlyMedia, err = strconv.ParseBool(value)
		case "media":
			t.Media = value
		case "max_setup":
			t.MaxSetup, err = time.ParseDuration(value)
		case "auth":
			t.Auth, err = credential(value)
		case "contact":
			t.Contact = value
		case "audit":
			t.Audit, err = time.ParseDuration(value)
		case "session_timer":
			t.SessionTimer, err = sessionTimer(value)
		case "relay":
			t.Methods = strings.Split(value, ",")
		case "refer":
			t.Refer = value
		case "country":
			t.Country = value
		case "trust":
			t.Trust, err = strconv.ParseBool(value)
		case "identities":
			t.Identities = strings.Split(value, ",")
		case "diversion":
			t.Diversion = value
		case "allow", "deny", "order":
			codecs(&t.Codecs, key, value)
		case "transport":
			if p.transport, err = transport(value); p.transport == wire.TLS {
				s.secure()
			}
		case "srtp":
			t.SRTP, err = strconv.ParseBool(value)
		default:
			var known bool
			if known, err = profiled(key, o, &t.Headers, &t.Numbers); !known {
				err = fmt.Errorf("a trunk has no %s", key)
			}
		}
		if err != nil {
			return err
		}
	}
	s.config.Trunks["trunk"] = t
	return nil
}

func (s *Stage) carrier(o options) error {
	if len(o.bare) != 1 {
		return fmt.Errorf("a carrier has one name")
	}
	c := carriers.CarrierConfig{Realm: "core"}
	c.Default()
	gateways, kind, name := 1, "udp", ""
	for key, value := range o.values {
		var err error
		switch key {
		case "no_response":
			c.Timers.NoResponse, err = time.ParseDuration(value)
		case "no_ringing":
			c.Timers.NoRinging, err = time.ParseDuration(value)
		case "media":
			c.Media = value
		case "no_answer":
			c.Timers.NoAnswer, err = time.ParseDuration(value)
		case "linger":
			c.Linger, err = time.ParseDuration(value)
		case "gateways":
			gateways, err = strconv.Atoi(value)
		case "transport":
			kind = value
		case "name":
			name = value
		case "audit":
			c.Audit, err = time.ParseDuration(value)
		case "session_timer":
			c.SessionTimer, err = sessionTimer(value)
		case "relay":
			c.Methods = strings.Split(value, ",")
		case "p_early_media":
			c.EarlyMedia, err = strconv.ParseBool(value)
		case "after_early_media":
			c.AfterMedia = value
		case "auth":
			c.Auth, err = credential(value)
		case "register":
			c.Register, err = registration(value)
		case "redirect":
			c.Redirect = &carriers.RedirectConfig{}
			c.Redirect.Contacts, err = strconv.Atoi(value)
		case "refer":
			c.Refer = value
		case "allow", "deny", "order":
			codecs(&c.Codecs, key, value)
		case "stop":
			c.Reroute.Stop = strings.Split(value, ",")
		case "continue":
			c.Reroute.Continue = strings.Split(value, ",")
		case "identity":
			c.Identity = value
		case "trust":
			c.Trust, err = strconv.ParseBool(value)
		case "diversion":
			c.Diversion = value
		case "srtp":
			c.SRTP, err = strconv.ParseBool(value)
		default:
			var known bool
			if known, err = profiled(key, o, &c.Headers, &c.Numbers); !known {
				err = fmt.Errorf("a carrier has no %s", key)
			}
		}
		if err != nil {
			return err
		}
	}
	tr, err := transport(kind)
	if err != nil {
		return err
	}
	var at []string
	for i := range gateways {
		a := fmt.Sprintf("198.51.100.%d:5060", 10*(i+1)+len(s.config.Carriers)+1)
		at = append(at, a)
		if name == "" {
			c.Gateways = append(c.Gateways, carriers.GatewayConfig{Address: a, Transport: kind, Priority: i + 1})
		}
	}
	if name != "" {
		c.Gateways = []carriers.GatewayConfig{{Address: name, Transport: kind, Priority: 1}}
		s.names.lead(name, dialog.Transport(tr), at...)
	}
	if tr == wire.TLS {
		s.secure()
	}
	s.config.Carriers[o.bare[0]] = c
	s.peer(o.bare[0], "core", tr, at...)
	return nil
}

func codecs(c *carriers.CodecsConfig, key, value string) {
	*map[string]*[]string{"allow": &c.Allow, "deny": &c.Deny, "order": &c.Order}[key] = strings.Split(value, ",")
}

// sessionTimer reads "30m", "30m,90s" or "30m,90s,them".
func sessionTimer(s string) (*carriers.SessionTimerConfig, error) {
	c := &carriers.SessionTimerConfig{}
	c.Default()
	f := strings.Split(s, ",")
	var err error
	if c.Expires, err = time.ParseDuration(f[0]); err == nil && len(f) > 1 {
		c.Min, err = time.ParseDuration(f[1])
	}
	if len(f) > 2 {
		c.Refresher = f[2]
	}
	return c, err
}

// credential reads "username:password".
func credential(s string) (*carriers.AuthConfig, error) {
	username, password, ok := strings.Cut(s, ":")
	if !ok {
		return nil, fmt.Errorf("%q is not a user name and a password", s)
	}
	return &carriers.AuthConfig{Username: username, PasswordFile: "a-file", Password: dialog.Password(password)}, nil
}

// registration reads "AOR,10m".
func registration(s string) (*carriers.RegisterConfig, error) {
	aor, expires, _ := strings.Cut(s, ",")
	d, err := time.ParseDuration(expires)
	return &carriers.RegisterConfig{AOR: aor, Expires: d}, err
}

func transport(s string) (wire.Transport, error) {
	switch s {
	case "udp":
		return wire.UDP, nil
	case "tcp":
		return wire.TCP, nil
	case "tls":
		return wire.TLS, nil
	}
	return 0, fmt.Errorf("%q is neither udp, tcp nor tls", s)
}

// rule reads "to tc1 loss=20% delay=10ms..80ms".
func (s *Stage) rule(words []string) error {
	if len(words) < 2 || words[0] != "to" && words[0] != "from" || s.peers[words[1]] == nil {
		return fmt.Errorf("net to PEER or net from PEER")
	}
	o, err := readOptions(words[2:])
	if err != nil {
		return err
	}
	r := &rule{}
	for key, value := range o.values {
		switch key {
		case "loss":
			r.loss, err = percent(value)
		case "dup":
			r.dup, err = percent(value)
		case "delay":
			r.delay, err = interval(value)
		case "lose":
			r.lose, err = strconv.Atoi(value)
		default:
			err = fmt.Errorf("the network has no %s", key)
		}
		if err != nil {
			return err
		}
	}
	switch {
	case o.has("refuse"):
		r.unsendable = errRefused
	case o.has("unsendable"):
		r.unsendable = errUnsendable
	}
	if p := s.peers[words[1]]; o.has("refuse") && p.transport != wire.UDP {
		r.unsendable = errReset
	}
	if o.has("alert") {
		r.unsendable = errAlert
	}
	s.Net.mu.Lock()
	s.Net.rules[direction{words[1], words[0] == "from"}] = r
	s.Net.mu.Unlock()
	return nil
}

func percent(s string) (float64, error) {
	n, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	return n / 100, err
}

// source reads the address that a message is to come from.
func (s *Stage) source(t netip.AddrPort, o options) (netip.AddrPort, error) {
	if from := o.or("from", ""); from != "" {
		if p := s.peers[from]; p != nil {
			t = p.addresses[0]
		} else if a, err := netip.ParseAddrPort(from); err == nil {
			t = a
		} else if a, err := netip.ParseAddr(from); err == nil {
			t = netip.AddrPortFrom(a, t.Port())
		} else {
			return t, err
		}
	}
	if port := o.or("port", ""); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return t, err
		}
		t = netip.AddrPortFrom(t.Addr(), uint16(n))
	}
	return t, nil
}
