//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// kind is one kind of call in the mix of a soak. It has a trunk of its own, by whose name its
// records are told from others.
type kind struct {
	name     string
	share    int           // of all calls, in percent
	scenario string        // of the caller
	swap     []string      // in it
	holds    time.Duration // of the calls that are answered
	carriers []string      // of the mix, in the order in which they are tried
	trunk    string        // more keys of its trunk, in flow style
	clean    bool          // over TCP, by a network that loses nothing; else UDP, that is lossy
	expects  func(record) bool
}

// answering is a carrier in the mix of a soak.
type answering struct {
	name, scenario string
	swap, args     []string
	keys           string // more keys of the carrier, in flow style
	clean          bool
}

// tried says what the attempts of a call came to: carrier and code of each.
func tried(want ...any) func(record) bool {
	return func(r record) bool {
		if len(r.Attempts) != len(want)/2 {
			return false
		}
		for i, a := range r.Attempts {
			if a.Carrier != want[2*i] || a.Code != want[2*i+1] {
				return false
			}
		}
		return true
	}
}

// ended says how a call has ended, besides.
func ended(result, cause, by string, attempts func(record) bool) func(record) bool {
	return func(r record) bool {
		return r.Result == result && r.Cause == cause && r.EndedBy == by && attempts(r)
	}
}

// mix is what calls of a soak are like. The speech is the name of a file of A-law.
func mix(speech string) []kind {
	const hold = 2 * time.Second
	speaks := []string{
		"m=audio 20000", "m=audio [rtpstream_audio_port]",
		"<pause/>", fmt.Sprintf(`<nop><action><exec rtp_stream="%s,1,8"/></action></nop><pause/>`, speech),
	}
	return []kind{
		{"answered", 35, "uac.xml", nil, hold, []string{"answers"}, "", false, ended("answered", "hung_up", "trunk", tried("answers", 200))},
		{"clean", 15, "uac.xml", nil, hold, []string{"answers-tcp"}, "", true, ended("answered", "hung_up", "trunk", tried("answers-tcp", 200))},
		{"busy", 12, "uac_refused.xml", nil, 0, []string{"busy"}, "", false, ended("failed", "rejected", "carrier", tried("busy", 486))},
		{"hunted", 12, "uac.xml", nil, hold, []string{"unavailable", "answers"}, "", false, ended("answered", "hung_up", "trunk", tried("unavailable", 503, "answers", 200))},
		{"cancelled", 10, "uac_cancel.xml", nil, 0, []string{"rings"}, "", false, ended("cancelled", "cancelled", "trunk", tried("rings", 487))},
		{"changed", 5, "uac_change.xml", nil, hold, []string{"changed"}, "", false, ended("answered", "hung_up", "trunk", tried("changed", 200))},
		{"stuck", 4, "uac.xml", nil, hold, []string{"stuck", "answers"}, "", false, ended("answered", "hung_up", "trunk", tried("stuck", 487, "answers", 200))},
		{"relayed", 3, "uac.xml", speaks, hold, []string{"echoes"}, ", media: relay", false, func(r record) bool {
			return ended("answered", "hung_up", "trunk", tried("echoes", 200))(r) && r.Attempts[0].Media != nil &&
				len(r.Attempts[0].Media.Streams) == 1 && r.Attempts[0].Media.Streams[0].Carrier.Packets > 10
		}},
		{"unacknowledged", 3, "uac_noack.xml", nil, 0, []string{"answers"}, "", false, func(r record) bool { return r.Result == "answered" && r.Cause == "no_ack" }},
		{"refreshed", 1, "uac.xml", nil, time.Minute, []string{"refreshed"}, "", true, ended("answered", "hung_up", "trunk", tried("refreshed", 200))},
	}
}

var answerings = []answering{
	{"answers", "uas.xml", nil, nil, "", false},
	{"answers-tcp", "uas.xml", nil, nil, "", true},
	{"busy", "uas_refuse.xml", []string{"503 Service Unavailable", "486 Busy Here"}, nil, "", false},
	{"unavailable", "uas_refuse.xml", nil, nil, "", false},
	{"rings", "uas_ring.xml", nil, nil, ", timers: {no_answer: 10s}", false},
	{"changed", "uas_changed.xml", nil, nil, "", false},
	{"stuck", "uas_stuck.xml", nil, []string{"-pause_msg_ign"}, ", timers: {no_answer: 1s}", false},
	{"echoes", "uas.xml", []string{"m=audio 30000", "m=audio [media_port]"}, []string{"-rtp_echo"}, "", false},
	{"refreshed", "uas_refresh.xml", nil, nil, ", session_timer: {expires: 90s, refresher: us}", true},
}

// Hosts of the mix: how the border knows the n-th caller and carrier, and where it is beyond a link.
const (
	callersAt  = 11
	carriersAt = 31
	beyond     = 100
)

