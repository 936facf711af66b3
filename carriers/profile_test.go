package carriers_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/b2bua/wire"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

// profiled is a book with trunk pbx and carrier tc1 as given.
func profiled(t testing.TB, trunk func(*carriers.TrunkConfig), carrier func(*carriers.CarrierConfig)) (*carriers.Trunk, *carriers.Carrier) {
	t.Helper()
	c := sample()
	pbx, tc1 := c.Trunks["pbx"], c.Carriers["tc1"]
	if trunk != nil {
		trunk(&pbx)
	}
	if carrier != nil {
		carrier(&tc1)
	}
	c.Trunks["pbx"], c.Carriers["tc1"] = pbx, tc1
	b, err := carriers.NewBook(c, realms(t))
	if err != nil {
		t.Fatal(err)
	}
	return b.TrunkNamed("pbx"), b.Carrier("tc1")
}

// invite is an INVITE with some header fields, as the wire delivers it.
func invite(t testing.TB, uri string, fields ...string) *dialog.Message {
	t.Helper()
	text := "INVITE " + uri + " SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.11.5;branch=z9hG4bK1\r\nFrom: \"Al \\\"x\\\"\" <sip:0612345678@pbx.invalid>;tag=1\r\n" +
		"To: <" + uri + ">\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <sip:127.0.11.5>\r\n"
	for _, f := range fields {
		text += f + "\r\n"
	}
	m, fault, err := wire.Parse([]byte(text+"Content-Length: 0\r\n\r\n"), wire.Limits{})
	if err != nil || fault != nil {
		t.Fatal(err, fault)
	}
	return dialog.Read(m)
}

func attempt(n int, number string) carriers.Attempt {
	return carriers.Attempt{Number: n, Target: dialog.Target{Carrier: "tc1", Number: number}, Host: "127.0.20.1:5060"}
}

func TestRulesOfNumbersAreDoneInTheirOrder(t *testing.T) {
	pbx, tc1 := profiled(t, func(c *carriers.TrunkConfig) {
		c.Country = "FR"
		c.Numbers = carriers.NumbersConfig{TechPrefix: "77%23", Strip: "9", Prefix: "0", Replace: []carriers.ReplaceConfig{{"0800*", "+33900*"}, {"08*", "x"}}}
	}, func(c *carriers.CarrierConfig) {
		c.Numbers = carriers.NumbersConfig{Format: "plain", Strip: "33", Prefix: "00", TechPrefix: "55%23", Replace: []carriers.ReplaceConfig{{"+331*", "+332*"}}}
	})
	for dialled, want := range map[string]string{
		"77%239123456789": "+33123456789", // tech prefix, strip, prefix, country
		"9800123456":      "+33900123456", // the first rule that matches, of what the others have made
		"77%23112":        "112",
		"112":             "112",
		"9":               "9", // short
	} {
		if got := pbx.Setup(invite(t, "sip:"+dialled+"@127.0.10.1")).Number; got != want {
			t.Errorf("%s: %s, want %s", dialled, got, want)
		}
	}
	for number, want := range map[string]string{
		"+33123456789": "55%2300" + "223456789", // replaced on the number of E.164, then plain, strip, prefix
		"+4930123456":  "55%2300" + "4930123456",
		"112":          "112",
		"alice":        "55%2300alice",
		"":             "",
	} {
		if got := tc1.Dress(dialog.Setup{Number: number}, attempt(1, number)).Number; got != want {
			t.Errorf("%s: %s, want %s", number, got, want)
		}
	}
}

// What a carrier names in its own form is what routes and later attempts know.
func TestCarriersNumbersAreUndialled(t *testing.T) {
	for _, c := range []struct {
		numbers      carriers.NumbersConfig
		number, want string
	}{
		{carriers.NumbersConfig{}, "+33123456789;npdi;tgrp=x", "+33123456789;npdi"},
		{carriers.NumbersConfig{Format: "plain", TechPrefix: "9871"}, "987133123456789", "+33123456789"},
		{carriers.NumbersConfig{Format: "plain", Prefix: "00"}, "33123456789", "+33123456789"},
		{carriers.NumbersConfig{Format: "national", Country: "FR"}, "0123456789", "+33123456789"},
		{carriers.NumbersConfig{Format: "international", Country: "US"}, "01133123456789", "+33123456789"},
		{carriers.NumbersConfig{Format: "plain", TechPrefix: "1"}, "112", "112"},
	} {
		_, tc1 := profiled(t, nil, func(x *carriers.CarrierConfig) { x.Numbers = c.numbers })
		if got := tc1.Undialled(c.number); got != c.want {
			t.Errorf("%+v: %s becomes %s, want %s", c.numbers, c.number, got, c.want)
		}
	}
}

