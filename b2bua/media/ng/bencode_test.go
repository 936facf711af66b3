package ng_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"bulkhead/b2bua/media/ng"
)

func TestBencodeTakesWhatIsOne(t *testing.T) {
	for _, text := range []string{
		"0:", "4:spam", "i0e", "i-3e", "i9223372036854775807e", "i-9223372036854775808e", "le", "de", "l0:i1eledee",
		"d1:bi1e1:ai2ee", // rtpengine does not sort
		strings.Repeat("l", 16) + strings.Repeat("e", 16),
		"d1:ad1:ai1ee1:bd1:ai2eee", // one key, in dictionaries of their own
	} {
		if v, err := ng.Parse([]byte(text)); err != nil || string(v) != text {
			t.Errorf("%s: %q, %v", text, v, err)
		}
	}
}

func TestBencodeRefusesWhatIsNot(t *testing.T) {
	many := "d"
	for i := range 1025 {
		many += "4:" + string([]byte{byte(i >> 8), byte(i), 'x', 'y'}) + "le"
	}
	for text, want := range map[string]string{
		"": "too early", "i": "too early", "ie": "malformed", "i1": "too early", "i-e": "malformed", "i-0e": "malformed", "i01e": "malformed",
		"i+1e": "malformed", "i1_0e": "malformed", "i9223372036854775808e": "malformed", "i111111111111111111111e": "malformed",
		"4spam": "too early", "4:spa": "too early", "04:spam": "malformed", "-1:": "malformed", "x": "malformed", ":": "malformed",
		"9223372036854775807:x": "too early", "99999999999999999999:x": "malformed",
		"l": "too early", "li1e": "too early", "d": "too early", "d1:a": "too early", "d1:ai1e": "too early", "di1ei1ee": "malformed",
		"d1:ae": "malformed", "d1:ai1e1:ai2ee": "twice", "i1ei2e": "more than one", "lee": "more than one",
		strings.Repeat("l", 17) + strings.Repeat("e", 17): "too deep",
		strings.Repeat("l", 1<<16):                        "too deep",
		many + "e":                                        "too many",
	} {
		if v, err := ng.Parse([]byte(text)); err == nil || v != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, want %q", text, err, want)
		}
	}
}

func TestBencodeOfAnotherKindReadsAsNothing(t *testing.T) {
	v, err := ng.Parse([]byte("d4:listli1e1:ae6:numberi7e4:text3:abce"))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []ng.Value{v.Get("none"), v.Get("none").Get("none"), v.Get("text").Get("x"), v.Get("list").Get("x"), nil} {
		if at != nil || at.Bytes() != nil || at.Integer() != 0 {
			t.Errorf("%q is there", at)
		}
	}
	if v.Get("number").Bytes() != nil || v.Get("text").Integer() != 0 || v.Get("number").Integer() != 7 || string(v.Get("text").Bytes()) != "abc" {
		t.Error("a value reads as what it is not")
	}
}

// FuzzBencode: no panic; what passes is spelled in the one way that there is, but for
// the order of keys; and an answer made of it is read without a panic.
func FuzzBencode(f *testing.F) {
	for _, name := range []string{"testdata/query.bencode", "testdata/delete.bencode"} {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, text := range []string{"d1:ai1e1:bl0:ee", "i-1e", "l4:spamde", "4:spam", "d4:tagsd1:xd6:mediasld7:streamsld5:statsdeeeeeee"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := ng.Parse(b)
		if (v == nil) != (err != nil) {
			t.Fatalf("%v, %v", v, err)
		}
		if v == nil {
			return
		}
		sorted := v.Canonical()
		if len(sorted) != len(b) {
			t.Fatalf("%q is another way of writing %q", b, sorted)
		}
		w, err := ng.Parse(sorted)
		if err != nil || !bytes.Equal(w.Canonical(), sorted) {
			t.Fatalf("%q: %v", sorted, err)
		}
		_, _ = ng.StatsOf(v)
	})
}
