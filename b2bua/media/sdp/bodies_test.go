package sdp

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	pion "github.com/pion/sdp/v3"
)

// bodies are descriptions that peers have sent, by the names of their files.
func bodies(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/bodies/*.sdp")
	if err != nil || len(files) != 104 {
		t.Fatalf("%d bodies, %v", len(files), err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		if all[strings.TrimSuffix(filepath.Base(f), ".sdp")], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

var (
	ours4 = netip.MustParseAddr("198.51.100.1")
	ours6 = netip.MustParseAddr("2001:db8:5::1")
)

// anchored are the rules of a relay: an address, and a port for each stream.
func anchored(b *Body, addr netip.Addr) Rules {
	r := Rules{Addr: addr, Media: make([]MediaRules, len(b.Media()))}
	for i, m := range b.Media() {
		r.Media[i] = MediaRules{Port: uint16(20000 + 2*i), Proto: Plain(m.Proto)}
	}
	return r
}

// refused are the bodies that nobody could answer, and why.
var refused = map[string]string{
	"02c435456341": Port, "0e1276f993f6": Port, "4196a03fe79e": Port, "5b2e4941f9f0": Port, "617cfdb8bc42": Port,
	"684236b1c270": Port, "901abc77e64d": Port, "91c4e7a3822c": Port, "bb9097392656": Port, "defaf67d4bda": Port, // 492170
	"5358e5cdb445": Port, "cbf22de52e27": Port, // "$", of MGCP
	"3e449f5c3b81": Connection, // an address with a comma and a control character
}

// All that can be used goes through, and what does not says why.
func TestBodiesGoThrough(t *testing.T) {
	got, through, pions := map[string]string{}, 0, 0
	all := bodies(t)
	for name, body := range all {
		if new(pion.SessionDescription).Unmarshal(body) == nil {
			pions++
		}
		b, err := Parse(body)
		var f *Fault
		if errors.As(err, &f) {
			got[name] = f.Name
			continue
		}
		for _, addr := range []netip.Addr{ours4, ours6} {
			if out := differs(t, name, body, anchored(b, addr)); out == nil {
				t.Errorf("%s is not written", name)
			}
		}
		if out := differs(t, name, body, Rules{Keep: KeepAll}); out == nil {
			t.Errorf("%s does not pass as it is", name)
		}
		through++
	}
	if !maps.Equal(got, refused) {
		t.Errorf("refused: %v", got)
	}
	share := 100 * float64(through) / float64(len(all))
	t.Logf("%d of %d go through (%.1f %%); pion alone reads %d", through, len(all), share, pions)
	if share < 86 {
		t.Error("too few")
	}
}

// What peers get wrong without changing what they mean is no reason to refuse anything, and
// changes nothing of what goes out.
func TestMendedBodiesAreTheSame(t *testing.T) {
	lines := func(f func([]string) []string) func([]byte) []byte {
		return func(b []byte) []byte {
			s := strings.Split(strings.TrimRight(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n"), "\n")
			return []byte(strings.Join(f(s), "\r\n") + "\r\n")
		}
	}
	without := func(kind string) func([]byte) []byte {
		return lines(func(s []string) []string {
			return slices.DeleteFunc(s, func(l string) bool { return strings.HasPrefix(l, kind+"=") })
		})
	}
	mends := map[string]func([]byte) []byte{
		"LF":            func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r"), nil) },
		"CR CR LF":      func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\r\r\n")) },
		"no last CRLF":  func(b []byte) []byte { return bytes.TrimRight(b, "\r\n") },
		"a last CR":     func(b []byte) []byte { return append(bytes.TrimRight(b, "\r\n"), '\r') },
		"blank lines":   func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\n \t\r\n\r\n")) },
		"blanks before": lines(func(s []string) []string { return strings.Split("  "+strings.Join(s, "\n \t"), "\n") }),
		"udptl": func(b []byte) []byte {
			return bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("RTP/AVP"), []byte("rtp/avp")), []byte("UDPTL"), []byte("udptl"))
		},
		"no v=": without("v"), "no o=": without("o"), "no s=": without("s"), "no t=": without("t"),
		"odd b=": lines(func(s []string) []string { return append(s, "b=WHO KNOWS") }),
		"odd k=": lines(func(s []string) []string { return append(s, "k=") }),
	}
	for name, body := range bodies(t) {
		if refused[name] != "" {
			continue
		}
		b, _ := Parse(body)
		want, err := b.Rewrite(anchored(b, ours4))
		if err != nil {
			t.Fatal(name, err)
		}
		for what, mend := range mends {
			if what == "no v=" && (bytes.Count(body, []byte("v=0")) > 1 || len(b.Media()) == 0) {
				continue // it is what tells descriptions apart
			}
			mended := mend(bytes.Clone(body))
			m, err := Parse(mended)
			if err != nil {
				t.Errorf("%s with %s: %v", name, what, err)
				continue
			}
			got := differs(t, name+" with "+what, mended, anchored(m, ours4))
			as := func(b []byte) string {
				s := strings.NewReplacer("rtp/avp", "RTP/AVP", "udptl", "UDPTL", "b=WHO KNOWS\r\n", "").Replace(string(b))
				return string(withoutOriginAndTime(s))
			}
			if as(got) != as(want) {
				t.Errorf("%s with %s:\n%s\nis not\n%s", name, what, got, want)
			}
		}
	}
}

// withoutOriginAndTime is a body without what a mended one has of another value.
func withoutOriginAndTime(s string) string {
	var w strings.Builder
	for l := range strings.Lines(s) {
		if !strings.HasPrefix(l, "o=") && !strings.HasPrefix(l, "t=") {
			w.WriteString(l)
		}
	}
	return w.String()
}

// Bytes that are changed at random crash nothing, and what is read of them is written as it was.
func TestMutationsChangeNoMeaning(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	all := bodies(t)
	names := slices.Sorted(maps.Keys(all))
	var list [][]byte
	for _, name := range names {
		list = append(list, all[name])
	}
	through, whole, why := 0, 0, map[string]int{}
	for _, name := range names {
		if refused[name] != "" {
			continue
		}
		for range 200 {
			body := mutate(rnd, all[name], list)
			whole++
			b, err := Parse(body)
			var f *Fault
			if errors.As(err, &f) {
				why[f.Name]++
				continue
			}
			through++
			r := anchored(b, ours4)
			r.Keep = Keep(rnd.UintN(uint(KeepAll) + 1))
			for i := range r.Media {
				switch rnd.IntN(4) {
				case 0:
					r.Media[i].Port = 0
				case 1:
					r.Media[i].RTCP = 30001
				case 2:
					r.Media[i].Mux = WithMux
				}
			}
			if rnd.IntN(3) == 0 {
				r.Addr = ours6
			}
			differs(t, name, body, r)
		}
	}
	share := 100 * float64(through) / float64(whole)
	t.Logf("%d of %d mutations go through (%.1f %%), the others are %v", through, whole, share, why)
	if share < 86 {
		t.Error("too few")
	}
}

// mutate changes a few bytes or lines.
func mutate(rnd *rand.Rand, body []byte, all [][]byte) []byte {
	lines := strings.SplitAfter(string(body), "\n")
	for range 1 + rnd.IntN(3) {
		i, j := rnd.IntN(len(lines)), rnd.IntN(len(lines))
		switch rnd.IntN(7) {
		case 0:
			lines = slices.Delete(lines, i, i+1)
		case 1:
			lines = slices.Insert(lines, i, lines[j])
		case 2:
			lines[i], lines[j] = lines[j], lines[i]
		case 3: // a byte is another
			if b := []byte(lines[i]); len(b) > 0 {
				b[rnd.IntN(len(b))] = byte(rnd.IntN(256))
				lines[i] = string(b)
			}
		case 4: // a byte goes
			if b := lines[i]; len(b) > 0 {
				n := rnd.IntN(len(b))
				lines[i] = b[:n] + b[n+1:]
			}
		case 5: // a line of somebody else's
			other := strings.SplitAfter(string(all[rnd.IntN(len(all))]), "\n")
			lines = slices.Insert(lines, i, other[rnd.IntN(len(other))])
		case 6:
			lines[i] = strings.TrimRight(lines[i], "\r\n") + []string{"\n", "\r\n", " \r\n", "\r\r\n", ""}[rnd.IntN(5)]
		}
		if len(lines) == 0 {
			return nil
		}
	}
	return []byte(strings.Join(lines, ""))
}
