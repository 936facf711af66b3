package b2bua_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"bulkhead/b2bua/simtest"
)

// strange are header fields that a peer may send and that nobody has let pass, with the
// compact forms; what the core reads of them would otherwise break the call.
var strange = []string{
	"User-Agent", "Server", "Organization", "Warning", "Date", "Subject", "s", "Call-Info", "Alert-Info", "Error-Info", "In-Reply-To",
	"Priority", "Reply-To", "P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID", "Diversion", "History-Info", "P-Charging-Vector",
	"P-Access-Network-Info", "P-Visited-Network-ID", "P-Called-Party-ID", "P-Associated-URI", "Path", "Service-Route", "Authorization",
	"Proxy-Authorization", "Accept-Contact", "a", "Reject-Contact", "j", "Request-Disposition", "d", "Geolocation", "User-to-User",
	"Identity-Info", "n", "Allow-Events", "u", "X-Internal", "x-lower", "Content-Disposition", "Referred-By", "b", "Event", "o", "Recv-Info",
	"Feature-Caps", "Answer-Mode", "Via", "Record-Route",
}

// taint is a value of a header field that names one side, and fits the field.
func taint(name, who string) string {
	switch strings.ToLower(name) {
	case "via":
		return "SIP/2.0/UDP " + who + ".invalid:5060;branch=z9hG4bK" + who
	case "p-asserted-identity", "p-preferred-identity", "diversion":
		return "<sip:+33612345670@" + who + ".invalid;x=" + who + ">;y=" + who // whose number it is, may be told
	case "remote-party-id":
		return "<sip:+33612345670@" + who + ".invalid>;party=calling;screen=yes;id-type=" + who
	case "record-route", "path", "service-route", "referred-by", "b", "reply-to", "p-called-party-id", "p-associated-uri", "call-info", "alert-info", "error-info":
		return "<sip:" + who + "@" + who + ".invalid;lr>"
	case "history-info":
		return "<sip:+33612345670@" + who + ".invalid;cause=302>;index=1;x=" + who
	}
	return who
}

// ofBody are those that say what the body of an INFO is, or what of it would have been
// understood: they pass with it.
var ofBody = []string{"Content-Disposition", "Subject", "s", "Event", "o", "Recv-Info", "Allow-Events", "u"}

// tainted is an option for each of some fields. A Via or a Record-Route stands in an INVITE and
// its responses only, where they mean something.
func tainted(rt *rapid.T, who string, routes bool) string {
	var b strings.Builder
	for _, name := range rapid.SliceOfN(rapid.SampledFrom(strange), 1, 12).Draw(rt, "fields of "+who) {
		if !routes && (name == "Via" || name == "Record-Route" || slices.Contains(ofBody, name)) {
			continue
		}
		if name == "Via" {
			fmt.Fprintf(&b, " via=%q", taint(name, who))
			continue
		}
		fmt.Fprintf(&b, " h=%q", name+": "+taint(name, who))
	}
	return b.String()
}

// sides are what must not be seen on the other side: all that has a name in it is named so.
const (
	secretA = "aside"
	secretB = "bside"
)

// bodyOf is a description of which each line but c= names its side: media goes past us, so
// the address in c= is the other side's to know.
func bodyOf(who string) string {
	return `body="application/sdp|v=0\\no=` + who + ` 1 1 IN IP4 ` + who + `.invalid\\ns=-\\nc=IN IP4 203.0.113.9\\nt=0 0\\nm=audio 4000 RTP/AVP 8\\n"`
}

// TestR26_NothingOfOneSideIsSeenOnTheOther makes whole calls in which every message of
// either side carries the side's name wherever it can, requests and responses, refusals and
// what happens within the dialog; the other side must not see it. Profiles are drawn
// too: none of them lets pass what names a host.
func TestR26_NothingOfOneSideIsSeenOnTheOther(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(rt, name) }
		script := strings.Join([]string{
			"trunk relay=INFO " + draw("trunk", "", "trust=true country=FR", "diversion=history", "add=\"X-Node: {call}\"", "identities=+33*"),
			"carrier tc1 relay=INFO " + draw("tc1", "", "identity=pai trust=true diversion=history", "identity=rpid", "identity=none", "uri=tel format=e164", "diversion=none"),
			"carrier tc2 relay=INFO " + draw("tc2", "", "identity=pai diversion=history", "trust=true", "format=plain"),
			"route +33123456* tc1 tc2/+33789456123",
			"trunk INVITE +33123456789 " + bodyOf(secretA) + tainted(rt, secretA, true) + " contact=sip:" + secretA + "@192.0.2.10 callid=" + secretA + "-call " + draw("privacy", "", `h="Privacy: id"`, `h="Privacy: none"`),
			"tc1 180 " + bodyOf(secretB) + tainted(rt, secretB, true) + " contact=sip:" + secretB + "@198.51.100.11",
			"tc1 " + draw("refusal", "503", "500", "408", "480", "302") + "" + tainted(rt, secretB, false),
			"tc2 " + draw("provisional", "180", "183", "181") + tainted(rt, secretB, true) + " contact=sip:" + secretB + "@198.51.100.12",
			"",
		}, "\n")
		if draw("end", "answered", "refused", "cancelled") == "answered" {
			script += strings.Join([]string{
				"tc2 200 contact=sip:" + secretB + "@198.51.100.12 " + bodyOf(secretB) + tainted(rt, secretB, true),
				"trunk ACK" + tainted(rt, secretA, false),
				"+1s trunk INFO body=\"text/plain|x\"" + tainted(rt, secretA, false),
				"tc2 " + draw("informed", "200", "469", "500") + " INFO" + tainted(rt, secretB, false),
				"+1s tc2 INFO body=\"text/plain|x\"" + tainted(rt, secretB, false),
				"trunk 200 INFO" + tainted(rt, secretA, false),
				"+1s trunk INVITE " + bodyOf(secretA) + tainted(rt, secretA, false) + " contact=sip:" + secretA + "@192.0.2.10",
				"tc2 " + draw("changed", "200 "+bodyOf(secretB)+" contact=sip:"+secretB+"@198.51.100.12", "488") + tainted(rt, secretB, false),
				"trunk ACK" + tainted(rt, secretA, false),
				"+1s " + draw("who hangs up", "trunk BYE"+tainted(rt, secretA, false)+" ; tc2 200 BYE"+tainted(rt, secretB, false),
					"tc2 BYE"+tainted(rt, secretB, false)+" ; trunk 200 BYE"+tainted(rt, secretA, false)),
				"",
			}, "\n")
		} else if draw("how", "486", "CANCEL") == "486" {
			script += "tc2 " + draw("final", "486", "404", "603", "503") + "" + tainted(rt, secretB, false) + "\ntrunk ACK\n"
		} else {
			script += "trunk CANCEL" + tainted(rt, secretA, false) + "\ntc2 auto 200 CANCEL\ntc2 487" + tainted(rt, secretB, false) + "\ntrunk ACK\n"
		}
		script += "settle"
		if fault := seen(t, script, func(peer, text string) string {
			foreign := []string{secretA, "192.0.2.", "trunk"}
			if peer == "trunk" {
				foreign = []string{secretB, "198.51.100.", "tc1", "tc2"}
			}
			for _, w := range foreign {
				if strings.Contains(strings.ToLower(text), w) {
					return w
				}
			}
			return ""
		}); fault != "" {
			rt.Fatal(fault)
		}
	})
}

