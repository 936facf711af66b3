package simtest

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"bulkhead/b2bua/wire"
)

// Peer is a trunk, a carrier or a stranger: it keeps what a real one would have
// to know to write its next message, and does nothing by itself.
type Peer struct {
	Name      string
	realm     string
	transport wire.Transport
	addresses []netip.AddrPort // where it listens; the first is what it calls from
	ours      string           // how it addresses us
	talks     []*talk
	byID      map[string]*talk
	conn      uint64
	branches  int
	auto      []automatic
	autoACK   bool
	autoPRACK bool
	auto487   bool
}

// automatic is an answer that a peer gives by itself.
type automatic struct {
	code   string
	method string
	words  []string
}

// talk is what a peer knows of one Call-ID.
type talk struct {
	id       string
	n        int            // from 1, in the order of their beginning
	at       netip.AddrPort // the peer's address that it runs by
	called   bool           // Bulkhead called the peer
	tag      string         // the peer's
	self     string         // its From or To, without the tag
	other    string         // Bulkhead's, without the tag
	otherTag string
	uri      string // Request-URI of the peer's INVITE
	target   string // Bulkhead's Contact
	cseq     int    // the peer's last
	invite   message
	requests map[string]message // the last received, by method
	sent     map[string][]byte  // by what "repeat" calls it
	final    message            // the last final response to an INVITE received
	reliable message            // the last reliable provisional received
	acks     map[string][]byte  // of 2xx, by CSeq and To-tag
	acked    map[int]bool       // ACKs received, by CSeq
	counted  int                // nc of the last credentials
	pracked  string             // RSeq that auto PRACK has acknowledged
	quit     bool               // auto 487 has been given
}

// talk finds what the peer knows of a Call-ID, or begins it.
func (p *Peer) talk(id string) *talk {
	if t := p.byID[id]; t != nil {
		return t
	}
	n := ""
	if len(p.talks) > 0 {
		n = strconv.Itoa(len(p.talks) + 1)
	}
	t := &talk{
		id: id, n: len(p.talks) + 1, at: p.addresses[0], tag: p.Name + "-tag" + n,
		requests: map[string]message{}, sent: map[string][]byte{}, acks: map[string][]byte{}, acked: map[int]bool{},
	}
	p.talks = append(p.talks, t)
	p.byID[id] = t
	return t
}

// pick is the talk that a statement means: the last, or the one of call=.
func (p *Peer) pick(o options) (*talk, error) {
	n := len(p.talks)
	if s := o.or("call", ""); s != "" {
		n, _ = strconv.Atoi(s)
	}
	if n < 1 || n > len(p.talks) {
		return nil, fmt.Errorf("%s has no call %d", p.Name, n)
	}
	return p.talks[n-1], nil
}

// hear takes what Bulkhead has sent.
func (p *Peer) hear(m message, to netip.AddrPort) *talk {
	t := p.talk(m.callID())
	for _, a := range p.addresses {
		if a == to {
			t.at = a
		}
	}
	if c := m.code(); c != 0 {
		if tag := m.toTag(); tag != "" && m.method() == "INVITE" && c > 100 {
			if t.otherTag == "" || c/100 == 2 {
				t.otherTag = tag
			}
		}
		if contact := m.first("Contact"); contact != "" && c < 300 {
			t.target = address(contact)
		}
		if m.method() == "INVITE" && c >= 200 {
			t.final = m
		}
		if m.first("RSeq") != "" {
			t.reliable = m
		}
		return t
	}
	t.requests[m.method()] = m
	switch m.method() {
	case "INVITE", "UPDATE":
		if m.toTag() == "" {
			t.called = true
			t.self, t.other, t.otherTag = m.first("To"), untagged(m.first("From")), m.fromTag()
			t.invite = m
		}
		if contact := m.first("Contact"); contact != "" {
			t.target = address(contact)
		}
	case "ACK":
		t.acked[m.cseq()] = true
	}
	return t
}

// request writes a request of the peer's.
func (p *Peer) request(method, number string, o options) (*talk, message, error) {
	switch {
	case method == "INVITE" && number != "":
		t, m, err := p.inviting(number, o)
		return t, m, err
	case o.has("new"):
		return p.outside(method, o)
	}
	t, err := p.pick(o)
	if err != nil {
		return nil, message{}, err
	}
	switch {
	case method == "CANCEL":
		return t, p.cancelling(t, o), nil
	case method == "ACK":
		m, err := p.acknowledging(t, o)
		return t, m, err
	}
	t.cseq++
	m := message{start: method + " " + o.or("uri", t.target) + " SIP/2.0"}
	m.add("Via", p.via(t, o))
	m.add("Max-Forwards", o.or("maxfwd", "70"))
	m.add("From", tagged(t.self, o.or("tag", t.tag)))
	m.add("To", tagged(t.other, o.or("totag", t.otherTag)))
	m.add("Call-ID", t.id)
	m.add("CSeq", o.or("cseq", strconv.Itoa(t.cseq))+" "+method)
	if method == "INVITE" || method == "UPDATE" || method == "REFER" {
		p.contact(&m, t, o)
	}
	if method == "PRACK" {
		m.add("RAck", o.or("rack", t.reliable.first("RSeq")+" "+t.reliable.first("CSeq")))
	}
	p.finish(&m, t, o)
	if method == "INVITE" {
		t.invite = m
	}
	return t, m, nil
}

