package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"bulkhead/b2bua"
	"bulkhead/b2bua/media"
	"bulkhead/b2bua/media/relay"
	"bulkhead/b2bua/ops"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

// The bounds of security.max_message: an INVITE of an ordinary carrier must fit,
// and a peer must not be able to make us keep much.
const (
	leastMessage = 4 << 10
	mostMessage  = 1 << 20
)

// mostSocket is how long the path of a Unix socket may be (unix(7)).
const mostSocket = 107

// validator checks what the decoder cannot: names that lead somewhere, addresses,
// keys that need each other. Its faults join the decoder's.
type validator struct {
	config  *Config
	decoder *decoder
	faults  Faults

	warnings []Warning
}

// fault names a fault where the decoder had none: what could not be decoded is
// not there to be checked.
func (v *validator) fault(path, format string, args ...any) {
	if !v.decoder.decoded(path) {
		return
	}
	at := v.decoder.find(path)
	v.faults = append(v.faults, Fault{v.decoder.file, at.line, at.column, path, fmt.Sprintf(format, args...)})
}

func (v *validator) validate() {
	c := v.config
	v.realms()
	for _, f := range c.Validate(c.Sockets()) {
		v.fault(f.Path, "%s", f.Message)
	}
	v.dns()
	v.state()
	v.media()
	if c.Timers.T2 < c.Timers.T1 {
		v.fault("timers.t2", "%s is less than t1, %s", c.Timers.T2, c.Timers.T1)
	}
	v.api()
	v.cdr()
	if c.Trace != nil && c.Trace.HEP != "" {
		v.udp("trace.hep", c.Trace.HEP)
	}
	v.oneOf("security.unknown_sources", c.Security.UnknownSources, "drop")
	if m := c.Security.MaxMessage; m < leastMessage || m > mostMessage {
		v.fault("security.max_message", "must be 4KiB to 1MiB")
	}
	for i, n := range c.Emergency {
		if digits := strings.TrimPrefix(n, "+"); digits == "" || strings.Trim(digits, "0123456789") != "" {
			v.fault(fmt.Sprintf("emergency[%d]", i), "%q is not a number", n)
		}
	}
	v.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	v.oneOf("log.format", c.Log.Format, "json", "console")
	if r := c.Log.Redact; r != nil {
		v.oneOf("log.redact.numbers", r.Numbers, ops.RedactNumbers...)
	}
	if err := carriers.CheckName(c.Node); err != nil {
		v.fault("node", "%s", err)
	}
}

func (v *validator) realms() {
	if len(v.config.Realms) == 0 {
		v.fault("realms", "at least one realm is needed")
	}
	owner := map[carriers.Socket]string{}
	for _, name := range slices.Sorted(maps.Keys(v.config.Realms)) {
		path, r := "realms."+name, v.config.Realms[name]
		if err := carriers.CheckName(name); err != nil {
			v.fault(path, "%s", err)
		}
		if len(r.Listen) == 0 {
			v.fault(path+".listen", "a realm needs a socket to listen on")
		}
		secure := false
		said := map[dialog.Transport]netip.Addr{}
		for i, s := range r.Listen {
			at := fmt.Sprintf("%s.listen[%d]", path, i)
			socket, err := carriers.ParseSocket(s)
			if err != nil {
				v.fault(at, "%s", err)
				continue
			}
			secure = secure || socket.Transport == dialog.TLS
			bound := socket
			if bound.Transport == dialog.TLS {
				bound.Transport = dialog.TCP // they share their ports
			}
			if other, taken := owner[bound]; taken && bound.Address.Port() != 0 {
				v.fault(at, "%s is taken by realm %s", socket.Address, other)
			}
			owner[bound] = name
			if socket.Address.Addr().IsUnspecified() && r.Advertise == "" {
				v.fault(at, "%s is no address that a peer can answer to: advertise is needed", socket.Address.Addr())
			}
			v.family(at, r, socket, said)
		}
		if r.Advertise != "" && !isAddress(r.Advertise) && !isHost(r.Advertise) {
			v.fault(path+".advertise", "%q is neither an IP address nor a host's name", r.Advertise)
		}
		if r.Media != "" && !isAddress(r.Media) {
			v.fault(path+".media", "%q is not an IP address", r.Media)
		}
		v.tls(path, r.TLS, secure)
		if err := carriers.CheckKeepalive(r.Keepalive); err != nil {
			v.fault(path+".keepalive", "%s", err)
		}
	}
}

// family warns of a socket of another family than what the realm calls itself over its
// transport: the address of the first socket, or that of advertise.
func (v *validator) family(path string, r RealmConfig, s carriers.Socket, said map[dialog.Transport]netip.Addr) {
	own := s.Address.Addr()
	first, there := said[s.Transport]
	if !there {
		said[s.Transport] = own
		return
	}
	if ip, err := netip.ParseAddr(r.Advertise); err == nil {
		first = ip
	} else if r.Advertise != "" {
		return // a name may lead to both
	}
	if first.Is4() != own.Is4() {
		v.warn(path, fmt.Sprintf("peers of %s, too, are told %s in Via and Contact: advertise a name that leads to both, or make a realm of it", own, first))
	}
}

