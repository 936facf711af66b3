package b2bua

import (
	"fmt"
	"hash/maphash"
	"reflect"
	"slices"
	"testing"
	"time"
	"unsafe"

	"bulkhead/dialog"
)

// The state of a call, as the model sees it: copied before every step, and
// hashed with what cannot matter left out. Of a timer only whether it is armed
// is hashed, because the model fires every armed timer at every moment.

// clone copies a call so deeply that stepping the copy leaves the original as
// it was. Byte slices and lists of strings are shared: the core never writes
// into them.
func clone(c *Call) *Call {
	n := *c
	n.In = cloneLeg(c.In)
	n.Out = make([]*dialog.Leg, len(c.Out), len(c.Out)+1)
	for i, l := range c.Out {
		n.Out[i] = cloneLeg(l)
	}
	n.profiles, n.Targets, n.By, n.Skips = slices.Clip(c.profiles), slices.Clip(c.Targets), slices.Clip(c.By), slices.Clip(c.Skips)
	n.Transfers, n.Untried = slices.Clone(c.Transfers), slices.Clip(c.Untried)
	n.Media = c.Media.Clone()
	n.out = nil
	return &n
}

func cloneLeg(l *dialog.Leg) *dialog.Leg {
	n := *l
	n.Dialogs = make([]*dialog.Dialog, len(l.Dialogs), len(l.Dialogs)+1)
	for i, d := range l.Dialogs {
		e := *d
		n.Dialogs[i] = &e
	}
	n.Tx = make([]*dialog.Tx, len(l.Tx), len(l.Tx)+1)
	for i, t := range l.Tx {
		u := *t
		n.Tx[i] = &u
	}
	return &n
}

// hashing is one hash in the making.
type hashing struct{ h uint64 }

var seed = maphash.MakeSeed()

func (h *hashing) num(v uint64) {
	h.h = (h.h ^ v) * 0x9e3779b97f4a7c15
	h.h ^= h.h >> 29
}

func (h *hashing) flag(b bool) {
	if b {
		h.num(1)
	} else {
		h.num(2)
	}
}

func (h *hashing) armed(t time.Time) { h.flag(!t.IsZero()) }
func (h *hashing) text(s string) {
	if s == "" {
		h.num(3)
		return
	}
	h.num(maphash.String(seed, s))
}

func (h *hashing) bytes(b []byte) {
	if len(b) == 0 {
		h.num(4)
		return
	}
	h.num(maphash.Bytes(seed, b))
}

// txMachine and txState are where dialog.Tx keeps what it does not export.
var (
	txMachine = offsetOf("machine")
	txState   = offsetOf("state")
)

func offsetOf(field string) uintptr {
	f, ok := reflect.TypeFor[dialog.Tx]().FieldByName(field)
	if !ok || f.Type.Kind() != reflect.Uint8 {
		panic("dialog.Tx has no byte called " + field)
	}
	return f.Offset
}

func byteAt(t *dialog.Tx, offset uintptr) uint64 {
	return uint64(*(*uint8)(unsafe.Add(unsafe.Pointer(t), offset)))
}

// hashTx leaves out what was fixed when the transaction began (Vias, Routes,
// Path follow from Branch) and how far its repeats have slowed down.
func hashTx(t *dialog.Tx) uint64 {
	h := hashing{}
	h.num(byteAt(t, txMachine)<<8 | byteAt(t, txState))
	h.text(t.Method)
	h.num(uint64(t.Seq)<<32 | uint64(t.CSeq))
	h.text(t.Branch)
	h.text(t.Of)
	h.text(t.Target)
	h.flag(t.Offer)
	h.num(uint64(t.For)<<32 | uint64(t.RSeq))
	h.flag(t.Own)
	h.flag(t.Sub)
	h.num(uint64(t.Auths))
	h.text(t.From)
	h.text(t.To)
	h.bytes(t.Last)
	h.num(uint64(t.Code))
	h.armed(t.Repeat)
	h.flag(t.Every != 0)
	h.armed(t.End)
	return h.h
}