// inviting writes the INVITE of a new call.
func (p *Peer) inviting(number string, o options) (*talk, message, error) {
	t := p.talk(o.or("callid", fmt.Sprintf("%s-call-%d", p.Name, len(p.talks)+1)))
	at := t.at.Addr().String()
	t.cseq, _ = strconv.Atoi(o.or("cseq", strconv.Itoa(t.cseq+1)))
	t.uri = o.or("uri", "sip:"+number+"@"+p.ours)
	t.self = `"Alice" <sip:` + o.or("user", "+33612345678") + "@" + at + ">"
	t.other = "<" + t.uri + ">"
	m := message{start: "INVITE " + t.uri + " SIP/2.0"}
	m.add("Via", p.via(t, o))
	p.below(&m, o)
	m.add("Max-Forwards", o.or("maxfwd", "70"))
	m.add("From", tagged(t.self, o.or("tag", t.tag)))
	m.add("To", tagged(t.other, o.or("totag", "none")))
	m.add("Call-ID", t.id)
	m.add("CSeq", strconv.Itoa(t.cseq)+" INVITE")
	p.contact(&m, t, o)
	if secret := o.or("auth", ""); secret != "" {
		if err := t.authorize(&m, secret); err != nil {
			return t, m, err
		}
	}
	p.finish(&m, t, o)
	t.invite = m
	return t, m, nil
}

// outside writes a request that belongs to no dialog.
func (p *Peer) outside(method string, o options) (*talk, message, error) {
	t := p.talk(o.or("callid", fmt.Sprintf("%s-outside-%d", p.Name, len(p.talks)+1)))
	uri := o.or("uri", "sip:"+p.ours)
	t.self, t.other = "<sip:"+p.Name+"@"+t.at.Addr().String()+">", "<"+uri+">"
	m := message{start: method + " " + uri + " SIP/2.0"}
	m.add("Via", p.via(t, o))
	m.add("Max-Forwards", o.or("maxfwd", "70"))
	m.add("From", tagged(t.self, o.or("tag", t.tag)))
	m.add("To", tagged(t.other, o.or("totag", "none")))
	m.add("Call-ID", t.id)
	m.add("CSeq", o.or("cseq", "1")+" "+method)
	if method == "INVITE" {
		p.contact(&m, t, o)
	}
	p.finish(&m, t, o)
	return t, m, nil
}

// cancelling writes the CANCEL of the last INVITE sent (RFC 3261 §9.1).
func (p *Peer) cancelling(t *talk, o options) message {
	i := t.invite
	m := message{start: "CANCEL " + i.uri() + " SIP/2.0"}
	m.add("Via", i.first("Via"))
	m.add("Max-Forwards", "70")
	m.add("From", i.first("From"))
	m.add("To", i.first("To"))
	m.add("Call-ID", t.id)
	m.add("CSeq", strconv.Itoa(i.cseq())+" CANCEL")
	p.finish(&m, t, o)
	return m
}

// acknowledging writes the ACK of the last final response: of a refusal with the
// INVITE's own branch (RFC 3261 §17.1.1.3), of a 2xx as a request within the
// dialog (§13.2.2.4).
func (p *Peer) acknowledging(t *talk, o options) (message, error) {
	f := t.final
	if f.start == "" {
		return f, fmt.Errorf("%s has no final response to acknowledge", p.Name)
	}
	uri, via := t.invite.uri(), t.invite.first("Via")
	if f.code() < 300 {
		uri, via = t.target, p.via(t, o)
	}
	m := message{start: "ACK " + o.or("uri", uri) + " SIP/2.0"}
	m.add("Via", via)
	m.add("Max-Forwards", "70")
	m.add("From", f.first("From"))
	m.add("To", f.first("To"))
	m.add("Call-ID", t.id)
	m.add("CSeq", o.or("cseq", strconv.Itoa(f.cseq()))+" ACK")
	p.finish(&m, t, o)
	return m, nil
}

