package dns_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/carriers"
	"bulkhead/carriers/dns"
)

const soa = "example. 300 IN SOA ns.example. root.example. 1 3600 600 86400 60\n"

// Each case is a zone, a gateway and where it leads.
func TestRFC3263_4_WhereANameLeads(t *testing.T) {
	const hosts = soa + `
a.example. 300 IN A 192.0.2.1
b.example. 300 IN A 192.0.2.2
b.example. 300 IN A 192.0.2.3
six.example. 300 IN AAAA 2001:db8::1
`
	const naptr = hosts + `
tc.example. 300 IN NAPTR 20 10 "s" "SIP+D2U" "" _sip._udp.tc.example.
tc.example. 300 IN NAPTR 10 20 "s" "SIP+D2T" "" _sip._tcp.tc.example.
tc.example. 300 IN NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp.tc.example.
_sip._udp.tc.example. 300 IN SRV 10 60 5060 a.example.
_sip._tcp.tc.example. 300 IN SRV 10 60 5070 b.example.
_sips._tcp.tc.example. 300 IN SRV 20 10 5061 a.example.
_sips._tcp.tc.example. 300 IN SRV 10 40 5071 B.example.
`
	udp := []string{"udp://127.0.0.1:5060"}
	for what, c := range map[string]struct {
		zone, address, transport, want string
		listen                         []string
	}{
		"the best NAPTR, and its SRV records": {zone: naptr, address: "TC.example", want: "TLS 192.0.2.2:5071 10/40, TLS 192.0.2.3:5071 10/40, TLS 192.0.2.1:5061 20/10"},
		"the best NAPTR that the realm can":   {zone: naptr, address: "tc.example", listen: udp, want: "UDP 192.0.2.1:5060 10/60"},
		"a transport that is configured":      {zone: naptr, address: "tc.example", transport: "tcp", want: "TCP 192.0.2.2:5070 10/60, TCP 192.0.2.3:5070 10/60"},
		"a NAPTR that leads nowhere, another one": {zone: hosts + `
tc.example. 300 IN NAPTR 10 10 "s" "SIP+D2T" "" _sip._tcp.gone.example.
tc.example. 300 IN NAPTR 20 10 "s" "SIP+D2U" "" _udp.elsewhere.example.
_udp.elsewhere.example. 300 IN SRV 10 60 5090 a.example.
`, address: "tc.example", want: "UDP 192.0.2.1:5090 10/60"},
		"NAPTR of other services": {zone: hosts + `
tc.example. 300 IN NAPTR 10 10 "u" "E2U+sip" "!^.*$!sip:x@a.example!" .
_sip._tcp.tc.example. 300 IN SRV 10 60 5070 a.example.
`, address: "tc.example", want: "TCP 192.0.2.1:5070 10/60"},
		"without NAPTR the SRV of each transport": {zone: hosts + "_sips._tcp.tc.example. 300 IN SRV 1 0 5061 a.example.\n", address: "tc.example", want: "TLS 192.0.2.1:5061 1/0"},
		"without SRV the host":                    {zone: hosts, address: "b.example", want: "UDP 192.0.2.2:5060, UDP 192.0.2.3:5060"},
		"without SRV the host, by TLS":            {zone: hosts, address: "a.example", transport: "tls", want: "TLS 192.0.2.1:5061"},
		"a port: the host alone":                  {zone: naptr + "tc.example. 300 IN A 192.0.2.9\n", address: "tc.example:5080", want: "UDP 192.0.2.9:5080"},
		"a port and a transport":                  {zone: hosts, address: "b.example:5080", transport: "tcp", want: "TCP 192.0.2.2:5080, TCP 192.0.2.3:5080"},
		"only IPv6, which the realm has not":      {zone: hosts, address: "six.example:5060", want: "six.example. has no address"},
		"IPv6 after IPv4":                         {zone: hosts + "a.example. 300 IN AAAA 2001:db8::2\n", address: "a.example:5060", listen: []string{"udp://127.0.0.1:5060", "udp://[::1]:5060"}, want: "UDP 192.0.2.1:5060, UDP [2001:db8::2]:5060"},
		"no such name":                            {zone: soa, address: "tc.example", want: "there is no such name (NXDOMAIN)"},
		"aliases":                                 {zone: hosts + "tc.example. 300 IN CNAME x.example.\nx.example. 300 IN CNAME b.example.\n", address: "tc.example:5060", want: "UDP 192.0.2.2:5060, UDP 192.0.2.3:5060"},
		"an alias in a ring":                      {zone: soa + "tc.example. 300 IN CNAME x.example.\nx.example. 300 IN CNAME tc.example.\n", address: "tc.example:5060", want: "tc.example. has no address"},
		"a service that is not there": {zone: hosts + "_sip._udp.tc.example. 300 IN SRV 0 0 0 .\ntc.example. 300 IN A 192.0.2.9\n", address: "tc.example", transport: "udp",
			want: "_sip._udp.tc.example. says that the service is not available"},
		"addresses that are none": {zone: hosts + "tc.example. 300 IN A 0.0.0.0\ntc.example. 300 IN A 224.0.0.1\ntc.example. 300 IN A 192.0.2.7\n", address: "tc.example:5060", want: "UDP 192.0.2.7:5060"},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				z := newZone(t, c.zone)
				n := name(t, c.address, c.transport)
				if c.listen != nil {
					var realm []carriers.Socket
					for _, s := range c.listen {
						socket, err := carriers.ParseSocket(s)
						if err != nil {
							t.Fatal(err)
						}
						realm = append(realm, socket)
					}
					n = nameOf(t, c.address, c.transport, realm)
				}
				r := running(t, dns.Config{Exchange: z.exchange}, n)
				r.First(t.Context())
				if got := shown(r.Lead(n)); got != c.want {
					t.Errorf("%s leads to %q, want %q", c.address, got, c.want)
				}
			})
		})
	}
}

