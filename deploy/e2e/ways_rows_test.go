//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"strings"
)

// rows are what must hold of a call, whichever way its media is carried.
var rows = []struct {
	name  string
	holds func(*scene)
}{
	{"a refresh changes nothing, hold does", (*scene).refreshed},
	{"the offer is in the 200", (*scene).late},
	{"early media", func(s *scene) { s.early(false) }},
	{"early media with PRACK", func(s *scene) { s.early(true) }},
	{"each fork is heard in its turn", (*scene).forked},
	{"early media of a carrier that fails, then of the next", (*scene).hunted},
	{"a refused re-INVITE leaves what was", (*scene).refused},
	{"nobody answers", (*scene).unanswered},
	{"a CANCEL after early media", (*scene).cancelled},
	{"what nothing can be sent by", (*scene).multicast},
}

// refreshed: identical descriptions are shown as identical bytes, whoever repeats his; what changes is shown once as another version.
func (s *scene) refreshed() {
	x, y := s.parties()
	shown, told := s.joins(x, y)
	again, back := s.changes(x, y, x.pcma(), y.pcma())
	s.same("the carrier, by the trunk's refresh", again, shown)
	s.same("the trunk, by its own refresh", back, told)
	back, again = s.changes(y, x, y.pcma(), x.pcma())
	s.same("the carrier, by its own refresh", again, shown)
	s.same("the trunk, by the carrier's refresh", back, told)
	s.talks(x, y)

	held, holds := s.changes(x, y, x.pcma("a=sendonly"), y.pcma("a=recvonly"))
	if held.line("a=sendonly") == "" || holds.line("a=recvonly") == "" {
		s.t.Errorf("of the hold the carrier is shown %q and the trunk %q", held.body(), holds.body())
	}
	y.hears(5, x.says) // music on hold
	again, back = s.changes(x, y, x.pcma("a=sendonly"), y.pcma("a=recvonly"))
	s.same("the carrier, by a refresh on hold", again, held)
	s.same("the trunk, by a refresh on hold", back, holds)
	s.changes(x, y, x.pcma(), y.pcma())
	s.talks(x, y)
	parts(x, y)
	s.carried(1, 15)
}

// late: an offer in the 200 has its answer in the ACK, at the beginning and later, by either side.
func (s *scene) late() {
	x, y := s.parties()
	told, ack := s.bares(x, y, y.invited)
	s.talks(x, y)
	again, back := s.bares(x, y, func() message { return y.await("INVITE ") })
	s.same("the trunk", again, told)
	s.same("the carrier", back, ack)
	s.talks(x, y)
	s.bares(y, x, func() message { return x.await("INVITE ") })
	s.talks(x, y)
	parts(x, y)
	s.carried(1, 15)
}

// early: who is heard before the answer is heard after it, and nothing else is shown. With PRACK the answer repeats no description.
func (s *scene) early(reliable bool) {
	x, y := s.parties()
	var more []string
	answer := y.pcma()
	if reliable {
		more, answer = []string{"Require: 100rel", "RSeq: 70"}, nil
	}
	x.ask("INVITE", x.pcma(), "Supported: 100rel")
	m := s.shows(y, y.invited())
	y.answers(m, "183 Session Progress", y.pcma(), more...)
	told := s.shows(x, x.await("SIP/2.0 183"))
	if rseq := told.header("RSeq"); reliable == (rseq == "") {
		s.t.Errorf("the 183 has RSeq %q", rseq)
	}
	if reliable {
		y.pracked(x, told)
	}
	s.talks(x, y)
	y.answers(m, "200 OK", answer)
	ok := x.confirmed("200", nil)
	y.await("ACK ")
	if !reliable {
		s.sees(x, ok)
		s.same("the trunk, by the answer", ok, told)
	}
	s.talks(x, y)
	parts(x, y)
	s.carried(1, 10)
}

// forked: each description of a fork takes the place of the one before, and one session is what the trunk sees of them.
func (s *scene) forked() {
	x := s.calling(s.trunk, fmt.Sprint("way", s.calls), s.voice(caller))
	one := s.called(s.first, s.voice(tc2)) // not where its SIP comes from
	x.ask("INVITE", x.pcma())
	m := s.shows(one, one.invited())
	other := one.fork("other", s.voice(tc1))
	one.answers(m, "183 Session Progress", one.pcma())
	s.shows(x, x.await("SIP/2.0 183"))
	s.talks(x, one)
	if !s.anchored() {
		one.hush() // else it is heard, since nobody is between
	}
	other.answers(m, "183 Session Progress", other.pcma("a=ptime:20"))
	other.aim(m.body())
	s.shows(x, x.await("SIP/2.0 183"))
	s.talks(x, other)
	other.answers(m, "200 OK", other.pcma("a=ptime:20"))
	s.shows(x, x.confirmed("200", nil))
	other.await("ACK ")
	s.talks(x, other)
	one.heard()
	s.talks(x, other)
	if got := one.heard(); len(got) > 0 {
		s.t.Errorf("the fork that has not answered hears %d packets", len(got))
	}
	parts(x, other)
}

