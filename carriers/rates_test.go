package carriers_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bulkhead/carriers"
)

func rates(t testing.TB, text string) *carriers.Rates {
	t.Helper()
	r, err := carriers.ReadRates(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLongestPrefixHasThePrice(t *testing.T) {
	r := rates(t, "33,0.01\n+336,0.05\n33612345,1\n4930,0.000000001\n1,4294967295.5\n")
	for number, want := range map[string]string{
		"+33123":           "0.01",
		"33123":            "0.01",
		"33":               "0.01",
		"+33612344":        "0.05",
		"+33612345":        "1",
		"+336123456789012": "1",
		"+336-12.3(4)5":    "1",
		"+336;ext=5":       "0.05",
		"+4930":            "0.000000001",
		"+493":             "",
		"+3":               "",
		"+1212":            "4294967295.5",
		"":                 "",
		"+":                "",
		"anonymous":        "",
		"33anonymous":      "",
		"*2133":            "",
	} {
		p, ok := r.Price(time.Time{}, number)
		got := ""
		if ok {
			got = p.String()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", number, got, want)
		}
	}
	if _, ok := (*carriers.Rates)(nil).Price(time.Time{}, "33"); ok {
		t.Error("no table has a price")
	}
}

func TestColumnsByNameAndPricesByTime(t *testing.T) {
	r := rates(t, "\xef\xbb\xbfDestination, Prefix,Price,Currency,From,Until\n"+
		"# old and new\nFrance,33,0.02,EUR,,2026-03-01\n\"France, mobile\",336,0.05,EUR,2026-02-01T12:00:00Z,2026-03-01\nFrance,33,0.03,EUR,2026-03-01,\n")
	if r.Currency != "EUR" || r.Prefixes() != 3 {
		t.Errorf("%d prefixes in %q", r.Prefixes(), r.Currency)
	}
	for at, want := range map[string]string{
		"2026-02-01T11:59:59Z":      "0.02", // the longer prefix has no price yet
		"2026-02-01T12:00:00Z":      "0.05",
		"2026-02-28T23:59:59Z":      "0.05",
		"2026-03-01T00:00:00Z":      "0.03",
		"2026-03-01T00:30:00+01:00": "0.05",
	} {
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if p, ok := r.Price(now, "+33612"); !ok || p.String() != want {
			t.Errorf("%s: %s, want %s", at, p, want)
		}
	}
}

func TestEveryFaultOfATableIsNamedAtItsPlace(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"values": {
			"prefix,price,from\n+33a,0.1,\n34,1.0000000001,\n35,,\n36,-1,2026-13-01\n1234567890123456,1,\n37\n,1\n38,1,2026-01-01,x\n",
			`2:1: "+33a" is not the beginning
3:4: "1.0000000001" is not a price
4:4: "" is not a price
5:4: "-1" is not a price
5:7: "2026-13-01" is not a day
6:1: more than 15 digits
7:1: the price is missing
8:1: "" is not the beginning
9:17: there are 3 columns`,
		},
		"unknown column": {"prefix,cost,valid\n33,1,2\n", "1:1: no column \"price\"\n1:8: unknown column \"cost\"\n1:13: unknown column \"valid\""},
		"column twice":   {"prefix,price,price\n", "1:14: stands already"},
		"currencies":     {"33,1,EUR\n34,1,USD\n35,1\n", "2:1: \"USD\", and \"EUR\"\n3:1: \"\", and \"EUR\""},
		"twice":          {"33,1\n34,1\n33,1\n", "3:1: 33 stands already in line 1"},
		"twice at once":  {"33,1,,2026-01-01,2026-03-01\n33,1,,2026-02-01\n", "2:1: stands already in line 1"},
		"backwards":      {"33,1,,2026-03-01,2026-02-01\n", "1:1: ends before it begins"},
		"quotes":         {"33,1\n34,\"1\n35,1\n", "parse"},
		"bare quote":     {"33,1\n34,1\"\n35,x\n", "2:5: bare\n3:4: not a price"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := carriers.ReadRates(strings.NewReader(c.text))
			faults, ok := err.(carriers.TableFaults)
			if !ok {
				t.Fatalf("%v", err)
			}
			if c.want == "parse" {
				return
			}
			got, want := strings.Split(faults.Error(), "\n"), strings.Split(c.want, "\n")
			slices.Sort(got)
			slices.Sort(want)
			if !slices.EqualFunc(got, want, func(g, w string) bool {
				at, part, _ := strings.Cut(w, ": ")
				return strings.HasPrefix(g, at+": ") && strings.Contains(g, part)
			}) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), c.want)
			}
		})
	}
}

