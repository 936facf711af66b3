package main

import (
	"strings"
	"testing"
)

// TestARealmOfTwoFamiliesIsWarnedOf: what it calls itself is of one of them, but where that
// is a name.
func TestARealmOfTwoFamiliesIsWarnedOf(t *testing.T) {
	for realm, want := range map[string]string{
		`listen: [udp://192.0.2.1:5060, "udp://[2001:db8::1]:5060"]`:                             "c.yaml:1:48: realms.core.listen[1]: peers of 2001:db8::1, too, are told 192.0.2.1 in Via and Contact: ",
		`listen: [udp://192.0.2.1:5060, "udp://[2001:db8::1]:5060"], advertise: 192.0.2.9`:       "c.yaml:1:48: realms.core.listen[1]: peers of 2001:db8::1, too, are told 192.0.2.9 in Via and Contact: ",
		`listen: [udp://192.0.2.1:5060, "udp://[2001:db8::1]:5060"], advertise: sbc.example.com`: "",
		`listen: [udp://192.0.2.1:5060, "tcp://[2001:db8::1]:5060"]`:                             "",
		`listen: [udp://192.0.2.1:5060, udp://192.0.2.2:5060]`:                                   "",
	} {
		_, warnings, err := parse("c.yaml", []byte("realms: {core: {"+realm+"}}\n"), "host-a")
		if err != nil {
			t.Fatal(err)
		}
		if len(warnings) > 1 || len(warnings) == 0 != (want == "") || len(warnings) > 0 && !strings.HasPrefix(warnings[0].String(), want) {
			t.Errorf("%s: %v, want %s", realm, warnings, want)
		}
	}
}
