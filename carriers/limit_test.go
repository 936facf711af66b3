package carriers

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bulkhead/dialog"
)

// TestR16_UsageIsTheSetOfCalls plays random calls, ends, counts of what is counted
// already, crashes and restores: what is used is what there is, and new calls never take
// it beyond its limit.
func TestR16_UsageIsTheSetOfCalls(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var u Usage
		bounds := map[Place]int{}
		var places []Place
		for i := range 4 {
			p := Place{Kind(i % 3), fmt.Sprint("p", i)}
			places = append(places, p)
			bounds[p] = rapid.IntRange(0, 4).Draw(t, "limit")
		}
		truth := map[dialog.CallID]map[Place]bool{}
		some := func(of []Place) (list []Place) {
			for _, p := range of {
				if rapid.Bool().Draw(t, "it") {
					list = append(list, p)
				}
			}
			return list
		}
		keys := func(m map[Place]bool) (list []Place) {
			for _, p := range places {
				if m[p] {
					list = append(list, p)
				}
			}
			return list
		}
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				id := dialog.CallID{byte(rapid.IntRange(0, 9).Draw(t, "call"))}
				var want []Bound
				fits := true
				for _, p := range some(places) {
					want = append(want, Bound{p, Limit{Calls: bounds[p]}})
					used := 0
					for _, has := range truth {
						if has[p] {
							used++
						}
					}
					fits = fits && (truth[id][p] || bounds[p] == 0 || used < bounds[p])
				}
				full, ok := u.Take(time.Time{}, id, want...)
				if ok != fits {
					t.Fatalf("taken: %v (%v), there is room: %v", ok, full, fits)
				}
				if ok {
					if truth[id] == nil {
						truth[id] = map[Place]bool{}
					}
					for _, b := range want {
						truth[id][b.Place] = true
					}
				}
			},
			"move": func(t *rapid.T) { // to fewer places, or the same again
				for id, has := range truth {
					left := some(keys(has))
					u.Hold(id, keys(has), left)
					now := map[Place]bool{}
					for _, p := range left {
						now[p] = true
					}
					truth[id] = now
					return
				}
			},
			"end": func(t *rapid.T) {
				for id, has := range truth {
					u.Hold(id, keys(has), nil)
					delete(truth, id)
					return
				}
			},
			"crash": func(t *rapid.T) { // another node counts what it finds, some of it twice
				u = Usage{}
				for id, has := range truth {
					u.Hold(id, nil, keys(has))
				}
				for id, has := range truth {
					u.Hold(id, nil, some(keys(has)))
				}
			},
			"": func(t *rapid.T) {
				for _, p := range places {
					used := 0
					for _, has := range truth {
						if has[p] {
							used++
						}
					}
					if got := u.Used(p); got != used || bounds[p] > 0 && got > bounds[p] {
						t.Fatalf("%v: %d used, in truth %d, of %d", p, got, used, bounds[p])
					}
				}
			},
		})
	})
}

// TestTokensComeByTheClock: so many at once, so many a second in the long run, and who
// is refused takes none, of no place.
func TestTokensComeByTheClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var u Usage
		cps, burst := rapid.IntRange(1, 50).Draw(t, "cps"), rapid.IntRange(1, 50).Draw(t, "burst")
		b := Bound{Place{OfTrunk, "a"}, Limit{CPS: cps, Burst: burst}}
		shut := Bound{Place{OfCarrier, "b"}, Limit{Calls: 1}}
		u.Hold(dialog.CallID{99}, nil, []Place{shut.Place})
		begin := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		now, taken := begin, 0
		for range rapid.IntRange(1, 200).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "ms")) * time.Millisecond)
			if _, ok := u.Take(now, dialog.CallID{1}, b, shut); ok {
				t.Fatal("a place that another call has")
			}
			full, ok := u.Take(now, dialog.CallID{byte(taken)}, b)
			if ok {
				taken++
			} else if _, early := u.Room(now.Add(full.Wait-time.Millisecond), b); early && full.Wait > time.Millisecond {
				t.Fatalf("there is room before %s", full.Wait)
			} else if _, late := u.Room(now.Add(full.Wait+time.Millisecond), b); !late {
				t.Fatalf("there is no room after %s", full.Wait)
			}
			most := float64(burst) + now.Sub(begin).Seconds()*float64(cps)
			if float64(taken) > most+1e-6 {
				t.Fatalf("%d taken after %s", taken, now.Sub(begin))
			}
			if !ok && float64(taken) < min(float64(burst), most)-1 {
				t.Fatalf("refused after %d in %s", taken, now.Sub(begin))
			}
		}
	})
}

func BenchmarkTake(b *testing.B) {
	var u Usage
	now := time.Now()
	bounds := []Bound{{Place{OfTrunk, "pbx"}, Limit{Calls: 1 << 20, CPS: 1e9, Burst: 1e9}}, {Place{OfCarrier, "tc1"}, Limit{Calls: 1 << 20}}}
	places := []Place{bounds[0].Place, bounds[1].Place}
	var id dialog.CallID
	b.ReportAllocs()
	for b.Loop() {
		id[0]++
		if _, ok := u.Take(now, id, bounds...); !ok {
			b.Fatal("no room")
		}
		u.Hold(id, places, nil)
	}
}
