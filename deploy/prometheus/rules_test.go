// Package prometheus_test holds the alert rules to what they say, by promtool.
package prometheus_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// rules is the file of the rules.
type rules struct {
	Groups []struct {
		Rules []struct {
			Alert, Record, Expr string
			Labels, Annotations map[string]string
		}
	}
}

// tests is the file of their tests.
type tests struct {
	Tests []struct {
		Name  string
		Exprs []struct {
			Samples []struct{ Labels string } `yaml:"exp_samples"`
		} `yaml:"promql_expr_test"`
	}
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// promtool runs it; the Debian package is prometheus.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("promtool", args...).CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestRulesAndConfigurationAreRead(t *testing.T) {
	promtool(t, "check", "rules", "--lint=all", "--lint-fatal", "bulkhead.rules.yaml")
	promtool(t, "check", "config", "--syntax-only", "prometheus.yaml")
}

// TestAlertsFire when they should, and not before.
func TestAlertsFire(t *testing.T) { promtool(t, "test", "rules", "bulkhead.test.yaml") }

// TestEachAlertIsTestedAndSaysWhatToDo: there is a moment at which it does not fire and one
// at which it does, and it has words for who is woken up.
func TestEachAlertIsTestedAndSaysWhatToDo(t *testing.T) {
	var all rules
	read(t, "bulkhead.rules.yaml", &all)
	var tested tests
	read(t, "bulkhead.test.yaml", &tested)
	silent, fires := map[string]bool{}, map[string]bool{}
	for _, one := range tested.Tests {
		for _, e := range one.Exprs {
			if len(e.Samples) == 0 {
				silent[one.Name] = true
			}
			for _, s := range e.Samples {
				fires[one.Name] = fires[one.Name] || strings.Contains(s.Labels, `"`+one.Name+`"`)
			}
		}
	}
	alerts := 0
	for _, g := range all.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" {
				continue
			}
			alerts++
			if !silent[r.Alert] || !fires[r.Alert] {
				t.Errorf("%s: tested that it fires: %v, that it does not: %v", r.Alert, fires[r.Alert], silent[r.Alert])
			}
			if !slices.Contains([]string{"page", "ticket"}, r.Labels["severity"]) {
				t.Errorf("%s: severity %q, want page or ticket", r.Alert, r.Labels["severity"])
			}
			if !strings.Contains(r.Annotations["summary"], "{{") || len(r.Annotations["description"]) < 40 {
				t.Errorf("%s does not say of whom it is, or what to do: %q", r.Alert, r.Annotations)
			}
		}
	}
	if alerts < 25 {
		t.Errorf("%d alerts are read", alerts)
	}
}
