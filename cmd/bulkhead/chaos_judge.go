package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// chaosCheck is a promise as peers on the outside can see it.
type chaosCheck struct {
	name, promise, section string
	// broken says what breaks the promise, in the order of the wire; empty: nothing does.
	broken func(p *play, seen []sighting) string
}

// chaosChecks is what every scenario is held to. What names the culprit closest comes first.
var chaosChecks = []chaosCheck{
	{"contained", "what one leg does reaches no other leg", "RFC 3261 §17.1", strangers},
	{"one-final", "a request has one final response, its repeats byte-identical", "RFC 3261 §17.2.1, §13.3.1.4", finals},
	{"one-to-tag", "the caller's INVITE is answered under one To-tag", "RFC 3261 §12.1.1", toTags},
	{"final-acked", "each copy of a refusal has the same ACK on its own leg", "RFC 3261 §17.1.1.2", refusalsAcked},
	{"2xx-acked", "each copy of a 2xx has an ACK", "RFC 3261 §13.2.2.4", answersAcked},
	{"one-bye", "a dialog is ended by one BYE", "RFC 3261 §15.1.1", byes},
	{"cancel-in-time", "no CANCEL before a provisional response, none after a final one", "RFC 3261 §9.1", cancels},
	{"stays-up", "the call that is up stays up until somebody hangs up", "RFC 3261 §15", staysUp},
	{"goes-on", "everything comes that the call needs", "", nil}, // the scenario's own section
	{"answered", "each request of ours is answered", "RFC 3261 §8.2", allAnswered},
	{"ended", "every leg has ended", "RFC 3261 §15", allEnded},
}

// crossing is how long what we send may be on its way when the target sends.
const crossing = 100 * time.Millisecond

// judge holds what was seen against every check. What a call lacks that did not go on is not
// judged.
func (p *play) judge(seen []sighting, missing string) chaosVerdict {
	v := chaosVerdict{Name: p.name, About: p.about, Section: p.section}
	for _, c := range chaosChecks {
		o := chaosOutcome{Name: c.name, Promise: c.promise, Section: c.section}
		if c.broken == nil {
			o.Section, o.Broken = p.section, missing
		} else if missing == "" || c.name != "answered" && c.name != "ended" {
			o.Broken = c.broken(p, seen)
		} else {
			o.Skipped = true
		}
		if o.Broken != "" && v.Failed == nil {
			v.Failed = &o
		}
		v.Checks = append(v.Checks, o)
	}
	return v
}

// when says where in the ladder.
func (p *play) when(s sighting) string {
	verb := "received"
	if s.sent {
		verb = "sent"
	}
	return fmt.Sprintf("%.3f: %s %s %s", s.at.Sub(p.began).Seconds(), s.who, verb, s.title())
}

func strangers(p *play, seen []sighting) string {
	asked := map[string]bool{}
	dialogs := map[string]map[string]bool{"caller": {}, "tc1": {}, "tc2": {}}
	for _, s := range seen {
		key := s.who + " " + s.branch() + " " + s.method()
		id := s.line("Call-ID")
		if s.sent {
			asked[key] = asked[key] || s.code() == 0
			dialogs[s.who][id] = true
			continue
		}
		for _, other := range []string{"tc1", "tc2"} {
			if other != s.who && strings.Contains(s.text, p.tag(other, "")) {
				return p.when(s) + " with a tag of " + other
			}
		}
		switch {
		case s.code() > 0 && !asked[key]:
			return p.when(s) + ", and sent no such request"
		case is("INVITE")(s.message) && s.who != "caller" && s.toTag() == "":
			dialogs[s.who][id] = true
		case !dialogs[s.who][id]:
			return p.when(s) + " with a Call-ID that it never saw"
		}
	}
	return ""
}

func finals(p *play, seen []sighting) string {
	first := map[string]sighting{}
	for _, s := range seen {
		if s.sent || s.code() < 200 {
			continue
		}
		key := s.who + s.branch() + s.method()
		before, again := first[key]
		if again && before.text != s.text {
			if before.title() != s.title() {
				return p.when(s) + " after " + before.title()
			}
			return p.when(s) + " again, with other bytes"
		}
		first[key] = s
	}
	return ""
}

func toTags(p *play, seen []sighting) string {
	tag := ""
	for _, s := range seen {
		if s.who != "caller" || s.sent || s.code() <= 100 || s.method() != "INVITE" {
			continue
		}
		if tag != "" && s.toTag() != tag {
			return fmt.Sprintf("%s with To-tag %q, before it was %q", p.when(s), s.toTag(), tag)
		}
		tag = s.toTag()
	}
	return ""
}

func refusalsAcked(p *play, seen []sighting) string {
	type leg struct{ copies, acks int }
	legs, first, ack := map[string]*leg{}, map[string]sighting{}, map[string]string{}
	var order []string
	for _, s := range seen {
		key := s.who + s.branch()
		switch {
		case s.sent && answers("INVITE", 300, 699)(s.message):
			if legs[key] == nil {
				legs[key], first[key] = &leg{}, s
				order = append(order, key)
			}
			legs[key].copies++
		case !s.sent && is("ACK")(s.message) && legs[key] != nil:
			if legs[key].acks++; ack[key] != "" && ack[key] != s.text {
				return p.when(s) + " with other bytes than before"
			}
			ack[key] = s.text
		}
	}
	for _, key := range order {
		if l := legs[key]; l.acks != l.copies {
			return fmt.Sprintf("%s %d times, and received %d ACKs", p.when(first[key]), l.copies, l.acks)
		}
	}
	return ""
}