// longestCall is what a trunk of a soak allows its calls: one whose caller was lost to the
// network is over by then (P7).
func (k kind) longestCall() time.Duration { return 40*time.Second + k.holds }

// soakConfig is the border of a soak. The variant changes what a reload may change.
func soakConfig(b *border, redis string, kinds []kind, variant int) string {
	lines := []string{
		"node: soak",
		fmt.Sprintf("state: {redis: {addresses: [%q]}}", redis),
		fmt.Sprintf("unit: {name: u%d}", b.net),
		"realms:",
		fmt.Sprintf("  core: {listen: [%q, %q]}", "udp://"+b.at(coreSide), "tcp://"+b.at(coreSide)),
		fmt.Sprintf("  peering: {listen: [%q, %q]}", "udp://"+b.at(peeringSide), "tcp://"+b.at(peeringSide)),
		"trunks:",
	}
	routes := []string{"routes:"}
	for i, k := range kinds {
		lines = append(lines, fmt.Sprintf("  %s: {realm: core, from: [%q], contact: %q, max_duration: %v, limits: {calls: %d}%s}",
			k.name, b.ip(callersAt+i), transport(k.clean)+"://"+b.at(callersAt+i), k.longestCall(), 100_000+variant, k.trunk))
		targets := "{carrier: " + strings.Join(k.carriers, "}, {carrier: ") + "}"
		routes = append(routes, fmt.Sprintf("  - {match: {trunk: %s}, targets: [%s]}", k.name, targets))
	}
	lines = append(lines, "carriers:")
	for i, a := range answerings {
		lines = append(lines, fmt.Sprintf("  %s: {realm: peering, linger: 5s, limits: {calls: %d}, gateways: [{address: %q, transport: %s}]%s}",
			a.name, 100_000+variant, b.at(carriersAt+i), transport(a.clean), a.keys))
	}
	if variant%2 == 1 {
		lines = append(lines, fmt.Sprintf("  idle: {realm: peering, gateways: [{address: %q}]}", b.at(stranger)))
	}
	return strings.Join(append(append(lines, routes...),
		"security: {max_rate_per_source: 100000}",
		"cdr: {file: calls.jsonl}",
		"media: {mode: bypass, relay: {ports: 20000-29999}}",
		"trace: {keep: 30s}", // what is kept of ended calls is to have its full size early
		"log: {level: warn}",
		""), "\n")
}

func transport(clean bool) string {
	if clean {
		return "tcp"
	}
	return "udp"
}

// parties are who plays a mix.
type parties struct {
	callers, carriers []*sipp
	links             map[string]*lossy // by who is beyond it
}

// play starts all the parties: callers make calls at a rate, in total, for a time.
func (b *border) play(kinds []kind, rng *rand.Rand, rate int, lasting time.Duration) *parties {
	b.t.Helper()
	p := &parties{links: map[string]*lossy{}}
	party := func(name, scenario string, swap []string, side, host int, clean bool, args ...string) *sipp {
		b.t.Helper()
		known, target := b.at(host), b.at(side)
		args = append([]string{"-t", map[bool]string{false: "u1", true: "t1"}[clean], "-recv_timeout", "60000", "-l", "100000"}, args...)
		if !clean {
			p.links[name] = lossyLink(b.t, known, b.at(host+beyond), target, rng.Uint64(), side == coreSide)
			// The border is to see the link's address wherever SIPp tells its own.
			swap = append([]string{"[local_ip]:[local_port]", known, "@[remote_ip]:[remote_port]", "@" + target}, swap...)
			host, target = host+beyond, known
		}
		if side == coreSide {
			args = append(args, target)
		}
		return b.sippAt(host, name, scenario, swap, args...)
	}
	for i, a := range answerings {
		s := party("carrier-"+a.name, a.scenario, a.swap, peeringSide, carriersAt+i, a.clean, a.args...)
		at := b.at(carriersAt + i)
		s.until(s.name+" to listen", 20*time.Second, func() bool { return bound(transport(a.clean), at) })
		p.carriers = append(p.carriers, s)
	}
	for i, k := range kinds {
		// Those of a long call end with the load, as the others do.
		calls := int(float64(rate*k.share) / 100 * (lasting - min(k.holds, lasting/2)).Seconds())
		p.callers = append(p.callers, party(k.name, k.scenario, k.swap, coreSide, callersAt+i, k.clean,
			"-s", number, "-d", fmt.Sprint(k.holds.Milliseconds()), "-r", fmt.Sprint(rate*k.share), "-rp", "100s", "-m", fmt.Sprint(calls)))
	}
	return p
}

// speech writes two seconds of a tone, as A-law at 8 kHz: SIPp sends a file as it is.
func speech(t *testing.T, dir string) string {
	t.Helper()
	text := make([]byte, 2*8000)
	for i := range text {
		text[i] = byte(0x40 | i&0x3f)
	}
	file := filepath.Join(dir, "speech.alaw")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
