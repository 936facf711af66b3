package b2bua

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"sync"

	"github.com/emiago/sipgo/sip"

	"bulkhead/dialog"
)

// The peers of the model. A network that loses, repeats, delays and reorders,
// between peers that are broken in every way, can bring about this and no more:
// anything that a peer could say arrives at any time, in any order, any number
// of times. So the model keeps no bags of messages under way. It keeps what the
// call has sent on each leg, and lets the peer say whatever can be made of it.

// tags of the carriers' dialogs; the first is no tag at all (RFC 2543).
var tags = [...]string{"", "a", "b"}

// text is one message that the call has sent, or one of ours, parsed once.
type text struct {
	id   uint32
	data []byte
	msg  *dialog.Message
	raw  sip.Message
	err  error

	mu   sync.RWMutex
	made map[making]*dialog.Message
}

// making is what a peer's message is made of, beside a text of the call's.
type making struct {
	method string // of a request; empty: a response
	code   int
	tag    uint8
	n      int // CSeq of a request
	branch string
	body   string
	rel    string // more header fields of a response, RAck of a request
}

// texts are all messages of an exploration, each once.
type texts struct {
	mu  sync.RWMutex
	ids map[uint64]uint32
	all []*text
}

// of finds or enters a message.
func (x *texts) of(data []byte) *text {
	h := maphash.Bytes(seed, data)
	x.mu.RLock()
	if id, ok := x.ids[h]; ok {
		t := x.all[id]
		x.mu.RUnlock()
		return t
	}
	x.mu.RUnlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	if id, ok := x.ids[h]; ok {
		return x.all[id]
	}
	if x.ids == nil {
		x.ids, x.all = map[uint64]uint32{}, []*text{nil}
	}
	t := &text{id: uint32(len(x.all)), data: data, made: map[making]*dialog.Message{}}
	if t.raw, t.err = sip.ParseMessage(data); t.err == nil {
		t.msg = dialog.Read(t.raw)
	}
	x.ids[h] = t.id
	x.all = append(x.all, t)
	return t
}

func (x *texts) get(id uint32) *text {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.all[id]
}

// reply makes the peer's response to a request of ours.
func (t *text) reply(code int, tag uint8, body string) *dialog.Message {
	return t.replyWith(code, tag, body, "")
}

// rseq makes a provisional reliable (RFC 3262).
func rseq(n string) string {
	if n == "" {
		return ""
	}
	return "Require: 100rel\r\nRSeq: " + n + "\r\n"
}

// replyWith does so with more header fields.
func (t *text) replyWith(code int, tag uint8, body, more string) *dialog.Message {
	return t.make(making{code: code, tag: tag, body: body, rel: more}, func() string {
		to := t.msg.To
		if t.msg.ToTag == "" && code > 100 && tags[tag] != "" {
			to += ";tag=" + tags[tag]
		}
		extra := ""
		if t.msg.Method == "INVITE" && code > 100 && code < 300 {
			extra = "Record-Route: " + routesOf(tag)[1] + ", " + routesOf(tag)[0] + "\r\n"
		}
		if code < 300 {
			extra += "Contact: <" + contactOf(tag) + ">\r\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n"
		}
		extra += more
		return "SIP/2.0 " + fmt.Sprint(code) + " Said\r\n" + common(t.msg.Vias[0], t.msg.From, to, t.msg.CallID, int(t.msg.CSeq), t.msg.Method) + extra + sdp(body)
	})
}

// request makes the peer's request within the dialog that a message of ours has
// to do with: a request of ours where we called, a response where we were.
func (t *text) request(method string, tag uint8, n int, branch, body string) *dialog.Message {
	return t.acknowledging(method, tag, n, branch, body, "")
}

// acknowledging makes a request with a RAck, where there is one (RFC 3262).
func (t *text) acknowledging(method string, tag uint8, n int, branch, body, rack string) *dialog.Message {
	return t.make(making{method: method, tag: tag, n: n, branch: branch, body: body, rel: rack}, func() string {
		from, to := t.msg.From, t.msg.To
		if t.msg.Code == 0 {
			from, to = t.msg.To, t.msg.From
			if t.msg.ToTag == "" && tags[tag] != "" {
				from += ";tag=" + tags[tag]
			}
		}
		extra := "Max-Forwards: 70\r\n"
		if method == "INVITE" || method == "UPDATE" {
			extra += "Contact: <" + contactOf(tag) + ">\r\n"
		}
		if rack != "" {
			extra += "RAck: " + rack + "\r\n"
		}
		via := "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK" + branch + ";rport"
		return method + " sip:bulkhead@203.0.113.1 SIP/2.0\r\n" + common(via, from, to, t.msg.CallID, n, method) + extra + sdp(body)
	})
}

