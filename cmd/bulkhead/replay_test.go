package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// founding writes the capture of the founding failure, and gives the name of its file.
func founding(t *testing.T) string {
	t.Helper()
	all := captureScenario(t, "../../b2bua/testdata/r01_founding.txtar")
	if len(all) != 1 {
		t.Fatalf("%d calls", len(all))
	}
	var b bytes.Buffer
	if err := all[0].Write(&b); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "call.jsonl")
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// replaying runs the command.
func replaying(args ...string) (string, error) {
	var out bytes.Buffer
	c := replayCommand()
	c.SetOut(&out)
	c.SetErr(&out)
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	err := c.Execute()
	return out.String(), err
}

func TestReplayPrintsTheLadder(t *testing.T) {
	out, err := replaying(founding(t))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"steps replayed, and each has come to the same, byte for byte\n",
		"INVITE 33789456", "487 ×25", "each ACKed, ✱ 24 absorbed",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// One character of what we sent is another one: the replay says which step it is.
func TestReplayFindsWhatIsOtherwise(t *testing.T) {
	name := founding(t)
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(text, []byte("Server: Bulkhead"))
	text[at+len("Server: B")] = 'o'
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := replaying(name)
	if !errors.Is(err, errOtherwise) || !strings.Contains(out, "Server: Bolkhead") || !strings.Contains(out, "Server: Bulkhead") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestWhatIf(t *testing.T) {
	name := founding(t)
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--what-if", "tc1.no_answer=8s"}, []string{
			"as it was:        answered 200 after 13.000 s (tc1 no_answer, tc2 hung_up)\n",
			"as it would be:   answered 200 after 11.000 s (tc1 no_answer, tc2 hung_up)\n",
			"-    10.000", "+     8.000",
		}},
		{[]string{"--what-if", "no_answer=1m"}, []string{
			"as it would be:   answered 200 after 63.000 s (tc1 no_answer, tc2 hung_up)\n",
		}},
		{[]string{"--what-if", "tc1.no_answer=10s", "--what-if", "trunk.max_setup=9s"}, []string{
			"as it would be:   failed 408 after 9.000 s (tc1 expired)\n", "has no place any more: 200 INVITE, leg 2, at 13.000\n",
		}},
	} {
		out, err := replaying(append([]string{name}, c.args...)...)
		if err != nil {
			t.Errorf("%v: %v", c.args, err)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%v: no %q in\n%s", c.args, want, out)
			}
		}
	}
}

func TestWhatIfWithAnotherConfiguration(t *testing.T) {
	name := founding(t)
	config := filepath.Join(t.TempDir(), "other.yaml")
	if err := os.WriteFile(config, []byte(`
realms:
  access: {listen: ["udp://192.0.2.1:5060"]}
  core: {listen: ["udp://198.51.100.1:5060"]}
trunks:
  trunk: {realm: access, from: [192.0.2.10]}
carriers:
  tc2: {realm: core, gateways: [{address: "198.51.100.12:5060"}]}
  tc3: {realm: core, gateways: [{address: "198.51.100.13:5060"}], timers: {no_response: 5s}}
routes:
  - {match: {number: "*"}, targets: [{carrier: tc3}]}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := replaying(name, "--config", config)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"487 INVITE, leg 1, at 10.000 and 24 times more", "tc3 at 198.51.100.13:5060 was not tried in the capture", "as it would be:   failed 408 after 5.000 s (tc3 no_response)"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestWhatIfRefusals(t *testing.T) {
	name := founding(t)
	for change, want := range map[string]string{
		"no_answer":        "want KEY=VALUE",
		"no_answr=8s":      `there is no key "no_answr"`,
		"no_answer=soon":   `"soon" is not a duration`,
		"tc9.no_answer=8s": `nobody is called "tc9"; there are: tc1, tc2`,
	} {
		if out, err := replaying(name, "--what-if", change); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\n%s", change, err, out)
		}
	}
}