// Whatever an attempt makes of a setup, the next one begins with the same.
func TestEachAttemptStartsFromTheOriginal(t *testing.T) {
	_, tc1 := profiled(t, nil, func(c *carriers.CarrierConfig) {
		c.Numbers = carriers.NumbersConfig{Format: "plain", Prefix: "99", Replace: []carriers.ReplaceConfig{{"+331*", "+332*"}}}
		c.Identity, c.Headers.Remove = "pai", []string{"X-B"}
		c.Headers.Add = map[string]string{"X-Add": "{call} {trunk} {carrier} {attempt} {}"}
	})
	of := func() dialog.Setup {
		return dialog.Setup{
			Trunk: "pbx", Number: "+33123456789", Params: ";npdi", Caller: dialog.Party{User: "+336"}, Asserted: dialog.Party{User: "+337"},
			Diversions: []dialog.Diversion{{User: "+339", Reason: "no-answer"}}, Privacy: dialog.PrivateSession | dialog.PrivateHistory,
			Headers: slices.Grow([]dialog.Header{{Name: "X-A", Value: "1"}, {Name: "X-B", Value: "2"}, {Name: "X-C", Value: "3"}}, 20),
		}
	}
	s := of()
	first := tc1.Dress(s, attempt(1, s.Number))
	again := tc1.Dress(s, attempt(1, s.Number))
	other := tc1.Dress(s, attempt(2, "+33999"))
	if !reflect.DeepEqual(s, of()) {
		t.Errorf("the setup has become %+v", s)
	}
	if spare := s.Headers[:cap(s.Headers)]; !reflect.DeepEqual(spare[3:], make([]dialog.Header, cap(spare)-3)) {
		t.Error("an attempt has written behind the setup's header fields")
	}
	if !reflect.DeepEqual(first, again) {
		t.Errorf("the same attempt twice: %+v, %+v", first, again)
	}
	if first.Number != "9933223456789" || first.Params != ";npdi" || other.Number != "9933999" || other.Params != "" {
		t.Errorf("dialled %s%s, then %s%s", first.Number, first.Params, other.Number, other.Params)
	}
	if d := tc1.Dress(s, attempt(3, s.Number+";rn=+331")); d.Number != first.Number || d.Params != ";rn=+331" || len(d.Headers) != len(first.Headers) {
		t.Errorf("the same number by another way: %s%s %v", d.Number, d.Params, d.Headers)
	}
	var names []string
	for _, h := range other.Headers {
		names = append(names, h.Name+": "+h.Value)
	}
	want := []string{
		"P-Asserted-Identity: <sip:337@127.0.20.1:5060>", "Privacy: session",
		"Diversion: <sip:anonymous@anonymous.invalid>;reason=unavailable;counter=1;privacy=full",
		"Diversion: <sip:anonymous@anonymous.invalid>;reason=no-answer;counter=1;privacy=full",
		"X-A: 1", "X-C: 3", "X-Add: " + s.Call.String() + " pbx tc1 2 {}",
	}
	if !slices.Equal(names, want) {
		t.Errorf("%q\nwant %q", names, want)
	}
}

// The same where an attempt has nothing to say but what the trunk's header fields do.
func TestHeaderFieldsOfTheSetupAreShared(t *testing.T) {
	_, tc1 := profiled(t, nil, func(c *carriers.CarrierConfig) {
		c.Headers = carriers.HeadersConfig{Remove: []string{"x-a"}, Add: map[string]string{"X-Z": "{attempt}"}}
	})
	_, adds := profiled(t, nil, func(c *carriers.CarrierConfig) { c.Headers.Add = map[string]string{"X-Z": "{attempt}"} })
	s := dialog.Setup{Number: "1", Headers: append(make([]dialog.Header, 0, 8), dialog.Header{Name: "X-A"}, dialog.Header{Name: "X-B"})}
	one, two := adds.Dress(s, attempt(1, "1")), adds.Dress(s, attempt(2, "1"))
	if one.Headers[2].Value != "1" || two.Headers[2].Value != "2" {
		t.Errorf("two attempts write into one list: %v, %v", one.Headers, two.Headers)
	}
	if d := tc1.Dress(s, attempt(1, "1")); len(d.Headers) != 2 || d.Headers[0].Name != "X-B" || s.Headers[0].Name != "X-A" || s.Headers[1].Name != "X-B" {
		t.Errorf("%v of %v", d.Headers, s.Headers)
	}
}