// asks makes a request with whatever more it has, its body among it.
func (t *text) asks(method string, tag uint8, n int, branch, more string) *dialog.Message {
	return t.make(making{method: method, tag: tag, n: n, branch: branch, rel: more}, func() string {
		from, to := t.msg.From, t.msg.To
		if t.msg.Code == 0 {
			from, to = t.msg.To, t.msg.From
			if t.msg.ToTag == "" && tags[tag] != "" {
				from += ";tag=" + tags[tag]
			}
		}
		return method + " sip:bulkhead@203.0.113.1 SIP/2.0\r\n" +
			common("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"+branch+";rport", from, to, t.msg.CallID, n, method) +
			"Max-Forwards: 70\r\nContact: <" + contactOf(tag) + ">\r\n" + more
	})
}

// make parses what write writes, once.
func (t *text) make(how making, write func() string) *dialog.Message {
	t.mu.RLock()
	m := t.made[how]
	t.mu.RUnlock()
	if m != nil {
		return m
	}
	m = parse(write())
	t.mu.Lock()
	t.made[how] = m
	t.mu.Unlock()
	return m
}

// parse reads a message of the model's own making.
func parse(s string) *dialog.Message {
	raw, err := sip.ParseMessage([]byte(s))
	if err != nil {
		panic(fmt.Sprintf("the model wrote %q: %v", s, err))
	}
	return dialog.Read(raw)
}

func common(via, from, to, callID string, cseq int, method string) string {
	return "Via: " + via + "\r\nFrom: " + from + "\r\nTo: " + to + "\r\nCall-ID: " + callID + "\r\nCSeq: " + fmt.Sprint(cseq) + " " + method + "\r\n"
}

// contactOf and routesOf are remote target and route set of a dialog, in the
// order in which requests are to carry it; another for each tag, so that a
// request that follows a wrong one shows.
func contactOf(tag uint8) string { return "sip:c" + tags[tag] + "@198.51.100.9" }

func routesOf(tag uint8) []string {
	return []string{"<sip:first" + tags[tag] + "@198.51.100.2;lr>", "<sip:second" + tags[tag] + "@198.51.100.3;lr>"}
}

// sdp ends a message with a description whose port says which it is.
func sdp(body string) string {
	if body == "" {
		return "Content-Length: 0\r\n\r\n"
	}
	d := "v=0\r\no=peer 1 1 IN IP4 198.51.100.9\r\ns=-\r\nc=IN IP4 198.51.100.9\r\nt=0 0\r\nm=audio " + body + " RTP/AVP 0\r\n"
	return fmt.Sprintf("Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", len(d), d)
}

// inviteText is the trunk's INVITE.
func inviteText(c config, branch string) string {
	offer, transport := c.offer, c.transport
	body := ""
	if offer {
		body = "1000"
	}
	return "INVITE sip:+4930123@203.0.113.1 SIP/2.0\r\n" +
		common("SIP/2.0/"+transport.String()+" 192.0.2.1;branch=z9hG4bK"+branch+";rport",
			`"A" <sip:+4930999@192.0.2.1>;tag=trunk`, "<sip:+4930123@203.0.113.1>", "call@trunk", 1, "INVITE") +
		"Max-Forwards: 70\r\nContact: <" + contactOf(0) + ">\r\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n" + c.says +
		"Record-Route: " + routesOf(0)[0] + "\r\nRecord-Route: " + routesOf(0)[1] + "\r\n" + sdp(body)
}

// cancelText is the trunk's CANCEL of an INVITE with that branch.
func cancelText(branch string) string {
	return "CANCEL sip:+4930123@203.0.113.1 SIP/2.0\r\n" +
		common("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"+branch+";rport",
			`"A" <sip:+4930999@192.0.2.1>;tag=trunk`, "<sip:+4930123@203.0.113.1>", "call@trunk", 1, "CANCEL") +
		"Max-Forwards: 70\r\nReason: SIP;cause=487\r\n" + sdp("")
}

// pathOfLeg is where the peer of a leg is.
func pathOfLeg(leg uint8, t dialog.Transport) dialog.Path {
	p := dialog.Path{Realm: "outside", Transport: t, Local: netip.MustParseAddrPort("203.0.113.1:5060")}
	p.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1 + leg}), 5060)
	if t.Reliable() {
		p.Conn = 7 + uint64(leg)
	}
	return p
}
