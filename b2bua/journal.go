package b2bua

import (
	"hash/maphash"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bulkhead/dialog"
)

// Journal remembers what crossed the wire of each call: 24 bytes a message, one line for a
// message and all its repeats. A call that has ended stays readable for Keep.
//
// It is an Observer. What a node saw is lost with it: of a call that was taken over, what
// came since is here.
type Journal struct {
	// Keep is how long the journal of a call that has ended is kept; zero: not at all.
	Keep time.Duration
	// PerCall is how many lines of one call are kept; zero: 256. Beyond that only their
	// number is.
	PerCall int
	// InAll is how many lines are kept; zero: 2,000,000 (some 64 MB). Beyond that calls that
	// have ended make room, the oldest first; where none has, the calls that are up get no
	// more lines.
	InAll int

	shards [64]pages
	lines  atomic.Int64
	mu     sync.Mutex
	ended  []past // oldest first
}

type pages struct {
	mu    sync.Mutex
	calls map[dialog.CallID]*page
}

// page is the journal of one call.
type page struct {
	began time.Time
	lines []line
	lost  int
	from  bool    // the beginning is here
	left  bool    // nothing more will be seen
	over  *Record // nil: it has not ended
}

// past is a call that has ended, at a time.
type past struct {
	id dialog.CallID
	at time.Time
}

// line is a message and its repeats.
type line struct {
	at, until uint32 // ms since the page began
	count     uint32
	hash      uint32 // of its bytes
	absorbed  uint16
	code      uint16
	method    uint8 // index in methods
	note      uint8 // index in notes
	leg       uint8
	flags     uint8
}

const (
	lineIn   = 1 << iota // from the peer
	lineBody             // it has a body
)

// methods are those that a line can name; another is the first.
var methods = [...]string{"?", "INVITE", "ACK", "CANCEL", "BYE", "PRACK", "UPDATE", "INFO", "OPTIONS", "REFER", "NOTIFY", "MESSAGE", "SUBSCRIBE", "PUBLISH", "REGISTER"}

// notes are what can become of a message that goes no further, besides nothing.
var notes = [...]string{"", dialog.DropAbsorbed, dialog.DropNoRow, dialog.DropNoTx, dialog.DropLate, dialog.DropACK, dialog.DropFull, dialog.DropGap, dialog.DropReason, "dropped"}

var journalSeed = maphash.MakeSeed()

// Saw is Observer.
func (j *Journal) Saw(s Sight) {
	sh := j.shard(s.Call)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	p := sh.calls[s.Call]
	if s.Data == nil {
		if p != nil {
			p.mark(s)
		}
		return
	}
	if p == nil {
		p = &page{began: s.At, from: s.In && s.Leg == 0 && s.Method == "INVITE"}
		if sh.calls == nil {
			sh.calls = map[dialog.CallID]*page{}
		}
		sh.calls[s.Call] = p
	}
	n := line{
		at: p.ms(s.At), count: 1, hash: uint32(maphash.Bytes(journalSeed, s.Data)), leg: s.Leg, code: uint16(s.Code),
		method: uint8(max(0, slices.Index(methods[:], s.Method))),
	}
	n.until = n.at
	if s.In {
		n.flags |= lineIn
	}
	if l := len(s.Data); l < 4 || string(s.Data[l-4:]) != "\r\n\r\n" {
		n.flags |= lineBody
	}
	if old := p.same(n); old != nil {
		old.count, old.until = old.count+1, n.at
		return
	}
	if len(p.lines) >= j.perCall() || !j.room() {
		p.lost++
		return
	}
	p.lines = append(p.lines, n)
	j.lines.Add(1)
}

// same finds the line that a message repeats; nil: there is none.
func (p *page) same(n line) *line {
	for i := len(p.lines) - 1; i >= 0; i-- {
		if o := &p.lines[i]; o.hash == n.hash && o.leg == n.leg && o.flags == n.flags && o.code == n.code && o.method == n.method {
			return o
		}
	}
	return nil
}

// mark notes what became of the message of the leg that came in last.
func (p *page) mark(s Sight) {
	var last *line
	for i := range p.lines {
		if o := &p.lines[i]; o.leg == s.Leg && o.flags&lineIn != 0 && (last == nil || o.until >= last.until) {
			last = o
		}
	}
	if last == nil {
		return
	}
	if s.Note == dialog.DropAbsorbed {
		if last.absorbed < math.MaxUint16 {
			last.absorbed++
		}
		return
	}
	n := slices.Index(notes[:], s.Note)
	if n < 0 {
		n = len(notes) - 1
	}
	last.note = uint8(n)
}

