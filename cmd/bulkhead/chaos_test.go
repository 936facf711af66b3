package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Every suite can be read and played: its statements are known, its names are its own.
func TestChaosTextsAreRead(t *testing.T) {
	for _, suite := range chaosSuites() {
		list, err := chaosSuite(suite)
		if err != nil || len(list) == 0 {
			t.Fatalf("%s: %d scenarios, %v", suite, len(list), err)
		}
		names := map[string]bool{}
		for _, s := range list {
			if names[s.name] || len(s.steps) == 0 {
				t.Errorf("%s: %s stands twice, or does nothing", suite, s.name)
			}
			names[s.name] = true
			for _, step := range s.steps {
				if code := step.words[0]; step.who != "" && code[0] >= '1' && code[0] <= '6' && phrases[number(code)] == "" {
					t.Errorf("%s: line %d: %s has no phrase", suite, step.line, code)
				}
			}
		}
	}
	for text, want := range map[string]string{
		"caller INVITE":                       "1: a statement before the first head",
		"== A\n":                              "1: not a head",
		"== a: b (RFC 3261)\nbob INVITE":      `2: "bob INVITE": neither wait nor what a peer does`,
		"== a: b (RFC 3261)\ntc1 200 sdx":     `"sdx" is not known`,
		"== a: b (RFC 3261)\n+1x tc1 200":     `"1x" is not a time`,
		"== a: b (RFC 3261)\ntc1 200 every 1": `"every" is not known`,
	} {
		if _, err := readScenarios(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func number(code string) (n int) {
	for _, c := range code {
		n = 10*n + int(c-'0')
	}
	return n
}

// The sample is read as it stands, and so is the border that it is for.
func TestChaosSamples(t *testing.T) {
	target, err := chaosTargetOf("../../deploy/chaos.yaml", "lab")
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := Load("../../deploy/chaos-border.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tc1 := c.Carriers["tc1"]
	if tc1.Timers.NoAnswer != target.Timers.NoAnswer || tc1.Linger != target.Linger {
		t.Errorf("the samples differ: %+v and %+v", tc1, target)
	}
}

// What is wrong with the file is named where it stands, all at once.
func TestChaosConfigFaults(t *testing.T) {
	_, err := readChaos("chaos.yaml", []byte(`targets:
  lab:
    address: 0.0.0.0:5060
    from: [127.0.20.1, 0.0.0.0]
    caller: 127.0.11.5
    carriers: [127.0.21.1:5060, 127.0.21.1:5060]
    number: "*"
    timers: {t1: 0s}
    port: 5
  bare: {carriers: [127.0.21.1:5060]}
`))
	got := ""
	if err != nil {
		got = err.Error()
	}
	for _, want := range []string{
		`chaos.yaml:3:14: targets.lab.address: 0.0.0.0:5060 is not an address that a message can name`,
		`chaos.yaml:4:24: targets.lab.from[1]: 0.0.0.0 is not an address that a message can come from`,
		`chaos.yaml:5:13: targets.lab.caller: `,
		`chaos.yaml:6:33: targets.lab.carriers[1]: 127.0.21.1:5060 is also carriers[0]`,
		`chaos.yaml:7:13: targets.lab.number: "*" is not digits with a * at the end`,
		`chaos.yaml:8:18: targets.lab.timers.t1: must be above zero`,
		`chaos.yaml:9:5: targets.lab.port: unknown key`,
		`chaos.yaml:10:3: targets.bare.address: is missing`,
		`targets.bare.carriers: there are 1: name two, TC1 and TC2`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %s", want)
		}
	}
	if t.Failed() {
		t.Log("\n" + got)
	}
	if _, err := readChaos("empty.yaml", nil); err == nil || !strings.Contains(err.Error(), "empty.yaml:1:1: targets: no target is named") {
		t.Errorf("an empty file: %v", err)
	}
}

// Whom the file does not name is not sent anything.
func TestChaosRefusesWhomItsFileDoesNotName(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	file := filepath.Join(t.TempDir(), "chaos.yaml")
	if err := os.WriteFile(file, []byte(`targets: {lab: {address: "127.214.99.1:5060", caller: "127.214.99.11:5060", carriers: ["127.214.99.21:5060", "127.214.99.22:5060"], number: "+33123*"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"does not name the target \"" + conn.LocalAddr().String() + "\"; it names lab (127.214.99.1:5060)": {"run", "founding", "--config", file, "--target", conn.LocalAddr().String()},
		"--config is missing":                  {"run", "founding", "--target", conn.LocalAddr().String()},
		"--target is missing":                  {"run", "founding", "--config", file},
		"no suite \"found\"":                   {"run", "found", "--config", file, "--target", "lab"},
		"founding has no such scenario":        {"run", "founding", "--only", "x", "--config", file, "--target", "lab"},
		"reading the targets: open /none.yaml": {"run", "founding", "--config", "/none.yaml", "--target", "lab"},
	} {
		c := chaosCommand()
		c.SetArgs(args)
		c.SilenceErrors, c.SilenceUsage = true, true
		if err := c.Execute(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", args, err, want)
		}
	}
	if err := conn.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if n, _, err := conn.ReadFrom(make([]byte, 2000)); err == nil {
		t.Errorf("%d bytes were sent to it", n)
	}
}

// A run that is cut short hangs up what is up, and says so.
func TestChaosInterruptedEndsItsCalls(t *testing.T) {
	t.Parallel()
	for i, c := range []struct{ fault, want string }{
		{"", "every call that was begun has been ended in order"},
		{"is deaf to BYE", "1 calls could not be ended"},
	} {
		target, _ := openWrong(t, 50+i, c.fault)
		list, err := readScenarios(strings.Replace(wrongCall, "wait repeats", "caller gets 200\nwait 600s", 1))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 600*time.Millisecond)
		defer stop()
		r, err := target.play(ctx, "wrong", list, func() {})
		if err != nil {
			t.Fatal(err)
		}
		ladder := strings.Join(r.Scenarios[0].Ladder, "\n")
		if got := r.interrupted().Error(); !strings.Contains(got, c.want) || !strings.Contains(ladder, "|------- BYE ------>|") {
			t.Errorf("%s: %s\n%s", c.fault, got, ladder)
		}
	}
}
