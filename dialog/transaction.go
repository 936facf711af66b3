package dialog

import "time"

// machine is one of the four transaction state machines of RFC 3261 §17.
type machine uint8

const (
	inviteClient machine = iota
	client
	inviteServer
	server
	reliable // a provisional that waits for its PRACK (RFC 3262 §3)
	machines
)

// state is where a transaction stands, by the names of the RFC's figures.
type state uint8

const (
	calling    state = iota // INVITE client, before any response
	trying                  // non-INVITE, before any response
	proceeding              // a provisional response has been seen or sent
	completed               // a final response has been seen or sent; of an INVITE: other than 2xx
	confirmed               // INVITE server: the ACK has come
	accepted                // INVITE: a 2xx has been seen or sent (RFC 6026)
	lingering               // INVITE client: beyond Timer D, what repeats is still ACKed
	terminated
	states
)

// String is the state's name in the RFC's figures.
func (s state) String() string {
	return [...]string{"calling", "trying", "proceeding", "completed", "confirmed", "accepted", "lingering", "terminated"}[s]
}

// input is what makes a transaction move.
type input uint8

const (
	got1xx input = iota
	got2xx
	got3to6
	gotFinal   // a final response to a request other than INVITE
	gotRequest // the request, or a repeat of it
	gotACK
	tell1xx // our user wants a response sent
	tell2xx
	tell3to6
	tellFinal
	timerRepeat // A, E, G: the time to send again
	timerEnd    // B, D, F, H, I, J, K, L, M: the time to be in this state is over
	unsent      // the transport could not send
	moot        // a CANCEL or PRACK: the INVITE has its final response
	gotPRACK
	inputs
)

// Tx is one transaction of a leg. Between its states it has never more than two
// timers: one that repeats and one that ends, so these two are all there are.
type Tx struct {
	machine machine
	state   state
	Method  string
	Seq     uint16 // ours: in the branch of what we send. Theirs: a number of our own
	Branch  string // theirs: the branch to match
	CSeq    uint32
	Vias    []string // theirs: what a response is to mirror
	Routes  []string // theirs: Record-Route, mirrored in what makes a dialog
	Of      string   // the dialog that it is within, by the peer's tag; of our first INVITE: none
	Target  string   // theirs: the Contact of a target refresh, taken when it is accepted
	Offer   bool     // ours: the request carried an offer
	For     uint16   // ours: the number of the other side's request that it passes on; 0: none
	Own     bool     // ours: nobody on the other side has asked for it
	From    string   // theirs: From and To of the request where the dialog's are others
	To      string
	Path    Path
	Last    []byte        // what is sent again: the request, the last response, or the ACK
	Code    int           // of the last response seen or sent
	Repeat  time.Time     // timerRepeat; zero: off
	Every   time.Duration // until the repeat after it
	End     time.Time     // timerEnd; zero: off

	RSeq uint32 // of a reliable provisional
	Sub  bool   // ours: a NOTIFY of the subscription that a REFER implies

	Auths uint8 // ours: how often the request had been challenged before

	tail []byte // of a record that a newer version wrote
}

// At says which of the four machines the transaction runs, and in which state it is,
// by the names of RFC 3261 §17.
func (t *Tx) At() (machine, state string) {
	return [...]string{"INVITE client", "client", "INVITE server", "server"}[t.machine], t.state.String()
}

// is says that a message belongs to a transaction that the peer has begun
// (RFC 3261 §17.2.3).
func (t *Tx) is(m *Message) bool {
	return (t.machine == server || t.machine == inviteServer) && t.Branch == m.Branch && t.CSeq == m.CSeq && t.Method == m.Method
}

// ours says that the transaction was begun by us.
func (t *Tx) ours() bool { return t.machine == client || t.machine == inviteClient }

// waitsForACK says that it is a re-INVITE of ours whose 2xx brought the offer: its
// ACK is made of the other side's.
func (l *Leg) waitsForACK(t *Tx) bool {
	return t.machine == inviteClient && !l.makes(t) && t.state == accepted && t.Last == nil
}

// deadline is the earlier of the two timers.
func (t *Tx) deadline() time.Time { return earlier(t.Repeat, t.End) }

// absorbs says that all the transaction still does is to end: nothing is done then (tables.go),
// or, of an INVITE that was accepted and whose ACK is here, nothing any more.
func (t *Tx) absorbs() bool {
	if !t.Repeat.IsZero() || t.End.IsZero() {
		return false
	}
	a := figures[t.machine][t.state][timerEnd]
	return a != nil && a.next == terminated && (a.do == nil || t.machine == inviteServer && t.state == accepted && t.Every == 0)
}

// earlier is the earlier of two times, of which the zero time is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// due says that a timer that is set has passed.
func due(now, t time.Time) bool { return !t.IsZero() && !t.After(now) }
