package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"bulkhead/b2bua/ops"
)

// reloading is a process whose file a test rewrites.
type reloading struct {
	*process
	t    *testing.T
	file string
	text string // of the file as it began
	logs *observer.ObservedLogs
}

// reloads begins a process with a border, unless it stands by, and with an API.
func reloads(t *testing.T, standsBy bool) *reloading {
	t.Helper()
	dir := t.TempDir()
	certify(t, dir, "peering", 1)
	at := somewhere(t)
	r := &reloading{t: t, file: filepath.Join(dir, "bulkhead.yaml"), text: fmt.Sprintf(`node: sbc-a
realms:
  core: {listen: ["udp://%s"]}
  peering: {listen: ["udp://127.0.190.2:%d"], tls: {certificate: peering.pem, key: peering.key}}
trunks:
  pbx: {realm: core, from: [127.0.191.0/24]}
carriers:
  tc1: {realm: peering, gateways: [{address: "127.0.192.1:5060"}]}
routes:
  - match: {number: "*"}
    targets: [{carrier: tc1}]
timers: {t1: 50ms, t2: 400ms, t4: 500ms}
api: {socket: run/api.sock}
log: {level: info}
`, at, at.Port())}
	r.write(r.text)
	c, warnings, err := Load(r.file)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	level := zap.NewAtomicLevel()
	core, logs := observer.New(zapcore.DebugLevel)
	r.logs = logs
	r.process = newProcess(r.file, c, zap.New(core), level)
	r.pair = standsBy
	if err := r.openAPI(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.closeAPI)
	if !standsBy {
		r.raised(c)
	}
	return r
}

// raised makes the border, with sockets that were bound for a configuration.
func (r *reloading) raised(c *Config) {
	r.t.Helper()
	s, err := c.bind(r.log)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { s.edge.Close() })
	if _, err := r.raise(s, func(c *Config) (*border, error) {
		return newBorder(c, s, [32]byte{}, discard{}, nil, nil, nil, r.log, r.metrics, r.watch(), nil)
	}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *reloading) write(text string) {
	r.t.Helper()
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// changed writes the file as it began, but for these texts.
func (r *reloading) changed(pairs ...string) {
	r.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(r.text, pairs[i]) {
			r.t.Fatalf("the file has no %q", pairs[i])
		}
	}
	r.write(strings.NewReplacer(pairs...).Replace(r.text))
}

// known says whether an address is a trunk's.
func (r *reloading) known(address string) bool {
	return r.border.engine.Known("core", netip.MustParseAddr(address))
}

// certify writes a certificate and its key, which is good for an hour.
func certify(t *testing.T, dir, name string, serial int64) {
	t.Helper()
	certifyUntil(t, dir, name, serial, time.Now().Add(time.Hour))
}

func certifyUntil(t *testing.T, dir, name string, serial int64, until time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name+file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// figure is a metric's value, of one result if it has results.
func (r *reloading) figure(name, result string) float64 {
	r.t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if result == "" || m.GetLabel()[0].GetValue() == result {
				if f.GetType() == dto.MetricType_COUNTER {
					return m.GetCounter().GetValue()
				}
				return m.GetGauge().GetValue()
			}
		}
	}
	r.t.Errorf("no metric %s", name)
	return 0
}

// commanded is what bulkhead reload prints and fails with.
func commanded(args ...string) (out, problems string, err error) {
	return ran(reloadCommand(), args...)
}

func ran(c *cobra.Command, args ...string) (out, problems string, err error) {
	var o, p bytes.Buffer
	c.SetOut(&o)
	c.SetErr(&p)
	c.SetArgs(args)
	c.SilenceErrors, c.SilenceUsage = true, true
	err = c.Execute()
	return o.String(), p.String(), err
}

// TestR27_ReloadTakesAFile: as the command tells it, the log, and the metrics.
func TestR27_ReloadTakesAFile(t *testing.T) {
	r := reloads(t, false)
	r.changed("  pbx: {realm: core, from: [127.0.191.0/24]}",
		"  pbx: {realm: core, from: [127.0.191.0/24], max_duration: 1h}\n  new: {realm: core, from: [127.0.193.1]}",
		"  tc1: {", "  tc2: {", "carrier: tc1", "carrier: tc2", "level: info", "level: debug")
	out, problems, err := commanded(r.file)
	want := "changed  trunks.pbx.max_duration\nremoved  carriers.tc1\nadded    carriers.tc2\nchanged  routes\nchanged  log.level\n"
	for _, line := range append(strings.SplitAfter(want, "\n"), "added    trunks.new\n", "generation 2 of "+r.file+" is in force\n") {
		if !strings.Contains(out, line) {
			t.Errorf("%q is not told", line)
		}
	}
	if err != nil || problems != "" || strings.Count(out, "\n") != 7 {
		t.Errorf("%v %s\n%s", err, problems, out)
	}
	if !r.known("127.0.191.1") || !r.known("127.0.193.1") || !r.level.Enabled(zapcore.DebugLevel) {
		t.Error("it is not in force")
	}
	lines := r.logs.FilterMessage("configuration taken").All()
	if len(lines) != 1 {
		t.Fatalf("%d lines", len(lines))
	}
	said := lines[0].ContextMap()
	for key, want := range map[string]any{
		"generation": int64(2), "trunks_added": int64(1), "trunks_added_names": "new", "trunks_changed": int64(1), "trunks_changed_names": "pbx",
		"carriers_added": int64(1), "carriers_removed_names": "tc1", "routes": "changed",
	} {
		if said[key] != want {
			t.Errorf("%s is %v, want %v", key, said[key], want)
		}
	}
	if r.figure("bulkhead_config_generation", "") != 2 || r.figure("bulkhead_config_reloads_total", "taken") != 1 || r.figure("bulkhead_config_reloads_total", "refused") != 0 {
		t.Error("the metrics do not tell")
	}
}

