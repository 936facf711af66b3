package ops

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// overviews are calls of which several begin at one instant.
func overviews(from, n int) []b2bua.Overview {
	all := make([]b2bua.Overview, n)
	for i := range all {
		k := from + i
		all[i] = b2bua.Overview{
			ID: dialog.CallID{byte(k), byte(k >> 8), byte(k >> 16)}, Trunk: fmt.Sprintf("trunk-%d", k%3), From: fmt.Sprintf("+41%07d", k), To: fmt.Sprintf("+33%07d", k*7),
			State: b2bua.CallState(k % 5), Carrier: fmt.Sprintf("carrier-%d", k%11), Number: fmt.Sprintf("+33%07d", k*7), Attempts: 1 + k%3, Began: time.Unix(1_800_000_000+int64(k/3), 0),
		}
	}
	return all
}

// TestPagesAreStable: whatever comes and goes between two pages, on however many nodes, and
// wherever the calls are: who is there from the first page to the last is seen once, in order,
// and nobody is seen twice.
func TestPagesAreStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := make([][]b2bua.Overview, rapid.IntRange(1, 3).Draw(t, "nodes"))
		for _, o := range overviews(0, rapid.IntRange(0, 60).Draw(t, "calls")) {
			n := rapid.IntRange(0, len(nodes)-1).Draw(t, "node")
			nodes[n] = append(nodes[n], o)
		}
		var stay []dialog.CallID
		for _, n := range nodes {
			for _, o := range n {
				stay = append(stay, o.ID)
			}
		}
		p := Page{Limit: rapid.IntRange(1, 20).Draw(t, "limit")}
		var seen []Call
		come := 1000
		for pages := 0; ; pages++ {
			if pages > 200 {
				t.Fatal("the list has no end")
			}
			var parts []Calls
			for _, n := range nodes {
				parts = append(parts, p.pick(slices.Clone(n), &Filters{}, time.Now()))
			}
			l := p.merge(parts)
			if len(l.Calls) > p.Limit || l.Next != "" && len(l.Calls) < p.Limit {
				t.Fatalf("%d calls on a page of %d", len(l.Calls), p.Limit)
			}
			seen = append(seen, l.Calls...)
			if p.Cursor = l.Next; p.Cursor == "" {
				break
			}
			var ok bool
			if p.after, ok = parseCursor(p.Cursor); !ok {
				t.Fatal(p.Cursor)
			}
			for range rapid.IntRange(0, 3).Draw(t, "changes") {
				n := rapid.IntRange(0, len(nodes)-1).Draw(t, "node")
				switch of := nodes[n]; rapid.SampledFrom([]string{"come", "go", "move"}).Draw(t, "what") {
				case "come":
					nodes[n] = append(of, overviews(come, 1)...)
					come++
				case "go":
					if len(of) > 0 {
						i := rapid.IntRange(0, len(of)-1).Draw(t, "which")
						stay = slices.DeleteFunc(stay, func(id dialog.CallID) bool { return id == of[i].ID })
						nodes[n] = slices.Delete(slices.Clone(of), i, i+1)
					}
				case "move": // it is taken over, and the node before has not let go of it yet
					if to := rapid.IntRange(0, len(nodes)-1).Draw(t, "to"); len(of) > 0 && to != n {
						moved := of[rapid.IntRange(0, len(of)-1).Draw(t, "which")]
						if !slices.ContainsFunc(nodes[to], func(o b2bua.Overview) bool { return o.ID == moved.ID }) { // a node has a call once
							nodes[to] = append(slices.Clone(nodes[to]), moved)
						}
					}
				}
			}
		}
		for i := range seen {
			if i > 0 && placeIn(seen[i-1]).compare(placeIn(seen[i])) >= 0 {
				t.Fatalf("%s is not before %s", seen[i-1].ID, seen[i].ID)
			}
		}
		for _, id := range stay {
			if !slices.ContainsFunc(seen, func(c Call) bool { return c.ID == id.String() }) {
				t.Fatalf("%s stayed, and was not seen", id)
			}
		}
	})
}

// TestFiltersTravel: what is asked of another node is what was asked here.
func TestFiltersTravel(t *testing.T) {
	f := Filters{State: []string{"up", "ringing"}, Trunk: "a b", Carrier: "c&d", Number: "+33", From: "+41", LongerThan: "90s", Attempts: 2, Strays: 3}
	want := "attempts=2&carrier=c%26d&from=%2B41&longer_than=90s&number=%2B33&state=up%2Cringing&strays=3&trunk=a+b"
	if got := f.values().Encode(); got != want {
		t.Error(got)
	}
	if q := (&Filters{}).values(); len(q) != 0 {
		t.Error(q)
	}
	q := url.Values{}
	(&Page{Limit: 7, Cursor: "x", Fields: []string{"from"}}).values(q)
	if got := q.Encode(); got != "cursor=x&limit=7" {
		t.Error(got)
	}
}

// BenchmarkPick filters 50,000 calls and makes a page of them.
func BenchmarkPick(b *testing.B) {
	all := overviews(0, 50_000)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] }) // as an engine gives them
	for _, f := range []Filters{{}, {State: []string{"up"}, Carrier: "carrier-3"}, {Number: "+330001"}} {
		b.Run(strings.NewReplacer("=", "_", "%2B", "").Replace(f.values().Encode()), func(b *testing.B) {
			b.ReportAllocs()
			p := Page{Limit: 1000}
			for b.Loop() {
				p.pick(all, &f, time.Now())
			}
		})
	}
}
