package main

import (
	"bytes"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"bulkhead/carriers"
)

var update = flag.Bool("update", false, "rewrite what the cases in testdata expect")

// TestCheck reads the cases in testdata: a file config.yaml, and what check says
// of it on the two outputs.
func TestCheck(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string][]byte{}
			for _, f := range archive.Files {
				want[f.Name] = f.Data
			}
			var out, problems bytes.Buffer
			c, warnings, err := parse("config.yaml", want["config.yaml"], "host-a")
			if refused := report(&out, &problems, c, warnings, err); (refused != nil) != (out.Len() == 0) {
				t.Errorf("refused %v, and printed %d bytes", refused, out.Len())
			}
			if *update {
				archive.Files = []txtar.File{
					{Name: "config.yaml", Data: want["config.yaml"]},
					{Name: "stdout", Data: out.Bytes()},
					{Name: "stderr", Data: problems.Bytes()},
				}
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			same(t, "stdout", out.Bytes(), want["stdout"])
			same(t, "stderr", problems.Bytes(), want["stderr"])
		})
	}
}

func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s is\n%swant\n%s", what, got, want)
	}
}

func TestSamplesAreAcceptedAndPrintedAsTheyAreRead(t *testing.T) {
	for _, name := range []string{"../../deploy/config.yaml", "../../deploy/minimal.yaml"} {
		c, _, err := Load(beside(t, name, "wholesale", "tc2"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := c.Book(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, k := range c.Carriers {
			if k.Auth != nil {
				k.Auth.Password = "" // which is not printed
			}
		}
		printedAsRead(t, c)
	}
}

// beside is a copy of a configuration that has its secrets, tables and authorities beside it.
func beside(t *testing.T, name string, secrets ...string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	rates := filepath.Join(filepath.Dir(name), "rates")
	if err := os.CopyFS(filepath.Join(dir, "rates"), os.DirFS(rates)); err != nil {
		t.Fatal(err)
	}
	for _, secret := range secrets {
		put(t, filepath.Join(dir, "secrets", secret), "secret of "+secret+"\n", 0o600)
	}
	server := httptest.NewTLSServer(nil) // for its certificate
	server.Close()
	put(t, filepath.Join(dir, "tls", "ca.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})), 0o644)
	return put(t, filepath.Join(dir, filepath.Base(name)), string(data), 0o600)
}

func put(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return name
}

// TestSecretsAreReadFromFiles: what is wrong with one is said at its key, and none is ever
// printed.
func TestSecretsAreReadFromFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"good": "hunter2\r\n", "bare": "hunter2", "empty": "\n", "lines": "a\nb\n", "long": strings.Repeat("x", 2000)} {
		put(t, filepath.Join(dir, "s", name), text, 0o640)
	}
	put(t, filepath.Join(dir, "s", "open"), "hunter2\n", 0o644)
	config := func(names ...string) string {
		text := "realms: {core: {listen: [udp://127.0.0.1:5060]}}\ncarriers:\n"
		for _, name := range names {
			text += "  " + name + ": {realm: core, gateways: [{address: 127.0.0.2:5060}], auth: {username: u, password_file: s/" + name + "}}\n"
		}
		return put(t, filepath.Join(dir, "config.yaml"), text, 0o600)
	}
	c, warnings, err := Load(config("good", "bare", "open"))
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range c.Carriers {
		if string(k.Auth.Password) != "hunter2" {
			t.Errorf("%s: %q", name, string(k.Auth.Password))
		}
	}
	if len(warnings) != 1 || warnings[0].Line != 5 || !strings.Contains(warnings[0].String(), "everybody on this machine can read ") {
		t.Errorf("warnings %v", warnings)
	}
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true} {
		name := put(t, filepath.Join(dir, fmt.Sprintf("tokens%o", mode)), "a viewer 0123456789abcdef\n", mode)
		_, warnings, err := Load(put(t, filepath.Join(dir, "tokens.yaml"), "realms: {core: {listen: [udp://127.0.0.1:5060]}}\napi: {listen: 127.0.0.1:8080, tokens_file: "+name+"}\n", 0o600))
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf(":2:44: api.tokens_file: others than its owner can read %s (mode %04o)", name, mode)
		if len(warnings) > 0 != warned || warned && !strings.HasSuffix(warnings[0].String(), want) {
			t.Errorf("%o: warnings %v, want %s", mode, warnings, want)
		}
	}
	var out bytes.Buffer
	if err := c.print(&out); err != nil || strings.Contains(out.String(), "hunter2") {
		t.Errorf("%v\n%s", err, out.String())
	}
	_, _, err = Load(config("none", "empty", "lines", "long"))
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 4 {
		t.Fatal(err)
	}
	for i, want := range []string{"no such file", "is empty", "holds more than one line", "holds more than a password"} {
		if f := faults[i]; f.Line != 3+i || f.Column < 80 || !strings.Contains(f.Message, want) {
			t.Error(f)
		}
	}
}

// TestTheWebhooksAuthoritiesAreChecked by whoever reads the file to use it: check, and a reload.
func TestTheWebhooksAuthoritiesAreChecked(t *testing.T) {
	dir, server := t.TempDir(), httptest.NewTLSServer(nil)
	server.Close() // its certificate is all that is wanted
	put(t, filepath.Join(dir, "good.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})), 0o644)
	put(t, filepath.Join(dir, "empty.pem"), "no certificate\n", 0o644)
	for name, want := range map[string]string{"good.pem": "", "empty.pem": "there is no certificate in ", "none.pem": "no such file"} {
		file := put(t, filepath.Join(dir, "config.yaml"), "realms: {core: {listen: [udp://127.0.0.1:5060]}}\ncdr: {file: calls.jsonl, webhook: {url: https://127.0.0.1:9/, ca: "+name+"}}\n", 0o600)
		_, _, err := Load(file)
		var faults Faults
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case want == "":
		case !errors.As(err, &faults) || len(faults) != 1 || faults[0].Path != "cdr.webhook.ca" || faults[0].Line != 2 || faults[0].Column < 60 || !strings.Contains(faults[0].Message, want):
			t.Errorf("%s: %v", name, err)
		}
	}
}

// printedAsRead says that what check prints means the same configuration.
func printedAsRead(t *testing.T, c *Config) {
	t.Helper()
	var out bytes.Buffer
	if err := c.print(&out); err != nil {
		t.Fatal(err)
	}
	// Names of files are complete by now, so they must not be completed again.
	again, _, err := parse("config.yaml", out.Bytes(), c.Node)
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, out.Bytes())
	}
	var twice bytes.Buffer
	if err := again.print(&twice); err != nil {
		t.Fatal(err)
	}
	same(t, "printed again", twice.Bytes(), out.Bytes())
	if !reflect.DeepEqual(c.Routes, again.Routes) || !reflect.DeepEqual(c.Carriers, again.Carriers) {
		t.Errorf("another configuration than\n%s", out.Bytes())
	}
}

func TestFilesAreRelativeToTheConfiguration(t *testing.T) {
	c, _, err := parse("/etc/bulkhead/config.yaml", []byte(`
realms: {core: {listen: [udp://127.0.0.1:5060]}}
key_file: secrets/../cluster.key
cdr: {file: /var/log/calls.jsonl}
`), "host-a")
	if err != nil {
		t.Fatal(err)
	}
	if c.KeyFile != "/etc/bulkhead/cluster.key" || c.CDR.File != "/var/log/calls.jsonl" {
		t.Errorf("key_file %s, cdr.file %s", c.KeyFile, c.CDR.File)
	}
}

func TestCheckCommandFailsOnAFileThatIsNotThere(t *testing.T) {
	cmd := checkCommand()
	var problems bytes.Buffer
	cmd.SetErr(&problems)
	cmd.SetArgs([]string{filepath.Join(t.TempDir(), "none.yaml")})
	if err := cmd.Execute(); !errors.Is(err, errRefused) || !strings.Contains(problems.String(), "reading the configuration: open ") {
		t.Errorf("%v: %s", err, problems.String())
	}
}

func TestManyFaultsAreFoundInOnePass(t *testing.T) {
	var b strings.Builder
	b.WriteString("realms: {core: {listen: [udp://127.0.0.1:5060]}}\nroutes:\n")
	for range 20_000 {
		b.WriteString("  - targets: [{carrier: nobody}]\n")
	}
	_, _, err := parse("config.yaml", []byte(b.String()), "host-a")
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 20_000 {
		t.Fatalf("%d faults", len(faults))
	}
	last := faults[len(faults)-1]
	want := Fault{"config.yaml", 20_002, 25, "routes[19999].targets[0].carrier", `there is no carrier "nobody"`}
	if last != want {
		t.Errorf("last fault %s", last)
	}
}

// FuzzConfig: whatever the bytes, there is a configuration that can be printed
// and read again, or a fault at a place that the file has.
func FuzzConfig(f *testing.F) {
	for _, pattern := range []string{"testdata/*.txtar", "../../deploy/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			for _, file := range txtar.Parse(data).Files {
				data = file.Data
				break
			}
			f.Add(data)
		}
	}
	for _, once := range []string{"realms: {}\nroutes:\n  -", "\r\"", "\r0\xb0", "carriers:\n"} {
		f.Add([]byte(once)) // each had a fault at a place that the file has not, or none
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, warnings, err := parse("config.yaml", data, "host-a")
		// A lone CR ends a line, too (YAML 1.2 §5.4).
		lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data)), "\n")
		valid := func(line, column int) bool {
			return line >= 1 && line <= len(lines) && column >= 1 && column <= len(lines[line-1])+1
		}
		if err == nil {
			for _, w := range warnings {
				if !valid(w.Line, w.Column) {
					t.Errorf("nowhere: %s", w)
				}
			}
			if _, err := carriers.NewBook(c.Config, c.Sockets()); err != nil {
				t.Errorf("valid, but no book: %v", err)
			}
			printedAsRead(t, c)
			return
		}
		var faults Faults
		if !errors.As(err, &faults) || len(faults) == 0 {
			t.Fatalf("refused for no fault: %v", err)
		}
		for _, fault := range faults {
			if fault.File == "config.yaml" && !valid(fault.Line, fault.Column) { // else of a table
				t.Errorf("nowhere: %s", fault)
			}
		}
	})
}
