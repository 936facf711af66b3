package dialog

import (
	"time"
)

// Side says on which side of the border a leg stands.
type Side uint8

// A call has one inbound leg and one outbound leg an attempt.
const (
	In Side = iota
	Out
)

// State is where a leg as a whole stands.
type State uint8

// The states of a leg, in their order. A leg says End exactly once, and from
// Leaving on it says nothing more: what its peer still does is absorbed.
const (
	Trying    State = iota // INVITE, no provisional that says more than 100
	Early                  // RFC 3261 §12: at least one early dialog
	Answered               // 2xx seen or sent, not yet acknowledged
	Confirmed              // acknowledged: the call is up
	Leaving                // ending or ended; what is left are transactions
)

// String is the state in a word, as operators see it.
func (s State) String() string {
	return [...]string{"trying", "early", "answered", "confirmed", "leaving"}[s]
}

// Leg is one side of a call.
type Leg struct {
	ID     ID
	Side   Side
	State  State
	Policy *Policy
	Target Target // outbound: where to
	Cause  Cause  // why it is Leaving
	Marks  Marks

	CallID string // of this leg
	Tag    string // ours
	Self   string // our From or To, without the tag
	Peer   string // theirs, as it came; outbound, before a dialog: our To
	URI    string // outbound: the Request-URI of the INVITE
	Path   Path   // the peer, where the dialog names nothing better
	MaxFwd int
	CSeq   uint32 // the last of ours
	Seq    uint16 // the last transaction number of ours
	Offer  bool   // the INVITE carried a body, so the answer is in the 2xx

	Dialogs []*Dialog
	Tx      []*Tx

	Patience [3]time.Time // NoResponse, NoRinging, NoAnswer; zero: off
	Refresh  time.Time    // inbound: when to repeat the last provisional (RFC 3261 §13.3.1.1)
	ByeHeld  bool         // BYE waits for the ACK (RFC 3261 §15)

	Cancelled bool // outbound: the CANCEL has been sent
	Session   Session
	Reliable  Reliable // inbound
	Interval  Interval
	Audit     Audit
	MinSE     time.Duration // outbound: what the 422 to its INVITE would have granted
	Again     time.Time     // when a change of our own is asked for again after a 491
	Change    Change        // a re-INVITE or UPDATE under way
	Referred  Referral      // the peer's REFER that is under way
	Refers    Referral      // ours
	Join      Join
	Auth      Auth
	SessionID SessionID

	tail  []byte // of a record that a newer version wrote
	heard uint32 // how often the leg has changed in silence: not part of a record
}

// Heard rises whenever a provisional or an audit has changed what the leg waits for, or
// what it goes by: nothing is sent or told then, and yet a stored state is old.
func (l *Leg) Heard() uint32 { return l.heard }

// Marks are the facts of a leg that its record tells.
type Marks struct {
	Began    time.Time // INVITE sent or received
	Trying   time.Time // first 100, or 1xx that says no more
	Ringing  time.Time // first 18x
	Final    time.Time // first final response to the INVITE
	Ended    time.Time // Leaving
	Code     int       // the first final's
	Phrase   string
	Q850     int
	Absorbed int  // messages dealt with on this leg after they mattered
	Late     bool // answered after we had given it up

	Media time.Time // first early media of an outbound leg: a provisional with a body
}

// Dialog is one dialog of a leg (RFC 3261 §12), confirmed or early.
type Dialog struct {
	Tag    string   // the peer's; empty from peers of RFC 2543
	Peer   string   // their From or To with its tag
	Target string   // remote target: a URI
	Routes []string // route set, in the order in which it is to be written
	CSeq   uint32   // the last of theirs; 0: none yet
	Early  bool
	Update bool   // the peer allows UPDATE (RFC 3311)
	Left   bool   // a BYE has been sent or received; early: a 199 has
	Shown  uint64 // early: what was last told of it, so that repeats are not
	Offer  Body   // the offer of a 2xx that it sent, until our ACK answers it
	Ack    []byte // outbound: the ACK of its 2xx, for every copy
	AckTo  Path
	InvSeq uint32 // CSeq number of the INVITE whose 2xx it was

	RSeq    uint32 // of the last reliable provisional that came in order; 0: none has
	Unacked uint32 // of the one whose PRACK waits for the caller's; 0: none does
	Answer  Body   // the description that a reliable provisional has brought and that holds

	tail []byte // of a record that a newer version wrote
}

