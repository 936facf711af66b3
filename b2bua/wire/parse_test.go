package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bulkhead/b2bua/wire"

	"github.com/emiago/sipgo/sip"
)

// with is an INVITE with lines put in before its body.
func with(lines ...string) []byte {
	return bytes.Replace(message("INVITE", "x", 4), []byte("Content-Type"),
		[]byte(strings.Join(append(lines, "Content-Type"), "\r\n")), 1)
}

// without is an INVITE without the lines that begin so.
func without(names ...string) []byte {
	lines := strings.Split(string(message("INVITE", "x", 4)), "\r\n")
	return []byte(strings.Join(slices.DeleteFunc(lines, func(l string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(l, n+":") })
	}), "\r\n"))
}

func replaced(old, new string) []byte {
	m := message("INVITE", "x", 4)
	if !bytes.Contains(m, []byte(old)) {
		panic(old)
	}
	return bytes.ReplaceAll(m, []byte(old), []byte(new))
}

func values(m sip.Message, name string) (all []string) {
	for _, h := range headers(m) {
		if h.Name() == name {
			all = append(all, h.Value())
		}
	}
	return all
}

func headers(m sip.Message) []sip.Header {
	switch m := m.(type) {
	case *sip.Request:
		return m.Headers()
	case *sip.Response:
		return m.Headers()
	}
	return nil
}

