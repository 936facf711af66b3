package b2bua_test

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/simtest"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

// broken is a book that has lost its gateways: asked for one that a redirection names, the
// core panics. Without its index every call does, without its sources every message.
type broken struct {
	b2bua.Book
	lost    bool
	index   bool
	sources bool
}

func (b *broken) Trunk(realm string, source netip.Addr) *carriers.Trunk {
	if b.sources {
		panic("no sources")
	}
	return b.Book.Trunk(realm, source)
}

func (b *broken) Select(now time.Time, s dialog.Setup, j carriers.Judge) carriers.Choice {
	if b.index {
		panic("no index")
	}
	return b.Book.Select(now, s, j)
}

func (b *broken) Contact(carrier, uri, number string) (dialog.Target, bool) {
	if b.lost {
		panic("no gateways")
	}
	return b.Book.Contact(carrier, uri, number)
}

// TestPanicIsContained: a defect that shows in one call ends that call, 500 to the
// trunk and CANCEL or BYE to the carriers, and no other call notices.
func TestPanicIsContained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simtest.Open(t, nil)
		defer s.Close()
		s.Faulty = true
		defer func() {
			if t.Failed() {
				t.Log("\n" + s.Ladder() + s.Record() + s.Counters())
			}
		}()
		book := &broken{}
		s.Wrap = func(b b2bua.Book) b2bua.Book {
			book.Book = b
			return book
		}
		s.Do(`
			carrier tc1 redirect=3
			carrier tc2
			route +331* tc1 tc2
			route +332* tc2
			trunk INVITE +33223456789 sdp            # a call that is well
			tc2 100 ; +1s tc2 200 sdp
			trunk ACK`)
		book.lost = true
		s.Do(`
			trunk INVITE +33123456789 sdp            # one in which a defect will show
			tc1 100 ; +1s tc1 180`)
		s.Do("tc1 302 contact=sip:198.51.100.12")
		if _, n := s.Count("trunk", "500"); n != 1 {
			t.Errorf("the trunk got %d times 500", n)
		}
		s.Do("trunk ACK")
		book.index = true
		s.Do(`
			trunk INVITE +33123456789 sdp            # and one that cannot even begin
			trunk ACK`)
		book.index = false
		if _, n := s.Count("trunk", "500"); n != 2 {
			t.Errorf("the trunk got %d times 500", n)
		}
		book.sources = true
		s.Do("trunk INVITE +33123456789 sdp") // what no call has yet is dropped
		book.sources = false
		if s.Engine.Active() != 1 {
			t.Errorf("%d calls active, want the one that is well", s.Engine.Active())
		}
		s.Do(`
			+10s trunk BYE call=1
			tc2 200 BYE
			settle`)
		if n := s.Counter("panics_total"); n != 3 {
			t.Errorf("%g panics counted, want 3", n)
		}
		for _, fault := range s.Promises() {
			t.Error(fault)
		}
		var results []string
		for _, r := range s.Records() {
			results = append(results, r.Result+" "+r.Cause)
		}
		if !slices.Equal(results, []string{"failed fault", "failed fault", "answered hung_up"}) {
			t.Errorf("records: %q", results)
		}
	})
}
