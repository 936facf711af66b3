package b2bua

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// everything sets every field of a struct, however deep, to something that is
// not zero; what must be bounded is put right by the caller.
func everything(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString(string(rune('a' + *n%26)))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint8:
		v.SetUint(1)
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			everything(v.Index(i), n)
		}
	case reflect.Array:
		for i := range v.Len() {
			everything(v.Index(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		everything(v.Elem(), n)
	case reflect.Struct:
		switch v.Interface().(type) {
		case time.Time:
			v.Set(reflect.ValueOf(time.Unix(1e9, int64(*n))))
			return
		case netip.AddrPort:
			v.Set(reflect.ValueOf(netip.MustParseAddrPort("[2001:db8::1]:5060")))
			return
		case netip.Addr:
			v.Set(reflect.ValueOf(netip.MustParseAddr("2001:db8::2")))
			return
		case dialog.Policy:
			return
		}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() && f.Type.Kind() != reflect.Interface {
				everything(v.Field(i), n)
			}
		}
	}
}

type profile struct{ policy *dialog.Policy }

func (p profile) TrunkPolicy(string, string) *dialog.Policy             { return p.policy }
func (p profile) CarrierPolicy(string, string) *dialog.Policy           { return p.policy }
func (p profile) Profile(string) Profile                                { return p }
func (p profile) Reroute(dialog.Cause) bool                             { return true }
func (p profile) Dress(s dialog.Setup, _ carriers.Attempt) dialog.Setup { return s }
func (p profile) Contacts(string) int                                   { return 0 }

func (p profile) Redirect(string, string, string) (Target, bool) { return Target{}, false }

// full is a call of which every field that people can see is set.
func full() (*Call, profile) {
	c, n := &Call{}, 0
	everything(reflect.ValueOf(c).Elem(), &n)
	p := profile{&dialog.Policy{}}
	c.ID, c.Winner, c.In.Side = c.Setup.Call, 1, dialog.In
	c.Begun, c.Moving.By = 1, 1
	c.In.Policy, c.redirects = p.policy, p
	for _, leg := range c.Out {
		leg.Policy = p.policy
		c.profiles = append(c.profiles, p)
	}
	for i := range c.Targets {
		c.Targets[i].Policy, c.Targets[i].Profile = p.policy, p
	}
	return c, p
}

// TestRecordHoldsEveryField sets all fields by reflection, so that one that a
// later change adds and forgets to encode is missed.
func TestRecordHoldsEveryField(t *testing.T) {
	c, p := full()
	got, err := Decode(c.Encode(nil), p)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, got) {
		t.Errorf("\nwritten %+v\nread    %+v", c, got)
		for i := range c.Out {
			t.Errorf("\nleg written %+v\nleg read    %+v", c.Out[i], got.Out[i])
		}
	}
}

// TestRecordOfANewerVersion is a rolling upgrade: fields added behind those that
// this version knows are kept and written again.
func TestRecordOfANewerVersion(t *testing.T) {
	c, p := full()
	c.tail = []byte("new")
	newer := c.Encode(nil)
	c.tail = nil
	older, err := Decode(newer, p)
	if err != nil {
		t.Fatal(err)
	}
	if again := older.Encode(nil); !bytes.Equal(again, newer) {
		t.Error("what a newer version has written is lost")
	}
	older.tail = nil
	if !reflect.DeepEqual(older, c) {
		t.Error("a newer version's record reads differently")
	}
}

// TestRecordWithWordsOfANewerVersion is of a rolling upgrade, too: a newer version has ended a leg for a reason, or carries
// media in a way, that this one does not know. The call is not lost for it; it is told as "other", and written as it came.
func TestRecordWithWordsOfANewerVersion(t *testing.T) {
	c, p := full()
	c.Ended.Why, c.In.Cause.Why, c.Out[0].Cause.Why = 200, 201, 202
	a := &c.Media.Anchors[0]
	a.Mode, a.Streams[0].Ends[0].Far.Latch = 99, 98
	newer := c.Encode(nil)
	got, err := Decode(newer, p)
	if err != nil {
		t.Fatal(err)
	}
	if again := got.Encode(nil); !bytes.Equal(again, newer) {
		t.Error("what a newer version has written is lost")
	}
	b := &got.Media.Anchors[0]
	for what, s := range map[string]fmt.Stringer{
		"the call": got.Ended.Why, "a leg": got.In.Cause.Why, "an attempt": got.Out[0].Cause.Why,
		"the media": b.Mode, "its latch": b.Streams[0].Ends[0].Far.Latch,
	} {
		if s.String() != "other" {
			t.Errorf("%s: %v, want other", what, s)
		}
	}
	if r := got.Record(time.Unix(2e9, 0)); r.Cause != "other" {
		t.Errorf("record: cause %q, want other", r.Cause)
	}
}

// TestRecordOfAnOlderVersion is the other half: fields at the end that the
// writer did not have yet are zero.
func TestRecordOfAnOlderVersion(t *testing.T) {
	w := dialog.NewWriter(nil)
	var tail []byte
	one := "one"
	w.Block(&tail, func() { w.String(&one) })
	r := dialog.NewReader(w.Data())
	two, flag, at := "x", true, time.Now()
	r.Block(&tail, func() {
		r.String(&one)
		r.String(&two)
		r.Flag(&flag)
		r.Time(&at)
	})
	if r.Err() != nil || one != "one" || two != "" || flag || !at.IsZero() {
		t.Errorf("%v %q %q %v %v", r.Err(), one, two, flag, at)
	}
}

func FuzzDecode(f *testing.F) {
	c, p := full()
	f.Add(c.Encode(nil))
	f.Add([]byte{schema})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Decode(b, p)
		if err != nil {
			return
		}
		again, err := Decode(c.Encode(nil), p)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Encode(nil), c.Encode(nil)) {
			t.Error("not the same when written again")
		}
		c.Deadline()
		c.Done()
	})
}

func BenchmarkEncode(b *testing.B) {
	c, _ := full()
	buf := c.Encode(nil)
	b.ReportMetric(float64(len(buf)), "bytes")
	b.ReportAllocs()
	for b.Loop() {
		buf = c.Encode(buf[:0])
	}
}

func BenchmarkDecode(b *testing.B) {
	c, p := full()
	buf := c.Encode(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(buf, p); err != nil {
			b.Fatal(err)
		}
	}
}
