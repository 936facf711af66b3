package dialog

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// text is a message being written. Nothing that a peer sent can break out of its
// line: line replaces what would. It is written into room on the stack and copied
// out at the end, since the copy may be kept for as long as the call lasts.
type text []byte

// room is what a message usually takes; a longer one moves to the heap.
const room = 2048

// start begins a message with its first line.
func (t text) start(line string) text { return append(t.clean(line), "\r\n"...) }

func (t text) line(name, value string) text {
	t = append(t, name...)
	t = append(t, ": "...)
	return append(t.clean(value), "\r\n"...)
}

func (t text) clean(value string) text {
	if strings.ContainsAny(value, "\r\n\x00") {
		value = strings.Map(func(r rune) rune {
			if r == '\r' || r == '\n' || r == 0 {
				return ' '
			}
			return r
		}, value)
	}
	return append(t, value...)
}

func (t text) agent(name, value string) text {
	if value == "" {
		return t
	}
	return t.line(name, value)
}

// body ends the message and copies it out.
func (t text) body(b Body) []byte {
	if !b.Empty() {
		t = t.line("Content-Type", b.Type)
	}
	t = append(t.line("Content-Length", itoa(len(b.Data))), "\r\n"...)
	return append(append(make([]byte, 0, len(t)+len(b.Data)), t...), b.Data...)
}

func itoa(n int) string { return strconv.Itoa(n) }

// via is the top Via of a request of ours.
func (s *step) via(t Transport, branch string) string {
	return "SIP/2.0/" + t.String() + " " + s.local(t) + ";branch=" + branch + ";rport"
}

// local is what our side calls itself over a transport.
func (l *Leg) local(t Transport) string {
	if a := l.Policy.Local[t]; a != "" {
		return a
	}
	return l.Policy.Local[l.Path.Transport]
}

// contact is our Contact: where requests within the dialog are to come.
func (l *Leg) contact(t Transport) string {
	return "<" + sipURI("", l.local(t), t) + ">"
}

// sipURI writes a URI; the transport is named where it is not UDP.
func sipURI(user, host string, t Transport) string {
	uri := "sip:"
	if user != "" {
		uri += user + "@"
	}
	uri += host
	if t != UDP {
		uri += ";transport=" + strings.ToLower(t.String())
	}
	return uri
}

