//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// machine is a network namespace with a link to a switch. It lives as long as the
// process that holds it, and leaves nothing behind.
type machine struct {
	*process
	name string
	lan  *machine // the switch; nil: this is one
}

// newMachine skips the test where namespaces cannot be made.
func newMachine(t *testing.T, dir, name string) *machine {
	t.Helper()
	if out, err := exec.Command("unshare", "--net", "true").CombinedOutput(); err != nil {
		t.Skipf("network namespaces need root: %v: %s", err, out)
	}
	m := &machine{process: start(t, dir, name, "unshare", "--net", "sleep", "infinity"), name: name}
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	m.until("the namespace of "+name, 10*time.Second, func() bool {
		its, err := os.Readlink("/proc/" + m.pid() + "/ns/net")
		return err == nil && its != own
	})
	m.ip("link", "set", "lo", "up")
	return m
}

// newSwitch is what machines are plugged into.
func newSwitch(t *testing.T, dir string) *machine {
	t.Helper()
	m := newMachine(t, dir, "switch")
	m.ip("link", "add", "br0", "type", "bridge")
	m.ip("link", "set", "br0", "up")
	return m
}

// plug makes a machine with addresses, of which the first is the one it speaks from.
func (m *machine) plug(name string, addresses ...string) *machine {
	m.t.Helper()
	n := newMachine(m.t, m.cmd.Dir, name)
	n.lan = m
	m.ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", n.pid())
	m.ip("link", "set", name, "master", "br0", "up")
	for _, a := range addresses {
		n.ip("address", "add", a+"/24", "dev", "eth0")
	}
	n.ip("link", "set", "eth0", "up")
	return n
}

func (m *machine) pid() string { return strconv.Itoa(m.cmd.Process.Pid) }

// inside is a command line's beginning that runs the rest on the machine; of a nil machine, here.
func (m *machine) inside() []string {
	if m == nil {
		return nil
	}
	return []string{"nsenter", "--target", m.pid(), "--net"}
}

// cable plugs the machine's cable in or out.
func (m *machine) cable(state string) {
	m.t.Helper()
	m.lan.ip("link", "set", m.name, state)
}

// on runs f in a thread that is on the machine: sockets that it opens are the machine's, whoever uses them. On a nil
// machine it is run here.
func (m *machine) on(f func() error) error {
	if m == nil {
		return f()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		space, err := os.Open("/proc/" + m.pid() + "/ns/net")
		if err == nil {
			if err = unix.Setns(int(space.Fd()), unix.CLONE_NEWNET); err == nil {
				err = f()
			}
			space.Close()
		}
		done <- err
	}()
	return <-done
}

// ip runs ip(8) on the machine.
func (m *machine) ip(args ...string) string {
	m.t.Helper()
	line := append(m.inside(), append([]string{"ip"}, args...)...)
	out, err := exec.Command(line[0], line[1:]...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s: ip %q: %v: %s", m.name, args, err, out)
	}
	return string(out)
}

// has says whether the machine has the address.
func (m *machine) has(address string) bool {
	m.t.Helper()
	return m.ip("-oneline", "address", "show", "to", fmt.Sprint(address, "/32")) != ""
}

// run starts a program on the machine, with its output in the directory.
func (m *machine) run(env []string, dir, name string, line ...string) *process {
	m.t.Helper()
	line = append(m.inside(), line...)
	return startWith(m.t, env, dir, name, line[0], line[1:]...)
}
