//go:build e2e

package e2e

import (
	"flag"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bulkhead/storage/storagetest"
)

// What the issue asks for is -soak.for 30m -soak.rate 300 -timeout 45m, of a machine that has
// nothing else to do. Without, it is what runs beside other tests.
var (
	soakFor  = flag.Duration("soak.for", 3*time.Minute, "how long TestSoak makes calls")
	soakRate = flag.Int("soak.rate", 60, "how many calls a second it makes, of all kinds together")
	soakCSV  = flag.String("soak.csv", "", "a file for what it has seen every ten seconds")
	soakHeap = flag.String("soak.heap", "", "a directory for the heap's profiles at rest: before.pprof, after.pprof")
)

// soakWarm is how long it takes until as many calls end as begin: the longest of a mix is a
// minute long, what is left of one lingers beyond Timer D, and its tombstone beyond that.
const soakWarm = 100 * time.Second

// seenAt is what a border had at an instant of a soak.
type seenAt struct {
	at                                    time.Duration // since the calls began
	calls, kept                           float64       // admitted so far; of those, in memory
	cpu                                   float64       // seconds so far
	rss, live                             float64       // bytes: resident, and what a collection leaves of the heap; the latter at rest alone
	goroutines, fds, keys, ports, sockets float64       // keys are of Redis; ports are of media, and used
}

// soak is a border that is looked at.
type soak struct {
	*operated
	redis   *storagetest.Server
	kinds   []kind
	began   time.Time
	samples []seenAt

	reloads, refused, restarts int
}

// TestSoak makes calls of all kinds over a network that loses and reorders, while Redis is
// killed again and again and the configuration reloaded every ten seconds. Nothing grows, nothing
// is left, no promise is broken, and there is exactly one record of each call: of each INVITE
// that was answered, by whoever was between.
func TestSoak(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := &soak{redis: storagetest.StartRedis(t), kinds: mix(speech(t, dir))}
	p := plan{build: "plain", prefix: "127.1"}
	const network = 293 - 256 // 127.1.37.0
	p.whole = soakConfig(&border{net: network, plan: p}, s.redis.Address, s.kinds, 0)
	s.operated = operate(t, network, p)
	s.until("the API", 10*time.Second, func() bool {
		_, err := os.Stat(filepath.Join(s.dir, "api.sock"))
		return err == nil
	})
	before := s.rests("before")
	played := s.play(s.kinds, seeded(t), *soakRate, *soakFor)
	s.under()
	s.report(played)
	s.settle(played)
	after := s.rests("after")
	s.flat(before, after)
	s.accounts(played)
}

// metrics are all that the border shows, by name and labels.
func (s *soak) metrics() map[string]float64 {
	s.t.Helper()
	code, text := s.asks(http.MethodGet, "/metrics")
	if code != http.StatusOK {
		s.t.Fatalf("metrics: %d %s", code, text)
	}
	all := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if i := strings.LastIndexByte(line, ' '); i > 0 && !strings.HasPrefix(line, "#") {
			n, err := strconv.ParseFloat(line[i+1:], 64)
			if err != nil {
				s.t.Fatalf("metric %s: %v", line, err)
			}
			all[line[:i]] = n
		}
	}
	return all
}

// of adds up the metrics of a name, those with labels that are written besides.
func of(all map[string]float64, name string, label ...string) (sum float64) {
	for key, n := range all {
		bare, labels, _ := strings.Cut(key, "{")
		if bare == name && !slices.ContainsFunc(label, func(l string) bool { return !strings.Contains(labels, l) }) {
			sum += n
		}
	}
	return sum
}

func (s *soak) look() seenAt {
	s.t.Helper()
	all := s.metrics()
	is := func(name string) float64 {
		n, ok := all[name]
		if !ok {
			s.t.Fatalf("no metric %s", name)
		}
		return n
	}
	keys, err := strconv.ParseFloat(strings.TrimSpace(s.redis.Do("DBSIZE")), 64)
	if err != nil {
		s.t.Fatalf("DBSIZE: %v", err)
	}
	return seenAt{
		at: time.Since(s.began), calls: of(all, "bulkhead_calls_total"), kept: of(all, "bulkhead_calls"), cpu: is("process_cpu_seconds_total"),
		rss: is("process_resident_memory_bytes"), goroutines: is("go_goroutines"), fds: is("process_open_fds"),
		ports: of(all, "bulkhead_media_ports", `state="used"`), sockets: of(all, "bulkhead_media_sockets"), keys: keys,
	}
}

