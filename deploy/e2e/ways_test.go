//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// way is a border that carries media in one of the three ways: by nobody, by its relay, by an rtpengine.
type way struct {
	*operated
	name                 string
	ports                [2]uint16 // of media; none of our own in bypass
	engine               *engine   // nil: no other process has calls
	trunk, first, second *peer
	calls                int
}

// TestMediaWays asks the same of each way, with RTP: whatever carries the media of a call, its peers are described, re-targeted
// and given back alike. A row is a call; what it is shown of o= lines is looked at in all of them.
func TestMediaWays(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) *way{
		"bypass": func(t *testing.T) *way {
			return &way{operated: operate(t, 283, plan{timers: patient}), ports: [2]uint16{1024, 65535}}
		},
		"relay": func(t *testing.T) *way {
			return &way{operated: operate(t, 232, plan{timers: patient, media: "{relay: {ports: 31000-31999}}"}), ports: [2]uint16{31000, 31999}}
		},
		"rtpengine": func(t *testing.T) *way {
			e := startEngine(t, 235)
			return &way{operated: operate(t, 235, plan{timers: patient, media: engines("60s", e)}), ports: [2]uint16{20000, 20999}, engine: e}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.name, w.trunk, w.first, w.second = name, w.peerAt(caller), w.peerAt(tc1), w.peerAt(tc2)
			for _, row := range rows {
				w.calls++
				if !t.Run(row.name, func(t *testing.T) {
					s := &scene{way: w, t: t, legs: map[string]*shownLast{}}
					row.holds(s)
					s.settles()
				}) {
					return // what is left of its call would be found in the next one
				}
			}
			for _, never := range []string{"bulkhead_rtpengine_failures_total", "bulkhead_invariant_violations_total", "bulkhead_panics_total"} {
				if n := w.sum(never); n != 0 {
					t.Errorf("%s is %v", never, n)
				}
			}
		})
	}
}

// anchored says that media goes through us.
func (w *way) anchored() bool { return w.name != "bypass" }

// scene is one row of one way: a call, and what its legs have been shown.
type scene struct {
	*way
	t        *testing.T
	legs     map[string]*shownLast // by Call-ID
	speakers int
	places   []netip.AddrPort // where legs were told to send
}

// shownLast is what a leg was shown last.
type shownLast struct {
	id      string
	version uint64
	rest    string // all but the o= line
}

// voice is a telephone with a sound of its own.
func (s *scene) voice(host int) *talker {
	s.t.Helper()
	s.speakers++
	return talk(s.t, s.ip(host), uint32(100*s.calls+s.speakers), 8, byte(16*s.speakers+s.calls))
}

// parties are those of a call that begins.
func (s *scene) parties() (x, y *party) {
	s.t.Helper()
	return s.calling(s.trunk, fmt.Sprint("way", s.calls), s.voice(caller)), s.called(s.first, s.voice(tc1))
}

// sees looks at a description that a leg is shown. Its o= line is ours, of this leg alone, and its version rises by one where anything
// else has changed and not otherwise (RFC 3264 §8, P6); nothing is left of the line that the far end wrote; and the media is where
// this way has it.
func (s *scene) sees(p *party, m message) {
	s.t.Helper()
	own := map[bool]string{true: s.ip(coreSide), false: s.ip(peeringSide)}[p.sip == s.trunk]
	line, now := m.line("o="), &shownLast{}
	host := ""
	if _, err := fmt.Sscanf(line, "o=- %s %d IN IP4 %s", &now.id, &now.version, &host); err != nil || host != own {
		s.t.Errorf("%s is shown %q, and we are at %s", p.at, line, own)
	}
	if now.rest = strings.Replace(string(m.body()), line, "", 1); strings.Contains(now.rest, "o=") || strings.Contains(now.rest, "far-") {
		s.t.Errorf("%s is shown what another wrote of itself:\n%s", p.at, m.body())
	}
	for leg, other := range s.legs {
		if leg != p.id && other.id == now.id {
			s.t.Errorf("two legs are shown the session %s", now.id)
		}
	}
	if was := s.legs[p.id]; was != nil {
		want := was.version
		if was.rest != now.rest {
			want++
		}
		if now.id != was.id || now.version != want {
			s.t.Errorf("%s was shown session %s in version %d, and is shown %q by\n%s\nafter\n%s", p.at, was.id, was.version, line, now.rest, was.rest)
		}
	}
	s.legs[p.id] = now
	at := mediaAt(s.t, m.body())
	if s.engine != nil {
		own = s.engine.core // the interface that it takes by itself
	}
	if through := at.Addr().String() == own; through != s.anchored() || at.Port() < s.ports[0] || at.Port() > s.ports[1] {
		s.t.Errorf("%s is to send to %s", p.at, at)
	}
	s.places = append(s.places, at)
}