func (v *validator) tls(path string, files *TLSConfig, listening bool) {
	if files == nil {
		if listening {
			v.fault(path+".tls", "is needed: the realm listens on tls")
		}
		return
	}
	if files.Certificate == "" {
		v.fault(path+".tls.certificate", "is needed")
	}
	if files.Key == "" {
		v.fault(path+".tls.key", "is needed")
	}
}

func (v *validator) dns() {
	if v.config.DNS == nil {
		return
	}
	for i, s := range v.config.DNS.Servers {
		if at, err := netip.ParseAddrPort(s); !isAddress(s) && (err != nil || at.Port() == 0) {
			v.fault(fmt.Sprintf("dns.servers[%d]", i), "%q is not an IP address, with or without a port", s)
		}
	}
}

func (v *validator) state() {
	if s := v.config.State; s != nil && s.Redis != nil {
		r := s.Redis
		if len(r.Addresses) == 0 {
			v.fault("state.redis.addresses", "an address is needed")
		}
		for i, a := range r.Addresses {
			if host, port, ok := cutPort(a); !ok || !isAddress(host) && !isHost(host) || port == 0 {
				v.fault(fmt.Sprintf("state.redis.addresses[%d]", i), "%q is not a host and a port, such as 192.0.2.1:6379", a)
			}
		}
		if r.Cluster && r.Sentinel != "" {
			v.fault("state.redis.sentinel", "does not go with cluster")
		}
	}
	u := v.config.Unit
	if u == nil {
		return
	}
	if err := carriers.CheckName(u.Name); err != nil {
		v.fault("unit.name", "%s", err)
	}
	v.oneOf("unit.mode", u.Mode, "lease", "address")
	if (u.Mode == "address") != (len(u.Address) > 0) {
		v.fault("unit.address", "goes with mode: address, and mode: address with it")
	}
	for i, a := range u.Address {
		if !isAddress(a) {
			v.fault(fmt.Sprintf("unit.address[%d]", i), "%q is not an IP address", a)
		}
	}
	if u.Mode == "address" && len(u.Address) > 0 {
		v.virtual(u)
	}
}

// virtual wants every socket where the unit's calls can be reached on any node.
func (v *validator) virtual(u *UnitConfig) {
	if s := v.config.State; s == nil || s.Redis == nil {
		v.fault("unit.mode", "address needs state.redis: it is where a node that gets the address finds the calls")
	}
	all := u.addresses()
	for name, r := range v.config.Realms {
		for i, text := range r.Listen {
			s, err := carriers.ParseSocket(text)
			if err == nil && !slices.Contains(all, s.Address.Addr()) {
				v.fault(fmt.Sprintf("realms.%s.listen[%d]", name, i), "%s is not in unit.address: it would not move with the unit", s.Address.Addr())
			}
		}
	}
}

const needsEngine = "needs media.rtpengine.nodes"

// engined wants an rtpengine for what nobody else does.
func (v *validator) engined(path, mode string, transcode []string) {
	for key, asks := range map[string]bool{"media": mode == "rtpengine", "transcode": len(transcode) > 0} {
		if asks {
			v.fault(path+"."+key, needsEngine)
		}
	}
}

// keyed wants TLS where keys go to by the relay: an rtpengine does without them there.
func (v *validator) keyed() {
	relayed := func(mode string) bool {
		m := v.config.Media
		return mode != "rtpengine" && (mode != "" || m == nil || m.Mode != "rtpengine")
	}
	const only = "keys of SRTP go by tls alone, and "
	for name, t := range v.config.Trunks {
		if r, is := v.config.Realms[t.Realm]; is && t.SRTP && relayed(t.Media) &&
			!slices.ContainsFunc(r.sockets(), func(s carriers.Socket) bool { return s.Transport == dialog.TLS }) {
			v.fault("trunks."+name+".srtp", only+"realm %s does not listen on it", t.Realm)
		}
	}
	for name, k := range v.config.Carriers {
		if !k.SRTP || !relayed(k.Media) {
			continue
		}
		for i, g := range k.Gateways {
			_, err := netip.ParseAddrPort(g.Address)
			named := err != nil && !isAddress(g.Address) && g.Transport == "" // its transport is the DNS's to say
			if g.Transport != "tls" && !named {
				v.fault(fmt.Sprintf("carriers.%s.gateways[%d]", name, i), only+"this gateway of a carrier with srtp is reached by %s", cmp.Or(g.Transport, "udp"))
			}
		}
	}
}

