// Package grafana_test holds the dashboards to what Grafana takes, and Prometheus.
package grafana_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// source is a data source of Grafana.
type source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// place is where a panel is: in units of the grid, which is 24 wide.
type place struct {
	X, Y, W, H int
}

func (p place) meets(q place) bool {
	return p.X < q.X+q.W && q.X < p.X+p.W && p.Y < q.Y+q.H && q.Y < p.Y+p.H
}

// dashboard is what is looked at of one; what is not listed here is not in one of ours.
type dashboard struct {
	UID           string          `json:"uid"`
	Title         string          `json:"title"`
	Tags          []string        `json:"tags"`
	SchemaVersion int             `json:"schemaVersion"`
	Editable      bool            `json:"editable"`
	Refresh       string          `json:"refresh"`
	Time          json.RawMessage `json:"time"`
	Links         json.RawMessage `json:"links"`
	Templating    struct {
		List []struct {
			Name, Type string
			Datasource *source
			Query      json.RawMessage
		} `json:"list"`
	} `json:"templating"`
	Annotations struct {
		List []struct {
			Name, Expr string
			Datasource source
		} `json:"list"`
	} `json:"annotations"`
	Panels []struct {
		ID          int
		Type        string
		Title       string
		Description string
		GridPos     place
		Datasource  source
		FieldConfig struct {
			Defaults  map[string]any
			Overrides []any
		}
		Targets []struct {
			RefID, Expr, LegendFormat string
			Instant                   bool
			Format                    string
		}
	} `json:"panels"`
}

func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob("*.json")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d dashboards: %v", len(files), err)
	}
	all := map[string]dashboard{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var raw map[string]json.RawMessage
		if err := json.Unmarshal(text, &raw); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var d dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if lines := bytes.Count(text, []byte("\n")); lines > 400 {
			t.Errorf("%s has %d lines", file, lines)
		}
		all[file] = d
	}
	return all
}

// TestDashboardsLoad: what Grafana needs of one is there, each has a name of its own, takes
// its data from the source that is chosen, and no panel is upon another.
func TestDashboardsLoad(t *testing.T) {
	uids := map[string]bool{}
	chosen := source{"prometheus", "${datasource}"}
	for file, d := range dashboards(t) {
		if d.UID == "" || uids[d.UID] || d.Title == "" || d.SchemaVersion < 36 || !slices.Contains(d.Tags, "bulkhead") || len(d.Panels) == 0 {
			t.Errorf("%s: uid %q, title %q, schema %d, tags %q, %d panels", file, d.UID, d.Title, d.SchemaVersion, d.Tags, len(d.Panels))
		}
		uids[d.UID] = true
		names := []string{}
		for _, v := range d.Templating.List {
			names = append(names, v.Name)
			if v.Type == "query" && (v.Datasource == nil || *v.Datasource != chosen) {
				t.Errorf("%s: variable %s is not asked of the source that is chosen", file, v.Name)
			}
		}
		if !slices.Contains(names, "datasource") {
			t.Errorf("%s: no source can be chosen", file)
		}
		ids := map[int]bool{}
		for i, p := range d.Panels {
			if ids[p.ID] || p.ID == 0 || p.Title == "" || p.Datasource != chosen || len(p.Targets) == 0 || p.FieldConfig.Defaults["unit"] == nil {
				t.Errorf("%s: panel %d: %+v", file, i, p)
			}
			ids[p.ID] = true
			if !slices.Contains([]string{"timeseries", "stat", "table", "bargauge"}, p.Type) {
				t.Errorf("%s: %s: there is no panel of type %q", file, p.Title, p.Type)
			}
			if g := p.GridPos; g.X < 0 || g.W < 1 || g.H < 1 || g.X+g.W > 24 {
				t.Errorf("%s: %s is at %+v", file, p.Title, g)
			}
			for _, q := range d.Panels[:i] {
				if p.GridPos.meets(q.GridPos) {
					t.Errorf("%s: %s is upon %s", file, p.Title, q.Title)
				}
			}
			refs := map[string]bool{}
			for _, target := range p.Targets {
				if target.RefID == "" || refs[target.RefID] || target.Expr == "" {
					t.Errorf("%s: %s: %+v", file, p.Title, target)
				}
				refs[target.RefID] = true
				for _, word := range strings.Split(target.Expr, "$")[1:] {
					name := word[:len(word)-len(strings.TrimLeft(word, "abcdefghijklmnopqrstuvwxyz_"))]
					if name != "__rate_interval" && !slices.Contains(names, name) {
						t.Errorf("%s: %s: no variable $%s", file, p.Title, name)
					}
				}
			}
		}
	}
}

// TestExpressionsAreRead by Prometheus, all of them: as rules of a file that promtool checks.
func TestExpressionsAreRead(t *testing.T) {
	plain := strings.NewReplacer("$__rate_interval", "1m", "$trunk", ".*", "$carrier", ".*", "$instance", ".*")
	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var list []rule
	add := func(expr string) {
		list = append(list, rule{fmt.Sprintf("panel:number%d:value", len(list)), plain.Replace(expr)})
	}
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				add(target.Expr)
			}
		}
		for _, a := range d.Annotations.List {
			add(a.Expr)
		}
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboards", "rules": list}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("promtool", "check", "rules", file).CombinedOutput() // of the Debian package prometheus
	if err != nil || !strings.Contains(string(out), fmt.Sprintf("%d rules found", len(list))) {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// TestProvisioning: the files say what Grafana asks of them.
func TestProvisioning(t *testing.T) {
	for file, wants := range map[string]string{"datasources": "type: prometheus", "dashboards": "options:"} {
		text, err := os.ReadFile(filepath.Join("provisioning", file+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var is map[string]any
		if err := yaml.Unmarshal(text, &is); err != nil || fmt.Sprint(is["apiVersion"]) != "1" || !strings.Contains(string(text), wants) {
			t.Errorf("%s: %v, %v", file, is, err)
		}
	}
}
