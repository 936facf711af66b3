package dialog_test

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/b2bua/wire"
	"bulkhead/dialog"
)

const plain = `OPTIONS sip:x@203.0.113.7 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1
From: <sip:a@192.0.2.1>;tag=ta
To: <sip:x@203.0.113.7>
Call-ID: c1
CSeq: 1 OPTIONS
`

// odd are header fields as real stacks write them, and what is to be read.
var odd = []struct {
	name string
	old  string // a line of plain, that the new lines replace
	new  string
	want func(*dialog.Message) any
	is   any
}{
	{"folded and in capitals", "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", "VIA: SIP/2.0/UDP 192.0.2.1 ; BRANCH = z9hG4bK1", func(m *dialog.Message) any { return m.Branch }, "z9hG4bK1"},
	{"compact", "Via:", "v:", func(m *dialog.Message) any { return m.Branch }, "z9hG4bK1"},
	{"compact From", "From:", "f:", func(m *dialog.Message) any { return m.FromTag }, "ta"},
	{"compact Call-ID", "Call-ID:", "i:", func(m *dialog.Message) any { return m.CallID }, "c1"},
	{"two Vias in a line", "192.0.2.1;branch=z9hG4bK1", "192.0.2.1;branch=z9hG4bK1, SIP/2.0/UDP 192.0.2.9;branch=b2", func(m *dialog.Message) any { return len(m.Vias) }, 2},
	{"tag not last", "From: <sip:a@192.0.2.1>;tag=ta", "From: <sip:a@192.0.2.1>;x=y;Tag=ta;z", func(m *dialog.Message) any { return m.FromTag }, "ta"},
	{"tag in the URI is none", "From: <sip:a@192.0.2.1>;tag=ta", "From: <sip:a@192.0.2.1;tag=no>", func(m *dialog.Message) any { return m.FromTag }, ""},
	{"tag in the name is none", "From: <sip:a@192.0.2.1>;tag=ta", `From: "x;tag=no" <sip:a@192.0.2.1>;tag=ta`, func(m *dialog.Message) any { return m.FromTag }, "ta"},
	{"bracket in the name", "From: <sip:a@192.0.2.1>;tag=ta", `From: "a \"<b>" <sip:a@192.0.2.1>;tag=ta`, func(m *dialog.Message) any { return m.Caller() }, dialog.Party{Display: `a "<b>`, User: "a"}},
	{"no brackets", "From: <sip:a@192.0.2.1>;tag=ta", "From: sip:a@192.0.2.1;tag=ta", func(m *dialog.Message) any { return m.FromTag }, "ta"},
	{"comma in the Contact's name", "Call-ID: c1", "Call-ID: c1\nContact: \"a, b\" <sip:c,d@192.0.2.1>, <sip:e@192.0.2.1>", func(m *dialog.Message) any { return m.Contact }, "sip:c,d@192.0.2.1"},
	{"CSeq with spaces", "CSeq: 1 OPTIONS", "CSeq:   7    OPTIONS", func(m *dialog.Message) any { return m.CSeq }, uint32(7)},
	{"Record-Routes in two lines", "Call-ID: c1", "Call-ID: c1\nRecord-Route: <sip:a;lr>,<sip:b;lr>\nRecord-Route: <sip:c;lr>", func(m *dialog.Message) any { return m.Routes }, []string{"<sip:a;lr>", "<sip:b;lr>", "<sip:c;lr>"}},
	{"no Max-Forwards", "Call-ID: c1", "Call-ID: c1", func(m *dialog.Message) any { return m.MaxForwards }, -1},
	{"Max-Forwards", "Call-ID: c1", "Call-ID: c1\nMax-Forwards:  0 ", func(m *dialog.Message) any { return m.MaxForwards }, 0},
	{"Retry-After with comment", "Call-ID: c1", "Call-ID: c1\nRetry-After: 18 (in a meeting);duration=3", func(m *dialog.Message) any { return m.RetryAfter }, 18},
	{"Q.850 among Reasons", "Call-ID: c1", "Call-ID: c1\nReason: SIP;cause=600;text=\"a, b\", q.850 ; cause=17", func(m *dialog.Message) any { return m.Q850() }, 17},
	{"Q.850 out of range", "Call-ID: c1", "Call-ID: c1\nReason: Q.850;cause=900", func(m *dialog.Message) any { return m.Q850() }, 0},
	{"values of an unknown header", "Call-ID: c1", "Call-ID: c1\nX-A: 1, 2\nx-a: \"3, 4\"", func(m *dialog.Message) any { return m.Values("X-a") }, []string{"1", "2", `"3, 4"`}},
	{"value of none", "Call-ID: c1", "Call-ID: c1", func(m *dialog.Message) any { return m.Value("X-a") }, ""},
}

func TestRead(t *testing.T) {
	for _, o := range odd {
		t.Run(o.name, func(t *testing.T) {
			m := read(t, strings.Replace(plain, o.old, o.new, 1), "")
			if got := o.want(m); !reflect.DeepEqual(got, o.is) {
				t.Errorf("%#v, want %#v", got, o.is)
			}
		})
	}
}

