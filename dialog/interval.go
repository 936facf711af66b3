package dialog

import (
	"strconv"
	"strings"
	"time"
)

// Session timers (RFC 4028): each leg agrees with its peer how long the session may go
// without a refresh, and on who refreshes. A re-INVITE or UPDATE that crosses refreshes
// as well; where none does in time, the leg asks by itself, and nobody on the other
// side hears of it.

// SessionTimer is what a profile wants of a leg.
type SessionTimer struct {
	Expires time.Duration // asked for; zero: nothing is, and what the caller asks for is granted
	Min     time.Duration // the least that is granted; zero: 90 s
	Them    bool          // the peer is to refresh, where it can
}

// leastInterval is the least that anybody may demand to be accepted (RFC 4028 §5), and that
// we take an answer to grant.
const leastInterval = 90 * time.Second

// longestInterval bounds what a peer's Min-SE can make us ask for.
const longestInterval = 24 * time.Hour

func (t SessionTimer) min() time.Duration { return max(t.Min, leastInterval) }

// Interval is the session interval of a leg.
type Interval struct {
	Length  time.Duration // agreed; zero: the session does not expire
	Us      bool          // we refresh
	Refresh time.Time     // when we do
	Expires time.Time     // when the session is over, without a refresh
	Min     time.Duration // the largest Min-SE that the peer has named
	Wish    Wish          // of the request that waits for its answer
	Body    Body          // the last description of ours, for a peer that does not allow UPDATE
}

// Wish is what a request says of the session timer.
type Wish struct {
	Length, Min time.Duration
	Can         bool // its sender supports timers
	Refresher   refresher
}

// refresher is who is to refresh, seen from the request that says so.
type refresher uint8

const (
	either refresher = iota
	uac
	uas
)

// wish reads Session-Expires, Min-SE and Supported.
func (m *Message) wish() (w Wish) {
	w.Length = delta(m.expires)
	w.Min = delta(m.minSE)
	w.Can = m.supports("timer")
	switch v, _ := param(afterDelta(m.expires), "refresher"); strings.ToLower(v) {
	case "uac":
		w.Refresher = uac
	case "uas":
		w.Refresher = uas
	}
	return w
}

// delta is the number of seconds that a header field begins with.
func delta(value string) time.Duration {
	if value == "" {
		return 0
	}
	digits := strings.TrimSpace(value[:len(value)-len(afterDelta(value))])
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, longestInterval)
}

func afterDelta(value string) string {
	if i := strings.IndexByte(value, ';'); i >= 0 {
		return value[i:]
	}
	return ""
}

// TooSmall is the answer to a request whose session interval is below what the profile
// grants (RFC 4028 §9). A sender that does not know of timers cannot be told: a proxy
// has added it.
func (p *Policy) TooSmall(m *Message) (Refusal, bool) {
	w := m.wish()
	if w.Length == 0 || !w.Can || w.Length >= p.SessionTimer.min() {
		return Refusal{}, false
	}
	return Refusal{Code: 422, Extra: []Header{{"Min-SE", inSeconds(p.SessionTimer.min())}}}, true
}

func inSeconds(d time.Duration) string { return itoa(int(d / time.Second)) }

// grant agrees on an interval in the 2xx to a request of the peer's, and writes it
// (RFC 4028 §9).
func (s *step) grant(w Wish) []Header {
	want := s.Policy.SessionTimer
	length := w.Length
	if length == 0 || want.Expires != 0 && want.Expires < length {
		length = want.Expires
	}
	if length == 0 {
		s.agree(0, false)
		return nil
	}
	length = max(length, w.Min, want.min())
	us := !w.Can || w.Refresher == uas || w.Refresher == either && !want.Them && want.Expires != 0
	s.agree(length, us)
	if us {
		return []Header{{"Session-Expires", inSeconds(length) + ";refresher=uas"}}
	}
	return []Header{{"Require", "timer"}, {"Session-Expires", inSeconds(length) + ";refresher=uac"}}
}

// granted takes what the 2xx to a request of ours has agreed on (RFC 4028 §7.2).
func (s *step) granted(m *Message) {
	if s.Policy.SessionTimer.Expires == 0 && s.Interval.Length == 0 {
		return // we have not asked
	}
	refresher, _ := param(afterDelta(m.expires), "refresher")
	length := delta(m.expires)
	if length > 0 {
		length = max(length, leastInterval) // nobody has us refresh without a pause
	}
	s.agree(length, !strings.EqualFold(refresher, "uas"))
}

