package ops

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// Page says which part of a list is wanted, and what of each call.
type Page struct {
	Limit  int      `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many calls a page has at most."`
	Cursor string   `query:"cursor" doc:"Next of the page before."`
	Fields []string `query:"fields" doc:"Of each call; the id is always there. Not said: all."`

	after cursor
}

// callFields are the names of Call's fields in JSON.
var callFields = func() (names []string) {
	for f := range reflect.TypeFor[Call]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}()

// Resolve reads what is not a plain value.
func (p *Page) Resolve(huma.Context) (faults []error) {
	for _, f := range p.Fields {
		if !slices.Contains(callFields, f) {
			faults = append(faults, &huma.ErrorDetail{Message: "known fields: " + strings.Join(callFields, ", "), Location: "query.fields", Value: f})
		}
	}
	if p.Cursor != "" {
		var ok bool
		if p.after, ok = parseCursor(p.Cursor); !ok {
			faults = append(faults, &huma.ErrorDetail{Message: "want what a page says as next", Location: "query.cursor", Value: p.Cursor})
		}
	}
	return faults
}

// cursor is a call's place in a list: calls that begin or go do not move it.
type cursor struct {
	began time.Time
	id    dialog.CallID
}

func (c cursor) String() string {
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint64(nil, uint64(c.began.UnixNano())), c.id[:]...))
}

func parseCursor(s string) (c cursor, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != 8+len(c.id) {
		return c, false
	}
	copy(c.id[:], b[8:])
	c.began = time.Unix(0, int64(binary.BigEndian.Uint64(b)))
	return c, true
}

// compare puts the newest first.
func (c cursor) compare(d cursor) int {
	return cmp.Or(d.began.Compare(c.began), slices.Compare(c.id[:], d.id[:]))
}

func placeOf(o *b2bua.Overview) cursor { return cursor{o.Began.Round(0), o.ID} }

// pick makes the page of a list, with all fields.
func (p *Page) pick(all []b2bua.Overview, f *Filters, now time.Time) Calls {
	l := Calls{Calls: []Call{}}
	fit, more := make([]*b2bua.Overview, 0, min(2*p.Limit, len(all))), false
	var worst *b2bua.Overview // of a whole page that there is: what comes after it is on a later one
	sort := func() {
		slices.SortFunc(fit, func(a, b *b2bua.Overview) int { return placeOf(a).compare(placeOf(b)) })
		if len(fit) > p.Limit {
			fit, more = fit[:p.Limit], true
			worst = fit[p.Limit-1]
		}
	}
	for i := range all {
		o := &all[i]
		if !f.match(o, now) {
			continue
		}
		l.Matched++
		switch {
		case p.Cursor != "" && placeOf(o).compare(p.after) <= 0:
			continue
		case worst != nil && placeOf(o).compare(placeOf(worst)) > 0:
			more = true
			continue
		}
		if fit = append(fit, o); len(fit) == 2*p.Limit {
			sort()
		}
	}
	if sort(); more {
		l.Next = placeOf(fit[len(fit)-1]).String()
	}
	for _, o := range fit {
		l.Calls = append(l.Calls, newCall(o))
	}
	return l
}

// merge makes one page of those of several nodes. A call that is on two of them, since it is
// being handed over, is on it once, as its owner tells of it.
func (p *Page) merge(parts []Calls) Calls {
	l := Calls{Calls: []Call{}}
	for _, part := range parts {
		l.Calls = append(l.Calls, part.Calls...)
		l.Matched += part.Matched
		l.Missing += part.Missing
		if part.Next != "" {
			l.Next = part.Next
		}
	}
	slices.SortStableFunc(l.Calls, func(a, b Call) int {
		return cmp.Or(placeIn(a).compare(placeIn(b)), strings.Compare(a.Owner, b.Owner)) // who is there says nothing of the owner
	})
	found := len(l.Calls)
	l.Calls = slices.CompactFunc(l.Calls, func(a, b Call) bool { return a.ID == b.ID })
	l.Matched -= found - len(l.Calls)
	if more := len(l.Calls) > p.Limit; more || l.Next != "" {
		l.Calls = l.Calls[:min(len(l.Calls), p.Limit)]
		l.Next = ""
		if n := len(l.Calls); n > 0 {
			l.Next = placeIn(l.Calls[n-1]).String()
		}
	}
	return l
}

// placeIn is the place of a call that is listed.
func placeIn(c Call) cursor {
	id, _ := dialog.ParseCallID(c.ID) // ours, or another node's
	return cursor{c.Began, id}
}

// values are the page as it is asked of other nodes: with all fields, since it is merged.
func (p *Page) values(q url.Values) {
	q.Set("limit", strconv.Itoa(p.Limit))
	if p.Cursor != "" {
		q.Set("cursor", p.Cursor)
	}
}

// only leaves out the fields that are not wanted.
func (p *Page) only(c Call) Call {
	if len(p.Fields) == 0 {
		return c
	}
	v := reflect.ValueOf(&c).Elem()
	for i, name := range callFields {
		if name != "id" && !slices.Contains(p.Fields, name) {
			v.Field(i).SetZero()
		}
	}
	return c
}
