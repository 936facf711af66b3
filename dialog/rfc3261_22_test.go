package dialog_test

import (
	"fmt"
	"strings"
	"testing"

	"bulkhead/dialog"
)

// TestRFC7616_3_9_1_Examples are the examples of the RFC, whose qop and texts are HTTP's.
func TestRFC7616_3_9_1_Examples(t *testing.T) {
	for _, c := range []struct {
		algorithm dialog.Algorithm
		response  string
	}{
		{dialog.MD5, "8ca523f5e9506fed4657c9700eebdbec"},
		{dialog.SHA256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
	} {
		secret := c.algorithm.Secret(dialog.Login{Username: "Mufasa", Password: "Circle of Life"}, "http-auth@example.org")
		got := c.algorithm.Response(secret, "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "GET", "/dir/index.html")
		if got != c.response {
			t.Errorf("%v: %s, want %s", c.algorithm, got, c.response)
		}
	}
}

// TestRFC2069_Response is of a challenge without a qop: the example of RFC 2069 §2.4 as its
// errata have it.
func TestRFC2069_Response(t *testing.T) {
	secret := dialog.MD5.Secret(dialog.Login{Username: "Mufasa", Password: "CircleOfLife"}, "testrealm@host.com")
	if got := dialog.MD5.Response(secret, "dcd98b7102dd2f0e8b11d0f600bfb0c093", "", "", "GET", "/dir/index.html"); got != "1949323746fe6a43ef61f9606e7febea" {
		t.Error(got)
	}
}

// TestPasswordsAreNotPrinted: whatever prints a policy shows no secret.
func TestPasswordsAreNotPrinted(t *testing.T) {
	l := dialog.Login{Username: "us", Password: "hunter2"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if s := fmt.Sprintf(format, l); strings.Contains(s, "hunter2") {
			t.Errorf("%s: %s", format, s)
		}
	}
}

func knowing(p *dialog.Policy) *dialog.Policy {
	p.Login = &dialog.Login{Username: "us", Password: "secret"}
	return p
}

const asksFor = `WWW-Authenticate: Digest realm="r", nonce="n1", qop="auth"`

// TestRFC3261_22_ChallengesAsTheyAreWritten: white space, case, tokens and escapes as peers
// write them, and what of it goes back.
func TestRFC3261_22_ChallengesAsTheyAreWritten(t *testing.T) {
	for _, c := range []struct{ challenge, back string }{
		{`WWW-Authenticate: DIGEST   Realm = "a\"b" ,NONCE="x,y;z" , Algorithm=md5,qop="AUTH-INT , Auth"`, `realm="a\"b", nonce="x,y;z"`},
		{`WWW-Authenticate: Digest realm="", nonce=abc/+==, opaque="a\\b"`, `realm="", nonce="abc/+=="`},
		{`WWW-Authenticate: Digest domain="<sip:a,b>", realm="r", nonce="n", charset=UTF-8, userhash=false`, `realm="r", nonce="n"`},
		{`Proxy-Authenticate: Digest realm="r", nonce="n", algorithm=SHA-256`, `realm="r", nonce="n"`},
		{`WWW-Authenticate: Digest realm="r", nonce="n", nonce="m"`, ""},
		{`WWW-Authenticate: Digest realm="r", nonce=""`, ""},
		{`WWW-Authenticate: Digest realm="r, nonce="n"`, ""},
		{`WWW-Authenticate: Digest`, ""},
		{`WWW-Authenticate: Digest realm="r", nonce="` + strings.Repeat("n", 4000) + `"`, ""},
		{`WWW-Authenticate: NTLM realm="r", nonce="n"`, ""},
	} {
		r := outbound(t, knowing(policy()), path("198.51.100.1:5060", dialog.UDP), offer)
		want := "ACK, INVITE"
		if c.back == "" {
			want = "ACK, End unauthorized 401"
		}
		r.gets(r.response(r.sent[0], 401, "a", "", c.challenge), want)
		if got := r.last().Value("Authorization") + r.last().Value("Proxy-Authorization"); !strings.Contains(got, c.back) {
			t.Errorf("%s\ngot %s", c.challenge, got)
		}
	}
}

// TestRFC3261_22_AnsweredUnderOneTag is a peer that accepts both INVITEs in one dialog: each
// 2xx has its ACK, with its own CSeq number, and what has been ended is not the call.
func TestRFC3261_22_AnsweredUnderOneTag(t *testing.T) {
	r := outbound(t, knowing(policy()), path("198.51.100.1:5060", dialog.UDP), offer)
	r.gets(r.response(r.sent[0], 401, "a", "", asksFor), "ACK, INVITE")
	again := r.find("INVITE", 0)
	r.gets(r.response(r.sent[0], 200, "x", offer), "ACK, BYE")
	r.gets(r.response(again, 200, "x", offer), "(absorbed), ACK, End rejected 481")
	if m := r.last(); m.CSeq != 2 || m.ToTag != "x" {
		t.Errorf("ACK %d in %q", m.CSeq, m.ToTag)
	}
	first := r.last()
	r.gets(r.response(again, 200, "x", offer), "(absorbed), ACK")
	if m := r.last(); m.Branch != first.Branch {
		t.Error("another ACK for a copy")
	}
	r.idles()
}

// TestRFC3261_22_AnsweredWithoutCredentials is another branch of a forking proxy that takes
// the INVITE without credentials: it is ended, and the call goes on, also when its answer is
// repeated late.
func TestRFC3261_22_AnsweredWithoutCredentials(t *testing.T) {
	r := outbound(t, knowing(policy()), path("198.51.100.1:5060", dialog.UDP), offer)
	r.gets(r.response(r.sent[0], 407, "a", "", strings.Replace(asksFor, "WWW", "Proxy", 1)), "ACK, INVITE")
	again := r.find("INVITE", 0)
	r.gets(r.response(r.sent[0], 200, "x", offer), "ACK, BYE")
	r.gets(r.response(again, 200, "b", offer), "ACK, Answer 200")
	r.gets(r.response(r.sent[0], 200, "x", offer), "(absorbed), ACK again")
	r.gets(r.response(r.sent[0], 200, "b", offer), "(absorbed), ACK")
	if m := r.last(); m.CSeq != 1 {
		t.Errorf("the ACK of the first INVITE's 2xx has CSeq %d", m.CSeq)
	}
	if r.leg.State != dialog.Confirmed {
		t.Error(r.leg.State)
	}
}

// TestRFC3261_22_ChallengeIsMetAfterATakeover: what the record holds suffices, and makes the
// same bytes.
func TestRFC3261_22_ChallengeIsMetAfterATakeover(t *testing.T) {
	p := knowing(policy())
	r := outbound(t, p, path("198.51.100.1:5060", dialog.UDP), offer)
	restored := func() {
		w := dialog.NewWriter(nil)
		r.leg.Fields(w)
		c := dialog.NewReader(w.Data())
		r.leg = &dialog.Leg{}
		if r.leg.Fields(c); c.Err() != nil {
			t.Fatal(c.Err())
		}
		r.leg.Policy = p
	}
	challenge := r.response(r.sent[0], 401, "a", "", `WWW-Authenticate: Digest realm="r", nonce="n1", qop="auth", algorithm=SHA-256, opaque="o"`)
	restored()
	r.gets(challenge, "ACK, INVITE")
	restored()
	r.gets(r.response(r.find("INVITE", 0), 200, "b", offer), "ACK, Answer 200")
	restored()
	r.told(dialog.End{Cause: dialog.Cause{Why: dialog.HungUp, Code: 200}}, "BYE")
	if v := r.last().Value("Authorization"); !strings.Contains(v, "nc=00000002") || !strings.Contains(v, `opaque="o"`) || !strings.Contains(v, "algorithm=SHA-256") {
		t.Error(v)
	}
}