// agree arms the timers of an interval: half of it for a refresh of ours, and its end
// less 32 s or a third of it, when a BYE goes out (RFC 4028 §10).
func (s *step) agree(length time.Duration, us bool) {
	i := &s.Interval
	i.Length, i.Us, i.Refresh, i.Expires = length, us, never, never
	if length == 0 {
		i.Body = Body{}
		return
	}
	i.Expires = s.now.Add(length - min(32*time.Second, length/3))
	if us {
		i.Refresh = s.now.Add(length / 2)
	}
}

// wishes writes what a re-INVITE or UPDATE of ours asks for: a request without it would
// end the timer (RFC 4028 §7.4).
func (s *step) wishes() []Header {
	length, us := s.Policy.SessionTimer.Expires, !s.Policy.SessionTimer.Them
	if s.Interval.Length != 0 {
		length, us = s.Interval.Length, s.Interval.Us
	}
	if length == 0 {
		return nil
	}
	who := ";refresher=uas"
	if us {
		who = ";refresher=uac"
	}
	length = max(length, s.Interval.Min, s.Policy.SessionTimer.min())
	list := []Header{{"Supported", "timer"}, {"Session-Expires", inSeconds(length) + who}}
	if least := max(s.Interval.Min, s.Policy.SessionTimer.min()); least > leastInterval {
		list = append(list, Header{"Min-SE", inSeconds(least)})
	}
	return list
}

// said keeps the description that a peer was last given, where a refresh may have to
// give it again.
func (s *step) said(b Body) {
	if !b.Empty() && (s.Interval.Length != 0 || s.Side == Out && s.Policy.SessionTimer.Expires != 0) {
		s.Interval.Body = b
	}
}

// refresh asks for the session to go on: by UPDATE where the peer allows it, else by a
// re-INVITE that describes what was described before. While another change is under
// way, that one refreshes, or the next attempt does.
func (s *step) refresh() {
	d := s.current()
	i := &s.Interval
	i.Refresh = never
	switch {
	case s.State != Confirmed || d == nil || i.Length == 0 || !i.Us:
	case s.Change.Seq != 0:
		s.refreshLater(s.Policy.Timers.T2)
	case d.Update:
		s.own(d, Body{})
	case !i.Body.Empty():
		s.own(d, i.Body)
	}
}

// tooShort is a 422 to a change of the session that asked for a shorter interval than the
// peer accepts (RFC 4028 §7.3): ours is as long from now on.
func (s *step) tooShort(m *Message) bool {
	least := delta(m.minSE)
	if m.Code != 422 || len(s.wishes()) == 0 ||
		least <= max(s.Interval.Length, s.Interval.Min, s.Policy.SessionTimer.Expires, s.Policy.SessionTimer.min()) {
		return false
	}
	s.Interval.Min = least
	return true
}

// refreshLater tries again, unless the session is over by then.
func (s *step) refreshLater(wait time.Duration) { s.Interval.Refresh = s.now.Add(wait) }

// refreshRefused is a refusal of a refresh of ours (RFC 4028 §7.4): a longer interval is
// asked for, or it is asked another way or later; the session goes on until it expires.
func (s *step) refreshRefused(t *Tx, m *Message) {
	d := s.dialogOf(t)
	i := &s.Interval
	switch least := delta(m.minSE); {
	case i.Length == 0 || !i.Us:
	case m.Code == 422 && least > i.Length:
		i.Min, i.Length = least, least
		s.refresh()
	case t.Method == "UPDATE" && (m.Code == 405 || m.Code == 501) && d != nil:
		d.Update = false
		s.refresh()
	default:
		s.refreshLater(max(time.Duration(m.RetryAfter)*time.Second, 10*time.Second))
	}
}

// passIntervals fires the two timers of the interval.
func (s *step) passIntervals() {
	i := &s.Interval
	if due(s.now, i.Expires) {
		i.Expires = never
		if s.State == Confirmed {
			s.changeLost(Cause{
				Why: PeerLost, Code: 408, Text: "session expired", Q850: 102,
				Reasons: []string{`SIP;cause=408;text="Session expired"`, "Q.850;cause=102"},
			})
		}
	}
	if due(s.now, i.Refresh) {
		s.refresh()
	}
}