func (p *page) ms(at time.Time) uint32 {
	return uint32(min(max(at.Sub(p.began).Milliseconds(), 0), math.MaxUint32))
}

func (j *Journal) shard(id dialog.CallID) *pages { return &j.shards[id[7]%64] }

func (j *Journal) perCall() int {
	if j.PerCall == 0 {
		return 256
	}
	return j.PerCall
}

// room says that one more line may be kept. The lock of a shard is held: what makes room
// is in others, and waits for the next end.
func (j *Journal) room() bool { return j.lines.Load() < int64(j.inAll()) }

func (j *Journal) inAll() int {
	if j.InAll == 0 {
		return 2_000_000
	}
	return j.InAll
}

// Hunted is Observer: the record has it.
func (j *Journal) Hunted(dialog.CallID, Failover) {}

// Ended is Observer.
func (j *Journal) Ended(id dialog.CallID, r Record) {
	sh := j.shard(id)
	sh.mu.Lock()
	if p := sh.calls[id]; p != nil && j.Keep > 0 {
		p.over = &r
	}
	sh.mu.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.Keep > 0 {
		j.ended = append(j.ended, past{id, r.Ended})
	}
	for len(j.ended) > 0 && (r.Ended.Sub(j.ended[0].at) > j.Keep || j.lines.Load() > int64(j.inAll())*9/10) {
		j.forget(j.ended[0].id)
		j.ended = j.ended[1:]
	}
}

// Left is Observer.
func (j *Journal) Left(id dialog.CallID) {
	sh := j.shard(id)
	sh.mu.Lock()
	p := sh.calls[id]
	gone := p != nil && p.over == nil // its record is another node's, or was written before the page began
	if p != nil {
		p.left = true
	}
	sh.mu.Unlock()
	if gone {
		j.forget(id)
	}
}

func (j *Journal) forget(id dialog.CallID) {
	sh := j.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if p := sh.calls[id]; p != nil {
		j.lines.Add(-int64(len(p.lines)))
		delete(sh.calls, id)
	}
}

// Lines is how many lines are kept in all.
func (j *Journal) Lines() int { return int(j.lines.Load()) }

// Account is what a Journal knows of a call.
type Account struct {
	Began  time.Time
	Whole  bool    // from the INVITE on; false: the call was taken over, what came before is not known
	Rungs  []Rung  // in the order of their first sending
	Lost   int     // messages beyond the bound
	Record *Record // of a call that has ended; nil: it has not
	Left   bool    // nothing more will be seen of it: what peers still said has been absorbed
}

// Rung is a message and all its repeats.
type Rung struct {
	At       time.Time `json:"at"`
	Leg      uint8     `json:"leg"` // 0: the trunk's; n: attempt n's
	In       bool      `json:"in"`  // from the peer to Bulkhead
	Method   string    `json:"method"`
	Code     int       `json:"code,omitempty"` // 0: a request
	Body     bool      `json:"body,omitempty"`
	Count    int       `json:"count"` // with the first
	Until    time.Time `json:"until"` // of the last repeat
	Absorbed int       `json:"absorbed,omitempty"`
	Note     string    `json:"note,omitempty"` // why it went no further
}

// Past gives what is known of the calls that have ended, the oldest first.
func (j *Journal) Past(now time.Time, each func(dialog.CallID, Account)) {
	j.mu.Lock()
	ended := slices.Clone(j.ended)
	j.mu.Unlock()
	for _, p := range ended {
		if a, ok := j.Call(p.id, now); ok && a.Record != nil {
			each(p.id, a)
		}
	}
}

// Call gives what is known of a call at a time; false: nothing is.
func (j *Journal) Call(id dialog.CallID, now time.Time) (Account, bool) {
	sh := j.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	p := sh.calls[id]
	if p == nil || p.over != nil && now.Sub(p.over.Ended) > j.Keep {
		return Account{}, false
	}
	a := Account{Began: p.began, Whole: p.from, Lost: p.lost, Record: p.over, Left: p.left, Rungs: make([]Rung, 0, len(p.lines))}
	for _, l := range p.lines {
		a.Rungs = append(a.Rungs, Rung{
			At: p.began.Add(time.Duration(l.at) * time.Millisecond), Until: p.began.Add(time.Duration(l.until) * time.Millisecond),
			Leg: l.leg, In: l.flags&lineIn != 0, Method: methods[l.method], Code: int(l.code), Body: l.flags&lineBody != 0,
			Count: int(l.count), Absorbed: int(l.absorbed), Note: notes[l.note],
		})
	}
	return a, true
}
