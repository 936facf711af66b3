//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a program that a test has started, in a directory of the test. It
// is gone when the test is.
type process struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	output string // the file that has what it printed
	exited chan struct{}
	err    error // of Wait; read after exited is closed
}

// start runs a program. Its standard input is empty, its output goes to a file.
func start(t *testing.T, dir, name, program string, args ...string) *process {
	t.Helper()
	return startWith(t, nil, dir, name, program, args...)
}

// startWith runs a program with more environment than the test has.
func startWith(t *testing.T, env []string, dir, name, program string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, output: filepath.Join(dir, name+".log"), exited: make(chan struct{})}
	out, err := os.Create(p.output)
	if err != nil {
		t.Fatal(err)
	}
	p.cmd = exec.Command(program, args...)
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Env = append(append(os.Environ(), "TERM=dumb", "HOME="+dir), env...)
	// A process group of its own: what it forks ends with it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		out.Close()
		close(p.exited)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // gone already: nothing to end
		<-p.exited
		if t.Failed() {
			t.Logf("%s printed:\n%s", name, p.tail(3000))
		}
	})
	return p
}

// finish waits for the process to end by itself with status 0; without that the
// test is over.
func (p *process) finish(within time.Duration) {
	p.t.Helper()
	select {
	case <-p.exited:
		if p.err != nil {
			p.t.Fatalf("%s: %v", p.name, p.err)
		}
	case <-time.After(within):
		p.t.Fatalf("%s still runs after %v", p.name, within)
	}
}

// terminate asks the process to end, and wants status 0.
func (p *process) terminate(within time.Duration) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("ending %s: %v", p.name, err)
	}
	p.finish(within)
}

func (p *process) tail(n int) string {
	b, err := os.ReadFile(p.output)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-n):])
}

// until polls for a fact, and fails the test if it does not come true in time
// or if the process that should make it true ends.
func (p *process) until(what string, within time.Duration, fact func() bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !fact() {
		select {
		case <-tick.C:
		case <-p.exited:
			p.t.Fatalf("waiting for %s: %s has ended: %v\n%s", what, p.name, p.err, p.tail(4000))
		case <-ctx.Done():
			p.t.Fatalf("waiting for %s: not after %v\n%s", what, within, p.tail(4000))
		}
	}
}

// bound says that a socket of this machine has the address: an INVITE sent there
// before is answered by ICMP, which is another test.
func bound(transport string, address string) bool { return boundBy("self", transport, address) }

// bound says it of the network that the process is in.
func (p *process) bound(transport, address string) bool {
	return boundBy(strconv.Itoa(p.cmd.Process.Pid), transport, address)
}

func boundBy(pid, transport, address string) bool {
	a := netip.MustParseAddrPort(address)
	table, want := filepath.Join("/proc", pid, "net", transport), ""
	if a.Addr().Is4() {
		b := a.Addr().As4()
		want = fmt.Sprintf("%02X%02X%02X%02X:%04X", b[3], b[2], b[1], b[0], a.Port())
	} else {
		table += "6"
		b := a.Addr().As16()
		for i := 0; i < 16; i += 4 { // the kernel prints words in its own byte order
			want += fmt.Sprintf("%02X%02X%02X%02X", b[i+3], b[i+2], b[i+1], b[i])
		}
		want += fmt.Sprintf(":%04X", a.Port())
	}
	lines, err := os.ReadFile(table)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(lines)) {
		if f := strings.Fields(line); len(f) > 1 && f[1] == want {
			return true
		}
	}
	return false
}