// rests looks at a border without calls, whose garbage is collected.
func (s *soak) rests(when string) seenAt {
	s.t.Helper()
	code, text := s.asks(http.MethodGet, "/debug/pprof/heap?gc=1")
	if code != http.StatusOK {
		s.t.Fatalf("a heap profile: %d %s", code, text)
	}
	if *soakHeap != "" {
		if err := os.WriteFile(filepath.Join(*soakHeap, when+".pprof"), text, 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	live := s.metric("go_memstats_heap_alloc_bytes")
	// Go gives back what a collection has freed bit by bit: as long as it does, it is not at rest.
	was, next := math.Inf(1), time.Now()
	s.until("memory to be given back", 3*patience, func() bool {
		if time.Now().Before(next) {
			return false
		}
		is := s.metric("process_resident_memory_bytes")
		fallen := is < was-(1<<20)
		was, next = is, time.Now().Add(3*time.Second)
		return !fallen
	})
	n := s.look()
	n.live = live
	return n
}

// under looks on until the callers have made their calls.
func (s *soak) under() {
	s.t.Helper()
	s.began = time.Now()
	each := min(time.Minute, *soakFor/3) // between two ends of Redis
	kill, back := s.began.Add(each/2), time.Time{}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; time.Since(s.began) < *soakFor; n++ {
		select {
		case <-tick.C:
		case <-s.exited:
			s.t.Fatalf("it has ended: %v\n%s", s.err, s.tail(4000))
		}
		switch now := time.Now(); {
		case back.IsZero() && now.After(kill):
			s.redis.Kill()
			back = now.Add(3 * time.Second)
		case !back.IsZero() && now.After(back):
			s.redis.Start()
			s.restarts++
			kill, back = kill.Add(each), time.Time{}
		}
		switch {
		case n%10 == 0:
			s.reload()
		case n%10 >= 5 && back.IsZero() && (len(s.samples) == 0 || time.Since(s.began)-s.samples[len(s.samples)-1].at > 8*time.Second):
			s.samples = append(s.samples, s.look())
		}
	}
	if !back.IsZero() {
		s.redis.Start()
	}
}

// reload puts another configuration in force; of three, one cannot be used.
func (s *soak) reload() {
	s.t.Helper()
	text := soakConfig(s.border, s.redis.Address, s.kinds, s.reloads+1) + s.plan.more + "\n"
	if (s.reloads+s.refused)%3 == 1 {
		s.rewrite(strings.Replace(text, "realm: peering", "realm: periing", 1))
		if code, answer := s.asks(http.MethodPost, "/v1/reload"); code != http.StatusUnprocessableEntity {
			s.t.Errorf("a file that cannot be used: %d %s", code, answer)
		}
		s.refused++
		return
	}
	s.rewrite(text)
	if code, answer := s.asks(http.MethodPost, "/v1/reload"); code != http.StatusOK {
		s.t.Fatalf("reload: %d %s", code, answer)
	}
	s.reloads++
}

// settle waits until the callers have nothing more to say, and every call is over: one that
// the network has robbed of its caller ends by what the border itself knows (P7).
func (s *soak) settle(p *parties) {
	s.t.Helper()
	for _, c := range p.callers {
		s.until(c.name+" to be done", 3*patience, func() bool {
			select {
			case <-c.exited: // with what status, the network has a say in
				return true
			default:
				return false
			}
		})
	}
	s.t.Logf("%v after the load: every caller is done", time.Since(s.began.Add(*soakFor)).Round(time.Second))
	for _, wanted := range []struct {
		what string
		is   func() bool
	}{
		{"every call to be over", func() bool { return of(s.metrics(), "bulkhead_calls") == 0 }},
		{"every record to be written", func() bool {
			all := s.metrics()
			return of(all, "bulkhead_calls_ended_total") >= of(all, "bulkhead_calls_total")
		}},
		{"media ports to be free", func() bool { return of(s.metrics(), "bulkhead_media_ports", `state="used"`) == 0 }},
		{"the keys of calls to expire", func() bool { return !strings.Contains(s.redis.Do("KEYS", "*"), ":call:") }},
		{"the old configurations to be let go of", func() bool { return s.metric("bulkhead_config_snapshots") == 1 }},
	} {
		next := time.Now() // once a second is enough
		s.until(wanted.what, 3*patience, func() bool {
			if time.Now().Before(next) {
				return false
			}
			next = time.Now().Add(time.Second)
			return wanted.is()
		})
		s.t.Logf("%v after the load: %s", time.Since(s.began.Add(*soakFor)).Round(time.Second), wanted.what)
	}
}
