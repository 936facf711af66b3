package b2bua

import (
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// Transfer is a transfer that a peer has asked for (RFC 3515).
type Transfer struct {
	Leg  uint8  // whose peer has
	Ref  uint16 // dialog.Refer.Ref
	To   string
	Call dialog.CallID // of whose dialog it takes the place; zero: of none of ours
	At   time.Time
	How  dialog.Transfers
	Code int // the last that was heard of it
}

// maxTransfers is how many the record of a call tells of: of others none is carried out.
const maxTransfers = 16

func (t *Transfer) fields(r *dialog.Coder) {
	dialog.Int(r, &t.Leg)
	dialog.Int(r, &t.Ref)
	r.String(&t.To)
	call := t.Call[:]
	r.Bytes(&call)
	if r.Reading() && copy(t.Call[:], call) != len(t.Call) {
		r.Fail()
	}
	r.Time(&t.At)
	dialog.Int(r, &t.How)
	dialog.Int(r, &t.Code)
}

// refer is a leg whose peer wants the other side to call somebody else: a matter of the
// two of them, or of ours where the peer's profile says so. The record tells of it.
func (c *Call) refer(now time.Time, from *dialog.Leg, sig dialog.Refer) {
	to := sig.URI
	if to == "" {
		to = sig.User
	}
	if len(c.Transfers) < maxTransfers {
		c.Transfers = append(c.Transfers, Transfer{Leg: from.ID.Leg, Ref: sig.Ref, To: to, Call: sig.Call, At: now, How: from.Policy.Transfers})
	}
	if from.Policy.Transfers == dialog.FollowTransfers {
		c.follow(now, from, sig)
	} else if other := c.other(from); other != nil {
		c.step(now, other, sig)
	}
}

// transferred notes what was heard of the transfer that a leg's peer has asked for.
func (c *Call) transferred(by *dialog.Leg, ref uint16, code int) {
	if t := c.transfer(by, ref); t != nil {
		t.Code = code
	}
}

// transfer is the one that a leg's peer has asked for; nil: the record does not tell of it.
func (c *Call) transfer(by *dialog.Leg, ref uint16) *Transfer {
	for i := range c.Transfers {
		if t := &c.Transfers[i]; t.Leg == by.ID.Leg && t.Ref == ref {
			return t
		}
	}
	return nil
}

func (c *Call) transferRecord(t Transfer) TransferRecord {
	r := TransferRecord{By: "trunk", Name: c.Setup.Trunk, To: t.To, How: t.How.String(), At: t.At, Status: t.Code}
	if t.Leg > 0 {
		r.By, r.Name = "carrier", c.leg(t.Leg).Target.Carrier
	}
	if t.Call != (dialog.CallID{}) {
		r.Call = t.Call.String()
	}
	return r
}

// replaced is the dialog that is joined to the one that a Replaces names; nil: no such
// call is up.
func (c *Call) replaced(leg uint8, r dialog.Replaces) *dialog.Replaced {
	named := c.leg(leg)
	if named == nil || !named.Named(r) {
		return nil
	}
	if other := c.other(named); other != nil {
		if d, ok := other.Naming(); ok {
			return &d
		}
	}
	return nil
}

// referral finds where a REFER leads that we are to carry out, by the routes of the call's
// trunk: nowhere, if it is none of ours. False: somebody else decides, and the REFER comes
// back with the decision.
func (s *strand) referral(now time.Time, it *item) bool {
	leg := s.call.leg(it.leg)
	if it.asked || it.message.Method != "REFER" || it.message.Code != 0 || leg == nil || leg.Policy.Transfers != dialog.FollowTransfers {
		return true
	}
	r, _, ok := it.message.Reference()
	if !ok {
		return true
	}
	setup := s.call.Setup
	setup.Number, setup.Domain = r.User, r.Host
	if c := s.profiles.Carrier(leg.Target.Carrier); c != nil {
		setup.Number = c.Undialled(r.User)
	}
	choice := s.profiles.choose(now, setup, chooser{s.engine, setup.Call})
	if choice.Ask == nil {
		it.targets = s.profiles.list(choice)
		return true
	}
	later := *it
	s.decide(now, choice.Ask, setup, func(c carriers.Choice) item {
		later.asked, later.targets = true, s.profiles.list(c)
		return later
	})
	return false
}

// naming finds the call of ours that a REFER's Replaces names, in its own strand, and
// goes on. Only who is in that call may name it (RFC 3891 §4).
func (e *Engine) naming(it *item, then func()) {
	reference, _, ok := it.message.Reference()
	a, ours := e.seal.OpenTag(reference.Replaces.ToTag)
	if !ok || !ours || a.Leg == dialog.Stateless {
		then()
		return
	}
	look := item{state: func(s *strand) {
		if s.call != nil && e.belongs(s, &item{leg: a.Leg, path: it.path}) {
			it.replaced = s.call.replaced(a.Leg, reference.Replaces)
		}
		then()
	}}
	if e.give(a.Call, look) {
		return
	}
	if l := e.loading.Load(); l != nil { // just taken over, and perhaps not restored yet
		l.load(e, a.Call, false, func(bool) {
			if !e.give(a.Call, look) {
				then()
			}
		})
		return
	}
	then()
}
