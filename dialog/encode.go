package dialog

// What a record says of a leg. Each method lists the fields of one type, in the
// order of the record; a new field goes to the end.

// Fields writes or reads a leg. Policy, which many legs share, is not part of it:
// who restores a leg gives it one.
func (l *Leg) Fields(c *Coder) {
	c.Block(&l.tail, func() {
		l.ID.fields(c)
		Int(c, &l.Side)
		Int(c, &l.State)
		l.Target.Fields(c)
		l.Cause.Fields(c)
		l.Marks.fields(c)
		c.String(&l.CallID)
		c.String(&l.Tag)
		c.String(&l.Self)
		c.String(&l.Peer)
		c.String(&l.URI)
		l.Path.fields(c)
		Int(c, &l.MaxFwd)
		Int(c, &l.CSeq)
		Int(c, &l.Seq)
		c.Flag(&l.Offer)
		pointers(c, &l.Dialogs, (*Dialog).fields)
		pointers(c, &l.Tx, (*Tx).fields)
		for i := range l.Patience {
			c.Time(&l.Patience[i])
		}
		c.Time(&l.Refresh)
		c.Flag(&l.ByeHeld)
		c.Flag(&l.Cancelled)
		c.Uint(&l.Session.Version)
		c.Uint(&l.Session.Hash)
		Int(c, &l.Change.Seq)
		c.Flag(&l.Change.Ours)
		l.Reliable.fields(c)
		c.Time(&l.Again)
		l.Interval.fields(c)
		Int(c, &l.MinSE)
		c.Flag(&l.Change.Early)
		l.Change.Offer.Fields(c)
		c.Flag(&l.Reliable.Changed)
		l.Reliable.Said.Fields(c)
		Int(c, &l.Reliable.Unasked)
		c.Flag(&l.Change.Again)
		c.String(&l.Reliable.Progress.EarlyMedia)
		c.Time(&l.Marks.Media)
		l.Referred.fields(c)
		l.Refers.fields(c)
		l.Join.Offer.Fields(c)
		Int(c, &l.Join.Seq)
		c.Time(&l.Audit.Next)
		Int(c, &l.Audit.Lost)
		for _, r := range [...]*Referral{&l.Referred, &l.Refers} {
			Int(c, &r.Code)
			c.String(&r.Phrase)
		}
		l.Auth.fields(c)
		l.crossing(c)
		c.String(&l.Target.Dead)
		c.String(&l.Target.Route)
	})
	if c.Reading() && (l.Side > Out || l.State > Leaving) {
		c.Fail()
	}
}

func (a *Auth) fields(c *Coder) {
	List(c, &a.Challenges, func(h *Challenge) {
		c.Flag(&h.Proxy)
		c.String(&h.Realm)
		c.String(&h.Nonce)
		c.String(&h.Opaque)
		Int(c, &h.Algorithm)
		c.Flag(&h.Named)
		c.Flag(&h.QOP)
		Int(c, &h.Count)
		Int(c, &h.For)
		if c.Reading() && h.Algorithm >= algorithms {
			c.Fail()
		}
	})
	List(c, &a.Shown, func(h *Header) {
		c.String(&h.Name)
		c.String(&h.Value)
	})
	Int(c, &a.Invite)
}

func (i *Interval) fields(c *Coder) {
	Int(c, &i.Length)
	c.Flag(&i.Us)
	c.Time(&i.Refresh)
	c.Time(&i.Expires)
	Int(c, &i.Min)
	Int(c, &i.Wish.Length)
	Int(c, &i.Wish.Min)
	c.Flag(&i.Wish.Can)
	Int(c, &i.Wish.Refresher)
	i.Body.Fields(c)
}

func (r *Referral) fields(c *Coder) {
	Int(c, &r.Ref)
	Int(c, &r.CSeq)
	Int(c, &r.Count)
	c.Time(&r.Until)
}

func (r *Reliable) fields(c *Coder) {
	Int(c, &r.Peer)
	Int(c, &r.RSeq)
	c.Uint(&r.Given)
	p, a := &r.Progress, &r.Answer
	Int(c, &p.Code)
	c.String(&p.Phrase)
	p.Body.Fields(c)
	c.Flag(&p.Reliable)
	Int(c, &a.Code)
	c.String(&a.Phrase)
	a.Body.Fields(c)
	r.Owed.Fields(c)
	if c.Reading() && r.Peer >= extents {
		c.Fail()
	}
}