// Whatever a server says, what is kept and asked for it is bounded.
func TestHugeAnswersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		b.WriteString(soa)
		for i := range 500 {
			fmt.Fprintf(&b, "_sip._udp.tc.example. 300 IN SRV %d 1 5060 h%d.example.\n", i, i)
			for j := range 200 {
				fmt.Fprintf(&b, "h%d.example. 300 IN A 10.%d.%d.%d\n", i, i/250, i%250, j)
			}
		}
		z := newZone(t, b.String())
		n := name(t, "tc.example", "udp")
		r := running(t, dns.Config{Exchange: z.exchange}, n)
		r.First(t.Context())
		a := r.Lead(n)
		if len(a.Addresses) != 32 || a.Addresses[0].Target != "h0.example." || z.questions() > 64 {
			t.Errorf("%d addresses after %d questions, the first %+v", len(a.Addresses), z.questions(), a.Addresses[0])
		}
	})
}

// An answer is renewed before its life is over; one that lives for no time is asked for
// no more often than every few seconds.
func TestAnswersAreRenewedAheadOfTheirTime(t *testing.T) {
	for ttl, want := range map[int][2]time.Duration{
		100:       {80 * time.Second, 90 * time.Second},
		0:         {4 * time.Second, 4500 * time.Millisecond},
		3_000_000: {19 * time.Hour, 22 * time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			z := newZone(t, fmt.Sprintf("tc.example. %d IN A 192.0.2.1\n", ttl))
			n := name(t, "tc.example:5060", "")
			r := running(t, dns.Config{Exchange: z.exchange}, n)
			r.First(t.Context())
			begin := time.Now()
			for asked := z.questions(); z.questions() == asked; {
				pass(100 * time.Millisecond)
			}
			if got := time.Since(begin); got < want[0] || got > want[1]+100*time.Millisecond {
				t.Errorf("of %d s of life: asked again after %s", ttl, got)
			}
		})
	}
}

