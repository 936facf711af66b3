//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bulkhead/storage/storagetest"
)

// fleet are units beyond a pair: each is a process of its own, their calls are in one
// Redis Cluster, and a Kamailio spreads new calls over them.
type fleet struct {
	t        *testing.T
	masters  []*storagetest.Server
	units    []*border // unit i lives on master i
	carriers []*sipp
}

// Calls of a fleet: each talks for two seconds.
const fleetCalls, fleetRate = 900, 60

func openFleet(t *testing.T, network, units int) *fleet {
	t.Helper()
	quiet(t)
	f := &fleet{t: t}
	var addresses []string
	for range units {
		m := storagetest.StartRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000",
			"--cluster-require-full-coverage", "no")
		f.masters = append(f.masters, m)
		addresses = append(addresses, m.Address)
	}
	f.masters[0].Do(append(append([]string{"--cluster", "create"}, addresses...), "--cluster-yes")...)
	storagetest.Eventually(t, "the cluster is whole", func() bool {
		for _, m := range f.masters {
			info := m.Do("CLUSTER", "INFO")
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, fmt.Sprint("cluster_known_nodes:", units)) {
				return false
			}
		}
		return true
	})
	for i := range units {
		b := &border{dir: t.TempDir(), net: network + i, plan: plan{timers: "{t1: 500ms, t2: 4s, t4: 5s}"}}
		text := strings.NewReplacer(
			"node: e2e\n", fmt.Sprintf("node: n%d\nstate: {redis: {cluster: true, addresses: [%s]}}\nunit: {name: %s}\n",
				i, strings.Join(addresses, ", "), f.unitOn(i)),
			"from: [", fmt.Sprintf("from: [%q, ", fmt.Sprintf("127.0.%d.%d", network, front)),
		).Replace(b.config())
		if i == 0 { // who has the front in its own network knows it already
			text = strings.Replace(text, fmt.Sprintf("%q, ", b.ip(front)), "", 1)
		}
		file := filepath.Join(b.dir, "bulkhead.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		b.process = start(t, b.dir, "bulkhead", built("plain"), "serve", "--drain", "20s", file)
		b.ready()
		f.units = append(f.units, b)
		carrier := b.sippAt(tc1, "tc1", "uas.xml", nil, "-timeout", seconds(2*patience))
		carrier.until("tc1 to listen", 10*time.Second, func() bool { return bound("udp", b.at(tc1)) })
		f.carriers = append(f.carriers, carrier)
	}
	return f
}

// unitOn is a name whose keys are on a master: slots are dealt out in order.
func (f *fleet) unitOn(master int) string {
	f.t.Helper()
	share := 16384/len(f.masters) + 1
	for i := 0; ; i++ {
		unit := fmt.Sprint("fleet", i)
		var slot int
		if _, err := fmt.Sscan(f.masters[0].Do("CLUSTER", "KEYSLOT", "{"+unit+"}"), &slot); err != nil {
			f.t.Fatal(err)
		}
		if slot/share == master {
			return unit
		}
	}
}

// spread starts the dispatcher in front of the units.
func (f *fleet) spread() *process {
	b := f.units[0]
	var list strings.Builder
	for _, u := range f.units {
		fmt.Fprintf(&list, "1 sip:%s\n", u.at(coreSide))
	}
	file := filepath.Join(b.dir, "units")
	if err := os.WriteFile(file, []byte(list.String()), 0o600); err != nil {
		f.t.Fatal(err)
	}
	p := start(f.t, b.dir, "kamailio", "/usr/sbin/kamailio", "-DD", "-E", "-f", here(f.t, "../kamailio/dispatcher.cfg"), "-Y", b.dir,
		"-P", filepath.Join(b.dir, "kamailio.pid"), "-m", "64", "-M", "4",
		"-A", "LISTEN=udp:"+b.at(front), "-A", fmt.Sprintf("LIST=%q", file))
	p.until("kamailio to listen", 20*time.Second, func() bool { return bound("udp", b.at(front)) })
	return p
}

// ended is how many calls have their record.
func (b *border) ended() int {
	text, err := os.ReadFile(filepath.Join(b.dir, "calls.jsonl"))
	if err != nil {
		return 0
	}
	return strings.Count(string(text), "\n")
}

// TestFleet: of three units one drains under load, and one loses the master of its keys.
// No call fails, and the third unit does not feel any of it.
func TestFleet(t *testing.T) {
	t.Parallel()
	f := openFleet(t, 152, 3)
	f.spread()
	drained, robbed, calm := f.units[0], f.units[1], f.units[2]
	call := drained.sippAt(caller, "caller", "uac.xml", nil, drained.at(front), "-s", number, "-d", "2000",
		"-r", fmt.Sprint(fleetRate), "-m", fmt.Sprint(fleetCalls), "-timeout", seconds(2*patience))
	calm.until("calls on every unit", patience, func() bool {
		return drained.ended() > 10 && robbed.ended() > 10 && calm.ended() > 10
	})
	f.masters[1].Kill()
	robbed.until("its unit to say that its calls are unprotected", patience, func() bool {
		return strings.Contains(robbed.tail(1<<20), `"degraded":true`)
	})
	drained.terminate(patience)
	before := calm.ended()
	calm.until("new calls to go on", patience, func() bool { return calm.ended() > before+50 })
	f.masters[1].Start()
	call.finish(2 * patience)
	if n := call.failed(); n != 0 {
		t.Errorf("%d calls failed", n)
	}
	calm.until("all records", patience, func() bool {
		return drained.ended()+robbed.ended()+calm.ended() >= fleetCalls
	})
	t.Logf("calls: %d of the unit that drained, %d of the one whose master died, %d of the third",
		drained.ended(), robbed.ended(), calm.ended())
	if n := drained.ended() + robbed.ended() + calm.ended(); n != fleetCalls {
		t.Errorf("%d records", n)
	}
	for _, u := range []*border{drained, calm} {
		if strings.Contains(u.tail(1<<20), "unprotected") {
			t.Errorf("unit of node %s was unprotected", u.dir)
		}
	}
}