// pointers is a list of items that are pointed to.
func pointers[T any](c *Coder, list *[]*T, fields func(*T, *Coder)) {
	List(c, list, func(p **T) {
		if c.Reading() {
			*p = new(T)
		}
		fields(*p, c)
	})
}

func (id *ID) fields(c *Coder) {
	call := id.Call[:]
	c.Bytes(&call)
	if c.Reading() && copy(id.Call[:], call) != len(id.Call) {
		c.Fail()
	}
	Int(c, &id.Leg)
}

func (d *Dialog) fields(c *Coder) {
	c.Block(&d.tail, func() {
		c.String(&d.Tag)
		c.String(&d.Peer)
		c.String(&d.Target)
		c.Strings(&d.Routes)
		Int(c, &d.CSeq)
		c.Flag(&d.Early)
		c.Flag(&d.Update)
		c.Flag(&d.Left)
		c.Uint(&d.Shown)
		d.Offer.Fields(c)
		c.Bytes(&d.Ack)
		d.AckTo.fields(c)
		Int(c, &d.InvSeq)
		Int(c, &d.RSeq)
		Int(c, &d.Unacked)
		d.Answer.Fields(c)
	})
	d.Ack = orNil(d.Ack)
}

func (t *Tx) fields(c *Coder) {
	c.Block(&t.tail, func() {
		Int(c, &t.machine)
		Int(c, &t.state)
		c.String(&t.Method)
		Int(c, &t.Seq)
		c.String(&t.Branch)
		Int(c, &t.CSeq)
		c.Strings(&t.Vias)
		c.Strings(&t.Routes)
		c.String(&t.Of)
		c.String(&t.Target)
		c.Flag(&t.Offer)
		t.Path.fields(c)
		c.Bytes(&t.Last)
		Int(c, &t.Code)
		c.Time(&t.Repeat)
		Int(c, &t.Every)
		c.Time(&t.End)
		c.String(&t.From)
		c.String(&t.To)
		Int(c, &t.For)
		Int(c, &t.RSeq)
		c.Flag(&t.Own)
		c.Flag(&t.Sub)
		Int(c, &t.Auths)
	})
	t.Last = orNil(t.Last)
	if c.Reading() && (t.machine >= machines || t.state >= states) {
		c.Fail()
	}
}

// orNil keeps the difference that the core knows: no bytes is nil.
func orNil(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

func (p *Path) fields(c *Coder) {
	c.String(&p.Realm)
	Int(c, &p.Transport)
	c.AddrPort(&p.Local)
	c.AddrPort(&p.Remote)
	c.Uint(&p.Conn)
	if c.Reading() && p.Transport >= transports {
		c.Fail()
	}
}

// Fields writes or reads a target; Route, which came later, stands at the end of what the
// target is part of.
func (t *Target) Fields(c *Coder) {
	c.String(&t.Carrier)
	c.String(&t.Gateway)
	c.String(&t.Number)
	c.String(&t.Host)
	t.Path.fields(c)
}

// Fields writes or reads a cause. One that only a newer version knows is kept: what it means is in its code and cause
// value, and no call is lost for its name.
func (a *Cause) Fields(c *Coder) {
	Int(c, &a.Why)
	Int(c, &a.Code)
	c.String(&a.Phrase)
	c.String(&a.Text)
	Int(c, &a.Q850)
	c.Strings(&a.Reasons)
	Int(c, &a.RetryAfter)
}

func (m *Marks) fields(c *Coder) {
	c.Time(&m.Began)
	c.Time(&m.Trying)
	c.Time(&m.Ringing)
	c.Time(&m.Final)
	c.Time(&m.Ended)
	Int(c, &m.Code)
	c.String(&m.Phrase)
	Int(c, &m.Q850)
	Int(c, &m.Absorbed)
	c.Flag(&m.Late)
}

// Fields writes or reads a body.
func (b *Body) Fields(c *Coder) {
	c.String(&b.Type)
	c.Bytes(&b.Data)
	b.Data = orNil(b.Data)
}

// Fields writes or reads a setup.
func (s *Setup) Fields(c *Coder) {
	call := s.Call[:]
	c.Bytes(&call)
	if c.Reading() && copy(s.Call[:], call) != len(s.Call) {
		c.Fail()
	}
	c.String(&s.Trunk)
	c.String(&s.Number)
	c.String(&s.Domain)
	c.String(&s.Caller.Display)
	c.String(&s.Caller.User)
	Int(c, &s.MaxForwards)
	s.Body.Fields(c)
	headers(c, &s.Headers)
}