// never is the time of a timer that is off.
var never time.Time

// provisionalEvery is how often a provisional is repeated, so that proxies
// before us keep waiting (RFC 3261 §13.3.1.1).
const provisionalEvery = time.Minute

// Bounds of what a peer can make a leg keep.
const (
	maxDialogs = 64
	maxTx      = 32
)

// Step takes an event and gives back what is to be done, in this order.
func (l *Leg) Step(now time.Time, ev Event) []Action {
	s := step{Leg: l, now: now}
	switch ev := ev.(type) {
	case Received:
		s.replaced = ev.Replaced
		s.received(ev.Message, ev.Path)
	case Due:
		s.due()
	case Unsent:
		s.unsent(ev)
	case Progress:
		s.progress(ev)
	case Answer:
		s.answer(ev)
	case Confirm:
		s.confirm(ev)
	case Modify:
		s.modify(ev)
	case Modified:
		s.modified(ev)
	case End:
		s.with = ev.Headers
		s.end(ev.Cause)
	case Info:
		s.relay(ev)
	case Informed:
		s.informed(ev)
	case Refer:
		s.asksToRefer(ev)
	case Notify:
		s.notify(ev)
	case Alone:
		s.SessionID.Local = ev.Session
		s.alone()
	case Setup:
		// A leg is made of a Setup and tells it; it is never told one.
	}
	s.sweep()
	return s.out
}

// Deadline is when Step wants Due; the zero time: never.
func (l *Leg) Deadline() time.Time {
	d := earlier(earlier(l.Refresh, l.Again), earlier(l.Interval.Refresh, l.Interval.Expires))
	d = earlier(d, earlier(l.Referred.Until, l.Refers.Until))
	d = earlier(d, l.Audit.Next)
	for _, t := range l.Patience {
		d = earlier(d, t)
	}
	for _, t := range l.Tx {
		d = earlier(d, t.deadline())
	}
	return d
}

// Done says that nothing is left to absorb: the leg can be let go.
func (l *Leg) Done() bool { return l.State == Leaving && len(l.Tx) == 0 }

// Absorbs says until when the leg answers repeats, where that is all that is left for it to do,
// no timer of it being one that sends or tells anything; it need not be woken before. False:
// there is more, and Deadline is when.
func (l *Leg) Absorbs() (until time.Time, alone bool) {
	if !l.Over() {
		return time.Time{}, false
	}
	for _, t := range l.Tx {
		if !t.absorbs() {
			return time.Time{}, false
		}
		if t.End.After(until) {
			until = t.End
		}
	}
	return until, true
}

// Over says that nothing more can happen on the leg that its record would have
// to tell: it is Leaving, and what it asked of its peer is answered or given up.
func (l *Leg) Over() bool {
	if l.State != Leaving || l.ByeHeld {
		return false
	}
	for _, t := range l.Tx {
		if t.ours() && t.state < completed {
			return false
		}
	}
	return true
}

// step is one call of Step: the leg, the time, and what has been decided.
type step struct {
	*Leg
	now time.Time
	out []Action
	why string // of Unsent

	with  []Header // with the End that the leg is told
	tells []Header // with the End that it tells

	replaced *Replaced // of Received

	deaf bool // a reliable provisional had no PRACK

	registration *Registration // whose the leg is; nil: it is a call's
}

// tell is the only way by which anything leaves for the other legs.
func (s *step) tell(sig Signal) { s.out = append(s.out, sig) }

// finish makes the leg Leaving and, where the decision was this leg's own, tells
// it.
func (s *step) finish(c Cause, tell bool) {
	if s.State == Leaving {
		return
	}
	s.State, s.Cause, s.Marks.Ended = Leaving, c, s.now
	s.Patience, s.Refresh, s.Again, s.Change = [3]time.Time{}, never, never, Change{}
	s.Reliable.Progress, s.Reliable.Answer, s.Reliable.Owed = Progress{}, Answer{}, Body{}
	s.Interval, s.Audit, s.Join = Interval{}, Audit{}, Join{}
	s.Referred.over()
	s.Refers.over()
	s.acknowledgeAll()
	if tell {
		s.tell(End{Cause: c, Headers: s.tells})
	}
}

