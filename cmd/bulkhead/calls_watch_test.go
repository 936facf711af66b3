package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"bulkhead/b2bua/ops"
)

// pages counts what is written to it, and does something after the second.
type pages struct {
	mu   sync.Mutex
	text bytes.Buffer
	n    int
	then func()
}

// Write is io.Writer.
func (p *pages) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n++; p.n == 2 {
		p.then()
	}
	return p.text.Write(b)
}

// TestCallsAreWatched: a page each time, until it is interrupted, which is no error; for a
// machine nothing but the calls.
func TestCallsAreWatched(t *testing.T) {
	silent, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.192.1:5060"))) // the carrier
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	r := reloads(t, false)
	r.invites(1)
	watch := func(args ...string) (string, error) {
		out := &pages{then: func() {
			r.invites(2)
			if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil { // ^C
				t.Error(err)
			}
		}}
		c := callsCommand()
		c.SetOut(out)
		c.SetErr(out)
		c.SetArgs(append([]string{r.file, "-w", "--every", "100ms"}, args...))
		c.SilenceErrors, c.SilenceUsage = true, true
		err := c.Execute()
		return out.text.String(), err
	}
	text, err := watch()
	if err != nil || strings.Count(text, "CALL ") != 2 || strings.Count(text, ": 1 call\n") != 2 || strings.Contains(text, "\x1b") || strings.Count(text, "\n\n") != 1 {
		t.Errorf("%v\n%s", err, text)
	}
	text, err = watch("-o", "jsonl")
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if err != nil || len(lines) != 4 {
		t.Errorf("%v\n%s", err, text)
	}
	for _, line := range lines {
		var c ops.Call
		if err := json.Unmarshal([]byte(line), &c); err != nil || c.Trunk != "pbx" {
			t.Errorf("%v %s", err, line)
		}
	}
	for _, wrong := range [][]string{{"--every", "1ms"}, {"--state", "asleep"}} {
		if _, _, err := ran(callsCommand(), append([]string{r.file, "-w"}, wrong...)...); err == nil {
			t.Errorf("%q passes", wrong)
		}
	}
}

// TestWatchGoesOn while the node does not answer, and over what was there on a terminal.
func TestWatchGoesOn(t *testing.T) {
	r := reloads(t, false)
	master, slave := pseudo(t)
	c := callsCommand()
	c.SetOut(slave)
	c.SetErr(slave)
	c.SetArgs([]string{r.file, "-w", "--every", "100ms"})
	ended := make(chan error, 1)
	go func() { ended <- c.Execute() }()
	var seen strings.Builder
	until := func(want string) {
		t.Helper()
		if err := master.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		for b := make([]byte, 4096); !strings.Contains(seen.String(), want); {
			n, err := master.Read(b)
			if err != nil {
				t.Fatalf("%q does not come: %v\n%q", want, err, seen.String())
			}
			seen.Write(b[:n])
		}
	}
	until("\x1b[H\x1b[J")
	until(": 0 calls")
	r.closeAPI()
	until("asking the node at")
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestCompletion offers what a node knows, for arguments and flags.
func TestCompletion(t *testing.T) {
	silent, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.192.1:5060"))) // the carrier
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	r := reloads(t, false)
	for n := range 3 {
		r.invites(n)
	}
	list, _, err := ran(callsCommand(), r.file, "-o", "csv")
	if err != nil {
		t.Fatal(err)
	}
	ids := strings.Split(list, "\n")[1:4]
	for i := range ids {
		ids[i], _, _ = strings.Cut(ids[i], ",")
	}
	complete := func(args ...string) string {
		root := &cobra.Command{Use: "bulkhead"}
		root.AddCommand(callsCommand(), callCommand(), carriersCommand(), carrierCommand())
		completes(root)
		out, _, err := ran(root, append([]string{cobra.ShellCompRequestCmd}, args...)...)
		if err != nil {
			t.Error(err)
		}
		return out
	}
	socket := string(r.process.config.API.Socket)
	for _, one := range []struct {
		typed []string
		want  string
	}{
		{[]string{"call", "why", r.file, ""}, ids[0] + "\thunting +4102 to +3312 tc1\n" + ids[1] + "\thunting +4101 to +3312 tc1\n" + ids[2] + "\thunting +4100 to +3312 tc1\n:36\n"},
		{[]string{"call", "hangup", "--socket", socket, ids[1][:6]}, ids[1] + "\thunting +4101 to +3312 tc1\n:36\n"},
		{[]string{"call", "show", ""}, "yaml\nyml\n:8\n"},
		{[]string{"call", "show", r.file, ids[0], ""}, ":4\n"},
		{[]string{"carrier", "scorecard", r.file, ""}, "tc1\n:4\n"},
		{[]string{"carrier", "scorecard", r.file, "x"}, ":4\n"},
		{[]string{"calls", r.file, "--carrier", ""}, "tc1\n:4\n"},
		{[]string{"calls", r.file, "--trunk", "p"}, "pbx\n:4\n"},
		{[]string{"calls", r.file, "--state", "up,"}, "up,hunting\nup,ringing\nup,ending\nup,settling\n:4\n"},
		{[]string{"calls", r.file, "-o", "j"}, "json\njsonl\n:4\n"},
		{[]string{"call", "why", "nothing.yaml", ""}, ":36\n"},
	} {
		if got := complete(one.typed...); got != one.want {
			t.Errorf("%q:\n%s\nwant\n%s", one.typed, got, one.want)
		}
	}
	r.closeAPI() // then only the configuration tells
	if got := complete("calls", r.file, "--carrier", ""); got != "tc1\n:4\n" {
		t.Error(got)
	}
	if got := complete("call", "why", r.file, ""); got != ":36\n" {
		t.Error(got)
	}
}