func TestFaultsOfATableAreBounded(t *testing.T) {
	_, err := carriers.ReadRates(strings.NewReader(strings.Repeat("33,a\n", 1_000_000)))
	if faults, ok := err.(carriers.TableFaults); !ok || len(faults) != 50 {
		t.Errorf("%d faults", len(faults))
	}
}

func TestPriceIsThatOfAskingEachPrefix(t *testing.T) {
	digits := func(from, to int) *rapid.Generator[string] {
		return rapid.StringOfN(rapid.SampledFrom([]rune("019")), from, to, -1)
	}
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.MapOfN(digits(1, 7), rapid.IntRange(0, 1000), 0, 40).Draw(t, "prefixes")
		var text strings.Builder
		for prefix, price := range all {
			fmt.Fprintf(&text, "%s,%d\n", prefix, price)
		}
		r, err := carriers.ReadRates(strings.NewReader(text.String()))
		if err != nil {
			t.Fatal(err)
		}
		for range 30 {
			number := digits(0, 17).Draw(t, "number")
			want, longest := "", 0
			for prefix, price := range all {
				if len(prefix) > longest && strings.HasPrefix(number, prefix) {
					want, longest = fmt.Sprint(price), len(prefix)
				}
			}
			got := ""
			if p, ok := r.Price(time.Time{}, number); ok {
				got = p.String()
			}
			if got != want {
				t.Fatalf("%s: %q, want %q", number, got, want)
			}
		}
	})
}

func FuzzRates(f *testing.F) {
	f.Add("prefix,price\n33,0.1\n")
	f.Add("33,0.1,EUR,2026-01-01,2026-02-01,x\n\"3\n4\",1")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := carriers.ReadRates(strings.NewReader(text))
		if err == nil {
			r.Price(time.Unix(1_770_000_000, 0), "+331234")
			return
		}
		lines := strings.Count(text, "\n") + 1
		for _, x := range err.(carriers.TableFaults) {
			if x.Line < 1 || x.Line > lines || x.Column < 1 {
				t.Errorf("nowhere: %+v", x)
			}
		}
	})
}

// million is a table of a million prefixes of 3 to 11 digits.
func million(timed bool) string {
	dice := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	seen := map[int64]bool{}
	for len(seen) < 1_000_000 {
		n := int64(100)
		for range dice.IntN(9) {
			n *= 10
		}
		n += dice.Int64N(9 * n)
		if seen[n] {
			continue
		}
		seen[n] = true
		fmt.Fprintf(&b, "%d,0.%04d", n, dice.IntN(10000))
		if timed {
			b.WriteString(",EUR,2026-01-01,2027-01-01")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// TestAMillionPrefixesFitIntoTheMemory measures what a table takes, and what it takes
// besides while it is being read.
func TestAMillionPrefixesFitIntoTheMemory(t *testing.T) {
	for name, timed := range map[string]bool{"plain": false, "with times": true} {
		file := t.TempDir() + "/rates.csv"
		if err := os.WriteFile(file, []byte(million(timed)), 0o644); err != nil {
			t.Fatal(err)
		}
		var before, read, kept runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		r, err := carriers.ReadRates(f)
		took := time.Since(begin)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&read)
		runtime.GC()
		runtime.ReadMemStats(&kept)
		size := int64(kept.HeapAlloc) - int64(before.HeapAlloc)
		t.Logf("%s: %d prefixes read in %s: %d MB kept, %d MB of heap from the system meanwhile", name, r.Prefixes(), took, size>>20, int64(read.HeapSys-before.HeapSys)>>20)
		if r.Prefixes() != 1_000_000 || size > 40<<20 {
			t.Errorf("%s: %d prefixes take %d bytes", name, r.Prefixes(), size)
		}
		runtime.KeepAlive(r)
	}
}

func BenchmarkPrice(b *testing.B) {
	r := rates(b, million(false))
	dice := rand.New(rand.NewPCG(3, 4))
	numbers := make([]string, 1<<16)
	for i := range numbers {
		numbers[i] = fmt.Sprintf("+%d", 10_000_000_000+dice.Int64N(90_000_000_000))
	}
	b.ReportAllocs()
	found := 0
	for i := 0; b.Loop(); i++ {
		if _, ok := r.Price(time.Time{}, numbers[i%len(numbers)]); ok {
			found++
		}
	}
	if found == 0 {
		b.Fatal("nothing is found")
	}
}
