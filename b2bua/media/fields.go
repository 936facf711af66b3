package media

import (
	"encoding/json"
	"net/netip"
	"time"

	"bulkhead/b2bua/media/relay"
)

// Coder writes or reads fields in one order: a dialog.Coder. What is never there in most
// records costs a byte.
type Coder interface {
	Reading() bool
	Uint(*uint64)
	Flag(*bool)
	String(*string)
	Bytes(*[]byte)
	Time(*time.Time)
	AddrPort(*netip.AddrPort)
	Fail()
}

// small is an unsigned number of any kind.
func small[T ~uint8 | ~uint16 | ~uint32 | ~int64](c Coder, v *T) {
	u := uint64(*v) // nothing here is negative
	c.Uint(&u)
	if *v = T(u); uint64(*v) != u { // checked right here
		c.Fail()
	}
}

// list is a list of items, of as many as a reader believes.
func list[T any](c Coder, v *[]T, most int, item func(*T)) {
	n := uint64(len(*v))
	c.Uint(&n)
	if c.Reading() {
		*v = nil
		if n > uint64(most) { // a constant
			c.Fail()
			return
		}
		if n > 0 {
			*v = make([]T, n)
		}
	}
	for i := range *v {
		item(&(*v)[i])
	}
}

// Bounds of what a record may hold.
const (
	mostAnchors = 256 // one byte numbers the legs
	mostStreams = 64
	mostKeys    = 64
)

// Fields writes or reads the state.
func (s *State) Fields(c Coder) {
	list(c, &s.Anchors, mostAnchors, func(a *Anchor) {
		small(c, &a.Leg)
		small(c, &a.Mode)
		c.String(&a.Node)
		small(c, &a.Offered)
		c.Flag(&a.Renew)
		c.Flag(&a.Ended)
		list(c, &a.Streams, mostStreams, func(t *Stream) { t.fields(c) })
		small(c, &a.Root)
		small(c, &a.Was)
		c.Flag(&a.Agreed)
		for side := range a.Bodies {
			c.Bytes(&a.Bodies[side])
			c.Bytes(&a.Offers[side])
		}
	})
	s.secured(c)
}

// secured writes or reads what there is of SRTP by the relay: of most calls a byte, and of records of before nothing.
func (s *State) secured(c Coder) {
	var ends []*End
	any := false
	for i := range s.Anchors {
		for j := range s.Anchors[i].Streams {
			for side := range s.Anchors[i].Streams[j].Ends {
				e := &s.Anchors[i].Streams[j].Ends[side]
				ends = append(ends, e)
				any = any || len(e.Own) > 0
			}
		}
	}
	if len(ends) == 0 {
		return
	}
	if c.Flag(&any); !any {
		return
	}
	for _, e := range ends {
		keys(c, len(e.Own) > 0, &e.Own)
		c.Flag(&e.Used)
		for _, d := range [...]*relay.Stats{&e.Stats, &e.Before} {
			c.Uint(&d.Unkeyed)
			c.Uint(&d.Replayed)
		}
	}
}

func (s *Stream) fields(c Coder) {
	c.String(&s.Kind)
	for i := range s.Ends {
		e := &s.Ends[i]
		c.AddrPort(&e.Local)
		far(c, &e.Far)
		far(c, &e.Said)
		stats(c, &e.Stats)
		stats(c, &e.Before)
	}
}

// far writes or reads where one side sends, most often nowhere yet or to a plain address.
func far(c Coder, e *relay.Remote) {
	c.AddrPort(&e.RTP)
	c.AddrPort(&e.RTCP)
	sip := netip.AddrPortFrom(e.Source, 0)
	c.AddrPort(&sip)
	e.Source = sip.Addr()
	small(c, &e.Latch)
	c.Flag(&e.Mux)
	c.Flag(&e.UDPTL)
	c.Flag(&e.Held)
	small(c, &e.Clock)
	keys(c, e.Crypto != nil, &e.Crypto)
	c.AddrPort(&e.Heard)
	small(c, &e.SSRC)
}

// keys are of the few streams that are encrypted.
func keys[T any](c Coder, are bool, v *T) {
	var data []byte
	if !c.Reading() && are {
		data, _ = json.Marshal(v) // plain data: it never fails
	}
	if c.Bytes(&data); c.Reading() && len(data) > 0 && json.Unmarshal(data, v) != nil {
		c.Fail()
	}
}

// stats are zero as long as a call rings: one byte says so.
func stats(c Coder, d *relay.Stats) {
	any := d.Packets|d.RTCP|d.Dropped != 0
	if c.Flag(&any); !any {
		return
	}
	for _, n := range [...]*uint64{&d.Packets, &d.Octets, &d.RTCP, &d.Lost, &d.Dropped, &d.Foreign} {
		c.Uint(n)
	}
	small(c, &d.Jitter)
	small(c, &d.MaxJitter)
	small(c, &d.Gap)
	c.Time(&d.Last)
	c.AddrPort(&d.Heard)
	small(c, &d.SSRC)
	keys(c, len(d.Rollovers) > 0, &d.Rollovers)
}
