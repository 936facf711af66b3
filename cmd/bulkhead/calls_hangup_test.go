package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// TestManyAreEndedByTheCommand after their number is confirmed, by a flag or by hand.
func TestManyAreEndedByTheCommand(t *testing.T) {
	silent, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.192.1:5060"))) // the carrier
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	r := reloads(t, false)
	for n := range 4 {
		r.invites(n)
	}
	hangup := func(args ...string) (string, string, error) {
		return ran(callsCommand(), append([]string{"hangup", r.file}, args...)...)
	}
	left := func() int {
		out, _, err := ran(callsCommand(), r.file, "--state", "hunting", "-o", "jsonl")
		if err != nil {
			t.Error(err)
		}
		return strings.Count(out, "\n")
	}
	if _, problems, err := hangup(); err == nil || !strings.Contains(problems, "query.all: no filter is given") {
		t.Errorf("%v %s", err, problems)
	}
	if out, _, err := hangup("--trunk", "nobody"); err != nil || out != "no call matches: none is ended\n" {
		t.Errorf("%v %s", err, out)
	}
	out, _, err := hangup("--from", "+4101", "--dry-run")
	if lines := strings.Split(out, "\n"); err != nil || len(lines) != 4 || !strings.Contains(lines[1], "+4101") || lines[2] != "1 call would be ended" {
		t.Errorf("%v %s", err, out)
	}
	if _, _, err := hangup("--trunk", "pbx"); err == nil || err.Error() != "none is ended: 4 calls match; --confirm 4 ends them" {
		t.Error(err)
	}
	if _, _, err := hangup("--trunk", "pbx", "--confirm", "3"); err == nil || !strings.Contains(err.Error(), "more than the 3 that are confirmed") {
		t.Error(err)
	}
	if n := left(); n != 4 {
		t.Fatalf("%d are left", n)
	}
	if out, _, err := hangup("--from", "+4101", "--confirm", "1", "--cause", "31"); err != nil || out != "1 call being ended\n" || left() != 3 {
		t.Errorf("%v %s", err, out)
	}
	for _, typed := range []struct {
		line string
		left int
		says string
	}{{"2\n", 3, "that is not the number"}, {"yes\n", 3, "that is not the number"}, {"3\n", 0, ""}} {
		c := callsCommand()
		c.SetIn(typist(t, typed.line))
		out, problems, err := ran(c, "hangup", r.file, "--all", "--rate", "1000")
		if (err != nil) != (typed.says != "") || err != nil && !strings.Contains(err.Error(), typed.says) || left() != typed.left ||
			!strings.Contains(problems, "3 calls match. Type the number to end them: ") {
			t.Errorf("%q: %v %s %s", typed.line, err, out, problems)
		}
	}
}

// typist is a terminal at which a line is typed.
func typist(t *testing.T, line string) *os.File {
	t.Helper()
	master, slave := pseudo(t)
	if _, err := master.WriteString(line); err != nil {
		t.Fatal(err)
	}
	return slave
}

// pseudo are the two ends of a pseudo-terminal (pty(7)).
func pseudo(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	raw, err := master.SyscallConn() // Fd would make it block, and nobody could be too late then
	if err != nil {
		t.Fatal(err)
	}
	var n int
	var failed error
	err = raw.Control(func(fd uintptr) {
		if failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); failed == nil {
			n, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err := errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	if slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// TestArgumentsThatNameNothing are refused before a node is asked: of an empty one, or of dots,
// a path would be another one.
func TestArgumentsThatNameNothing(t *testing.T) {
	r := reloads(t, false)
	for _, c := range []struct {
		command *cobra.Command
		args    []string
	}{
		{callCommand(), []string{"hangup"}}, {callCommand(), []string{"show"}}, {callCommand(), []string{"why"}}, {carrierCommand(), []string{"drain"}},
	} {
		for _, arg := range []string{"", " ", ".", ".."} {
			_, _, err := ran(c.command, append(c.args, r.file, arg)...)
			if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("%q names nothing: want %s [FILE] ", arg, c.args[0])) {
				t.Errorf("%s %q: %v", c.args[0], arg, err)
			}
		}
	}
	if n := r.logs.FilterMessage("audit").Len(); n > 0 {
		t.Errorf("the node was asked %d times", n)
	}
}
