package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/b2bua/media/relay"
)

// system is the process that is measured.
type system struct {
	cmd    *exec.Cmd
	gone   chan struct{} // closed when it has ended: then how is in cmd.ProcessState, and all that it said has been read
	memory memory
}

// cold is how long a process may take from its start until it answers: on a machine that has not run it for a while it is read
// from the disk first, with its libraries, which some seconds do not always see done.
const cold = 30 * time.Second

// begin starts a process.
func begin(cmd *exec.Cmd) (*system, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &system{cmd: cmd, gone: make(chan struct{})}
	go func() {
		defer close(s.gone)
		_ = cmd.Wait()
	}()
	return s, nil
}

func (s *system) end() {
	_ = s.cmd.Process.Kill()
	<-s.gone
}

// cpu is the time that the process has had, user and system, by its own clock of the kernel: exact to the nanosecond.
func (s *system) cpu() (time.Duration, error) {
	var at unix.Timespec
	clock := int32(^s.cmd.Process.Pid)<<3 | 2 // CPUCLOCK_SCHED of the process
	if err := unix.ClockGettime(clock, &at); err != nil {
		return 0, fmt.Errorf("its processor clock: %w", err)
	}
	return time.Duration(at.Nano()), nil
}

// memory is what is used, in bytes: by the process, and by the kernel for sockets and what watches them.
type memory struct{ user, kernel int64 }

func (m memory) less(o memory) memory { return memory{m.user - o.user, m.kernel - o.kernel} }

// remember reads how much is used now.
func remember(pid int) (m memory) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			m.user = n << 10
		}
	}
	text, _ = os.ReadFile("/proc/slabinfo") // name active total size ...
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		switch f[0] {
		case "UDP", "UDPv6", "sock_inode_cache", "filp", "dentry", "eventpoll_epi", "eventpoll_pwq":
			n, _ := strconv.ParseInt(f[1], 10, 64)
			size, _ := strconv.ParseInt(f[3], 10, 64)
			m.kernel += n * size
		}
	}
	return m
}

// nice is the nice value of what is measured, whichever the load has been given: where the load waits for its turn, its own delay
// would count. On a machine that others use, one below theirs leaves it to the bench.
var nice int

// ordinary is a command with that nice value.
func ordinary(ctx context.Context, name string, args ...string) *exec.Cmd {
	own, _ := unix.Getpriority(unix.PRIO_PROCESS, 0) // the call gives 20 - nice
	return exec.CommandContext(ctx, "nice", append([]string{"-n", strconv.Itoa(nice + own - 20), name}, args...)...)
}

// beginRelay starts this program as a relay, and tells it the calls.
func beginRelay(ctx context.Context, l *load, o options) (*system, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := ordinary(ctx, self, "relay", strconv.Itoa(o.burn))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s, err := begin(cmd)
	if err != nil {
		return nil, err
	}
	answers := bufio.NewReader(out)
	if _, err := answers.ReadString('\n'); err != nil { // ready
		s.end()
		return nil, err
	}
	before := remember(cmd.Process.Pid)
	peers := make([][2]netip.AddrPort, l.calls)
	for i := range peers {
		peers[i] = [2]netip.AddrPort{l.at(0, i), l.at(1, i)}
	}
	var ports [][2]netip.AddrPort
	err = json.NewEncoder(in).Encode(peers)
	if err == nil {
		err = json.NewDecoder(answers).Decode(&ports)
	}
	if err != nil {
		s.end()
		return nil, err
	}
	s.memory = remember(cmd.Process.Pid).less(before)
	for i, p := range ports {
		for side := range p {
			l.to[side][i] = net.UDPAddrFromAddrPort(p[side])
		}
	}
	return s, nil
}

// relayed is the relay's process.
func relayed(args []string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "relay:", err)
			os.Exit(1)
		}
	}
	r, err := relay.New(relay.Config{First: 40000, Last: 49999})
	fail(err)
	fmt.Println("ready")
	var peers [][2]netip.AddrPort
	fail(json.NewDecoder(os.Stdin).Decode(&peers))
	ports := make([][2]netip.AddrPort, len(peers))
	for i, p := range peers {
		for side := range p {
			ports[i][side], err = r.Open(netip.MustParseAddr(middle))
			fail(err)
			fail(r.Aim(ports[i][side], relay.Remote{RTP: p[side]}))
		}
		fail(r.Join(ports[i][0], ports[i][1]))
	}
	burners, err := strconv.Atoi(args[0])
	fail(err)
	for range burners {
		go burn()
	}
	if burners == 0 {
		fail(json.NewEncoder(os.Stdout).Encode(ports))
		_, _ = bufio.NewReader(os.Stdin).ReadString('x') // until we are killed
		return
	}
	calls := make([][]string, 20000) // as much as so many calls of signalling hold: the collector has to look at it
	for i := range calls {
		for j := range 20 {
			calls[i] = append(calls[i], strconv.Itoa(i*j)+strings.Repeat("-", 80))
		}
	}
	defer runtime.KeepAlive(calls)
	fail(json.NewEncoder(os.Stdout).Encode(ports))
	_, _ = bufio.NewReader(os.Stdin).ReadString('x') // until we are killed
}

// burn is what signalling does in overload: read text, make more of it, let others have their turn.
func burn() {
	text := bytes.Repeat([]byte("Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhds\r\n"), 20)
	for {
		for range 20 {
			lines := bytes.Split(text, []byte("\r\n"))
			_ = bytes.Join(lines, []byte("\n"))
		}
		runtime.Gosched()
	}
}