func hashDialog(d *dialog.Dialog) uint64 {
	h := hashing{}
	h.text(d.Tag)
	h.text(d.Peer)
	h.text(d.Target)
	h.num(uint64(len(d.Routes)))
	h.num(uint64(d.CSeq)<<32 | uint64(d.InvSeq))
	h.flag(d.Early)
	h.flag(d.Update)
	h.flag(d.Left)
	h.num(d.Shown)
	h.bytes(d.Offer.Data)
	h.bytes(d.Ack)
	h.num(uint64(d.RSeq)<<32 | uint64(d.Unacked))
	h.bytes(d.Answer.Data)
	return h.h
}

// hashLeg leaves out what is the same in every state of the leg (its
// identifiers, policy and target) and its Marks, but for Late.
func hashLeg(l *dialog.Leg) uint64 {
	h := hashing{}
	h.num(uint64(l.State)<<16 | uint64(l.Cause.Why))
	h.num(uint64(l.Cause.Code))
	h.num(uint64(l.CSeq)<<16 | uint64(l.Seq))
	h.flag(l.Offer)
	var sum uint64 // the order of dialogs and transactions does not matter
	for _, d := range l.Dialogs {
		sum += hashDialog(d)
	}
	h.num(sum)
	sum = 0
	for _, t := range l.Tx {
		sum += hashTx(t)
	}
	h.num(sum)
	for _, t := range l.Patience {
		h.armed(t)
	}
	h.armed(l.Refresh)
	h.flag(l.ByeHeld)
	h.flag(l.Cancelled)
	h.flag(l.Marks.Late)
	h.flag(l.Stays())
	h.num(l.Session.Version)
	h.num(l.Session.Hash)
	r := &l.Reliable
	h.num(uint64(r.Peer)<<32 | uint64(r.RSeq))
	h.num(r.Given)
	h.num(uint64(r.Progress.Code)<<16 | uint64(r.Answer.Code))
	h.flag(r.Progress.Reliable)
	h.bytes(r.Progress.Body.Data)
	h.bytes(r.Answer.Body.Data)
	h.bytes(r.Owed.Data)
	h.armed(l.Again)
	i := &l.Interval
	h.num(uint64(l.MinSE))
	h.num(uint64(i.Length))
	h.flag(i.Us)
	h.armed(i.Refresh)
	h.armed(i.Expires)
	h.num(uint64(i.Min))
	h.num(maphash.Comparable(seed, i.Wish))
	h.bytes(i.Body.Data)
	h.armed(l.Audit.Next)
	h.num(uint64(l.Audit.Lost))
	h.num(maphash.Comparable(seed, l.SessionID))
	h.num(uint64(l.Change.Seq))
	h.flag(l.Change.Ours)
	h.flag(l.Change.Early)
	h.bytes(l.Change.Offer.Data)
	h.flag(r.Changed)
	h.flag(l.Change.Again)
	h.num(uint64(r.Unasked))
	h.bytes(r.Said.Data)
	for _, r := range [...]*dialog.Referral{&l.Referred, &l.Refers} {
		h.num(uint64(r.Ref)<<48 | uint64(r.Count)<<32 | uint64(r.CSeq))
		h.num(uint64(r.Code))
		h.armed(r.Until)
	}
	h.bytes(l.Join.Offer.Data)
	h.num(uint64(l.Join.Seq))
	for _, c := range l.Auth.Challenges {
		h.num(maphash.Comparable(seed, c))
	}
	for _, s := range l.Auth.Shown {
		h.text(s.Value)
	}
	h.num(uint64(l.Auth.Invite))
	return h.h
}