// shows is that of one which holds: the party speaks to where it says.
func (s *scene) shows(p *party, m message) message {
	s.t.Helper()
	s.sees(p, m)
	p.aim(m.body())
	return m
}

// same wants the very bytes of before.
func (s *scene) same(what string, is, was message) {
	s.t.Helper()
	if !bytes.Equal(is.body(), was.body()) {
		s.t.Errorf("%s: shown\n%s\nafter\n%s", what, is.body(), was.body())
	}
}

// talks wants both to hear the other, each from where it speaks to.
func (s *scene) talks(x, y *party) {
	s.t.Helper()
	both(x, y, 5)
	for _, p := range []*party{x, y} {
		p.mu.Lock()
		if p.from != p.talker.to {
			s.t.Errorf("%s speaks to %s and hears %s", p.at, p.talker.to, p.from)
		}
		p.mu.Unlock()
	}
}

// joins sets up a call: both talk, as they describe themselves.
func (s *scene) joins(x, y *party) (shown, told message) {
	s.t.Helper()
	shown, told = joined(x, y, x.pcma(), y.pcma())
	s.shows(y, shown)
	s.shows(x, told)
	s.talks(x, y)
	return shown, told
}

// changes has one side offer something else, which the other one answers.
func (s *scene) changes(by, to *party, offer, answer []byte) (shown, told message) {
	s.t.Helper()
	shown, told = changes(by, to, offer, answer)
	return s.shows(to, shown), s.shows(by, told)
}

// refuses has one side offer something else, which the other one refuses.
func (s *scene) refuses(by, to *party, offer []byte) {
	s.t.Helper()
	by.ask("INVITE", offer)
	again := to.await("INVITE ")
	s.sees(to, again)
	to.answers(again, "488 Not Acceptable Here", nil)
	to.await("ACK ")
	by.confirmed("488", nil)
}

// bares has one side ask without an offer: the other one's is in the 200, and its answer in the ACK.
func (s *scene) bares(by, to *party, invited func() message) (told, ack message) {
	s.t.Helper()
	by.ask("INVITE", nil)
	m := invited()
	if len(m.body()) > 0 {
		s.t.Errorf("%s is offered what nobody has: %q", to.at, m.body())
	}
	to.answers(m, "200 OK", to.pcma())
	told = by.confirmed("200", by.pcma())
	ack = to.await("ACK ")
	s.shows(by, told)
	return told, s.shows(to, ack)
}

// settles wants nothing to be left of the call, and its record.
func (s *scene) settles() {
	s.t.Helper()
	if s.engine != nil {
		s.engine.none()
	}
	s.until("all media ports to be given back", patience, func() bool { return s.metric(`bulkhead_media_ports{state="used"}`) == 0 })
	for _, at := range s.places {
		s.until(fmt.Sprintf("port %s to be closed", at), patience, func() bool { return !s.anchored() || !bound("udp", at.String()) })
	}
	all := s.records(s.calls)
	for _, a := range all[s.calls-1].Attempts {
		if a.Media != nil && a.Media.Mode != s.name || !s.anchored() && a.Media != nil {
			s.t.Errorf("record: %+v", a.Media)
		}
	}
}

// carried wants the record to tell of the media of the call that has just ended, as far as it went through us.
func (s *scene) carried(attempts int, packets uint64) {
	s.t.Helper()
	r := s.records(s.calls)[s.calls-1]
	if len(r.Attempts) != attempts {
		s.t.Fatalf("record: %+v", r)
	}
	m := r.Attempts[attempts-1].Media
	if !s.anchored() {
		return
	}
	if m == nil || len(m.Streams) != 1 {
		s.t.Fatalf("record: %+v", r)
	}
	for side, f := range map[string]flow{"trunk": m.Streams[0].Trunk, "carrier": m.Streams[0].Carrier} {
		if f.Packets < packets || f.Lost != 0 || f.Foreign != 0 || s.name == "relay" && f.MOS < 4 {
			s.t.Errorf("from the %s: %+v", side, f)
		}
	}
}