func TestParse_CompactFormsAreExpanded(t *testing.T) {
	for short, long := range map[string]string{
		"a": "Accept-Contact", "b": "Referred-By", "d": "Request-Disposition", "e": "Content-Encoding",
		"j": "Reject-Contact", "k": "Supported", "n": "Identity-Info", "o": "Event", "r": "Refer-To",
		"s": "Subject", "u": "Allow-Events", "x": "Session-Expires", "y": "Identity",
		"REQUIRE": "Require", "session-EXPIRES": "Session-Expires", "rAcK": "RAck", "X-Own": "X-Own",
		"p-asserted-identity": "P-Asserted-Identity",
	} {
		for _, name := range []string{short, strings.ToUpper(short)} {
			if short == "X-Own" {
				name = short
			}
			m, fault, err := wire.Parse(with(name+" \t:  a value;p"), wire.Limits{})
			if err != nil || fault != nil || !slices.Equal(values(m, long), []string{"a value;p"}) {
				t.Errorf("%s: %v, %v, %v", name, values(m, long), fault, err)
			}
		}
	}
	compact := "BYE sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bKx\r\nf: <sip:a@b>;tag=1\r\nt: <sip:c@d>;TAG=2\r\n" +
		"i: id\r\ncSEQ: 2 BYE\r\nm: <sip:a@h>\r\nc: a/b\r\nl: 002\r\n\r\nhello"
	m, fault, err := wire.Parse([]byte(compact), wire.Limits{})
	if err != nil || fault != nil {
		t.Fatal(fault, err)
	}
	for name, want := range map[string]string{"Via": "SIP/2.0/UDP h;branch=z9hG4bKx", "From": "<sip:a@b>;tag=1",
		"To": "<sip:c@d>;TAG=2", "Call-ID": "id", "CSeq": "2 BYE", "Contact": "<sip:a@h>", "Content-Type": "a/b", "Content-Length": "2"} {
		if got := values(m, name); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if string(m.Body()) != "he" {
		t.Errorf("body %q", m.Body())
	}
}

func TestRFC3261_7_3_1_FoldedLines(t *testing.T) {
	m, fault, err := wire.Parse(with("Subject: one \t\r\n two\r\n\t \tthree", "X-Empty:\r\n ", "X-After: y"), wire.Limits{})
	if err != nil || fault != nil {
		t.Fatal(fault, err)
	}
	if got := values(m, "Subject"); !slices.Equal(got, []string{"one two three"}) {
		t.Errorf("%q", got)
	}
	if got := values(m, "X-Empty"); !slices.Equal(got, []string{""}) {
		t.Errorf("%q", got)
	}
}

func TestParse_CSeqHasOneSpace(t *testing.T) {
	for _, blanks := range []string{"\t", "   ", " \t", "\r\n "} {
		m, fault, err := wire.Parse(replaced("CSeq: 1 INVITE", "CSeq: 01"+blanks+"INVITE"), wire.Limits{})
		if err != nil || fault != nil || values(m, "CSeq")[0] != "01 INVITE" {
			t.Errorf("%q: %v, %v", blanks, fault, err)
		}
	}
}

func TestParse_LastLineWithoutEmptyLine(t *testing.T) {
	raw := bytes.TrimSuffix(message("OPTIONS", "x", 0), []byte("\r\n"))
	if m, fault, err := wire.Parse(raw, wire.Limits{}); err != nil || fault != nil || values(m, "Content-Length") == nil {
		t.Error(fault, err)
	}
}

func TestParse_RequestURI(t *testing.T) {
	for uri, want := range map[string]string{
		"sip:a@b":                                 "sip b",
		"SIPS:a:pw@b:5061;transport=tcp":          "sips b",
		"sip:[2001:db8::1]:5060;lr":               "sip [2001:db8::1]",
		"sip:+1;phone-context=x@b_c.d;user=phone": "sip b_c.d",
		"tel:+33123456789;phone-context=x":        "tel +33123456789;phone-context=x",
		"soap.beep://192.0.2.103:3002":            "soap.beep //192.0.2.103:3002",
		"urn:service:sos":                         "urn service:sos",
	} {
		m, fault, err := wire.Parse(replaced("sip:+33123456789@192.0.2.1 ", uri+" "), wire.Limits{})
		if err != nil || fault != nil {
			t.Errorf("%s: %v, %v", uri, fault, err)
			continue
		}
		r := m.(*sip.Request).Recipient
		host := r.Host + r.Raw()
		if got := r.Scheme + " " + host; got != want {
			t.Errorf("%s: %q", uri, got)
		}
	}
	for _, uri := range []string{"sip:", "sip:a@", "sip:a@b:70000", "sip:a@b:x", "sip:a@b:", "sip:a@[::1", "sip:a@[::1]x",
		"sip:a@b,c", "sip:a@b?Route=x", "*", "a@b", ":b", "<sip:a@b>", "sip:2001:db8::1", "sip:a@\"b\"", "sip:a@b%20c"} {
		_, fault, err := wire.Parse(replaced("sip:+33123456789@192.0.2.1 ", uri+" "), wire.Limits{})
		if err != nil || fault == nil || fault.Code != 400 {
			t.Errorf("%s: %v, %v", uri, fault, err)
		}
	}
}

func TestParse_WhatIsTolerated(t *testing.T) {
	for _, raw := range [][]byte{
		without("Max-Forwards"), without("Contact"), without("Content-Length"), without("Content-Type"),
		replaced(";branch=z9hG4bKx", ""),
		replaced(";tag=ax", ""),
		replaced("192.0.2.7:5060;branch", "[2001:db8::7] : 5060 ;rport;received=2001:db8::9:255;branch"),
		replaced("\"A\" <", "M. Dupont, Jean <"),
		replaced("\"A\" <", `"A \" <>;," <`),
		replaced(";tag=ax", ` ; x = "a;b" ; TAG = 1==`),
		replaced("<sip:192.0.2.7:5060>", `sip:a@b, "x, y" <sip:c;d@e?f=g>;q=0.3 , <sips:h>`),
		with("Content-Length: 4"),
		with("Supported:"),
		append([]byte("\r\n"), message("INVITE", "x", 4)...),
		replaced("SIP/2.0\r\n", "sip/2.0\r\n"),
	} {
		if _, fault, err := wire.Parse(raw, wire.Limits{}); fault != nil || err != nil {
			t.Errorf("%v, %v:\n%s", fault, err, raw)
		}
	}
}

func TestParse_Faults(t *testing.T) {
	for i, try := range []struct {
		raw  []byte
		code int
		name string
	}{
		{replaced("SIP/2.0\r\n", "SIP/2.1\r\n"), 505, "version"},
		{replaced("INVITE sip", "INVITE\tsip"), 0, "not_sip"},
		{with("No colon"), 400, "header_line"},
		{with("Bad Name: x"), 400, "header_line"},
		{with(": x"), 400, "header_line"},
		{with("X-Nul: a\x00b"), 400, "control_byte"},
		{with("X-Lf: a\nVia: forged"), 400, "control_byte"},
		{with("X-Cr: a\rb"), 400, "control_byte"},
		{replaced("Call-ID: x", "Call-ID: x\ny"), 0, "control_byte"},
		{replaced("INVITE sip:", "INVITE \r\n sip:"), 0, "not_sip"},
		{replaced("SIP/2.0\r\n", "SIP/2.0\r\n folded\r\n"), 400, "folded_start"},
		{without("Via"), 0, "missing_via"},
		{without("From"), 0, "missing_from"},
		{without("To"), 0, "missing_to"},
		{without("Call-ID"), 0, "missing_call_id"},
		{without("CSeq"), 0, "missing_cseq"},
		{with("From: <sip:b@c>"), 400, "repeated_from"},
		{with("t: <sip:b@c>"), 400, "repeated_to"},
		{with("i: y"), 400, "repeated_call_id"},
		{with("CSeq: 1 INVITE"), 400, "repeated_cseq"},
		{with("Max-Forwards: 70"), 400, "repeated_max_forwards"},
		{with("c: text/plain"), 400, "repeated_content_type"},
		{with("Content-Length: 3"), 400, "repeated_content_length"},
		{replaced("Content-Length: 4", "Content-Length: 5"), 400, "body_short"},
		{replaced("Content-Length: 4", "Content-Length: 99999999999999999999"), 400, "malformed_content_length"},
		{replaced("CSeq: 1 INVITE", "CSeq: 1 BYE"), 400, "cseq_method"},
		{replaced("CSeq: 1 INVITE", "CSeq: 1 invite"), 400, "cseq_method"},
		{replaced("CSeq: 1 INVITE", "CSeq: 2147483648 INVITE"), 400, "malformed_cseq"},
		{replaced("CSeq: 1 INVITE", "CSeq: INVITE"), 400, "malformed_cseq"},
		{replaced("Call-ID: x", "Call-ID: x y"), 400, "malformed_call_id"},
		{replaced("Call-ID: x", "Call-ID:"), 400, "malformed_call_id"},
		{replaced("Max-Forwards: 70", "Max-Forwards: 256"), 400, "malformed_max_forwards"},
		{replaced("Max-Forwards: 70", "Max-Forwards: -1"), 400, "malformed_max_forwards"},
		{replaced("\"A\" <", "\"A <"), 400, "malformed_from"},
		{replaced("192.0.2.7>;tag", "192.0.2.7;tag"), 400, "malformed_from"},
		{replaced(";tag=ax", ", <sip:x@y>"), 400, "malformed_from"},
		{replaced(";tag=ax", ";;tag=ax"), 400, "malformed_from"},
		{replaced("SIP/2.0/UDP", "SIP/2.0 UDP"), 400, "malformed_via"},
		{replaced("192.0.2.7:5060;branch", ";branch"), 400, "malformed_via"},
		{replaced("<sip:192.0.2.7:5060>", "*"), 400, "malformed_contact"},
		{replaced("<sip:192.0.2.7:5060>", "<sip:a>, "), 400, "malformed_contact"},
		{with(slices.Repeat([]string{"X-Y: z"}, 300)...), 400, "too_many_lines"},
		{with("X-Y: z" + strings.Repeat(";", 600)), 400, "too_many_params"},
		{message("INVITE", "x", 20_000), 513, "message_too_large"},
		{with("X-Y: " + strings.Repeat("z", 20_000)), 0, "too_large"},
		{[]byte("hello"), 0, "not_sip"},
		{[]byte("OPTIONS sip:a@b SIP/2.0"), 0, "lf_only"},
		{[]byte("OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP b"), 0, "no_blank_line"},
	} {
		m, fault, err := wire.Parse(try.raw, wire.Limits{})
		var drop wire.DropError
		switch {
		case errors.As(err, &drop):
			if try.code != 0 || drop.Name != try.name {
				t.Errorf("%d: want %d %s, got %v", i, try.code, try.name, err)
			}
		case fault == nil || fault.Code != try.code || fault.Name != try.name:
			t.Errorf("%d: want %d %s, got %+v", i, try.code, try.name, fault)
		case len(values(m, "Via")) == 0 || len(values(m, "From")) != 1 || len(values(m, "To")) != 1 ||
			len(values(m, "Call-ID")) != 1 || len(values(m, "CSeq")) != 1:
			t.Errorf("%d: cannot be answered: %s", i, m)
		}
		// The same as an ACK is never answered (RFC 3261 §17).
		ack := bytes.ReplaceAll(try.raw, []byte("INVITE"), []byte("ACK"))
		if _, fault, _ := wire.Parse(ack, wire.Limits{}); fault != nil {
			t.Errorf("%d as ACK: %+v", i, fault)
		}
	}
}

// Both readings of a message agree: ours, and sipgo's with every header left
// unread.
func TestParse_AgreesWithSipgo(t *testing.T) {
	elsewise := map[string]string{
		"rfc4475/intmeth.dat": "the NUL is taken out",
		"rfc4475/novelsc.dat": "sipgo wants no dot in a scheme",
		"jsip/387.sip":        "the same",
	}
	parser := sip.NewParser(sip.WithHeadersParsers(map[string]sip.HeaderParser{}))
	compared := 0
	for _, glob := range []string{"rfc4475/*.dat", "rfc5118/*.dat", "jsip/*.sip"} {
		files, _ := filepath.Glob("testdata/torture/" + glob)
		for _, file := range files {
			file, _ = filepath.Rel("testdata/torture", file)
			raw := read(t, file)
			ours, fault, err := wire.Parse(raw, wire.Limits{})
			if err != nil || fault != nil || elsewise[file] != "" || !bytes.Contains(raw, []byte("\r\n\r\n")) {
				continue
			}
			compared++
			theirs, err := parser.ParseSIP(raw)
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if a, b := lines(ours), lines(theirs); !slices.Equal(a, b) {
				t.Errorf("%s:\n%q\n%q", file, a, b)
			}
		}
	}
	if compared < 200 {
		t.Errorf("only %d compared", compared)
	}
}

// lines are values without names, which are canonical in one reading, and
// without Content-Length, which is a number.
func lines(m sip.Message) (all []string) {
	for _, h := range headers(m) {
		if n := strings.ToLower(h.Name()); n != "content-length" && n != "l" {
			all = append(all, h.Value())
		}
	}
	switch m := m.(type) {
	case *sip.Request:
		all = append(all, strings.ToUpper(string(m.Method)), m.Recipient.Host, m.Recipient.User)
	case *sip.Response:
		all = append(all, fmt.Sprint(m.StatusCode), m.Reason)
	}
	return all
}

func TestParse_NULAsQuotedPairIsTakenOut(t *testing.T) {
	m, fault, err := wire.Parse(read(t, "rfc4475/intmeth.dat"), wire.Limits{})
	if err != nil || fault != nil {
		t.Fatal(fault, err)
	}
	if to := values(m, "To")[0]; !strings.HasPrefix(to, "\"BEL:\\\x07 NUL: DEL:\\\x7f\" <") {
		t.Errorf("%q", to)
	}
}