// hashCall puts the legs together with what the call itself remembers.
func hashCall(c *Call) uint64 {
	h := hashing{}
	h.num(hashLeg(c.In))
	for _, l := range c.Out {
		h.num(hashLeg(l))
	}
	h.num(uint64(len(c.Targets))<<32 | uint64(uint32(c.Winner)))
	for _, t := range c.Transfers {
		h.num(uint64(t.Leg)<<32 | uint64(t.Ref)<<16 | uint64(t.Code))
	}
	h.num(uint64(c.Begun)<<32 | uint64(c.Moving.By)<<16 | uint64(c.Moving.Ref))
	h.text(c.Moving.Who)
	h.armed(c.Moving.Until)
	h.armed(c.Choosing)
	h.armed(c.Expires)
	h.armed(c.EndedAt)
	h.flag(c.Written)
	h.bytes(c.By)
	h.num(uint64(len(c.Skips)))
	h.num(uint64(len(c.Untried)))
	h.num(c.watch.final)
	h.flag(c.watch.closed)
	h.num(c.watch.over[0])
	for _, a := range c.Media.Anchors {
		h.num(uint64(a.Leg)<<16 | uint64(a.Mode)<<8 | uint64(a.Offered))
		h.flag(a.Renew)
		h.flag(a.Ended)
		for _, s := range a.Streams {
			for _, e := range s.Ends {
				h.num(maphash.Comparable(seed, [3]any{e.Local, e.Far, e.Said}))
			}
		}
	}
	return h.h
}

// TestModelKnowsTheState holds the hash and the copy to the types they are of:
// a field that is added must be thought of here.
func TestModelKnowsTheState(t *testing.T) {
	for _, known := range []struct {
		of     reflect.Type
		fields string
	}{
		{reflect.TypeFor[Call](), "ID Setup In Out Targets Winner Limit Expires Begun Ended EndedBy EndedAt Written Version Saved By Skips Untried Answered Transfers Moving Choosing Media chosen profiles redirects judge anchors watch tail out changed promise"},
		{reflect.TypeFor[Watch](), "final closed over"},
		{reflect.TypeFor[dialog.Leg](), "ID Side State Policy Target Cause Marks CallID Tag Self Peer URI Path MaxFwd CSeq Seq Offer Dialogs Tx Patience Refresh ByeHeld Cancelled Session Reliable Interval Audit MinSE Again Change Referred Refers Join Auth SessionID tail heard"},
		{reflect.TypeFor[dialog.Dialog](), "Tag Peer Target Routes CSeq Early Update Left Shown Offer Ack AckTo InvSeq RSeq Unacked Answer tail"},
		{reflect.TypeFor[dialog.Tx](), "machine state Method Seq Branch CSeq Vias Routes Of Target Offer For Own From To Path Last Code Repeat Every End RSeq Sub Auths tail"},
		{reflect.TypeFor[dialog.Session](), "Version Hash"},
		{reflect.TypeFor[dialog.Interval](), "Length Us Refresh Expires Min Wish Body"},
		{reflect.TypeFor[dialog.Reliable](), "Peer RSeq Given Progress Answer Owed Changed Said Unasked"},
		{reflect.TypeFor[dialog.Change](), "Seq Ours Early Offer Again"},
		{reflect.TypeFor[dialog.Referral](), "Ref CSeq Count Until Code Phrase"},
		{reflect.TypeFor[Transfer](), "Leg Ref To Call At How Code"},
		{reflect.TypeFor[Moving](), "By Ref Who Until"},
		{reflect.TypeFor[Untried](), "Carrier Gateway Why"},
		{reflect.TypeFor[dialog.Join](), "Offer Seq"},
		{reflect.TypeFor[dialog.Audit](), "Next Lost"},
		{reflect.TypeFor[dialog.Auth](), "Challenges Shown Invite"},
		{reflect.TypeFor[dialog.Challenge](), "Proxy Realm Nonce Opaque Algorithm Named QOP Count For stale"},
	} {
		got := ""
		for i := range known.of.NumField() {
			if i > 0 {
				got += " "
			}
			got += known.of.Field(i).Name
		}
		if got != known.fields {
			t.Errorf("%v has the fields\n%s\nthe model knows\n%s", known.of, got, known.fields)
		}
	}
}

// timer is one armed timer of a call.
type timer struct {
	leg  uint8
	name string // for people
	end  bool   // ends the state of a transaction
	tx   uint16 // of which transaction
	at   func(*Call) *time.Time
}

