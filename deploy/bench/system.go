package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The addresses of the bench: the load calls door, the system calls the sink.
const (
	loadIP  = "127.0.1.1"
	sinkIP  = "127.0.1.2"
	doorIP  = "127.0.1.10"
	otherIP = "127.0.1.11" // Bulkhead's other side
)

// system is what is measured, with all its processes.
type system struct {
	cmd   *exec.Cmd
	store *store // nil: it has none
}

// start starts a system and returns when it answers.
func (b *bench) start(ctx context.Context, name string) (*system, error) {
	var cmd *exec.Cmd
	var st *store
	switch name {
	case "kamailio":
		cmd = exec.CommandContext(ctx, "kamailio", "-DD", "-E", "-f", filepath.Join(b.here, "kamailio.cfg"),
			"-Y", b.work, "-P", filepath.Join(b.work, "kamailio.pid"), "-m", "1024", "-M", "16")
	case "bulkhead", "stored":
		// The records go beside the configuration, which must not be the repository.
		file := filepath.Join(b.work, "bulkhead.yaml")
		text, err := os.ReadFile(filepath.Join(b.here, "bulkhead.yaml"))
		if err != nil {
			return nil, err
		}
		if name == "stored" {
			if st, err = b.startStore(ctx); err != nil {
				return nil, err
			}
			text = append(text, st.config()...)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			st.stop()
			return nil, err
		}
		cmd = exec.CommandContext(ctx, b.program, "serve", "--drain", "1s", file)
	default:
		return nil, fmt.Errorf("no such system")
	}
	log, err := os.Create(filepath.Join(b.work, name+".log"))
	if err != nil {
		st.stop()
		return nil, err
	}
	defer log.Close()
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.work, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		st.stop()
		return nil, err
	}
	s := &system{cmd, st}
	if err := s.answers(ctx); err != nil {
		s.stop()
		text, _ := os.ReadFile(log.Name()) // the reason that it does not answer, if it gave one
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	if st != nil {
		// So long after it has taken its unit, each new call is looked for in the
		// store (64·T1): that belongs to a takeover.
		if err := wait(ctx, 33*time.Second); err != nil {
			s.stop()
			return nil, err
		}
	}
	return s, nil
}

// answers asks with OPTIONS, as the load, until anything comes back.
func (s *system) answers(ctx context.Context) error {
	conn, err := net.ListenPacket("udp", loadIP+":0")
	if err != nil {
		return err
	}
	defer conn.Close()
	request := []byte(strings.Join([]string{
		"OPTIONS sip:" + doorIP + " SIP/2.0",
		"Via: SIP/2.0/UDP " + conn.LocalAddr().String() + ";branch=z9hG4bKready",
		"Max-Forwards: 70", "From: <sip:ready@" + loadIP + ">;tag=ready", "To: <sip:" + doorIP + ">",
		"Call-ID: ready", "CSeq: 1 OPTIONS", "Content-Length: 0", "", "",
	}, "\r\n"))
	door := net.UDPAddr{IP: net.ParseIP(doorIP), Port: 5060}
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline) && ctx.Err() == nil; {
		if _, err := conn.WriteTo(request, &door); err != nil {
			return err
		}
		if err := conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
			return err
		}
		if _, _, err := conn.ReadFrom(make([]byte, 4096)); err == nil {
			return nil
		}
	}
	return fmt.Errorf("it does not answer")
}

// stop ends the system, and then its store.
func (s *system) stop() {
	end(s.cmd)
	s.store.stop()
}

// end ends a process group: asked at first, then made to.
func end(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(syscall.SIGTERM) // ended already: nothing to ask
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }() // how it ends is not measured
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // children that outlive it
	<-ended
}

// processes are the ids of a process group.
func processes(leader int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var ids []int
	for _, e := range entries {
		id, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if group, err := syscall.Getpgid(id); err == nil && group == leader {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// processorTime is user and system time of a process group, from /proc/PID/stat
// (fields 14 and 15 of proc(5), in hundredths of a second).
func processorTime(cmd *exec.Cmd) (time.Duration, error) {
	ids, err := processes(cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	var ticks int64
	for _, id := range ids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
		if err != nil {
			return 0, err
		}
		_, rest, _ := bytes.Cut(text, []byte(") "))
		fields := strings.Fields(string(rest))
		for _, f := range fields[11:13] {
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("processor time of %d: %w", id, err)
			}
			ticks += n
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// proportional is the proportional set size of all processes in bytes, from
// /proc/PID/smaps_rollup.
func (s *system) proportional() (int64, error) {
	ids, err := processes(s.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	var kib int64
	for _, id := range ids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", id))
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(string(text)) {
			var n int64
			if _, err := fmt.Sscanf(line, "Pss: %d kB", &n); err == nil {
				kib += n
			}
		}
	}
	return kib * 1024, nil
}

// load makes calls at a rate, each held so long. More failed calls than one in a
// thousand are an error: figures under overload say nothing.
func (b *bench) load(ctx context.Context, rate, calls int, hold time.Duration) error {
	longest := time.Duration(calls/rate)*time.Second + hold + 60*time.Second
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	common := []string{
		"-nostdin", "-p", "5060", "-m", strconv.Itoa(calls), "-timeout_error",
		"-timeout", strconv.Itoa(int(longest.Seconds())) + "s",
	}
	sink := b.sipp(ctx, "perf_uas.xml", append(common, "-i", sinkIP)...)
	var said bytes.Buffer
	sink.Stdout, sink.Stderr = nil, &said
	if err := sink.Start(); err != nil {
		return err
	}
	defer func() {
		cancel()
		_ = sink.Wait() // its calls are the load's calls, whose failures count
	}()
	for !listening(sinkIP) {
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("the sink does not listen: %w %s", err, said.String())
		}
	}
	source := b.sipp(ctx, "perf_uac.xml", append(common, "-i", loadIP, "-r", strconv.Itoa(rate), "-l", strconv.Itoa(calls+1),
		"-d", strconv.Itoa(int(hold.Milliseconds())), doorIP+":5060")...)
	source.Stderr = &said
	out, err := source.Output()
	if err == nil {
		return nil
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
		failed := failures(out)
		fmt.Fprintf(os.Stderr, "%d of %d calls failed at %d/s\n", failed, calls, rate)
		if failed > 0 && failed*1000 <= calls {
			return nil
		}
	}
	return fmt.Errorf("load: %w\n%s\n%s", err, said.String(), out[max(0, len(out)-2000):])
}

// failures is the cumulative number of failed calls on SIPp's last screen.
func failures(screen []byte) int {
	n := 0
	for line := range bytes.Lines(screen) {
		if f := strings.Split(string(line), "|"); len(f) == 3 && strings.TrimSpace(f[0]) == "Failed call" {
			n, _ = strconv.Atoi(strings.TrimSpace(f[2])) // no number: none
		}
	}
	return n
}

func (b *bench) sipp(ctx context.Context, scenario string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sipp", append([]string{"-sf", filepath.Join(b.here, scenario)}, args...)...)
	cmd.Dir = b.work
	cmd.Env = append(os.Environ(), "TERM=dumb")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// listening says that a UDP socket of this machine has the address, port 5060.
func listening(ip string) bool {
	a := net.ParseIP(ip).To4()
	text, err := os.ReadFile("/proc/net/udp")
	return err == nil && bytes.Contains(text, fmt.Appendf(nil, " %02X%02X%02X%02X:13C4 ", a[3], a[2], a[1], a[0]))
}
