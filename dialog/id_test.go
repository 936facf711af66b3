package dialog_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/dialog"
)

func anyAddress(t *rapid.T) dialog.Address {
	var a dialog.Address
	copy(a.Call[:], rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "call"))
	a.Leg = rapid.Byte().Draw(t, "leg")
	a.Kind = dialog.Kind(rapid.IntRange(1, 3).Draw(t, "kind"))
	a.Seq = rapid.Uint16().Draw(t, "seq")
	return a
}

// A sealed address has one width and one alphabet, is read without regard to
// case, and by no other key.
func TestSealRoundTrip(t *testing.T) {
	s, other := seal(), dialog.NewSeal([32]byte{9}, "u1")
	rapid.Check(t, func(t *rapid.T) {
		a := anyAddress(t)
		text := s.Seal(a)
		if len(text) != 28 || strings.Trim(text, "abcdefghijklmnopqrstuvwxyz234567") != "" {
			t.Fatalf("%q", text)
		}
		for _, v := range []string{text, strings.ToUpper(text), strings.ToUpper(text[:14]) + text[14:]} {
			if got, ok := s.Open(v); !ok || got != a {
				t.Fatalf("%q opens as %+v, %v", v, got, ok)
			}
		}
		if _, ok := other.Open(text); ok {
			t.Fatal("another key opens it")
		}
	})
}

func TestSealRefusesStrangers(t *testing.T) {
	s := seal()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z2-7]{28}`), rapid.StringMatching(`z9hG4bK[a-z2-7]{28}`)).Draw(t, "text")
		if _, ok := s.Open(text); ok {
			t.Fatalf("%q opens", text)
		}
		if _, ok := s.OpenTag(text); ok {
			t.Fatalf("%q opens as a tag", text)
		}
		if _, ok := s.OpenBranch(text); ok {
			t.Fatalf("%q opens as a branch", text)
		}
	})
	if _, ok := s.Open(s.Tag(dialog.ID{})[:27] + "="); ok {
		t.Error("padding opens")
	}
}

// One changed character, wherever it stands in the block, and nothing opens.
func TestSealIsWhole(t *testing.T) {
	s := seal()
	text := []byte(s.Tag(dialog.ID{Call: dialog.CallID{1}, Leg: 2}))
	for i := 2; i < len(text); i++ {
		for _, c := range []byte("abcdefghijklmnopqrstuvwxyz234567") {
			if c == text[i] {
				continue
			}
			changed := append([]byte(nil), text...)
			changed[i] = c
			a, ok := s.Open(string(changed))
			// The last character has bits that are not of the block.
			if ok && !(i == len(text)-1 && a.Leg == 2 && a.Call == dialog.CallID{1}) {
				t.Errorf("%s opens", changed)
			}
		}
	}
}

func TestSealKindsAreNotInterchangeable(t *testing.T) {
	s, id := seal(), dialog.ID{Call: dialog.CallID{1}, Leg: 2}
	if _, ok := s.OpenTag(s.CallID(id)); ok {
		t.Error("a Call-ID opens as a tag")
	}
	if _, ok := s.OpenTag(s.Branch(id, 1)[len(dialog.Cookie):]); ok {
		t.Error("a branch opens as a tag")
	}
	if _, ok := s.OpenBranch(dialog.Cookie + s.Tag(id)); ok {
		t.Error("a tag opens as a branch")
	}
	if a, ok := s.OpenBranch(strings.ToUpper(s.Branch(id, 7))); !ok || a.ID != id || a.Seq != 7 {
		t.Errorf("a branch in capitals opens as %+v, %v", a, ok)
	}
}

// Nothing that two legs of a call hand out has anything in common, beside the
// unit that stands in clear.
func TestSealLegsAreUnlinkable(t *testing.T) {
	s := seal()
	rapid.Check(t, func(t *rapid.T) {
		a := anyAddress(t)
		one := s.Seal(a)
		a.Leg++
		two := s.Seal(a)
		common := 0
		for i := 2; i < len(one); i++ {
			if one[i] == two[i] {
				common++
			}
		}
		if common > 12 { // of 26, by chance: one in 10^10
			t.Fatalf("%s and %s have %d characters in common", one, two, common)
		}
		if one[:2] != two[:2] {
			t.Fatal("the unit differs")
		}
	})
}

func TestSealCall(t *testing.T) {
	s := seal()
	id := s.Call("acme", "c1", "ta", 1)
	if id != s.Call("acme", "c1", "ta", 1) {
		t.Error("the same INVITE makes another call")
	}
	for _, other := range []dialog.CallID{
		s.Call("acne", "c1", "ta", 1), s.Call("acme", "c2", "ta", 1), s.Call("acme", "c1", "tb", 1), s.Call("acme", "c1", "ta", 2),
		s.Call("acmec", "1", "ta", 1), s.Call("acme", "c1t", "a", 1), dialog.NewSeal([32]byte{9}, "u1").Call("acme", "c1", "ta", 1),
	} {
		if other == id {
			t.Error("two INVITEs make one call")
		}
	}
	if back, ok := dialog.ParseCallID(strings.ToUpper(id.String())); !ok || back != id || len(id.String()) != 13 {
		t.Errorf("%s reads as %v, %v", id, back, ok)
	}
	for _, bad := range []string{"", "a", id.String() + "a", "1" + id.String()[1:]} {
		if _, ok := dialog.ParseCallID(bad); ok {
			t.Errorf("%q is read", bad)
		}
	}
}

func TestSealNumber(t *testing.T) {
	s, id := seal(), dialog.ID{Call: dialog.CallID{1}}
	if n := s.Number(id); n != s.Number(id) || n>>62 != 0 || n == s.Number(dialog.ID{Call: id.Call, Leg: 1}) {
		t.Errorf("%d", n)
	}
}

func BenchmarkSeal(b *testing.B) {
	s, id := seal(), dialog.ID{Call: dialog.CallID{1}, Leg: 2}
	b.ReportAllocs()
	for b.Loop() {
		_ = s.Branch(id, 1)
	}
}

func BenchmarkOpen(b *testing.B) {
	s := seal()
	text := s.Branch(dialog.ID{Call: dialog.CallID{1}, Leg: 2}, 1)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = s.OpenBranch(text)
	}
}