// seen plays a scenario and looks at every message that a peer was sent; it gives back what is
// wrong.
func seen(t *testing.T, script string, leaks func(peer, text string) string) (fault string) {
	synctest.Test(t, func(t *testing.T) {
		s := simtest.Open(t, nil)
		defer s.Close()
		defer func() {
			if t.Failed() {
				t.Log("\n" + script + "\n" + s.Ladder())
			}
		}()
		s.Do(script)
		n := 0
		for peer, text := range s.Net.Sent() {
			n++
			if w := leaks(peer, text); w != "" {
				fault = fmt.Sprintf("%q is seen by %s in\n%s\nafter\n%s", w, peer, text, script)
			}
		}
		if n < 6 {
			fault = fmt.Sprintf("only %d messages after\n%s", n, script)
		}
		if len(s.Records()) != 1 {
			fault = fmt.Sprintf("%d records", len(s.Records()))
		}
	})
	return fault
}

// TestR26_LargeInvitePasses sends what is to pass in an INVITE of more than 4 KB: several
// Identity header fields, unknown ones that the profile lets through, and a multipart body,
// each byte of which arrives; and of the refusal, too.
func TestR26_LargeInvitePasses(t *testing.T) {
	passport := "eyJhbGciOiJFUzI1NiJ9." + strings.Repeat("eyJkZXN0Ijp7InRuIjpbIjMzMTIzNDU2Nzg5Il19fQ", 32) + "..c2lnbmF0dXJl"
	identities := []string{
		passport + ";info=<https://cert.example.org/a.pem>;alg=ES256;ppt=\"shaken\"",
		passport + ";info=<https://cert.example.org/b.pem> ; alg=ES256;ppt=\"div\"",
		"third;info=<https://cert.example.org/c.pem>",
	}
	unknown := "a , b;c=\"d\\\"e,;\"  <sip:x@y>;  z"
	multipart := `--b1\r\nContent-Type: application/isup;version=itu-t92+\r\nContent-Disposition: signal;handling=optional\r\n\r\n` + strings.Repeat("isup", 200) + `\r\n--b1--\r\n`
	script := "trunk pass=X-*\ncarrier tc1\nroute * tc1\ntrunk INVITE +331 body=\"multipart/mixed;boundary=b1|" + strings.ReplaceAll(multipart, `\r\n`, `\\n`) + `"`
	for _, v := range identities {
		script += fmt.Sprintf(" h=%q", "Identity: "+v)
	}
	script += fmt.Sprintf(" h=%q h=%q", "X-Unknown: "+unknown, "Y-Unknown: 1") + "\ntc1 486\ntrunk ACK\nsettle"
	synctest.Test(t, func(t *testing.T) {
		s := simtest.Open(t, nil)
		defer s.Close()
		s.Do(script)
		for peer, text := range s.Net.Sent() {
			if peer != "tc1" || !strings.HasPrefix(text, "INVITE ") {
				continue
			}
			if len(text) < 4<<10 {
				t.Errorf("the INVITE has %d bytes", len(text))
			}
			head, body, _ := strings.Cut(text, "\r\n\r\n")
			var got []string
			for _, line := range strings.Split(head, "\r\n") {
				if v, ok := strings.CutPrefix(line, "Identity: "); ok {
					got = append(got, v)
				}
			}
			if !slices.Equal(got, identities) {
				t.Errorf("Identity: %q", got)
			}
			if !strings.Contains(head, "\r\nX-Unknown: "+unknown+"\r\n") || strings.Contains(head, "Y-Unknown") {
				t.Errorf("the unknown ones in\n%s", head)
			}
			if want := strings.ReplaceAll(multipart, `\r\n`, "\r\n"); body != want {
				t.Errorf("body %q\nwant %q", body, want)
			}
			return
		}
		t.Error("no INVITE")
	})
}