// addressed wants an address for the media of each realm that calls by the relay may come by; not in a capture, which does not say
// how its trunk's media goes.
func (v *validator) addressed() {
	for name, r := range v.config.Realms {
		named := r.Media == "" && isHost(r.Advertise) && !isAddress(r.Advertise) && len(r.sockets()) > 0
		if named && len(r.anchored()) == 0 && v.relays(name) {
			v.fault("realms."+name+".media", "is needed, the IP address that SDP says and ports are opened at: calls of this realm may go by the relay, and neither listen nor advertise (%s) says one", r.Advertise)
		}
	}
}

// relays says that calls of a realm may go by the relay.
func (v *validator) relays(realm string) bool {
	otherwise := media.Relay
	if m := v.config.Media; m != nil {
		otherwise = modeOf(m.Mode)
	}
	for _, t := range v.config.Trunks {
		for _, k := range v.config.Carriers {
			if (t.Realm == realm || k.Realm == realm) && b2bua.ModeOf(t.Media, k.Media, otherwise) == media.Relay {
				return true
			}
		}
	}
	return false
}

func (v *validator) media() {
	m := v.config.Media
	v.keyed()
	if m == nil || m.RTPEngine == nil {
		for name, t := range v.config.Trunks {
			v.engined("trunks."+name, t.Media, t.Transcode)
		}
		for name, k := range v.config.Carriers {
			v.engined("carriers."+name, k.Media, k.Transcode)
		}
		if m != nil && m.Mode == "rtpengine" {
			v.fault("media.mode", needsEngine)
		}
	}
	if m == nil {
		return
	}
	v.oneOf("media.mode", m.Mode, media.Modes[:]...)
	if m.Relay != nil {
		if err := relay.CheckPorts(m.Relay.Ports.First, m.Relay.Ports.Last); err != nil {
			v.fault("media.relay.ports", "%s", err)
		}
		v.oneOf("media.relay.latch", m.Relay.Latch, "strict", "same-ip", "any")
	}
	if m.RTPEngine != nil {
		if len(m.RTPEngine.Nodes) == 0 {
			v.fault("media.rtpengine.nodes", "a node is needed")
		}
		for i, node := range m.RTPEngine.Nodes {
			v.udp(fmt.Sprintf("media.rtpengine.nodes[%d]", i), node)
		}
	}
}

func (v *validator) api() {
	a := v.config.API
	if a == nil {
		return
	}
	if a.Listen != "" {
		v.addressPort("api.listen", a.Listen)
		if a.TokensFile == "" {
			v.fault("api.listen", "needs tokens_file: nobody may come that way without a token")
		}
	}
	if a.Advertise != "" {
		u, err := url.Parse(a.Advertise)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil {
			v.fault("api.advertise", "%q is not a URL of a host, such as http://192.0.2.1:8080", a.Advertise)
		}
		if a.Listen == "" {
			v.fault("api.advertise", "goes with listen")
		}
	}
	if n := len(a.Socket); n > mostSocket {
		v.fault("api.socket", "its path is %d bytes, and %d are the most", n, mostSocket)
	}
	if a.TLS != nil && a.Listen == "" {
		v.fault("api.tls", "goes with listen")
	}
	v.tls("api", a.TLS, false)
}

func (v *validator) cdr() {
	c := v.config.CDR
	if c == nil {
		return
	}
	if c.Start && c.File == "" {
		v.fault("cdr.start", "needs cdr.file: it is beside that")
	}
	if c.Stream && c.File == "" {
		v.fault("cdr.stream", "needs cdr.file: records wait there until Redis has them")
	}
	if c.Stream && (v.config.State == nil || v.config.State.Redis == nil) {
		v.fault("cdr.stream", "needs state.redis: the stream is there")
	}
	w := c.Webhook
	if w == nil {
		return
	}
	if c.File == "" {
		v.fault("cdr.webhook", "needs cdr.file: records wait there until they are taken")
	}
	if u, err := url.Parse(w.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		v.fault("cdr.webhook.url", "want http or https and a host, such as https://billing.example/cdr; a secret stands in token_file")
	}
	if w.Most < w.Retry {
		v.fault("cdr.webhook.most", "%s is less than retry, %s", w.Most, w.Retry)
	}
}

func (v *validator) oneOf(path, s string, allowed ...string) {
	if !slices.Contains(allowed, s) {
		v.fault(path, "%q is not one of: %s", s, strings.Join(allowed, ", "))
	}
}

func (v *validator) addressPort(path, s string) {
	if at, err := netip.ParseAddrPort(s); err != nil {
		v.fault(path, "%q is not an address and a port, such as 127.0.0.1:8080", s)
	} else if at.Addr().Zone() != "" {
		v.fault(path, "%q: an address with a zone is not usable", s)
	}
}

func (v *validator) udp(path, s string) {
	socket, err := carriers.ParseSocket(s)
	switch {
	case err != nil:
		v.fault(path, "%s", err)
	case socket.Transport != dialog.UDP:
		v.fault(path, "%q: only udp is spoken here", s)
	}
}
