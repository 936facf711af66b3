package b2bua

import (
	"encoding/binary"
	"time"

	"bulkhead/dialog"
)

// schema is the first byte of a record. Fields are only ever added at the end of
// their block, which needs no new schema; the schema changes when a field goes
// or changes its meaning, and the reader then knows the one before as well.
//
// Behind it is until when the call rests (Rests), in ns since 1970; 0: it does not.
// Schema 1 lacked that.
const schema = 2

// Profiles gives a restored call what is not in its record: how to behave toward
// a trunk or a carrier. A name that the configuration no longer has gets
// something safe, never nil.
type Profiles interface {
	TrunkPolicy(name, realm string) *dialog.Policy
	CarrierPolicy(name, realm string) *dialog.Policy
	Profile(carrier string) Profile
	Redirects
}

// Encode appends the record of a call: all that is needed to go on with it.
func (c *Call) Encode(b []byte) []byte {
	var until uint64
	if c.Rests() {
		until = uint64(c.Deadline().UnixNano())
	}
	w := dialog.NewWriter(binary.AppendUvarint(append(b, schema), until))
	c.fields(w)
	return w.Data()
}

// Decode reads what Encode wrote.
func Decode(b []byte, p Profiles) (*Call, error) {
	_, b, ok := head(b)
	if !ok {
		return nil, dialog.ErrRecord
	}
	r := dialog.NewReader(b)
	c := &Call{redirects: p}
	c.fields(r)
	if err := r.Err(); err != nil {
		return nil, err
	}
	if c.Winner >= len(c.Out) || c.Winner < -1 || c.In.Side != dialog.In || c.Begun < 0 || c.Begun > len(c.Out) || int(c.Moving.By) > c.Begun {
		return nil, dialog.ErrRecord
	}
	if c.Winner >= 0 && c.Answered.IsZero() { // an older version's
		c.Answered = c.Out[c.Winner].Marks.Final
	}
	c.In.Policy = p.TrunkPolicy(c.Setup.Trunk, c.In.Path.Realm)
	for _, leg := range c.Out {
		leg.Policy = p.CarrierPolicy(leg.Target.Carrier, leg.Path.Realm)
		c.profiles = append(c.profiles, p.Profile(leg.Target.Carrier))
	}
	for i := range c.Targets {
		t := &c.Targets[i]
		t.Policy, t.Profile = p.CarrierPolicy(t.Carrier, t.Path.Realm), p.Profile(t.Carrier)
	}
	return c, nil
}

// head reads what stands before the fields: until when the call rests, zero if it
// does not.
func head(b []byte) (until time.Time, fields []byte, ok bool) {
	switch {
	case len(b) > 0 && b[0] == 1:
		return until, b[1:], true
	case len(b) == 0 || b[0] != schema:
		return until, nil, false
	}
	n, size := binary.Uvarint(b[1:])
	if size <= 0 || n > 1<<63-1 {
		return until, nil, false
	}
	if n > 0 {
		until = time.Unix(0, int64(n))
	}
	return until, b[1+size:], true
}

// fields lists the fields of the record in their order.
func (c *Call) fields(r *dialog.Coder) {
	r.Block(&c.tail, func() {
		c.began(r)
		c.Setup.Fields(r)
		c.ID = c.Setup.Call
		if r.Reading() {
			c.In = &dialog.Leg{}
		}
		c.In.Fields(r)
		dialog.List(r, &c.Out, func(p **dialog.Leg) {
			if r.Reading() {
				*p = &dialog.Leg{}
			}
			(*p).Fields(r)
		})
		dialog.List(r, &c.Targets, func(t *Target) { t.Fields(r) })
		dialog.Int(r, &c.Winner)
		dialog.Int(r, &c.Limit)
		r.Time(&c.Expires)
		c.Ended.Fields(r)
		r.String(&c.EndedBy)
		r.Time(&c.EndedAt)
		r.Flag(&c.Written)
		r.Uint(&c.Version)
		r.Uint(&c.watch.final)
		r.Flag(&c.watch.closed)
		for i := range c.watch.over {
			r.Uint(&c.watch.over[i])
		}
		r.Flag(&c.Setup.Reliable)
		dialog.Int(r, &c.Setup.MinSE)
		r.Bytes(&c.By)
		dialog.List(r, &c.Skips, func(s *Skip) { s.fields(r) })
		r.String(&c.Setup.EarlyMedia)
		dialog.List(r, &c.Transfers, func(t *Transfer) { t.fields(r) })
		r.Time(&c.Answered)
		dialog.Int(r, &c.Begun)
		c.Moving.fields(r)
		r.Time(&c.Choosing)
		dialog.List(r, &c.Untried, func(u *Untried) { u.fields(r) })
		c.Setup.MoreFields(r)
		for i := range c.Targets {
			r.String(&c.Targets[i].Dead)
			r.String(&c.Targets[i].Route)
		}
		r.Time(&c.Saved)
		c.Media.Fields(r)
	})
}

// began is the first field: the instant from which all others are counted.
func (c *Call) began(r *dialog.Coder) {
	var n int64
	if !r.Reading() {
		n = c.In.Marks.Began.UnixNano()
	}
	dialog.Int(r, &n)
	r.Base = time.Unix(0, n)
}
