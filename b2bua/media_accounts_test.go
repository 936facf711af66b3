package b2bua_test

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/media"
	"bulkhead/b2bua/media/relay"
	"bulkhead/b2bua/simtest"
)

var mediaCalls = flag.Int("media.calls", 400, "how many calls TestMediaIsGivenBack makes by each way")

// TestMediaIsGivenBack: whatever becomes of calls, when all are over no rtpengine has one (P7), also where nodes are lost
// and slow meanwhile. Of Debian's own deploy/e2e asks it.
func TestMediaIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simtest.Open(t, nil)
		defer s.Close()
		s.Do("media rtpengine nodes=2 timeout=60s")
		s.End(*mediaCalls, append(simtest.Endings[:len(simtest.Endings):len(simtest.Endings)], simtest.LossyEndings...), nil)
	})
}

// TestMediaSocketsAreGivenBack: nor has the relay a socket, the kernel's watch over one, a port, or anybody who waits. Its
// ports are few, so that each is used again and again.
func TestMediaSocketsAreGivenBack(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the census is /proc's")
	}
	const pairs = 40 // an address
	r, err := relay.New(relay.Config{First: 21000, Last: 21000 + 2*pairs - 1, Quarantine: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Shut()
	binds := map[string]netip.Addr{"access": netip.MustParseAddr("127.66.0.1"), "core": netip.MustParseAddr("127.66.0.2")}
	for _, at := range binds { // its thread begins, out here
		local, err := r.Open(at)
		if err != nil {
			t.Fatal(err)
		}
		r.Close(local)
	}
	rested := func(most census) (c relay.Totals, all census) {
		for late := time.Now().Add(10 * time.Second); time.Now().Before(late); {
			runtime.Gosched()
			c, all = r.Totals(), count(t)
			if c.Used == 0 && c.Sockets == 0 && c.Quarantined == 0 && all.goroutines <= most.goroutines {
				break
			}
		}
		return c, all
	}
	outside := simtest.NewOutside()
	defer outside.Close()
	ports := &counted{Ports: outside.Ports(r)}

	_, before := rested(count(t))
	synctest.Test(t, func(t *testing.T) {
		s := simtest.Open(t, nil)
		defer s.Close()
		s.Carry = func(m *b2bua.Media) {
			m.Relay = media.NewRelayed(ports, func(netip.AddrPort) bool { return false }, 0)
			for realm, all := range m.Realms {
				all[0].Bind = binds[realm]
			}
		}
		s.Do("media relay")
		s.End(*mediaCalls, simtest.Endings, func() {
			if up := count(t); up.descriptors < before.descriptors+4 || up.watched < before.watched+4 || r.Totals().Used != 2 {
				t.Errorf("%+v before any call, %+v and %+v while one talks", before, up, r.Totals())
			}
		})
	})
	c, after := rested(before)
	t.Logf("%d calls have opened %d pairs of ports, of %d: %+v before, %+v after", *mediaCalls, ports.opened, 2*pairs, before, after)
	if after != before {
		t.Errorf("there were %+v, and are %+v", before, after)
	}
	if c.Used != 0 || c.Ends != 0 || c.Sockets != 0 || c.Quarantined != 0 || c.Free != 2*pairs {
		t.Errorf("of the relay there are %+v", c)
	}
	if ports.opened < *mediaCalls*2 {
		t.Errorf("%d pairs of ports were opened", ports.opened)
	}
}

// counted are ports whose openings are counted.
type counted struct {
	media.Ports
	opened int
}

func (c *counted) Open(at netip.Addr) (netip.AddrPort, error) {
	c.opened++
	return c.Ports.Open(at)
}

// census is what a process has of the kernel, and who runs in it.
type census struct{ descriptors, watched, goroutines int }

// count takes it: the descriptors, and those that any epoll watches.
func count(t *testing.T) (c census) {
	t.Helper()
	all, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil || len(all) == 0 {
		t.Fatal(err, "no descriptors")
	}
	for _, name := range all {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // that of the list itself
		}
		c.descriptors++
		c.watched += strings.Count(string(text), "\ntfd:")
	}
	c.goroutines = runtime.NumGoroutine()
	return c
}