// pass lets virtual time go by.
func pass(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
	synctest.Wait()
}

// Records that change lead elsewhere within their time to live; calls may last at the
// former address.
func TestRecordsThatChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, soa+"tc.example. 60 IN A 192.0.2.1\n")
		n := name(t, "tc.example:5060", "")
		var told []string
		r := running(t, dns.Config{Exchange: z.exchange, Keep: time.Hour, Watch: func(_ carriers.Name, s dns.State) { told = append(told, shown(s.Lead)) }}, n)
		r.First(t.Context())
		first := r.Lead(n).Addresses[0].Remote.Addr()
		z.load(t, soa+"tc.example. 60 IN A 192.0.2.2\n")
		pass(time.Minute)
		a := r.Lead(n)
		if shown(a) != "UDP 192.0.2.2:5060" || len(a.Former) != 1 || a.Former[0] != first || len(r.At(first)) != 1 {
			t.Errorf("%s, former %v, at it %v", shown(a), a.Former, r.At(first))
		}
		pass(time.Hour + time.Minute)
		if a := r.Lead(n); len(a.Former) != 0 || len(r.At(first)) != 0 || len(r.At(a.Addresses[0].Remote.Addr())) != 1 {
			t.Errorf("after an hour still %v", a.Former)
		}
		if got := strings.Join(told, "; "); got != "UDP 192.0.2.1:5060; UDP 192.0.2.2:5060" {
			t.Errorf("told %s", got)
		}
	})
}

// That a name is gone is an answer: nothing is sent there any more, and it is looked
// for again when the zone says.
func TestANameThatIsGoneAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, soa+"tc.example. 60 IN A 192.0.2.1\n")
		n := name(t, "tc.example:5060", "")
		r := running(t, dns.Config{Exchange: z.exchange}, n)
		r.First(t.Context())
		z.load(t, soa)
		pass(time.Minute)
		if a := r.Lead(n); a.Fault != "there is no such name (NXDOMAIN)" || len(a.Addresses) != 0 || len(a.Former) != 1 {
			t.Errorf("%+v", a)
		}
		z.load(t, soa+"tc.example. 60 IN A 192.0.2.1\n")
		pass(time.Minute)
		if a := r.Lead(n); shown(a) != "UDP 192.0.2.1:5060" || len(a.Former) != 0 {
			t.Errorf("%+v", a)
		}
	})
}

// RFC 8767: the last answer serves on while no server answers, for so long, and it is
// shown; then no call is sent there.
func TestRFC8767_TheLastAnswerServesOn(t *testing.T) {
	for what, fail := range map[string]func(*zone){
		"silent":   func(z *zone) { z.silent = true },
		"SERVFAIL": func(z *zone) { z.rcode = 2 },
		"REFUSED":  func(z *zone) { z.rcode = 5 },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				z := newZone(t, soa+"tc.example. 60 IN A 192.0.2.1\n")
				n := name(t, "tc.example:5060", "")
				var told []string
				r := running(t, dns.Config{Exchange: z.exchange, Stale: time.Hour, Watch: func(_ carriers.Name, s dns.State) {
					told = append(told, fmt.Sprintf("%s %v", shown(s.Lead), s.Err != nil))
				}}, n)
				r.First(t.Context())
				z.set(fail)
				pass(30 * time.Minute)
				s := r.States()[n]
				if shown(s.Lead) != "UDP 192.0.2.1:5060" || !s.Stale(time.Now()) {
					t.Errorf("after half an hour: %s, stale %v", shown(s.Lead), s.Stale(time.Now()))
				}
				pass(32 * time.Minute)
				if a := r.Lead(n); len(a.Addresses) != 0 || !strings.HasPrefix(a.Fault, "no name server has answered since ") || len(a.Former) != 1 {
					t.Errorf("after an hour: %+v", a)
				}
				z.set(func(z *zone) { z.silent, z.rcode = false, 0 })
				pass(31 * time.Second)
				if s := r.States()[n]; shown(s.Lead) != "UDP 192.0.2.1:5060" || s.Err != nil {
					t.Errorf("when it answers again: %+v", s)
				}
				want := []string{"UDP 192.0.2.1:5060 false", "UDP 192.0.2.1:5060 true", "no name server has answered since 2000-01-01T00:01:00Z true", "UDP 192.0.2.1:5060 false"}
				if strings.Join(told, "|") != strings.Join(want, "|") {
					t.Errorf("told %q", told)
				}
			})
		})
	}
}

