//go:build e2e

package e2e

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// speaker is who a party's SIP goes by: a peer, or what speaks by a stream.
type speaker interface {
	send(to netip.AddrPort, text string)
	next(deadline time.Time) (message, bool)
}

// party is one leg of a call: its SIP is spoken by the test, its media by a talker. Of what comes
// it takes its own call's, each request once.
type party struct {
	*talker
	b             *border
	sip           speaker
	at            string // its own address
	via           string // transport
	to            netip.AddrPort
	id            string // Call-ID; of a carrier: empty until it is invited
	local, remote string // From and To of its own requests
	seq, seen     int    // CSeq of its own requests, and of the other's
	tag           string // of a carrier; empty: callee
	began, begun  int    // CSeq of an INVITE before the answer, where a PRACK has come after it: of its own, and of the other's
}

// calling is the trunk's leg of a call, by a name that no other has.
func (b *border) calling(p *peer, name string, media *talker) *party {
	return &party{
		talker: media, b: b, sip: p, at: p.addr, via: "UDP", to: netip.MustParseAddrPort(b.at(coreSide)), id: name,
		local: "<sip:a@e2e.invalid>;tag=" + name, remote: "<sip:" + number + "@" + b.at(coreSide) + ">",
	}
}

// called is a carrier's leg, before it is invited.
func (b *border) called(p *peer, media *talker) *party {
	return &party{talker: media, b: b, sip: p, at: p.addr, via: "UDP", to: netip.MustParseAddrPort(b.at(peeringSide))}
}

// fork is another dialog of the same INVITE, with media of its own.
func (p *party) fork(tag string, media *talker) *party {
	f := *p
	f.talker, f.tag, f.local = media, tag, strings.Replace(p.local, "tag=callee", "tag="+tag, 1)
	return &f
}

// ask sends a request; sdp nil: without a description. More are whole header lines.
func (p *party) ask(method string, sdp []byte, more ...string) {
	p.t.Helper()
	seq := p.seq + 1
	if method == "ACK" || method == "CANCEL" {
		seq = cmp.Or(p.began, p.seq)
	} else {
		p.seq = seq
	}
	branch := fmt.Sprint(p.id, seq)
	if method == "ACK" {
		branch += "ack"
	}
	lines := []string{
		method + " sip:" + number + "@" + p.to.String() + " SIP/2.0",
		"Via: SIP/2.0/" + p.via + " " + p.at + ";branch=z9hG4bK" + branch, "Max-Forwards: 70",
		"From: " + p.local, "To: " + p.remote, "Call-ID: " + p.id, fmt.Sprintf("CSeq: %d %s", seq, method),
		"Contact: <sip:" + p.at + ">",
	}
	lines = append(append(lines, more...), "Content-Length: 0", "", "")
	p.sip.send(p.to, withSDP(strings.Join(lines, "\r\n"), sdp))
}

func withSDP(text string, sdp []byte) string {
	if sdp == nil {
		return text
	}
	return withBody(text, string(sdp))
}

// await is the next message of the call that begins so.
func (p *party) await(begin string) message {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		m, ok := p.sip.next(deadline)
		if !ok {
			p.t.Fatalf("%s: no %s", p.at, begin)
		}
		if p.takes(m, begin) {
			return m
		}
	}
}

func (p *party) takes(m message, begin string) bool {
	if !strings.HasPrefix(m.text, begin) || p.id != "" && m.header("Call-ID") != p.id {
		return false
	}
	var seq int
	if _, err := fmt.Sscan(m.header("CSeq"), &seq); err != nil {
		return false
	}
	switch {
	case strings.HasPrefix(m.text, "SIP/2.0 "):
		return seq == p.seq || seq == p.began && strings.HasSuffix(m.header("CSeq"), " INVITE")
	case strings.HasPrefix(m.text, "ACK "), strings.HasPrefix(m.text, "CANCEL "):
		return seq == cmp.Or(p.begun, p.seen)
	case seq <= p.seen:
		return false // a repeat
	}
	if begin == "INVITE " {
		p.begun = 0
	}
	p.seen = seq
	return true
}

// invited is the first INVITE to a carrier.
func (p *party) invited() message {
	p.t.Helper()
	m := p.await("INVITE ")
	p.id, p.local, p.remote = m.header("Call-ID"), m.header("To")+";tag=callee", m.header("From")
	return m
}

// says answers a request.
func (p *party) answers(m message, status string, sdp []byte, more ...string) {
	p.t.Helper()
	p.sip.send(m.from, withSDP(m.reply(status, cmp.Or(p.tag, "callee"), append([]string{"Contact: <sip:" + p.at + ">"}, more...)...), sdp))
}

// pracked has the caller acknowledge a provisional of the carrier's (RFC 3262), on each leg by itself.
func (p *party) pracked(by *party, m message) {
	p.t.Helper()
	invite := p.seen
	p.answers(p.await("PRACK "), "200 OK", nil)
	p.begun = invite
	began, remote := by.seq, by.remote
	by.remote = m.header("To")
	by.ask("PRACK", nil, "RAck: "+m.header("RSeq")+" "+m.header("CSeq"))
	by.await("SIP/2.0 200 ")
	by.remote, by.began = remote, began
}

// confirmed is the next final response to its INVITE, which it acknowledges; that of a 2xx has the
// description.
func (p *party) confirmed(status string, sdp []byte) message {
	p.t.Helper()
	m := p.await("SIP/2.0 " + status)
	to := p.remote
	p.remote = m.header("To")
	p.ask("ACK", sdp)
	p.began = 0
	if !strings.HasPrefix(status, "2") {
		if strings.Contains(to, ";tag=") {
			p.remote = to
		}
	}
	return m
}

// body is what a message describes.
func (m message) body() []byte {
	_, body, _ := strings.Cut(m.text, "\r\n\r\n")
	return []byte(body)
}

// line is the first of a description that begins so, without its end.
func (m message) line(begin string) string {
	for line := range strings.Lines(string(m.body())) {
		if strings.HasPrefix(line, begin) {
			return strings.TrimRight(line, "\r\n")
		}
	}
	return ""
}

// joined sets up a call: both talk, as they describe themselves.
func joined(trunk, carrier *party, offer, answer []byte) (shown, told message) {
	trunk.t.Helper()
	trunk.ask("INVITE", offer)
	shown = carrier.invited()
	carrier.aim(shown.body())
	carrier.answers(shown, "200 OK", answer)
	told = trunk.confirmed("200", nil)
	trunk.aim(told.body())
	carrier.await("ACK ")
	return shown, told
}

// talk wants both to hear the other, as it was sent.
func both(trunk, carrier *party, packets int) {
	trunk.t.Helper()
	carrier.hears(packets, trunk.says)
	trunk.hears(packets, carrier.says)
}

// parts ends the call from the trunk's side.
func parts(trunk, carrier *party) {
	trunk.t.Helper()
	trunk.ask("BYE", nil)
	carrier.answers(carrier.await("BYE "), "200 OK", nil)
	trunk.await("SIP/2.0 200 ")
}

// changes has the trunk offer something else, which the carrier answers.
func changes(trunk, carrier *party, offer, answer []byte) (shown, told message) {
	trunk.t.Helper()
	trunk.ask("INVITE", offer)
	shown = carrier.await("INVITE ")
	carrier.answers(shown, "200 OK", answer)
	told = trunk.confirmed("200", nil)
	carrier.await("ACK ")
	return shown, told
}