// A trusted carrier is told in a header field of its own who calls and that it is not for
// everybody; From is for everybody.
func TestRFC3325_9_3_FromIsForEverybody(t *testing.T) {
	for identity, want := range map[string]string{
		"":     "{anonymous [{Privacy id}]}",
		"pai":  "{anonymous [{P-Asserted-Identity <sip:+33612345678@127.0.20.1:5060>} {Privacy id}]}",
		"rpid": "{anonymous [{Remote-Party-ID <sip:+33612345678@127.0.20.1:5060>;party=calling;screen=yes;privacy=full} {Privacy id}]}",
	} {
		_, tc1 := profiled(t, nil, func(c *carriers.CarrierConfig) { c.Trust, c.Identity = true, identity })
		d := tc1.Dress(dialog.Setup{Number: "1", Asserted: dialog.Party{User: "+33612345678"}, Privacy: dialog.PrivateID}, attempt(1, "1"))
		from := d.Caller.User
		if from == "" {
			from = "anonymous"
		}
		if got := fmt.Sprintf("{%s %v}", from, d.Headers); got != want {
			t.Errorf("%q: %s, want %s", identity, got, want)
		}
	}
}

// No profile shows a carrier that is not trusted a number that its caller withholds, whatever
// else the INVITE says.
func TestRFC3323_WithheldNumbersAreNotShown(t *testing.T) {
	const secret = "33612345678"
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(rt, name) }
		pbx, tc1 := profiled(t, func(c *carriers.TrunkConfig) {
			c.Country = "FR"
			if c.Trust = draw("trust", "yes", "no") == "yes"; !c.Trust {
				c.Identities = []string{"+336*", "+33612345678"}
			}
		}, func(c *carriers.CarrierConfig) {
			c.Trust = false
			c.Identity = draw("identity", "", "pai", "rpid", "from", "none")
			c.Diversion = draw("diversion", "", "history", "none")
			c.Numbers.Format = draw("format", "", "plain")
		})
		fields := []string{"Privacy: " + draw("privacy", "id", "user", "header", "id;critical", "User;Id", "session;id")}
		for _, f := range []string{
			"P-Asserted-Identity: <sip:0612345678@pbx.invalid>", "P-Preferred-Identity: <tel:+33612345678>",
			"Remote-Party-ID: <sip:0612345678@pbx.invalid>;party=calling;screen=yes",
			"Diversion: <sip:0612345678@pbx.invalid>;reason=no-answer;privacy=full",
			"History-Info: <sip:0612345678@pbx.invalid?Privacy=history>;index=1, <sip:1@x;cause=302>;index=1.1",
			"Identity: 33612345678.e30.c2ln;info=<https://cert.example/1>", "y: 33612345678.e30.c2ln;info=<https://cert.example/2>",
		} {
			if draw("with "+f, "yes", "no") == "yes" {
				fields = append(fields, f)
			}
		}
		d := tc1.Dress(pbx.Setup(invite(t, "sip:0123456789@127.0.10.1", fields...)), attempt(1, draw("number", "+33123456789", "+33987654321")))
		if shown := fmt.Sprint(d.Caller, d.Headers); strings.Contains(shown, secret[2:]) || strings.Contains(shown, "invalid") && strings.Contains(shown, "pbx") {
			rt.Fatalf("%s shows after %q", shown, fields)
		}
		for _, h := range d.Headers {
			if h.Name == "Privacy" && strings.Contains(h.Value, "id") {
				rt.Fatalf("what has been done is asked for again: %s", h.Value)
			}
		}
	})
}