// due fires the timers that have passed, each once.
func (s *step) due() {
	s.fire()
	if due(s.now, s.Refresh) {
		s.repeatProvisional()
	}
	s.rejectUnpracked()
	s.tryAgain()
	s.passIntervals()
	s.passReferrals()
	s.passAudit()
	s.loosePatience()
}

// fire does so for the transactions.
func (s *step) fire() {
	for _, t := range append([]*Tx(nil), s.Tx...) {
		// The end of a state comes first: at 64·T1 nothing is sent again.
		if due(s.now, t.End) {
			t.End = never
			s.move(t, timerEnd, nil)
		} else if due(s.now, t.Repeat) {
			t.Repeat = never
			s.move(t, timerRepeat, nil)
		}
	}
}

// unsent tells a transaction that the transport failed.
func (s *step) unsent(ev Unsent) {
	for _, t := range s.Tx {
		if t.ours() && t.Seq == ev.Tx && t.Method != "CANCEL" {
			s.why = ev.Why
			if !s.backToUDP(t) {
				s.move(t, unsent, nil)
			}
			return
		}
	}
}

// sweep lets go of what has ended.
func (s *step) sweep() {
	if s.State == Leaving {
		s.concludeRequests() // however the leg came to its end (P7)
	}
	s.concludeForks()
	s.settleUp()
	s.join()
	if invite := s.invite(); invite != nil && invite.state > proceeding {
		s.stopMoot(invite)
	}
	live := s.Tx[:0]
	for _, t := range s.Tx {
		if t.state != terminated {
			live = append(live, t)
		}
	}
	clear(s.Tx[len(live):])
	s.Tx = live
	if len(live) == 0 {
		s.Tx = nil
	}
	if s.State == Confirmed && s.Side == Out {
		s.settle()
	}
	s.audit()
}

// settle drops what a confirmed outbound leg no longer needs: early dialogs that
// did not win can still send a 2xx, which makes a dialog of its own then.
func (s *step) settle() {
	kept := s.Dialogs[:0]
	for _, d := range s.Dialogs {
		if !d.Early {
			kept = append(kept, d)
		}
	}
	clear(s.Dialogs[len(kept):])
	s.Dialogs = kept
}

// invite is the transaction of the INVITE that makes the leg; nil: it has ended.
func (l *Leg) invite() *Tx {
	for _, t := range l.Tx {
		if t.Method == "INVITE" && t.Seq == l.first() && (t.machine == inviteClient) == (l.Side == Out) {
			return t
		}
	}
	return nil
}

// First is the transaction number of the INVITE that makes the leg, when it is sent first.
const First = 1

// dialog finds a dialog by the peer's tag.
func (l *Leg) dialog(tag string) *Dialog {
	for _, d := range l.Dialogs {
		if d.Tag == tag {
			return d
		}
	}
	return nil
}

// current is the dialog of the call that is up; nil: there is none.
func (l *Leg) current() *Dialog {
	for _, d := range l.Dialogs {
		if !d.Early && !d.Left {
			return d
		}
	}
	return nil
}

// send adds a message to what is to be done.
func (s *step) send(t *Tx, method string, code int, to, fallback Path, data []byte, repeat bool) {
	a := Send{Leg: s.ID.Leg, Path: to, Fallback: fallback, Data: data, Method: method, Code: code, Repeat: repeat}
	if t != nil {
		a.Tx = t.Seq
	}
	s.out = append(s.out, a)
}

// Names of Drop: why a message got no answer, or none of its own.
const (
	DropAbsorbed = "absorbed"         // a repeat, dealt with on this leg
	DropNoRow    = "no_row"           // the transaction's figure has no arrow for it
	DropNoTx     = "no_transaction"   // it opens as ours and matches no live transaction
	DropLate     = "late_provisional" // a provisional after the final response or of a leg that is leaving
	DropACK      = "stray_ack"        // an ACK of nothing
	DropFull     = "too_many_dialogs" // a fork beyond what a leg keeps
)

// drop counts a message that goes no further.
func (s *step) drop(name string, m *Message) {
	d := Drop{Leg: s.ID.Leg, Name: name, At: s.now}
	if m != nil {
		d.Method, d.Code = m.Method, m.Code
	}
	if name == DropAbsorbed {
		s.Marks.Absorbed++
	}
	s.out = append(s.out, d)
}
