//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tmux is a real terminal in which something runs.
type tmux struct {
	b      *border
	socket string
}

// inTerminal starts a command in a terminal of its own.
func (b *border) inTerminal(command string) *tmux {
	b.t.Helper()
	s := &tmux{b, filepath.Join(b.dir, "tmux")}
	s.do("-f", "/dev/null", "new-session", "-d", "-x", "130", "-y", "40", command+"; echo \"status $?\"; read _")
	b.t.Cleanup(func() { _ = exec.Command("tmux", "-S", s.socket, "kill-server").Run() })
	return s
}

func (s *tmux) do(args ...string) string {
	s.b.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...).CombinedOutput()
	if err != nil {
		s.b.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// types presses keys.
func (s *tmux) types(keys ...string) { s.b.t.Helper(); s.do(append([]string{"send-keys"}, keys...)...) }

// shows waits until the screen has it all.
func (s *tmux) shows(want ...string) (screen string) {
	s.b.t.Helper()
	defer func() {
		if s.b.t.Failed() {
			s.b.t.Logf("on the screen:\n%s", screen)
		}
	}()
	s.b.until("the screen to show "+strings.Join(want, ", "), patience, func() bool {
		screen = s.do("capture-pane", "-p")
		for _, w := range want {
			if !strings.Contains(screen, w) {
				return false
			}
		}
		return true
	})
	return screen
}

// TestTopInATerminal: a call that fails over comes onto the board by itself, with the carrier
// that failed; the keys lead to its ladder, to why, back, and to what the filter lets
// through; q ends, and leaves the terminal as it was.
func TestTopInATerminal(t *testing.T) {
	t.Parallel()
	o := operate(t, 227, plan{tc1: "limits: {calls: 10}"})
	first := o.carrierAt(tc1, "uas_refuse.xml", nil)
	second := o.carrierAt(tc2, "uas.xml", nil)
	screen := o.inTerminal(built("plain") + " top --every 200ms " + o.file)
	screen.shows("bulkhead e2e: serving", "0 up", "WENT WRONG LAST", "nothing", "0 calls")

	call := o.callerTo(number, "uac.xml", nil, "-d", "15000")
	board := screen.shows("1 up", "tc1: rejected (503), now tc2", number, "1 calls")
	if !regexp.MustCompile(`(?m)^tc2 +1  ██████████  100\.0% +1 of 1 `).MatchString(board) &&
		!regexp.MustCompile(`(?m)^tc2 +1 `).MatchString(board) {
		t.Errorf("tc2 has no call:\n%s", board)
	}
	row := regexp.MustCompile(`(?m)^(\w{13})  up `).FindStringSubmatch(board)
	if row == nil {
		t.Fatalf("no call is up:\n%s", board)
	}
	screen.types("Down", "Enter")
	screen.shows("ladder of "+row[1], "INVITE", "503", "tc2", "Esc back")
	screen.types("w")
	screen.shows("why of "+row[1], "tc1", "Esc back")
	screen.types("Escape")
	screen.shows("WENT WRONG LAST")
	screen.types("/", "+4")
	screen.shows("/+4")
	screen.types("Enter")
	screen.shows("0 calls with +4")
	screen.types("/", "C-u", "colour=red", "Enter")
	screen.shows("colour=red: want what a number begins with")
	screen.types("/", "C-u", "state=up", "Enter")
	screen.shows("1 calls with state=up", row[1])

	once, err := exec.Command(built("plain"), "top", "--once", o.file).CombinedOutput()
	if err != nil || !strings.Contains(string(once), row[1]) || strings.Contains(string(once), "\x1b") {
		t.Errorf("--once: %v\n%s", err, once)
	}
	if dir := os.Getenv("BULKHEAD_PICTURES"); dir != "" { // to be looked at
		if err := os.WriteFile(filepath.Join(dir, "top.txt"), once, 0o600); err != nil {
			t.Error(err)
		}
	}
	if out, err := exec.Command(built("plain"), "top", o.file).CombinedOutput(); err == nil || !strings.Contains(string(out), "--once") {
		t.Errorf("without a terminal: %v\n%s", err, out)
	}

	first.finish(patience)
	call.finish(patience)
	second.finish(patience)
	screen.shows("0 up")
	screen.types("q")
	if after := screen.shows("status 0"); strings.Contains(after, "WENT WRONG") {
		t.Errorf("the board is left behind:\n%s", after)
	}
}