// A server that says nothing at the start keeps nobody waiting for longer than they
// want to, and is asked on.
func TestTheFirstAnswerIsWaitedForNoLongerThanWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, soa+"tc.example. 60 IN A 192.0.2.1\n")
		z.set(func(z *zone) { z.silent = true })
		n := name(t, "tc.example:5060", "")
		r := running(t, dns.Config{Exchange: z.exchange}, n)
		begin := time.Now()
		ctx, cancel := contextFor(t, 2*time.Second)
		defer cancel()
		r.First(ctx)
		if d := time.Since(begin); d != 2*time.Second {
			t.Errorf("waited %s", d)
		}
		pass(time.Second)
		if a := r.Lead(n); a.Fault != "no name server has answered yet" {
			t.Errorf("%+v", a)
		}
		z.set(func(z *zone) { z.silent = false })
		r.First(t.Context())
		if a := r.Lead(n); shown(a) != "UDP 192.0.2.1:5060" {
			t.Errorf("%+v", a)
		}
	})
}

// A server that is slow or dead costs its patience once: the one that answered is
// asked first from then on.
func TestTheServerThatAnsweredIsAskedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead, live := newZone(t, ""), newZone(t, soa+"tc.example. 60 IN A 192.0.2.1\n")
		dead.set(func(z *zone) { z.silent = true })
		live.set(func(z *zone) { z.delay = 300 * time.Millisecond })
		n := name(t, "tc.example:5060", "")
		r := running(t, dns.Config{
			Servers:  dns.Listed([]string{"192.0.2.53", "192.0.2.54:5353"}),
			Exchange: by(map[string]*zone{"192.0.2.53:53": dead, "192.0.2.54:5353": live}),
		}, n)
		begin := time.Now()
		r.First(t.Context())
		if d := time.Since(begin); d != 1300*time.Millisecond {
			t.Errorf("the first answer took %s", d)
		}
		pass(10 * time.Minute)
		if dead.questions() != 1 || live.questions() < 10 {
			t.Errorf("the dead one was asked %d times, the other %d", dead.questions(), live.questions())
		}
	})
}

func TestRFC6891_7_AServerWithoutEDNSIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, soa+"tc.example. 60 IN A 192.0.2.1\n")
		z.set(func(z *zone) { z.older = true })
		n := name(t, "tc.example:5060", "")
		r := running(t, dns.Config{Exchange: z.exchange}, n)
		r.First(t.Context())
		if a := r.Lead(n); shown(a) != "UDP 192.0.2.1:5060" {
			t.Errorf("%+v", a)
		}
	})
}

// Names come and go with the configuration.
func TestNamesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, soa+"one.example. 60 IN A 192.0.2.1\ntwo.example. 60 IN A 192.0.2.2\n")
		one, two := name(t, "one.example:5060", ""), name(t, "two.example:5060", "")
		r := running(t, dns.Config{Exchange: z.exchange}, one)
		r.First(t.Context())
		r.Follow([]carriers.Name{two})
		r.First(t.Context())
		if len(r.States()) != 1 || shown(r.Lead(two)) != "UDP 192.0.2.2:5060" {
			t.Errorf("%v", r.States())
		}
		asked := z.questions()
		pass(time.Hour)
		if n := z.questions() - asked; n < 60 || n > 80 {
			t.Errorf("%d questions in an hour for one name of 60 s", n)
		}
	})
}