// nameAddr writes a caller at our own host (RFC 3261 §20.20), anonymous where
// there is no user.
func nameAddr(p Party, host string) string {
	if p.User == "" {
		return `"Anonymous" <sip:anonymous@anonymous.invalid>`
	}
	uri := "<sip:" + p.User + "@" + host + ">"
	if p.Display == "" {
		return uri
	}
	quoted := strings.ReplaceAll(strings.ReplaceAll(p.Display, `\`, `\\`), `"`, `\"`)
	return `"` + quoted + `" ` + uri
}

// inviteRequest writes the INVITE that makes the leg.
func (s *step) inviteRequest(t *Tx, setup Setup) []byte {
	b := make(text, 0, room)
	b = b.start("INVITE " + s.URI + " SIP/2.0")
	b = b.line("Via", s.via(t.Path.Transport, s.Policy.Seal.Branch(s.ID, t.Seq)))
	b = b.line("Max-Forwards", itoa(s.MaxFwd)).preloaded(s)
	b = b.line("From", tagged(s.Self, s.Tag))
	b = b.line("To", s.Peer)
	b = b.line("Call-ID", s.CallID)
	b = b.line("CSeq", cseq(t.CSeq, "INVITE"))
	b = b.line("Contact", s.contact(t.Path.Transport))
	b = b.allow(s.Policy)
	if s.Offer || setup.Reliable { // an offer in a reliable provisional has to have its answer
		b = b.line("Supported", "100rel, 199")
	} else {
		b = b.line("Supported", "199")
	}
	for _, h := range s.wishes() {
		b = b.line(h.Name, h.Value)
	}
	for _, h := range s.Policy.ofEarlyMedia(setup.EarlyMedia) {
		b = b.line(h.Name, h.Value)
	}
	b = b.session(s.SessionID).agent("User-Agent", s.Policy.Agent)
	for _, h := range setup.Headers {
		b = b.line(h.Name, h.Value)
	}
	return b.body(s.described(setup.Body))
}

// preloaded writes the route set of a request outside a dialog (RFC 3261 §12.2.1.1, §9.1,
// §17.1.1.3): what the carrier wants of who is registered with it. The request goes to the
// gateway nevertheless, which is the outbound proxy.
func (t text) preloaded(s *step) text {
	if s.Target.Route == "" {
		return t
	}
	return t.line("Route", s.Target.Route)
}

func cseq(n uint32, method string) string {
	return strconv.FormatUint(uint64(n), 10) + " " + method
}

// cancelRequest writes the CANCEL of the INVITE: the same Request-URI, Via,
// From, To, Call-ID, CSeq number (RFC 3261 §9.1).
func (s *step) cancelRequest(t *Tx) []byte {
	b := make(text, 0, room)
	b = b.start("CANCEL " + s.URI + " SIP/2.0")
	b = b.line("Via", s.via(t.Path.Transport, s.Policy.Seal.Branch(s.ID, t.Seq)))
	b = b.line("Max-Forwards", "70").preloaded(s)
	b = b.line("From", tagged(s.Self, s.Tag))
	b = b.line("To", s.Peer)
	b = b.line("Call-ID", s.CallID)
	b = b.line("CSeq", cseq(t.CSeq, "CANCEL"))
	for _, h := range reasons(s.Cause) {
		b = b.line(h.Name, h.Value)
	}
	b = b.session(s.SessionID).agent("User-Agent", s.Policy.Agent)
	return b.body(Body{})
}

// ackRefusal writes the ACK of a non-2xx final: the INVITE's Request-URI, Via,
// Route, From, Call-ID, CSeq number, and the To of the response (RFC 3261
// §17.1.1.3).
func (s *step) ackRefusal(t *Tx, m *Message) []byte {
	uri := s.URI
	var routes []string
	from := tagged(s.Self, s.Tag)
	if d := s.dialogOf(t); d != nil {
		uri, routes, _ = d.way()
	}
	b := make(text, 0, room)
	b = b.start("ACK " + uri + " SIP/2.0")
	b = b.line("Via", s.via(t.Path.Transport, s.Policy.Seal.Branch(s.ID, t.Seq)))
	b = b.line("Max-Forwards", "70")
	if s.makes(t) {
		b = b.preloaded(s)
	}
	for _, r := range routes {
		b = b.line("Route", r)
	}
	b = b.line("From", from)
	b = b.line("To", m.To)
	b = b.line("Call-ID", s.CallID)
	b = b.line("CSeq", cseq(t.CSeq, "ACK")).session(s.SessionID)
	return b.body(Body{})
}

// withTo is an ACK with another To: a carrier that changes its To-tag from one
// copy of its refusal to the next gets each acknowledged.
func withTo(ack []byte, to string) []byte {
	const name = "\r\nTo: "
	text := string(ack)
	i := strings.Index(text, name)
	if i < 0 {
		return ack
	}
	start := i + len(name)
	end := start + strings.Index(text[start:], "\r\n")
	if text[start:end] == to {
		return ack
	}
	return []byte(text[:start] + to + text[end:])
}

// within writes a request within a dialog (RFC 3261 §12.2.1.1) and says where it
// goes.
func (s *step) within(d *Dialog, method string, number uint32, seq uint16, extra []Header, body Body) ([]byte, Path) {
	_, _, hop := d.way()
	to := s.hop(hop)
	return s.toward(to, d, method, number, seq, extra, body), to
}

// toward writes a request within a dialog that is to go by the given path.
func (s *step) toward(to Path, d *Dialog, method string, number uint32, seq uint16, extra []Header, body Body) []byte {
	uri, routes, _ := d.way()
	b := make(text, 0, room)
	b = b.start(method + " " + uri + " SIP/2.0")
	b = b.line("Via", s.via(to.Transport, s.Policy.Seal.Branch(s.ID, seq)))
	b = b.line("Max-Forwards", "70")
	for _, r := range routes {
		b = b.line("Route", r)
	}
	b = b.line("From", tagged(s.Self, s.Tag))
	b = b.line("To", d.Peer)
	b = b.line("Call-ID", s.CallID)
	b = b.line("CSeq", cseq(number, method)).authorized(s, method, uri, seq)
	switch method {
	case "INVITE", "UPDATE", "NOTIFY", "REFER": // of NOTIFY: RFC 6665; of REFER: RFC 3515 §2.4.1
		b = b.line("Contact", s.contact(to.Transport))
		b = b.allow(s.Policy)
	}
	for _, h := range extra {
		b = b.line(h.Name, h.Value)
	}
	b = b.session(s.SessionID).agent("User-Agent", s.Policy.Agent)
	return b.body(s.described(body))
}

// way is Request-URI, Route values and next hop of a request within the dialog:
// the first route may be a loose or a strict router (RFC 3261 §12.2.1.1).
func (d *Dialog) way() (uri string, routes []string, hop string) {
	if len(d.Routes) == 0 {
		return d.Target, nil, d.Target
	}
	first := addressURI(d.Routes[0])
	if _, loose := uriParam(first, "lr"); loose {
		return d.Target, d.Routes, first
	}
	uri, _, _ = strings.Cut(first, "?") // what may not stand in a Request-URI
	routes = append(append(routes, d.Routes[1:]...), "<"+d.Target+">")
	return uri, routes, first
}

// hop is the path to a URI within a dialog. A literal address of who is heard here is
// gone to; any other, and a name, is reached by way of the peer itself, as every trunk and
// carrier expects of a border whose DNS is not theirs.
func (s *step) hop(uri string) Path {
	p := s.Path
	if s.Side == In && s.Policy.Contact.Remote.IsValid() {
		p.Remote = s.Policy.Contact.Remote
		p.Transport = s.Policy.Contact.Transport
	}
	var u sip.Uri
	if sip.ParseUri(uri, &u) != nil {
		return s.same(p)
	}
	ip, err := netip.ParseAddr(strings.Trim(u.Host, "[]"))
	ip = ip.Unmap()
	if err != nil || !s.admissible(ip) || u.Port > 65535 {
		return s.same(p)
	}
	p.Transport = s.Path.Transport
	named, _ := uriParam(uri, "transport")
	for t := range transports {
		if strings.EqualFold(named, t.String()) && s.Policy.Local[t] != "" {
			p.Transport = t
		}
	}
	port := uint16(u.Port)
	if port == 0 {
		port = 5060
		if p.Transport == TLS {
			port = 5061
		}
	}
	p.Remote = netip.AddrPortFrom(ip, port)
	return s.same(p)
}

// admissible says that a peer may have us send to an address: not to one whose answer
// would not be heard, be it a victim's or a service's of ours, not to this machine,
// unless it is on it itself, not to one that means a link or many, and to a private one
// only from where it has one itself: what a peer behind a translator writes of its own
// network leads nowhere from here.
func (s *step) admissible(ip netip.Addr) bool {
	peer := s.Path.Remote.Addr().Unmap()
	if p := s.Policy.Peers; p != nil && ip != peer && !p.Known(s.Path.Realm, ip) {
		return false
	}
	if ip.IsLoopback() {
		return peer.IsLoopback()
	}
	if ip.IsPrivate() && !peer.IsPrivate() {
		return false
	}
	broadcast := netip.AddrFrom4([4]byte{255, 255, 255, 255})
	return !ip.IsUnspecified() && !ip.IsMulticast() && !ip.IsLinkLocalUnicast() && ip != broadcast
}

// same keeps socket and connection of the leg only where they still fit.
func (s *step) same(p Path) Path {
	if p.Local.Addr().Unmap().Is4() != p.Remote.Addr().Unmap().Is4() {
		p.Local = netip.AddrPort{} // a socket of the other family
	}
	if p.Transport != s.Path.Transport {
		p.Local = netip.AddrPort{}
		p.Conn = 0
	} else if p.Transport == UDP || p.Remote.Addr() != s.Path.Remote.Addr() {
		p.Conn = 0
	}
	return p
}

// fallback is where a message goes when the connection of its path is gone: to
// the address that the configuration knows, never to one that only Via named.
func (s *step) fallback(p Path) Path {
	if !p.Transport.Reliable() {
		return Path{}
	}
	f := p
	f.Conn, f.Local = 0, netip.AddrPort{}
	if s.Side == In {
		if !s.Policy.Contact.Remote.IsValid() {
			return Path{}
		}
		f.Remote, f.Transport = s.Policy.Contact.Remote, s.Policy.Contact.Transport
	}
	return f
}