// TestRFC8224_11: who has signed the caller's number has written it into Identity, for everybody
// to read. It goes with what is withheld, and no farther.
func TestRFC8224_11_IdentityIsAsWithheldAsTheNumber(t *testing.T) {
	const signed = "eyJ0.eyJ1.c2ln;info=<https://cert.example/1>"
	has := func(list []dialog.Header) bool {
		return slices.ContainsFunc(list, func(h dialog.Header) bool { return h.Value == signed })
	}
	for _, c := range []struct {
		trust, passes bool
		privacy       string
	}{{false, true, ""}, {false, true, "Privacy: none"}, {false, false, "Privacy: id"}, {false, true, "Privacy: session"}, {true, true, "Privacy: id"}} {
		fields := []string{"Identity: " + signed}
		if c.privacy != "" {
			fields = append(fields, c.privacy)
		}
		pbx, tc1 := profiled(t, nil, func(k *carriers.CarrierConfig) { k.Trust = c.trust })
		if d := tc1.Dress(pbx.Setup(invite(t, "sip:0123456789@127.0.10.1", fields...)), attempt(1, "+33123456789")); has(d.Headers) != c.passes {
			t.Errorf("trust %v, %q: %q", c.trust, c.privacy, d.Headers)
		}
		pbx, tc1 = profiled(t, func(p *carriers.TrunkConfig) { p.Headers.Pass = []string{"Identity"} }, func(k *carriers.CarrierConfig) { k.Trust = c.trust })
		if list := tc1.Shown(pbx.Heard(invite(t, "sip:0123456789@127.0.10.1", fields...)), dialog.Shown{Host: "127.0.20.1:5060"}); has(list) != c.trust {
			t.Errorf("within the dialog, trust %v, %q: %q", c.trust, c.privacy, list)
		}
	}
}

// What passes is bounded, and a compact name is the one that it stands for.
func TestWhatPassesIsBounded(t *testing.T) {
	pbx, tc1 := profiled(t, func(c *carriers.TrunkConfig) { c.Headers.Pass = []string{"x-*", "S"} }, nil)
	many := []string{"s: subject", "X-Big: " + strings.Repeat("x", 5000)}
	for i := range 100 {
		many = append(many, fmt.Sprintf("X-%d: %d", i, i))
	}
	got := pbx.Setup(invite(t, "sip:1@127.0.10.1", many...)).Headers
	if len(got) != 64 || got[0].Name != "Subject" || got[1].Name != "X-Big" {
		t.Errorf("%d header fields pass, the first is %v", len(got), got[0])
	}
	if got := pbx.Setup(invite(t, "sip:1@127.0.10.1", "X-A: "+strings.Repeat("x", 5000), "X-B: "+strings.Repeat("x", 5000))).Headers; len(got) != 1 {
		t.Errorf("%d header fields of 5000 bytes pass", len(got))
	}
	if got := tc1.Heard(invite(t, "sip:1@127.0.10.1", "X-A: 1", "Identity: 1")); len(got) != 0 {
		t.Errorf("%v crosses of a carrier that passes nothing", got)
	}
}

func BenchmarkDress(b *testing.B) {
	pbx, tc1 := profiled(b, func(c *carriers.TrunkConfig) { c.Country, c.Trust = "FR", true }, func(c *carriers.CarrierConfig) {
		c.Identity, c.Numbers.Format, c.Headers.Add = "pai", "plain", map[string]string{"X-Call": "{call}"}
	})
	_, plain := profiled(b, nil, nil)
	bare := pbx.Setup(invite(b, "sip:0123456789@127.0.10.1"))
	full := pbx.Setup(invite(b, "sip:0123456789@127.0.10.1", "P-Asserted-Identity: <tel:+33612345678>", "Privacy: none", "Identity: x;info=<y>"))
	for _, c := range []struct {
		name    string
		carrier *carriers.Carrier
		setup   dialog.Setup
		number  string
	}{{"nothing", plain, bare, bare.Number}, {"everything", tc1, full, "+33999999999"}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.carrier.Dress(c.setup, attempt(1, c.number))
			}
		})
	}
	m := invite(b, "sip:0123456789@127.0.10.1", "P-Asserted-Identity: <tel:+33612345678>")
	b.Run("setup", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			pbx.Setup(m)
		}
	})
}