// vias are a request's top Via and source, and what the response is to have and
// where it goes (RFC 3581 §4, RFC 3261 §18.2).
var vias = []struct{ name, via, source, want, to string }{
	{"rport", "SIP/2.0/UDP 10.0.0.1:5062;rport;branch=b", "192.0.2.1:9999", "SIP/2.0/UDP 10.0.0.1:5062;branch=b;received=192.0.2.1;rport=9999", "192.0.2.1:9999"},
	{"rport, same address", "SIP/2.0/UDP 192.0.2.1:5062;branch=b;rport", "192.0.2.1:5062", "SIP/2.0/UDP 192.0.2.1:5062;branch=b;received=192.0.2.1;rport=5062", "192.0.2.1:5062"},
	{"a false rport and received", "SIP/2.0/UDP 192.0.2.1;rport=1;received=1.2.3.4;branch=b", "192.0.2.1:5060", "SIP/2.0/UDP 192.0.2.1;branch=b;received=192.0.2.1;rport=5060", "192.0.2.1:5060"},
	{"no rport, same address", "SIP/2.0/UDP 192.0.2.1:5062;branch=b", "192.0.2.1:9999", "SIP/2.0/UDP 192.0.2.1:5062;branch=b", "192.0.2.1:5062"},
	{"no rport, no port", "SIP/2.0/UDP 192.0.2.1;branch=b", "192.0.2.1:9999", "SIP/2.0/UDP 192.0.2.1;branch=b", "192.0.2.1:5060"},
	{"no rport, another address", "SIP/2.0/UDP 10.0.0.1:5062;branch=b", "192.0.2.1:9999", "SIP/2.0/UDP 10.0.0.1:5062;branch=b;received=192.0.2.1", "192.0.2.1:5062"},
	{"a name", "SIP/2.0/UDP pbx.example.com;branch=b", "192.0.2.1:9999", "SIP/2.0/UDP pbx.example.com;branch=b;received=192.0.2.1", "192.0.2.1:5060"},
	{"IPv6", "SIP/2.0/UDP [2001:db8::1]:5070;branch=b", "[2001:db8::1]:9999", "SIP/2.0/UDP [2001:db8::1]:5070;branch=b", "[2001:db8::1]:5070"},
	{"IPv6, no port", "SIP/2.0/UDP [2001:db8::9];branch=b;rport", "[2001:db8::1]:9999", "SIP/2.0/UDP [2001:db8::9];branch=b;received=2001:db8::1;rport=9999", "[2001:db8::1]:9999"},
	{"spaces", "SIP / 2.0 / UDP 192.0.2.1 : 5062 ; branch=b ; rport", "192.0.2.1:9999", "SIP / 2.0 / UDP 192.0.2.1 : 5062;branch=b;received=192.0.2.1;rport=9999", "192.0.2.1:9999"},
	{"maddr is not followed", "SIP/2.0/UDP 192.0.2.1;maddr=8.8.8.8;branch=b", "192.0.2.1:9999", "SIP/2.0/UDP 192.0.2.1;maddr=8.8.8.8;branch=b", "192.0.2.1:5060"},
}