// timers lists what is armed.
func timers(c *Call) (list []timer) {
	if !c.Expires.IsZero() {
		list = append(list, timer{leg: 0xff, name: "expires", at: func(c *Call) *time.Time { return &c.Expires }})
	}
	if !c.Choosing.IsZero() {
		list = append(list, timer{leg: 0xff, name: "decision", at: func(c *Call) *time.Time { return &c.Choosing }})
	}
	if !c.Moving.Until.IsZero() {
		list = append(list, timer{leg: 0xff, name: "transfer", at: func(c *Call) *time.Time { return &c.Moving.Until }})
	}
	for n := 0; n <= len(c.Out); n++ {
		leg := c.leg(uint8(n))
		for i, t := range leg.Tx {
			tm := timer{leg: uint8(n), tx: t.Seq}
			if !t.End.IsZero() {
				tm.name, tm.end = t.Method+" end", true
				tm.at = func(c *Call) *time.Time { return &c.leg(uint8(n)).Tx[i].End }
				list = append(list, tm)
			}
			if !t.Repeat.IsZero() {
				tm.name, tm.end = t.Method+" repeat", false
				tm.at = func(c *Call) *time.Time { return &c.leg(uint8(n)).Tx[i].Repeat }
				list = append(list, tm)
			}
		}
		for i, p := range leg.Patience {
			if !p.IsZero() {
				list = append(list, timer{leg: uint8(n), name: [...]string{"no response", "no ringing", "no answer"}[i], at: func(c *Call) *time.Time { return &c.leg(uint8(n)).Patience[i] }})
			}
		}
		if !leg.Interval.Refresh.IsZero() {
			list = append(list, timer{leg: uint8(n), name: "session refresh", at: func(c *Call) *time.Time { return &c.leg(uint8(n)).Interval.Refresh }})
		}
		if !leg.Interval.Expires.IsZero() {
			list = append(list, timer{leg: uint8(n), name: "session expires", at: func(c *Call) *time.Time { return &c.leg(uint8(n)).Interval.Expires }})
		}
		if !leg.Referred.Until.IsZero() {
			list = append(list, timer{leg: uint8(n), name: "referred", at: func(c *Call) *time.Time { return &c.leg(uint8(n)).Referred.Until }})
		}
		if !leg.Refers.Until.IsZero() {
			list = append(list, timer{leg: uint8(n), name: "refers", at: func(c *Call) *time.Time { return &c.leg(uint8(n)).Refers.Until }})
		}
		if !leg.Audit.Next.IsZero() {
			list = append(list, timer{leg: uint8(n), name: "audit", at: func(c *Call) *time.Time { return &c.leg(uint8(n)).Audit.Next }})
		}
		if !leg.Again.IsZero() {
			list = append(list, timer{leg: uint8(n), name: "again", at: func(c *Call) *time.Time { return &c.leg(uint8(n)).Again }})
		}
		if !leg.Refresh.IsZero() {
			list = append(list, timer{leg: uint8(n), name: "refresh", at: func(c *Call) *time.Time { return &c.leg(uint8(n)).Refresh }})
		}
	}
	return list
}

// dump is a call in a few lines, for a trace.
func dump(c *Call) string {
	s := fmt.Sprintf("targets %d, winner %d, written %v, ended %q", len(c.Targets), c.Winner, c.Written, c.EndedBy)
	for n := 0; n <= len(c.Out); n++ {
		l := c.leg(uint8(n))
		s += fmt.Sprintf("\n    leg %d %v done %v held %v change %v", n, l.State, l.Done(), l.ByeHeld, l.Change)
		for _, t := range l.Tx {
			s += fmt.Sprintf("\n      %s %d: machine %d state %d code %d", t.Method, t.Seq, byteAt(t, txMachine), byteAt(t, txState), t.Code)
		}
		for _, d := range l.Dialogs {
			s += fmt.Sprintf("\n      dialog %q early %v left %v", d.Tag, d.Early, d.Left)
		}
	}
	return s
}
