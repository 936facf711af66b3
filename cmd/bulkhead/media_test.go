package main

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

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