// TestR27_ReloadRefusesWhole: each file has something good in it, of which nothing is
// taken, and something that cannot be.
func TestR27_ReloadRefusesWhole(t *testing.T) {
	good := []string{"from: [127.0.191.0/24]", "from: [127.0.193.0/24]"}
	for name, try := range map[string]struct {
		changes []string
		faults  []string
	}{
		"not YAML":     {[]string{"routes:", "routes: ["}, []string{":12:1: "}},
		"unknown key":  {[]string{"carriers:", "carrier:"}, []string{":7:1: carrier: unknown key", ": routes[0].targets[0].carrier: "}},
		"a listener":   {[]string{"udp://127.0.190.2:", "udp://127.0.190.3:"}, []string{":4:13: realms.peering.listen: is changed, which needs a restart"}},
		"a realm":      {[]string{"timers:", "timers: #"}, []string{": timers.t1: is changed", ": timers.t2: is changed", ": timers.t4: is changed"}},
		"node":         {[]string{"node: sbc-a", "node: sbc-b"}, []string{":1:7: node: is changed, which needs a restart"}},
		"key_file":     {[]string{"node:", "key_file: new.key\nnode:"}, []string{":1:11: key_file: is changed"}},
		"state":        {[]string{"log:", "state: {redis: {addresses: [\"127.0.0.1:6379\"]}}\nlog:"}, []string{": state: is added, which needs a restart"}},
		"api":          {[]string{"api: {socket: run/api.sock}", ""}, []string{":1:1: api: is removed, which needs a restart"}},
		"certificate":  {[]string{"peering.pem", "lost.pem"}, []string{": realms.peering.tls: ", "lost.pem"}},
		"several":      {[]string{"node: sbc-a", "node: sbc-b", "carrier: tc1", "carrier: tc9"}, []string{": node: is changed", ": routes[0].targets[0].carrier: "}},
		"no such file": {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := reloads(t, false)
			r.changed(append(try.changes, good...)...)
			if name == "no such file" {
				if err := os.Remove(r.file); err != nil {
					t.Fatal(err)
				}
			}
			args := []string{"--socket", filepath.Join(filepath.Dir(r.file), "run", "api.sock")}
			if name == "several" { // by its file, which says where the socket is even so
				args = []string{r.file}
			}
			out, problems, err := commanded(args...)
			if err == nil || out != "" || !strings.Contains(err.Error(), "the one before stays") {
				t.Errorf("%v %s", err, out)
			}
			for _, fault := range try.faults {
				if !strings.Contains(problems, fault) {
					t.Errorf("%q is not told:\n%s", fault, problems)
				}
			}
			if got := strings.Count(problems, "\n"); name == "a listener" && got != 1 {
				t.Errorf("%d faults:\n%s", got, problems)
			}
			for line := range strings.SplitSeq(strings.TrimSpace(problems), "\n") {
				if line != "" && !strings.HasPrefix(line, r.file+":") {
					t.Errorf("without its place: %s", line)
				}
			}
			if !r.known("127.0.191.1") || r.known("127.0.193.1") || r.generation != 1 || r.config.Node != "sbc-a" {
				t.Error("the old one does not stay")
			}
			if r.figure("bulkhead_config_reloads_total", "refused") != 1 || r.figure("bulkhead_config_generation", "") != 1 ||
				r.logs.FilterMessage("configuration refused; the one before stays").Len() != 1 {
				t.Error("it is not told")
			}
			r.write(r.text) // and a good one is taken after it
			if _, err := r.Reload(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestR27_ABrokenCertificate keeps everything else from being taken.
func TestR27_ABrokenCertificate(t *testing.T) {
	for name, standsBy := range map[string]bool{"serving": false, "standing by": true} {
		t.Run(name, func(t *testing.T) {
			r := reloads(t, standsBy)
			file := filepath.Join(filepath.Dir(r.file), "peering.pem")
			if err := os.WriteFile(file, []byte("rubbish"), 0o600); err != nil {
				t.Fatal(err)
			}
			r.changed("from: [127.0.191.0/24]", "from: [127.0.193.0/24]")
			_, err := r.Reload()
			refused, ok := errors.AsType[*ops.Refused](err)
			if !ok || len(refused.Faults) != 1 || refused.Faults[0].Key != "realms.peering.tls" || refused.Faults[0].Line != 4 || r.generation != 1 {
				t.Errorf("%v", err)
			}
			certify(t, filepath.Dir(r.file), "peering", 2)
			if _, err := r.Reload(); err != nil || r.generation != 2 {
				t.Error(err)
			}
		})
	}
}

// TestR27_AStandbyReloads: what it has read is in force when it takes the unit, also
// with sockets that were bound before.
func TestR27_AStandbyReloads(t *testing.T) {
	r := reloads(t, true)
	if state, ready := r.State(); state != "standing by" || !ready {
		t.Errorf("%s, ready %v", state, ready)
	}
	before := r.config
	certify(t, filepath.Dir(r.file), "later", 7)
	r.changed("from: [127.0.191.0/24]", "from: [127.0.193.0/24]", "peering.pem", "later.pem", "peering.key", "later.key")
	if _, err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	r.raised(before)
	if r.known("127.0.191.1") || !r.known("127.0.193.1") {
		t.Error("it serves with the configuration of before")
	}
	if state, ready := r.State(); state != "serving" || !ready {
		t.Errorf("%s, ready %v", state, ready)
	}
	r.lower()
	if _, err := r.Reload(); err != nil || r.generation != 3 {
		t.Error(err)
	}
	r.leaving.Store(true)
	if state, ready := r.State(); state != "draining" || ready {
		t.Errorf("%s, ready %v", state, ready)
	}
}

// TestReloadCommandSaysWhatItNeeds.
func TestReloadCommandSaysWhatItNeeds(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	const realm = "realms: {core: {listen: [\"udp://127.0.190.1:5060\"]}}\n"
	for _, try := range []struct {
		args     []string
		err, say string
	}{
		{nil, "want reload [FILE], with the node's configuration file, --socket or --url", ""},
		{[]string{"a", "--socket", "b"}, "want reload [FILE], with", ""},
		{[]string{write("bad.yaml", realm+"routes: [\n")}, errRefused.Error(), "bad.yaml:2:9: "},
		{[]string{write("no-api.yaml", realm)}, "has no api: the node cannot be asked", ""},
		{[]string{write("dead.yaml", realm+"api: {socket: dead.sock}\n")}, filepath.Join(dir, "dead.sock") + ": dial unix", ""},
	} {
		out, problems, err := commanded(try.args...)
		if err == nil || !strings.Contains(err.Error(), try.err) || !strings.Contains(problems, try.say) || out != "" {
			t.Errorf("%q: %v\n%s%s", try.args, err, problems, out)
		}
	}
}

// TestDifferences are found as deep as both configurations have the key.
func TestDifferences(t *testing.T) {
	const text = `
node: a
realms:
  core: {listen: ["udp://127.0.190.1:5060"]}
trunks:
  pbx: {realm: core, from: [127.0.191.1], limits: {calls: 10}}
  old: {realm: core, from: [127.0.191.2]}
unit: {name: u01}
media: {relay: {ports: 30000-39999}}
`
	parsed := func(text string) *Config {
		c, _, err := parse("test.yaml", []byte(text), "host")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before := parsed(text)
	if d := differences(before, parsed(text)); len(d) > 0 {
		t.Errorf("one with itself: %v", d)
	}
	after := parsed(strings.NewReplacer(
		"calls: 10", "calls: 11, cps: 5", "  old:", "  new:", "u01", "u02", "39999", "39998", "5060\"]", "5060\", \"tcp://127.0.190.1:5060\"]",
	).Replace(text) + "cdr: {file: calls.jsonl}\n")
	var got []string
	for _, d := range differences(before, after) {
		got = append(got, fmt.Sprintf("%s %s %v", d.path, d.how, d.path.swappable()))
	}
	want := strings.Join([]string{
		"realms.core.listen changed false", "trunks.new added true", "trunks.old removed true",
		"trunks.pbx.limits.calls changed true", "trunks.pbx.limits.cps changed true",
		"unit.name changed false", "media.relay.ports changed false", "cdr added false",
	}, "\n")
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

// TestReloadSharesTables: one that has not changed is not in memory a second time.
func TestReloadSharesTables(t *testing.T) {
	name := withTables(t, map[string]string{"tc1.csv": "33,0.1\n", "tc2.csv": "33,0.2\n34,0.3\n"})
	before, err := load(name, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(name), "rates", "tc2.csv"), []byte("33,0.2\n34,0.4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	after, err := load(name, before.config, nil)
	if err != nil {
		t.Fatal(err)
	}
	for file, same := range map[string]bool{"tc1.csv": true, "tc2.csv": false} {
		for path, rates := range after.config.Tables {
			if filepath.Base(string(path)) == file && (rates == before.config.Tables[path]) != same {
				t.Errorf("%s: shared %v", file, !same)
			}
		}
	}
}
