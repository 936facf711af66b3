package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bulkhead/b2bua/ops"
)

// with is the file as it began, but for these texts.
func (r *reloading) with(pairs ...string) string {
	r.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(r.text, pairs[i]) {
			r.t.Fatalf("the file has no %q", pairs[i])
		}
	}
	return strings.NewReplacer(pairs...).Replace(r.text)
}

// proposes writes a text beside the file, and returns its name.
func (r *reloading) proposes(text string) string {
	r.t.Helper()
	name := filepath.Join(r.t.TempDir(), "new.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return name
}

func (r *reloading) reads(name string) string {
	r.t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

// beside are the names of the files beside the configuration that begin with its name or a dot.
func (r *reloading) beside() (names []string) {
	entries, err := os.ReadDir(filepath.Dir(r.file))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "bulkhead.yaml") || strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}

const oneHour = "  pbx: {realm: core, from: [127.0.191.0/24], max_duration: 1h}\n  new: {realm: core, from: [127.0.193.1]}"

// TestR27_ConfigApply: what it says is in force and in the file, the one before is kept, and
// can be had again.
func TestR27_ConfigApply(t *testing.T) {
	r := reloads(t, false)
	if err := os.Chmod(r.file, 0o640); err != nil {
		t.Fatal(err)
	}
	next := r.with("  pbx: {realm: core, from: [127.0.191.0/24]}", oneHour)
	name := r.proposes(next)
	out, _, err := ran(configCommand(), "diff", r.file, name)
	if want := "trunk new added\ntrunk pbx: max_duration is 1h, was 12h\n"; err != nil || out != want {
		t.Errorf("%v\n%s", err, out)
	}
	if out, _, err := ran(configCommand(), "validate", r.file, name); err != nil || out != "it can be used\n" || r.known("127.0.193.1") {
		t.Errorf("%v %q", err, out)
	}
	out, problems, err := ran(configCommand(), "apply", r.file, name, "--generation", "1")
	if want := "trunk new added\ntrunk pbx: max_duration is 1h, was 12h\ngeneration 2 of " + r.file + " is in force\n"; err != nil || problems != "" || out != want {
		t.Errorf("%v %s\n%s", err, problems, out)
	}
	if !r.known("127.0.193.1") || r.reads(r.file) != next || r.reads(r.file+".1") != r.text || r.figure("bulkhead_config_generation", "") != 2 || r.Version().Generation != 2 {
		t.Error("not in force, not in the file, or not kept")
	}
	if info, err := os.Stat(r.file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the file is %v now", info.Mode())
	}
	if got := fmt.Sprint(r.beside()); got != "[bulkhead.yaml bulkhead.yaml.1]" {
		t.Errorf("beside the file: %s", got)
	}
	if _, _, err := ran(configCommand(), "apply", r.file, name, "--generation", "1"); err == nil || err.Error() != "generation 2 is in force, not 1: nothing is changed" {
		t.Errorf("%v", err)
	}
	out, _, err = ran(configCommand(), "rollback", r.file)
	if err != nil || !strings.Contains(out, "trunk new removed\n") || !strings.Contains(out, "generation 3 of ") || r.known("127.0.193.1") || r.reads(r.file) != r.text || r.reads(r.file+".2") != next {
		t.Errorf("%v\n%s", err, out)
	}
	if out, _, err := ran(configCommand(), "rollback", r.file, "--to", "2"); err != nil || !strings.Contains(out, "generation 4 of ") || !r.known("127.0.193.1") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, _, err := ran(configCommand(), "rollback", r.file, "--to", "9"); err == nil || err.Error() != "generation 9: no such generation is kept" {
		t.Errorf("%v", err)
	}
	out, _, err = ran(configCommand(), "history", r.file)
	if lines := strings.Split(strings.TrimSpace(out), "\n"); err != nil || len(lines) != 5 || !strings.HasPrefix(lines[1], "4 ") || !strings.HasSuffix(lines[1], "in force") || !strings.HasPrefix(lines[4], "1 ") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, _, err := ran(configCommand(), "show", r.file, "--generation", "1"); err != nil || out != r.text {
		t.Errorf("%v\n%s", err, out)
	}
	out, _, err = ran(configCommand(), "show", r.file)
	if err != nil || !strings.HasPrefix(out, "# generation 4 of ") || !strings.Contains(out, "max_duration: 1h") || !strings.Contains(out, "max_setup: 5m") {
		t.Errorf("%v\n%s", err, out)
	}
	// A new process begins above what is kept.
	if again := newProcess(r.file, r.config, r.log, r.level); again.generation != 4 {
		t.Errorf("generation %d", again.generation)
	}
}

// TestR27_ConfigApplyRefusesWhole: nothing is in force, in the file or beside it.
func TestR27_ConfigApplyRefusesWhole(t *testing.T) {
	r := reloads(t, false)
	unchanged := func(what string) {
		t.Helper()
		if r.reads(r.file) != r.text || r.generation != 1 || r.known("127.0.193.1") {
			t.Errorf("%s: it has changed something", what)
		}
	}
	bad := r.with("  pbx: {realm: core, from: [127.0.191.0/24]}", "  pbx: {realm: cor, from: [127.0.300.0/24]}")
	for _, act := range []string{"validate", "diff", "apply"} {
		name := r.proposes(bad)
		_, problems, err := ran(configCommand(), act, r.file, name)
		if err == nil || !strings.Contains(problems, name+":6:16: trunks.pbx.realm: ") || !strings.Contains(problems, name+":6:28: trunks.pbx.from[0]: ") || strings.Contains(problems, r.file) {
			t.Errorf("%s: %v\n%s", act, err, problems)
		}
		c := configCommand()
		c.SetIn(strings.NewReader(bad))
		if _, problems, err = ran(c, act, r.file, "-"); err == nil || !strings.Contains(problems, "\n-:6:28: trunks.pbx.from[0]: ") {
			t.Errorf("%s from standard input: %v\n%s", act, err, problems)
		}
		unchanged(act)
	}
	odd := r.with("  core: {listen", "  core: {nobody: knows, listen")
	if _, problems, err := ran(configCommand(), "validate", r.file, r.proposes(odd)); err == nil || !strings.Contains(problems, "new.yaml:3:10: realms.core.nobody: ") {
		t.Errorf("%v\n%s", err, problems)
	}
	restart := r.with("node: sbc-a", "node: sbc-b", "  pbx: {realm: core, from: [127.0.191.0/24]}", oneHour)
	out, problems, err := ran(configCommand(), "diff", r.file, r.proposes(restart))
	if err != nil || !strings.Contains(out, "node: sbc-b, was sbc-a\n") || problems != "node needs a restart: it cannot be applied\n" {
		t.Errorf("%v %q\n%s", err, problems, out)
	}
	if _, problems, err := ran(configCommand(), "apply", r.file, r.proposes(restart)); err == nil || !strings.Contains(problems, "new.yaml:1:7: node: is changed, which needs a restart") {
		t.Errorf("%v\n%s", err, problems)
	}
	unchanged("a restart")
	good := []byte(r.with("  pbx: {realm: core, from: [127.0.191.0/24]}", oneHour))
	if _, err := r.Apply(good, `"1-0000000000000000"`, ""); !errors.Is(err, ops.ErrStale) {
		t.Errorf("%v", err)
	}
	unchanged("stale")
	// Something that cannot be kept, and cannot be replaced.
	if err := os.Mkdir(r.file+".1", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Apply(good, "*", ""); err == nil {
		t.Error("the one before is not kept, and it is taken")
	}
	unchanged("not kept")
	if err := os.Remove(r.file + ".1"); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(r.beside()); got != "[bulkhead.yaml]" {
		t.Errorf("beside the file: %s", got)
	}
	// Somebody has changed the file meanwhile.
	r.write(r.text + "# by hand\n")
	if _, err := r.Apply(good, "*", ""); !errors.Is(err, ops.ErrConflict) || !strings.Contains(err.Error(), "was changed since generation 1 was read from it") {
		t.Errorf("%v", err)
	}
	if r.reads(r.file) != r.text+"# by hand\n" || r.generation != 1 {
		t.Error("overwritten")
	}
	if _, err := r.Apply([]byte(r.text), "*", ""); !errors.Is(err, ops.ErrConflict) || r.reads(r.file) != r.text+"# by hand\n" {
		t.Errorf("what is in force: %v", err)
	}
}

// TestR27_WhatIsInForceIsWrittenAgain where its file is gone, and becomes no generation of
// before itself.
func TestR27_WhatIsInForceIsWrittenAgain(t *testing.T) {
	r := reloads(t, false)
	if err := os.Remove(r.file); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Apply([]byte(r.text), "*", ""); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(r.beside()); got != "[bulkhead.yaml]" || r.reads(r.file) != r.text {
		t.Errorf("beside the file: %s", got)
	}
}

// TestR27_AFileThatMayNotBeOnTheDisk: once it has the name, the configuration is in the file,
// so it is in force; that a loss of power may bring back the one before is said.
func TestR27_AFileThatMayNotBeOnTheDisk(t *testing.T) {
	r := reloads(t, false)
	defer func(was func(string) error) { syncDirectory = was }(syncDirectory)
	syncDirectory = func(string) error { return syscall.EIO }
	next := r.with("  pbx: {realm: core, from: [127.0.191.0/24]}", oneHour)
	done, err := r.Apply([]byte(next), "*", "")
	if err != nil || r.reads(r.file) != next || !r.known("127.0.193.1") || r.generation != 2 || r.reads(r.file+".1") != r.text {
		t.Fatalf("%v: generation %d", err, r.generation)
	}
	if len(done.Warnings) != 1 || !strings.Contains(done.Warnings[0], "input/output error") || !strings.Contains(done.Warnings[0], r.file) {
		t.Errorf("%q", done.Warnings)
	}
	if n := r.logs.FilterMessage("the configuration may not be on the disk").Len(); n != 1 {
		t.Errorf("logged %d times", n)
	}
}

// TestR27_EachRollbackGoesFurtherBack: never forth again, also in another process. Who has
// gone back and changes something then, comes back to where he had gone.
func TestR27_EachRollbackGoesFurtherBack(t *testing.T) {
	r := reloads(t, false)
	text := func(hours int) string {
		return r.with("from: [127.0.191.0/24]", fmt.Sprintf("from: [127.0.191.0/24], max_duration: %dh", hours))
	}
	back := func(p *process, want string) {
		t.Helper()
		if _, err := p.Rollback(0, "*"); err != nil || r.reads(r.file) != want {
			t.Errorf("%v\n%s", err, r.reads(r.file))
		}
	}
	none := func() {
		t.Helper()
		if _, err := r.Rollback(0, "*"); !errors.Is(err, ops.ErrNotKept) || err.Error() != "no configuration from before the one in force is kept: its history says what else can be had" {
			t.Errorf("%v", err)
		}
	}
	none()
	for hours := 1; hours <= 3; hours++ {
		if _, err := r.Apply([]byte(text(hours)), "*", ""); err != nil {
			t.Fatal(err)
		}
	}
	back(r.process, text(2))
	back(r.process, text(1))
	if _, err := r.Apply([]byte(text(9)), "*", ""); err != nil {
		t.Fatal(err)
	}
	back(r.process, text(1))
	back(r.process, r.text)
	none()
	// One that was gone back from can be named, and gone back from again: by the process that
	// comes next as well.
	if _, err := r.Rollback(3, "*"); err != nil || r.reads(r.file) != text(2) {
		t.Errorf("%v\n%s", err, r.reads(r.file))
	}
	if _, err := r.Apply([]byte(text(5)), "*", ""); err != nil {
		t.Fatal(err)
	}
	c, _, err := Load(r.file)
	if err != nil {
		t.Fatal(err)
	}
	again := newProcess(r.file, c, r.log, r.level)
	back(again, text(2))
	back(again, r.text)
}

// TestReloadKeepsTheOneBefore, so that a change by hand can be rolled back as well.
func TestReloadKeepsTheOneBefore(t *testing.T) {
	r := reloads(t, false)
	r.changed("  pbx: {realm: core, from: [127.0.191.0/24]}", oneHour)
	for range 2 { // the second time nothing has changed
		if _, _, err := commanded(r.file); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(r.beside()); got != "[bulkhead.yaml bulkhead.yaml.1]" || r.reads(r.file+".1") != r.text {
		t.Errorf("beside the file: %s", got)
	}
	if _, err := r.Rollback(0, "*"); err != nil || r.known("127.0.193.1") || r.reads(r.file) != r.text {
		t.Errorf("%v", err)
	}
}

// TestGenerationsAreForgotten beyond a number, the oldest first; other files beside are left.
func TestGenerationsAreForgotten(t *testing.T) {
	r := reloads(t, true)
	g := newGenerations(r.file)
	others := []string{r.file + ".bak", r.file + ".007", r.file + ".-1"}
	for _, name := range others {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for n := 1; n <= generationsKept+3; n++ {
		if err := g.keep(n, []byte("x"), r.began); err != nil {
			t.Fatal(err)
		}
	}
	all, err := g.list()
	if err != nil || len(all) != generationsKept || all[0].number != generationsKept+3 || all[len(all)-1].number != 4 || g.first() != generationsKept+4 {
		t.Errorf("%v %+v", err, all)
	}
	for _, name := range others {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
}

// TestAFileThatIsNotOursToWrite is told as that.
func TestAFileThatIsNotOursToWrite(t *testing.T) {
	for _, err := range []error{syscall.EROFS, syscall.EACCES, syscall.EPERM, syscall.EBUSY} {
		if err := unwritable(&os.PathError{Op: "open", Path: "bulkhead.yaml", Err: err}); !errors.Is(err, ops.ErrConflict) || !strings.Contains(err.Error(), "change it where it comes from, and reload") {
			t.Errorf("%v", err)
		}
	}
	if err := unwritable(syscall.ENOSPC); errors.Is(err, ops.ErrConflict) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v", err)
	}
}

// TestDifferencesInWords as an operator says them.
func TestDifferencesInWords(t *testing.T) {
	const text = `
node: a
realms:
  core: {listen: ["udp://127.0.190.1:5060"]}
trunks:
  pbx: {realm: core, from: [127.0.191.1], limits: {calls: 10}, methods: [INFO]}
  old: {realm: core, from: [127.0.191.2]}
carriers:
  tc1: {realm: core, gateways: [{address: "127.0.192.1:5060"}], health: {options: 10s}, quality: {asr: 0.3}}
routes:
  - {match: {number: "+1*"}, targets: [{carrier: tc1}]}
  - {match: {number: "+2*", trunk: pbx}, targets: [{carrier: tc1}]}
  - {match: {number: "+3*"}, targets: [{carrier: tc1}]}
  - {targets: [{carrier: tc1}]}
`
	parsed := func(text string) *Config {
		c, _, err := parse("test.yaml", []byte(text), "host")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before := parsed(text)
	after := parsed(strings.NewReplacer(
		"calls: 10", "calls: 11", "  old:", "  new:", "methods: [INFO]", "methods: [INFO, MESSAGE], trust: true", "10s", "1m30s", "asr: 0.3", "asr: 0.25", "192.1:5060\"}", "192.1:5060\"}, {address: \"127.0.192.2:5060\"}",
		"  - {match: {number: \"+1*\"}, targets: [{carrier: tc1}]}\n", "", "  - {targets: [{carrier: tc1}]}", "  - {match: {number: \"+4*\"}, targets: [{carrier: tc1}]}\n  - {targets: [{carrier: tc1}]}",
	).Replace(text) + "log: {level: debug}\ncdr: {file: x}\n")
	var got []string
	for _, d := range differences(before, after) {
		got = append(got, d.words(before, after))
	}
	want := strings.Join([]string{
		"trunk new added", "trunk old removed", "trunk pbx: limits.calls is 11, was 10", "trunk pbx: trust is true, was false",
		"trunk pbx: methods is [INFO, MESSAGE], was [INFO]", "carrier tc1: gateways changed", "carrier tc1: health.options is 1m30s, was 10s",
		"carrier tc1: quality.asr is 0.25, was 0.3", "routes: 1 for number +1* removed; 3 for number +4* added", "cdr added", "log: level is debug, was info",
	}, "\n")
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	other := parsed(strings.Replace(text, `"+3*"}, targets: [{carrier: tc1}`, `"+3*"}, targets: [{carrier: tc1, number: "+4"}`, 1))
	if d := differences(before, other); len(d) != 1 || d[0].words(before, other) != "routes: 3 for number +3* changed" {
		t.Errorf("%v", d)
	}
	swapped := strings.NewReplacer(`"+1*"`, `"+3*"`, `"+3*"`, `"+1*"`).Replace(text)
	if d := differences(before, parsed(swapped)); len(d) != 1 || d[0].words(before, parsed(swapped)) != "routes: in another order" {
		t.Errorf("%v", d)
	}
}
