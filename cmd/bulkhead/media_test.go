package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"bulkhead/b2bua"
	"bulkhead/storage/storagetest"
)

// TestAnRTPEngineThatIsDownIsLogged, by its name in the configuration.
func TestAnRTPEngineThatIsDownIsLogged(t *testing.T) {
	t.Parallel()
	gone, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "udp://" + gone.LocalAddr().String()
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	c := defaults("sbc-a")
	m := MediaConfig{}
	m.Default()
	m.RTPEngine = &RTPEngineConfig{Nodes: []string{url}}
	c.Media = &m
	core, logs := observer.New(zapcore.InfoLevel)
	_, still, err := c.anchoring(zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	defer still()
	storagetest.Eventually(t, "it to be told", func() bool {
		l := logs.FilterMessage("rtpengine").FilterField(zap.String("engine", url)).FilterField(zap.String("state", "down"))
		return l.Len() == 1 && l.All()[0].Level == zapcore.WarnLevel
	})
}

// TestPortsThatTheRelayRefusesAreAFault, so that what check has accepted is served.
func TestPortsThatTheRelayRefusesAreAFault(t *testing.T) {
	t.Parallel()
	for ports, accepted := range map[string]bool{
		"100-200": false, "1023-1024": false, "30001-30001": false, "30000-30000": false, "30001-30002": false, "65535-65535": false,
		"1023-1025": true, "30000-30001": true, "30001-30003": true, "65534-65535": true,
	} {
		text := "realms: {core: {listen: [udp://127.0.0.1:5060]}}\nmedia: {relay: {ports: " + ports + "}}\n"
		c, _, err := parse("config.yaml", []byte(text), "host-a")
		var faults Faults
		switch {
		case accepted && err != nil:
			t.Errorf("%s: %v", ports, err)
		case accepted:
			_, still, err := c.anchoring(zap.NewNop())
			if err != nil {
				t.Errorf("%s is accepted, and then: %v", ports, err)
				continue
			}
			still()
		case !errors.As(err, &faults) || len(faults) != 1 || !strings.HasPrefix(faults[0].String(), "config.yaml:2:24: media.relay.ports: "):
			t.Errorf("%s: %v", ports, err)
		}
	}
}

// TestARealmWithoutAnAddressForMediaIsAFault where calls of it may go by the relay: SDP would name the other side's peer.
func TestARealmWithoutAnAddressForMediaIsAFault(t *testing.T) {
	t.Parallel()
	const engine = "media: {mode: rtpengine, rtpengine: {nodes: [udp://127.0.0.1:2223]}}\n"
	for name, is := range map[string]struct {
		realm, trunk, carrier, more string
		fault                       bool
	}{
		"a name is no address":                 {fault: true},
		"the relay is the carrier's":           {trunk: ", media: bypass", carrier: ", media: relay", fault: true},
		"the relay is the trunk's":             {trunk: ", media: relay", more: "media: {mode: bypass}\n", fault: true},
		"the realm's media":                    {realm: ", media: 192.0.2.1"},
		"an address is advertised":             {realm: ", advertise: 192.0.2.1"},
		"bypass by the trunk":                  {trunk: ", media: bypass"},
		"bypass by default":                    {more: "media: {mode: bypass}\n"},
		"an rtpengine has its own":             {more: engine},
		"bypass by the trunk, or by rtpengine": {trunk: ", media: bypass", carrier: ", media: rtpengine", more: engine},
	} {
		advertise := ", advertise: sbc.example.com"
		if strings.Contains(is.realm, "advertise") {
			advertise = ""
		}
		_, _, err := Load(put(t, filepath.Join(t.TempDir(), "config.yaml"), "realms:\n"+
			"  core: {listen: [udp://192.0.2.1:5062], advertise: core.example.com}\n"+
			"  peering: {listen: [udp://0.0.0.0:5060]"+advertise+is.realm+"}\n"+
			"trunks: {pbx: {realm: core, from: [192.0.2.10]"+is.trunk+"}}\n"+
			"carriers: {tc1: {realm: peering, gateways: [{address: \"192.0.2.11:5060\"}]"+is.carrier+"}}\n"+
			"routes: [{match: {number: \"*\"}, targets: [{carrier: tc1}]}]\n"+is.more, 0o600))
		var faults Faults
		switch {
		case !is.fault && err != nil:
			t.Errorf("%s: %v", name, err)
		case is.fault && (!errors.As(err, &faults) || len(faults) != 1 || faults[0].Path != "realms.peering.media" || faults[0].Line != 3 || faults[0].Column != 3):
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMediaAddressesOfARealm: one of a family, and what the realm says of media wins for its own.
func TestMediaAddressesOfARealm(t *testing.T) {
	t.Parallel()
	for realm, want := range map[string]string{
		`listen: [udp://192.0.2.1:5060, tcp://192.0.2.2:5060]`:                                                   "192.0.2.1@192.0.2.1",
		`listen: [udp://192.0.2.1:5060, "udp://[2001:db8::1]:5060"]`:                                             "192.0.2.1@192.0.2.1 2001:db8::1@2001:db8::1",
		`listen: [udp://192.0.2.1:5060, "udp://[2001:db8::1]:5060"], media: "2001:db8::2"`:                       "2001:db8::2@2001:db8::2 192.0.2.1@192.0.2.1",
		`listen: [udp://192.0.2.1:5060], media: "2001:db8::2"`:                                                   "2001:db8::2@2001:db8::2",
		`listen: [udp://192.0.2.1:5060, "udp://[2001:db8::1]:5060"], advertise: 198.51.100.1`:                    "198.51.100.1@192.0.2.1 2001:db8::1@2001:db8::1",
		`listen: [udp://0.0.0.0:5060, "udp://[::]:5060"], advertise: 198.51.100.1`:                               "198.51.100.1@0.0.0.0",
		`listen: [udp://0.0.0.0:5060, udp://192.0.2.1:5062], advertise: sbc.example.com`:                         "192.0.2.1@192.0.2.1",
		`listen: ["udp://[2001:db8::1]:5060", udp://0.0.0.0:5060], advertise: sbc.example.com, media: 192.0.2.1`: "192.0.2.1@192.0.2.1 2001:db8::1@2001:db8::1",
	} {
		c, _, err := parse("config.yaml", []byte("realms: {core: {"+realm+"}}\n"), "host-a")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range c.Realms["core"].anchored() {
			got = append(got, a.Said.String()+"@"+a.Bind.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %s, want %s", realm, got, want)
		}
	}
}

// TestMediaIsOfThePeersFamily where a realm listens on both: the trunk's and the carrier's descriptions name an address of ours that each
// of them reaches.
func TestMediaIsOfThePeersFamily(t *testing.T) {
	t.Parallel()
	peer := func(host string) *net.UDPConn {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(host), 0)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	const four, six = "127.0.216.11", "::1"
	trunks := map[string]*net.UDPConn{"IP4": peer(four), "IP6": peer(six)}
	carriers := map[string]*net.UDPConn{"IP4": peer(four), "IP6": peer(six)}
	c, _, err := parse("config.yaml", fmt.Appendf(nil, `
realms: {both: {listen: [udp://127.0.216.1:0, "udp://[::1]:0"]}}
trunks: {pbx: {realm: both, from: [%s, "%s"]}}
carriers: {IP4: {realm: both, gateways: [{address: "%s"}]}, IP6: {realm: both, gateways: [{address: "%s"}]}}
routes: [{match: {number: "+4*"}, targets: [{carrier: IP4}]}, {match: {number: "+6*"}, targets: [{carrier: IP6}]}]
media: {relay: {ports: 31600-31699}}
`, four, six, carriers["IP4"].LocalAddr(), carriers["IP6"].LocalAddr()), "host-a")
	if err != nil {
		t.Fatal(err)
	}
	b, err := openBorder(c, [32]byte{}, discard{}, zap.NewNop(), b2bua.NewMetrics(prometheus.NewRegistry()), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- b.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-served, b.edge.Close()); err != nil {
			t.Error(err)
		}
	})
	ours := map[string]net.Addr{}
	for _, l := range b.edge.Addrs("both") {
		family := "IP6"
		if l.Addr.Addr().Is4() {
			family = "IP4"
		}
		ours[family] = net.UDPAddrFromAddrPort(l.Addr)
	}
	own := map[string]string{"IP4": "c=IN IP4 127.0.216.1\r\n", "IP6": "c=IN IP6 ::1\r\n"}
	sdp := map[string]string{"IP4": "IN IP4 " + four, "IP6": "IN IP6 " + six}
	for family, at := range sdp {
		sdp[family] = "v=0\r\no=- 1 1 " + at + "\r\ns=-\r\nc=" + at + "\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"
	}
	body := func(family, head string) []byte {
		return []byte(head + "Content-Type: application/sdp\r\nContent-Length: " + strconv.Itoa(len(sdp[family])) + "\r\n\r\n" + sdp[family])
	}
	says := func(c *net.UDPConn, start string) (string, net.Addr) {
		buffer := make([]byte, 4096)
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		for {
			n, from, err := c.ReadFrom(buffer)
			if text := string(buffer[:n]); err != nil || strings.HasPrefix(text, start) || strings.HasPrefix(text, "SIP/2.0 4") {
				return text, from
			}
		}
	}
	for trunk, caller := range trunks {
		for carrier, called := range carriers {
			name, at := trunk+carrier, caller.LocalAddr()
			invite := fmt.Sprintf("INVITE sip:+%s00@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\nFrom: <sip:a@%s>;tag=t\r\nTo: <sip:b@%s>\r\n"+
				"Call-ID: %s\r\nCSeq: 1 INVITE\r\nContact: <sip:a@%s>\r\n", carrier[2:], ours[trunk], at, name, at, at, name, at)
			if _, err := caller.WriteTo(body(trunk, invite), ours[trunk]); err != nil {
				t.Fatal(err)
			}
			offer, from := says(called, "INVITE")
			if !strings.Contains(offer, own[carrier]) {
				answer, _ := says(caller, "SIP/2.0 4")
				t.Errorf("%s to %s: offered\n%s\nanswered\n%s", trunk, carrier, offer, answer)
				continue
			}
			ok := "SIP/2.0 200 OK\r\n"
			for line := range strings.SplitSeq(offer, "\r\n") {
				switch field, _, _ := strings.Cut(line, ":"); field {
				case "Via", "From", "Call-ID", "CSeq":
					ok += line + "\r\n"
				case "To":
					ok += line + ";tag=c\r\n"
				}
			}
			if _, err := called.WriteTo(body(carrier, ok+"Contact: <sip:b@"+called.LocalAddr().String()+">\r\n"), from); err != nil {
				t.Fatal(err)
			}
			if answer, _ := says(caller, "SIP/2.0 200"); !strings.Contains(answer, own[trunk]) {
				t.Errorf("%s to %s: answered\n%s", trunk, carrier, answer)
			}
		}
	}
}
