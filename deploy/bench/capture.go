package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// delay captures a load and measures what the system adds: INVITE in to INVITE
// out, 200 in to 200 out, in µs.
func (b *bench) delay(ctx context.Context, name string) ([]row, error) {
	const rate, calls = 500, 5000
	s, err := b.start(ctx, name)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if err := b.load(ctx, rate, warm, 0); err != nil {
		return nil, fmt.Errorf("warming up: %w", err)
	}
	file := filepath.Join(b.work, name+".pcap")
	capture := exec.CommandContext(ctx, "dumpcap", "-q", "-P", "-i", "lo", "-B", "64", "-w", file,
		"-f", "udp port 5060 and net 127.0.1.0/24")
	var said bytes.Buffer
	capture.Stderr = &said
	if err := capture.Start(); err != nil {
		return nil, err
	}
	defer func() { _ = capture.Process.Kill() }() // ended already: nothing to end
	for written := int64(0); written == 0; {      // the file's header says that it captures
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
		if info, err := os.Stat(file); err == nil {
			written = info.Size()
		}
		if capture.ProcessState != nil {
			return nil, errors.New(said.String())
		}
	}
	if err := b.load(ctx, rate, calls, time.Second); err != nil {
		return nil, err
	}
	if err := capture.Process.Signal(syscall.SIGINT); err != nil {
		return nil, err
	}
	if err := capture.Wait(); err != nil {
		return nil, fmt.Errorf("dumpcap: %w %s", err, said.String())
	}
	d, err := readDelays(file)
	if err != nil {
		return nil, err
	}
	if len(d.invite) < calls*9/10 {
		return nil, fmt.Errorf("only %d of %d INVITEs were captured", len(d.invite), calls)
	}
	return []row{
		{name, "INVITE delay p50", "µs", quantile(d.invite, .5)},
		{name, "INVITE delay p99", "µs", quantile(d.invite, .99)},
		{name, "200 delay p50", "µs", quantile(d.answer, .5)},
		{name, "200 delay p99", "µs", quantile(d.answer, .99)},
	}, nil
}

type delays struct{ invite, answer []time.Duration }

// readDelays pairs what went into the system with what came out of it, by the
// number dialled, which is each call's own. The first of repeats counts.
func readDelays(file string) (delays, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return delays{}, err
	}
	in, out := map[string]time.Duration{}, map[string]time.Duration{}
	note := func(m map[string]time.Duration, key string, at time.Duration) {
		if _, seen := m[key]; !seen {
			m[key] = at
		}
	}
	err = packets(data, func(at time.Duration, from, to, text string) {
		line, _, _ := strings.Cut(text, "\r\n")
		kind := ""
		switch {
		case strings.HasPrefix(line, "INVITE "):
			kind = "invite "
		case strings.HasPrefix(line, "SIP/2.0 200 ") && strings.Contains(text, " INVITE\r\n"):
			kind = "answer "
		default:
			return
		}
		key := kind + dialled(text)
		if ours(to) {
			note(in, key, at)
		} else if ours(from) {
			note(out, key, at)
		}
	})
	if err != nil {
		return delays{}, fmt.Errorf("reading %s: %w", file, err)
	}
	var d delays
	for key, begun := range in {
		if ended, ok := out[key]; ok && strings.HasPrefix(key, "invite ") {
			d.invite = append(d.invite, ended-begun)
		} else if ok {
			d.answer = append(d.answer, ended-begun)
		}
	}
	return d, nil
}

func ours(ip string) bool { return ip == doorIP || ip == otherIP }

// dialled is the user part of To, which both sides of a call share.
func dialled(text string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, "To:"); ok {
			_, value, _ = strings.Cut(value, "sip:")
			user, _, _ := strings.Cut(value, "@")
			return user
		}
	}
	return ""
}

// packets walks through the UDP datagrams of a pcap file as dumpcap -P writes it
// on lo: little-endian, Ethernet, IPv4.
func packets(data []byte, each func(at time.Duration, from, to, text string)) error {
	const fileHeader, packetHeader, ethernet, udp = 24, 16, 14, 8
	if len(data) < fileHeader {
		return errors.New("no header")
	}
	unit := time.Microsecond
	switch binary.LittleEndian.Uint32(data) {
	case 0xa1b2c3d4:
	case 0xa1b23c4d:
		unit = time.Nanosecond
	default:
		return errors.New("not a pcap file")
	}
	for data = data[fileHeader:]; len(data) >= packetHeader; {
		at := time.Duration(binary.LittleEndian.Uint32(data))*time.Second + time.Duration(binary.LittleEndian.Uint32(data[4:]))*unit
		n := int(binary.LittleEndian.Uint32(data[8:]))
		if len(data) < packetHeader+n {
			break // the capture was ended within a packet
		}
		frame := data[packetHeader : packetHeader+n]
		data = data[packetHeader+n:]
		if len(frame) < ethernet+20 {
			continue
		}
		ip := frame[ethernet:]
		head := int(ip[0]&15) * 4
		if ip[0]>>4 != 4 || ip[9] != syscall.IPPROTO_UDP || len(ip) < head+udp {
			continue
		}
		each(at, address(ip[12:16]), address(ip[16:20]), string(ip[head+udp:]))
	}
	return nil
}

func address(b []byte) string { return fmt.Sprintf("%d.%d.%d.%d", b[0], b[1], b[2], b[3]) }

// quantile is in µs.
func quantile(d []time.Duration, q float64) float64 {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return float64(d[int(q*float64(len(d)-1))].Nanoseconds()) / 1000
}