// hunted: the next carrier has ports of its own, and the trunk keeps its session (R20).
func (s *scene) hunted() {
	x, y := s.parties()
	z := s.called(s.second, s.voice(tc2))
	x.ask("INVITE", x.pcma())
	one := s.shows(y, y.invited())
	y.answers(one, "183 Session Progress", y.pcma())
	s.shows(x, x.await("SIP/2.0 183"))
	s.talks(x, y)
	y.answers(one, "503 Service Unavailable", nil)
	two := s.shows(z, z.invited())
	y.await("ACK ")
	if s.anchored() { // what the loser goes on to say goes nowhere
		if y.talker.to == z.talker.to {
			s.t.Errorf("both carriers are shown %s", y.talker.to)
		}
		s.until(fmt.Sprintf("port %s to be closed", y.talker.to), patience, func() bool { return !bound("udp", y.talker.to.String()) })
	} else {
		y.hush()
	}
	z.answers(two, "183 Session Progress", z.pcma())
	s.shows(x, x.await("SIP/2.0 183"))
	s.talks(x, z)
	z.answers(two, "200 OK", z.pcma())
	s.shows(x, x.confirmed("200", nil))
	z.await("ACK ")
	y.heard()
	s.talks(x, z)
	if got := y.heard(); len(got) > 0 {
		s.t.Errorf("the loser still hears %d packets", len(got))
	}
	parts(x, z)
	s.carried(2, 15) // of both carriers
}

// refused: media goes on as it was, and the next offer is what it says: the session of before, in a version of its own.
func (s *scene) refused() {
	x, y := s.parties()
	shown, told := s.joins(x, y)
	for _, c := range []struct {
		by, to *party
		host   int
	}{{x, y, caller}, {y, x, tc1}} {
		elsewhere := s.voice(c.host)
		was := [2]string{x.talker.to.String(), y.talker.to.String()}
		s.refuses(c.by, c.to, elsewhere.describe("RTP/AVP", "0 8"))
		s.talks(x, y)
		if got := elsewhere.heard(); len(got) > 0 {
			s.t.Errorf("what was refused hears %d packets", len(got))
		}
		version := s.legs[c.to.id].version
		again, back := s.changes(x, y, x.pcma(), y.pcma())
		if is := [2]string{x.talker.to.String(), y.talker.to.String()}; is != was {
			s.t.Errorf("the media was at %v, and is at %v", was, is)
		}
		if now := s.legs[c.to.id].version; now != version+1 {
			s.t.Errorf("%s was shown version %d, which it has refused, and then %d", c.to.at, version, now)
		}
		for _, two := range [][2]message{{again, shown}, {back, told}} {
			if is, was := two[0].line("m="), two[1].line("m="); is != was {
				s.t.Errorf("the stream was %q and is %q", was, is)
			}
		}
		s.talks(x, y)
	}
	parts(x, y)
	s.carried(1, 20)
}

// unanswered: nothing is left of a hunt that leads nowhere.
func (s *scene) unanswered() {
	x, y := s.parties()
	x.ask("INVITE", x.pcma())
	for _, p := range []*party{y, s.called(s.second, s.voice(tc2))} {
		m := s.shows(p, p.invited())
		p.answers(m, "480 Temporarily Unavailable", nil)
		p.await("ACK ")
	}
	x.confirmed("480", nil)
}

// cancelled: nor of a call that is given up.
func (s *scene) cancelled() {
	x, y := s.parties()
	x.ask("INVITE", x.pcma())
	m := s.shows(y, y.invited())
	y.answers(m, "183 Session Progress", y.pcma())
	s.shows(x, x.await("SIP/2.0 183"))
	s.talks(x, y)
	x.ask("CANCEL", nil)
	y.answers(y.await("CANCEL "), "200 OK", nil)
	y.answers(m, "487 Request Terminated", nil)
	x.confirmed("487", nil)
	s.carried(1, 5)
}

// multicast: what goes through us is refused and counted where nothing can be sent; else it is the peers' own affair.
func (s *scene) multicast() {
	x, y := s.parties()
	offer := bytes.ReplaceAll(x.pcma(), []byte("c=IN IP4 "+s.ip(caller)), []byte("c=IN IP4 224.1.2.3"))
	counter := fmt.Sprintf("bulkhead_media_not_anchored_total{mode=%q,reason=%q}", s.name, "multicast")
	before := s.sum(counter)
	x.ask("INVITE", offer)
	if s.anchored() {
		if m := x.confirmed("488", nil); !strings.Contains(m.header("Reason"), "cause=88") {
			s.t.Errorf("it gets %q", m.text)
		}
		if after := s.sum(counter); after <= before {
			s.t.Errorf("%v of them are counted", after-before)
		}
		return
	}
	m := y.invited()
	s.sees(y, m)
	y.answers(m, "603 Decline", nil)
	y.await("ACK ")
	x.confirmed("603", nil)
}