func answersAcked(p *play, seen []sighting) string {
	for i, s := range seen {
		if !s.sent || !answers("INVITE", 200, 299)(s.message) {
			continue
		}
		copies, acks, judged := 0, 0, false
		number, _, _ := strings.Cut(s.line("CSeq"), " ")
		for j, o := range seen {
			if o.who != s.who || o.line("Call-ID") != s.line("Call-ID") {
				continue
			}
			if o.sent && o.text == s.text {
				copies++
				judged = judged || j < i // with its first copy
			}
			theirs, _, _ := strings.Cut(o.line("CSeq"), " ")
			if !o.sent && is("ACK")(o.message) && theirs == number && dialogTag(o) == dialogTag(s) {
				acks++
			}
		}
		if copies > acks && !judged {
			return fmt.Sprintf("%s %d times, and received %d ACKs", p.when(s), copies, acks)
		}
	}
	return ""
}

// dialogTag is both tags of a message, whoever wrote it.
func dialogTag(s sighting) string {
	a, b := parameter(s.line("From"), "tag"), s.toTag()
	return min(a, b) + "/" + max(a, b)
}

func byes(p *play, seen []sighting) string {
	first := map[string]sighting{}
	for _, s := range seen {
		if s.sent || !is("BYE")(s.message) {
			continue
		}
		key := s.who + s.line("Call-ID") + dialogTag(s)
		if before, again := first[key]; again && before.branch() != s.branch() {
			return p.when(s) + ", a second one in this dialog"
		}
		first[key] = s
	}
	return ""
}

func cancels(p *play, seen []sighting) string {
	provisional, final, before := map[string]bool{}, map[string]sighting{}, map[string]bool{}
	for _, s := range seen {
		key := s.who + s.branch()
		switch {
		case s.sent && answers("INVITE", 100, 199)(s.message):
			provisional[key] = true
		case s.sent && answers("INVITE", 200, 699)(s.message) && final[key].text == "":
			final[key] = s
		case !s.sent && is("CANCEL")(s.message) && !before[key]:
			before[key] = true
			if !provisional[key] && final[key].text == "" {
				return p.when(s) + ", and had sent no response"
			}
			if f := final[key]; f.text != "" && s.at.Sub(f.at) > crossing {
				return p.when(s) + " after its " + f.title()
			}
		}
	}
	return ""
}

func staysUp(p *play, seen []sighting) string {
	hungUp, cancelled, up, acked := map[string]bool{}, map[string]bool{}, false, false
	winner := map[string]string{}
	for _, s := range seen {
		switch {
		case s.sent && is("BYE")(s.message):
			hungUp[s.who] = true
		case is("CANCEL")(s.message):
			cancelled[s.who] = true
		case s.sent && s.who != "caller" && answers("INVITE", 200, 299)(s.message) && winner[s.who] == "":
			winner[s.who] = dialogTag(s)
		case s.who == "caller" && !s.sent && answers("INVITE", 200, 299)(s.message):
			up = true
		case s.who == "caller" && s.sent && is("ACK")(s.message):
			acked = true
		case s.sent || !is("BYE")(s.message):
		case s.who == "caller" && !hungUp["tc1"] && !hungUp["tc2"]:
			return p.when(s) + ", and no carrier had hung up"
		case s.who != "caller" && up && acked && !cancelled[s.who] && winner[s.who] == dialogTag(s) && !hungUp["caller"] && !hungUp[s.who]:
			return p.when(s) + ", and the caller had not hung up"
		}
	}
	return ""
}

func allAnswered(p *play, seen []sighting) string {
	for i, s := range seen {
		again := func(o sighting) bool { return o.sent && o.who == s.who && o.text == s.text } // who has its answer is absorbed
		if !s.sent || s.code() > 0 || is("ACK")(s.message) || slices.ContainsFunc(seen[:i], again) {
			continue
		}
		done := false
		for _, o := range seen[i:] {
			done = done || !o.sent && o.who == s.who && o.code() >= 200 && o.branch() == s.branch() && o.method() == s.method()
		}
		if !done {
			return p.when(s) + ", and received no final response"
		}
	}
	return ""
}

func allEnded(p *play, seen []sighting) string {
	for _, s := range seen {
		if !s.sent || s.who == "caller" || !answers("INVITE", 200, 299)(s.message) {
			continue
		}
		done := false
		for _, o := range seen {
			done = done || o.who == s.who && is("BYE")(o.message) && o.line("Call-ID") == s.line("Call-ID") && dialogTag(o) == dialogTag(s)
		}
		if !done {
			return p.when(s) + ", and this dialog has seen no BYE"
		}
	}
	return ""
}