func TestRFC3581_4_Rport(t *testing.T) {
	for _, v := range vias {
		t.Run(v.name, func(t *testing.T) {
			m := read(t, strings.Replace(plain, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", v.via+"\nVia: SIP/2.0/UDP 10.9.9.9;branch=under", 1), "")
			from := path(v.source, dialog.UDP)
			data, to := dialog.Refuse(m, from, "tt", dialog.Refusal{Code: 481})
			got := read(t, strings.ReplaceAll(strings.Split(string(data), "Content-Length")[0], "\r\n", "\n"), "")
			if !slices.Equal(got.Vias, []string{v.want, "SIP/2.0/UDP 10.9.9.9;branch=under"}) {
				t.Errorf("Vias %q, want %q", got.Vias, v.want)
			}
			if to.Remote != netip.MustParseAddrPort(v.to) {
				t.Errorf("to %v, want %v", to.Remote, v.to)
			}
		})
	}
}

// RFC 3261 §18.2.2: over a stream a response goes by the connection that the
// request came by, whatever Via says.
func TestRFC3261_18_2_2_Connection(t *testing.T) {
	from := path("192.0.2.1:40000", dialog.TCP)
	from.Conn = 17
	m := read(t, strings.Replace(plain, "UDP 192.0.2.1", "TCP 10.0.0.1:5070", 1), "")
	if _, to := dialog.Refuse(m, from, "tt", dialog.Refusal{Code: 481}); to != from {
		t.Errorf("to %+v", to)
	}
}

func TestRefuse(t *testing.T) {
	from := path("192.0.2.1:5060", dialog.UDP)
	m := read(t, plain, "")
	data, _ := dialog.Refuse(m, from, "tt", dialog.Refusal{Code: 420, Agent: "B", Extra: []dialog.Header{{Name: "Unsupported", Value: "a\r\nEvil: 1"}}})
	if again, _ := dialog.Refuse(m, from, "tt", dialog.Refusal{Code: 420, Agent: "B", Extra: []dialog.Header{{Name: "Unsupported", Value: "a\r\nEvil: 1"}}}); !bytes.Equal(data, again) {
		t.Error("a repeat gets other bytes")
	}
	s := string(data)
	for _, want := range []string{"SIP/2.0 420 Bad Extension\r\n", "To: <sip:x@203.0.113.7>;tag=tt\r\n", "Unsupported: a  Evil: 1\r\n", "Server: B\r\n", "CSeq: 1 OPTIONS\r\n"} {
		if !strings.Contains(s, want) {
			t.Errorf("no %q in\n%s", want, s)
		}
	}
	if data, _ := dialog.Refuse(read(t, strings.Replace(plain, "203.0.113.7>\nCall", "203.0.113.7>;tag=theirs\nCall", 1), ""), from, "tt", dialog.Refusal{Code: 481}); strings.Contains(string(data), "tt") {
		t.Errorf("a second tag in\n%s", data)
	}
}

func TestAfterwards(t *testing.T) {
	r := udpOut(t)
	s, id := seal(), r.leg.ID
	refusal := r.response(r.sent[0], 487, "b", "")
	r.gets(refusal, "ACK, End rejected 487")
	got := dialog.Afterwards(refusal, r.path, dialog.Address{ID: id, Seq: dialog.First}, s, "203.0.113.7:5060")
	if len(got) != 1 || !bytes.Equal(got[0].Data, r.find("ACK", 0).Data) {
		t.Errorf("the ACK of a call that is gone is not that of the call:\n%s\n%s", got[0].Data, r.find("ACK", 0).Data)
	}
	late := r.response(r.sent[0], 200, "b", offer, "Record-Route: <sip:198.51.100.3;lr>\n")
	got = dialog.Afterwards(late, r.path, dialog.Address{ID: id, Seq: dialog.First}, s, "203.0.113.7:5060")
	again := dialog.Afterwards(late, r.path, dialog.Address{ID: id, Seq: dialog.First}, s, "203.0.113.7:5060")
	if len(got) != 2 || got[0].Method != "ACK" || got[1].Method != "BYE" || !reflect.DeepEqual(got, again) {
		t.Fatalf("%v", got)
	}
	for _, a := range got {
		m := r.read(a)
		if m.ToTag != "b" || m.FromTag != r.leg.Tag || a.Path != r.path || m.Value("Route") != "<sip:198.51.100.3;lr>" || m.URI.String() != "sip:b@198.51.100.9" {
			t.Errorf("to %v:\n%s", a.Path.Remote, a.Data)
		}
		if b, ok := s.OpenBranch(m.Branch); !ok || b.ID != id {
			t.Errorf("the branch of %s is not ours", a.Method)
		}
	}
}

// FuzzRead gives the core whatever sipgo parses: as a request to a leg that
// talks, and as a response to one that calls. What comes out parses.
func FuzzRead(f *testing.F) {
	files, _ := filepath.Glob("../../shared/torture/*/*")
	for _, name := range files {
		if data, err := os.ReadFile(name); err == nil {
			f.Add(data)
		}
	}
	f.Add([]byte(strings.ReplaceAll(plain, "\n", "\r\n") + "\r\n"))
	f.Add([]byte(strings.ReplaceAll(trunkInvite, "\n", "\r\n") + "\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		parsed, _, err := wire.Parse(data, wire.Limits{})
		if err != nil {
			return
		}
		m := dialog.Read(parsed)
		m.Caller()
		m.Q850()
		from := path("192.0.2.1:5060", dialog.UDP)
		now := time.Unix(0, 0)
		in, actions := dialog.Inbound(dialog.ID{}, now, "t", m, from, policy(), nil)
		actions = append(actions, in.Step(now, dialog.Answer{Code: 200, Body: dialog.Body{Type: "application/sdp", Data: []byte(offer)}})...)
		actions = append(actions, in.Step(now, dialog.Received{Message: m, Path: from})...)
		out, more := dialog.Outbound(dialog.ID{Leg: 1}, now, dialog.Setup{Caller: m.Caller(), Number: m.URI.User, Body: m.Body}, dialog.Target{Path: from}, policy())
		m.Branch = policy().Seal.Branch(dialog.ID{Leg: 1}, dialog.First)
		actions = append(append(actions, more...), out.Step(now, dialog.Received{Message: m, Path: from})...)
		for range 50 {
			now = now.Add(time.Minute)
			in.Step(now, dialog.Due{})
			out.Step(now, dialog.Due{})
		}
		for _, a := range actions {
			if s, ok := a.(dialog.Send); ok && !bytes.HasSuffix(s.Data, []byte("\r\n\r\n")) && !bytes.Contains(s.Data, []byte("\r\n\r\n")) {
				t.Errorf("a message without an end: %q", s.Data)
			}
		}
	})
}
