package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// outcome is what became of a load.
type outcome struct {
	calls, failed int           // those that were not through in time have failed
	repeats       int           // that the caller had to send
	took          time.Duration // from the first INVITE to the last 200 of a BYE
}

// fine says that no more than one call in a thousand has failed, and that the load has come as it was asked for: figures
// under overload say nothing.
func (o outcome) fine() bool { return o.failed*1000 <= o.calls }

func (o outcome) String() string {
	return fmt.Sprintf("%d of %d calls failed, %d repeats, %.1f s", o.failed, o.calls, o.repeats, o.took.Seconds())
}

// A load may take so much longer than it has to before what is left of it counts as failed.
const patience = 4 * time.Second

// load makes calls to a system at a rate, each held so long, and waits until all are over.
func (b *bench) load(ctx context.Context, s *system, rate, calls int, hold time.Duration) (outcome, error) {
	due := time.Duration(calls)*time.Second/time.Duration(rate) + hold
	longest := due + patience
	within, cancel := context.WithTimeout(ctx, longest+2*time.Second) // SIPp ends by itself, and says how far it has come
	defer cancel()
	sink, _, err := b.answering(within, sinkIP)
	if err != nil {
		return outcome{}, err
	}
	defer func() { kill(sink) }() // its calls are the load's calls, whose failures count
	said := b.file("load")
	begun := time.Now()
	source := b.sipp(within, "perf_uac.xml", "-m", strconv.Itoa(calls), "-i", loadIP, "-p", "5060", "-key", "digit", "1",
		"-r", strconv.Itoa(rate), "-l", strconv.Itoa(calls+1), "-d", strconv.Itoa(int(hold.Milliseconds())),
		"-timeout", fmt.Sprintf("%dms", longest.Milliseconds()), "-timeout_error", "-trace_stat", "-stf", said, "-fd", "1", s.door+":5060")
	var errs bytes.Buffer
	source.Stderr = &errs
	err = source.Run()
	took := time.Since(begun)
	if ctx.Err() != nil {
		return outcome{}, ctx.Err()
	}
	last, statErr := lastly(said)
	if statErr != nil {
		return outcome{}, fmt.Errorf("load: %w %w %s", err, statErr, errs.String())
	}
	// 1: calls have failed; 255: the time is over. With any other status it has not counted to the end.
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 1 && exit.ExitCode() != 255) {
		return outcome{}, fmt.Errorf("the caller's SIPp: %w %s", err, errs.String())
	}
	through, repeats := last["SuccessfulCall(C)"], last["Retransmissions(C)"]
	return outcome{calls, calls - through, repeats, took}, nil
}

// answering starts a carrier that answers every call, and returns when it listens. stats is the file of its statistics.
func (b *bench) answering(ctx context.Context, ip string) (sink *exec.Cmd, stats string, err error) {
	stats = b.file("sink")
	sink = b.sipp(ctx, "perf_uas.xml", "-i", ip, "-p", "5060", "-trace_stat", "-stf", stats, "-fd", "1")
	var said bytes.Buffer
	sink.Stderr = &said
	if err := sink.Start(); err != nil {
		return nil, "", err
	}
	for begun := time.Now(); !listening(ip); {
		err := wait(ctx, 10*time.Millisecond)
		if err == nil && time.Since(begun) > 5*time.Second {
			err = errors.New("it has taken its time")
		}
		if err != nil {
			kill(sink)
			return nil, "", fmt.Errorf("the carrier at %s does not listen: %w %s", ip, err, said.String())
		}
	}
	return sink, stats, nil
}

// sipp is SIPp in a process group of its own, which is killed when the context ends.
func (b *bench) sipp(ctx context.Context, scenario string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sipp", append([]string{"-sf", filepath.Join(b.here, scenario), "-nostdin"}, args...)...)
	cmd.Dir = b.work
	cmd.Env = append(os.Environ(), "TERM=dumb")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

// file is a new file name in the working directory.
func (b *bench) file(name string) string {
	return filepath.Join(b.work, fmt.Sprintf("%s-%d", name, b.files.Add(1)))
}

// lastly is the last line of a file of SIPp's statistics, by the names of its columns; what is no whole number is left
// out.
func lastly(file string) (map[string]int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	// A line that is being written is none yet.
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = ';', -1, true
	lines, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("SIPp's statistics: %w", err)
	}
	if len(lines) < 2 {
		return nil, errors.New("SIPp has written no statistics")
	}
	names, last := lines[0], lines[len(lines)-1]
	counts := map[string]int{}
	for i := range min(len(names), len(last)) {
		if n, err := strconv.Atoi(last[i]); err == nil {
			counts[names[i]] = n
		}
	}
	for _, name := range []string{"CurrentCall", "SuccessfulCall(C)", "FailedCall(C)", "Retransmissions(C)"} {
		if _, ok := counts[name]; !ok {
			return nil, fmt.Errorf("SIPp's statistics do not say %s", name)
		}
	}
	return counts, nil
}

// listening says that a UDP socket of this machine has the address, port 5060.
func listening(ip string) bool {
	a := net.ParseIP(ip).To4()
	text, err := os.ReadFile("/proc/net/udp")
	return err == nil && bytes.Contains(text, fmt.Appendf(nil, " %02X%02X%02X%02X:13C4 ", a[3], a[2], a[1], a[0]))
}