// response answers the last request of a method.
func (p *Peer) response(code, method string, o options) (*talk, message, error) {
	t, err := p.pick(o)
	if err != nil {
		return nil, message{}, err
	}
	r, ok := t.requests[method]
	if method == "CANCEL" && !ok {
		return nil, message{}, fmt.Errorf("%s has received no CANCEL", p.Name)
	}
	if !ok {
		return nil, message{}, fmt.Errorf("%s has received no %s", p.Name, method)
	}
	m := message{start: "SIP/2.0 " + code + " " + o.or("phrase", phrases[code])}
	for _, v := range r.all("Via") {
		m.add("Via", v)
	}
	if b := o.or("branch", ""); b != "" {
		m.set("Via", strings.Replace(m.first("Via"), r.branch(), b, 1))
	}
	n, _ := strconv.Atoi(code)
	if method == "INVITE" && n > 100 && n < 300 {
		for _, v := range routes(o) {
			m.add("Record-Route", v)
		}
	}
	m.add("From", r.first("From"))
	to := r.first("To")
	if r.toTag() == "" {
		tag := o.or("tag", t.tag)
		if n == 100 {
			tag = o.or("tag", "none")
		}
		if method == "INVITE" && n/100 == 2 && tag != "none" {
			t.tag = tag
		}
		to = tagged(to, tag)
	}
	m.add("To", to)
	m.add("Call-ID", t.id)
	m.add("CSeq", strconv.Itoa(r.cseq())+" "+method)
	if (method == "INVITE" && n > 100 || method == "UPDATE") && n < 300 || n/100 == 3 && o.or("contact", "") != "" {
		p.contact(&m, t, o)
	}
	if n := o.or("rel", ""); n != "" {
		m.add("Require", "100rel")
		m.add("RSeq", n)
	}
	p.finish(&m, t, o)
	return t, m, nil
}

// via is a new Via of the peer's.
func (p *Peer) via(t *talk, o options) string {
	p.branches++
	v := "SIP/2.0/" + p.transport.String() + " " + t.at.String()
	switch b := o.or("branch", fmt.Sprintf("z9hG4bK-%s-%d", p.Name, p.branches)); b {
	case "none":
	default:
		v += ";branch=" + b
	}
	if !o.has("norport") {
		v += ";rport"
	}
	return v
}

// below adds the Vias of those who passed the request to the peer.
func (p *Peer) below(m *message, o options) {
	for _, v := range o.lists["via"] {
		m.add("Via", v)
	}
}

func (p *Peer) contact(m *message, t *talk, o options) {
	uri := "sip:" + p.Name + "@" + t.at.String()
	if p.transport != wire.UDP {
		uri += ";transport=" + strings.ToLower(p.transport.String())
	}
	if uri = o.or("contact", uri); uri != "none" {
		m.add("Contact", "<"+uri+">")
	}
}

// finish adds what options ask for and ends the message.
func (p *Peer) finish(m *message, t *talk, o options) {
	if m.code() == 0 && m.method() == "INVITE" {
		for _, v := range routes(o) {
			m.add("Record-Route", v)
		}
	}
	if r := o.or("reason", ""); r != "" {
		m.add("Reason", r)
	}
	if uri := o.or("referto", ""); uri != "" {
		m.add("Refer-To", "<"+uri+">")
	}
	for _, h := range o.lists["h"] {
		name, value, _ := strings.Cut(h, ":")
		m.add(name, strings.TrimSpace(value))
	}
	version, offered := o.values["sdp"]
	if offered || o.has("sdp") {
		m.add("Content-Type", "application/sdp")
		m.body = description(p.Name, t.at.Addr().String(), version)
	} else if kind, body, ok := strings.Cut(o.or("body", ""), "|"); ok {
		m.add("Content-Type", kind)
		m.body = strings.ReplaceAll(body, `\n`, "\r\n")
	}
	m.add("Content-Length", strconv.Itoa(len(m.body)))
	for _, name := range o.lists["del"] {
		m.remove(name)
	}
	for _, e := range o.edits {
		text := strings.Replace(string(m.bytes()), e[0], e[1], 1)
		*m = read([]byte(text))
	}
}

// description is a session description; the version makes it another one.
func description(name, host, version string) string {
	port, direction, number := "40000", "sendrecv", "1"
	switch version {
	case "":
	case "hold":
		direction, number = "sendonly", "2"
	default:
		port, number = "4000"+version, version
	}
	return "v=0\r\no=" + name + " 7 " + number + " IN IP4 " + host + "\r\ns=-\r\nc=IN IP4 " + host +
		"\r\nt=0 0\r\nm=audio " + port + " RTP/AVP 8\r\na=" + direction + "\r\n"
}

func routes(o options) (list []string) {
	for _, v := range strings.Split(o.or("rr", ""), ",") {
		if v != "" {
			list = append(list, "<"+v+">")
		}
	}
	return list
}

// tagged adds a tag; "none" adds none.
func tagged(value, tag string) string {
	if tag == "none" || tag == "" {
		return value
	}
	return value + ";tag=" + tag
}

// phrases are those of RFC 3261 §21, for the codes that scenarios use most.
var phrases = map[string]string{
	"100": "Trying", "180": "Ringing", "181": "Call Is Being Forwarded", "183": "Session Progress", "200": "OK",
	"302": "Moved Temporarily", "401": "Unauthorized", "403": "Forbidden", "404": "Not Found", "407": "Proxy Authentication Required",
	"408": "Request Timeout", "480": "Temporarily Unavailable", "481": "Call/Transaction Does Not Exist", "484": "Address Incomplete",
	"486": "Busy Here", "487": "Request Terminated", "488": "Not Acceptable Here", "491": "Request Pending",
	"500": "Server Internal Error", "503": "Service Unavailable", "600": "Busy Everywhere", "603": "Decline",
}
