//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"bulkhead/storage/storagetest"
)

// manifests are the documents of a file of deploy.
func manifests(t *testing.T, file string) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", file))
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for part := range strings.SplitSeq(string(text), "\n---\n") {
		var one map[string]any
		if err := yaml.Unmarshal([]byte(part), &one); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, one)
	}
	return all
}

// at goes down a path of keys and, where a list of named things is, names.
func at(t *testing.T, from any, path ...string) any {
	t.Helper()
	for i, key := range path {
		switch node := from.(type) {
		case map[string]any:
			from = node[key]
		case []any:
			n := slices.IndexFunc(node, func(x any) bool { m, _ := x.(map[string]any); return m["name"] == key })
			if n < 0 {
				t.Fatalf("%q: there is no %s", path, key)
			}
			from = node[n]
		default:
			t.Fatalf("%q: nothing at %q", path, path[:i])
		}
	}
	return from
}

func lines(x any) (s []string) {
	list, _ := x.([]any)
	for _, v := range list {
		s = append(s, v.(string))
	}
	return s
}

// What the manifests say of the image is what the Dockerfile makes; the two
// containers of a node meet at the lock; and the configurations are accepted.
func TestManifestsAgreeWithTheImage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	image := string(text)
	says := func(pattern string) string {
		m := regexp.MustCompile(pattern).FindStringSubmatch(image)
		if m == nil {
			t.Fatalf("the Dockerfile has no %s", pattern)
		}
		return m[1]
	}
	program, user, command := says(`ENTRYPOINT \["(\S+)"\]`), says(`--uid (\d+)`), says(`CMD \["(serve", "\S+)"\]\n*$`)
	exposed := strings.Fields(says(`EXPOSE (.*)`))

	kube := manifests(t, "k8s/bulkhead.yaml")
	pod := at(t, kube[1], "spec", "template", "spec")
	border := at(t, pod, "containers", "bulkhead")
	composed := manifests(t, "compose.yaml")[0]
	for _, c := range []struct {
		where           string
		entry, argument any
	}{
		{"k8s", at(t, border, "command"), at(t, border, "args")},
		{"compose", at(t, composed, "services", "node-a", "entrypoint"), at(t, composed, "services", "node-b", "command")},
	} {
		if e := lines(c.entry); len(e) != 4 || e[0] != "flock" || e[2] != "/run/bulkhead/process" || e[3] != program {
			t.Errorf("%s starts %q, which is not %s under its lock", c.where, e, program)
		}
		a := lines(c.argument)
		if len(a) != 4 || a[0]+`", "`+a[3] != command || a[1] != "--track" || a[2] != "/run/bulkhead/track" {
			t.Errorf("%s: arguments %q, the image has %q", c.where, a, command)
		}
	}
	if got := at(t, border, "securityContext", "runAsUser"); strings.TrimSpace(user) != yamlText(t, got) {
		t.Errorf("k8s runs as %v, the image as %s", got, user)
	}
	for _, p := range at(t, border, "ports").([]any) {
		want := yamlText(t, at(t, p, "containerPort")) + "/" + strings.ToLower(at(t, p, "protocol").(string))
		if !slices.Contains(exposed, want) {
			t.Errorf("k8s has port %s, the image %q", want, exposed)
		}
	}
	script, err := os.ReadFile("../keepalived/run")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range at(t, pod, "containers", "keepalived", "env").([]any) {
		if name := at(t, e, "name").(string); !strings.Contains(string(script), "$"+name) {
			t.Errorf("k8s sets %s, of which keepalived/run knows nothing", name)
		}
	}
	mounted := map[string]string{}
	for _, m := range at(t, border, "volumeMounts").([]any) {
		mounted[at(t, m, "name").(string)] = at(t, m, "mountPath").(string)
	}
	if at(t, pod, "containers", "keepalived", "volumeMounts", "run", "mountPath") != mounted["run"] || mounted["run"] != "/run/bulkhead" {
		t.Error("k8s: the containers do not share /run/bulkhead")
	}

	configured := filepath.Join(t.TempDir(), "k8s.yaml")
	if err := os.WriteFile(configured, []byte(at(t, kube[0], "data", "config.yaml").(string)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{configured, "../compose/bulkhead.yaml"} {
		if out, err := exec.Command(built("plain"), "check", file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}

func yamlText(t *testing.T, x any) string {
	t.Helper()
	b, err := yaml.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// TestUnitsOfSystemdStart runs what they start: the unit with a node of its own, with track.conf
// one in mode address, whose track file then says that it could take the address, which nobody gives it here.
func TestUnitsOfSystemdStart(t *testing.T) {
	t.Parallel()
	redis := storagetest.StartRedis(t)
	for _, c := range []struct {
		file    string
		network int
		more    func(*border) string
	}{
		{"bulkhead@.service", 32, func(*border) string { return "" }},
		{"bulkhead@.service.d/track.conf", 33, func(b *border) string {
			return fmt.Sprintf("state: {redis: {addresses: [%q]}}\nunit: {name: u33, mode: address, address: [%q, %q]}\nkey_file: cluster.key", redis.Address, b.ip(coreSide), b.ip(peeringSide))
		}},
	} {
		t.Run(c.file, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("..", "systemd", c.file))
			if err != nil {
				t.Fatal(err)
			}
			starts := regexp.MustCompile(`(?m)^ExecStart=(/.+)$`).FindAllStringSubmatch(string(text), -1)
			if len(starts) != 1 {
				t.Fatalf("it starts %q", starts)
			}
			b := &border{dir: t.TempDir(), net: c.network}
			b.plan.more = c.more(b)
			file := filepath.Join(b.dir, "bulkhead.yaml")
			if err := os.WriteFile(file, []byte(b.config()), 0o600); err != nil {
				t.Fatal(err)
			}
			line := strings.Fields(strings.NewReplacer("/usr/local/bin/bulkhead", built("plain"), "/etc/bulkhead/%i.yaml", file, "/run/bulkhead/%i", b.dir).Replace(starts[0][1]))
			b.process = start(t, b.dir, "bulkhead", line[0], line[1:]...)
			t.Cleanup(func() { b.terminate(20 * time.Second) })
			track := filepath.Join(b.dir, "track")
			if !slices.Contains(line, track) {
				b.ready()
				return
			}
			b.until("the track file to say 0", 10*time.Second, func() bool {
				says, err := os.ReadFile(track)
				return err == nil && strings.TrimSpace(string(says)) == "0"
			})
		})
	}
}
