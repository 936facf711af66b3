package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// listened captures what goes to and from systems during a load, and measures what is added to each call.
func (b *bench) listened(ctx context.Context, s *system, length time.Duration) (delays, error) {
	calls := int(length.Seconds() * float64(b.beside))
	file := b.file("capture")
	defer func() { _ = os.Remove(file) }() // the next is as large
	// The loads of others, and of held calls, are not of this one.
	filter := fmt.Sprintf("udp port 5060 and (host %s or host %s) and (host %s or host %s)", loadIP, sinkIP, s.door, s.far())
	capture := exec.CommandContext(ctx, "dumpcap", "-q", "-P", "-i", "lo", "-B", "64", "-w", file, "-f", filter)
	var said bytes.Buffer
	capture.Stderr = &said
	if err := capture.Start(); err != nil {
		return delays{}, err
	}
	ended := make(chan error, 1)
	go func() { ended <- capture.Wait() }()
	defer func() { _ = capture.Process.Kill() }() // ended already: nothing to end
	for written := int64(0); written == 0; {      // the file's header says that it captures
		select {
		case err := <-ended:
			return delays{}, fmt.Errorf("dumpcap: %w %s", err, said.String())
		case <-time.After(20 * time.Millisecond):
		}
		if info, err := os.Stat(file); err == nil {
			written = info.Size()
		}
	}
	o, err := b.load(ctx, s, b.beside, calls, time.Second)
	if err != nil {
		return delays{}, err
	}
	if !o.fine() {
		return delays{}, overloaded{b.beside, o}
	}
	if err := capture.Process.Signal(syscall.SIGINT); err != nil {
		return delays{}, err
	}
	if err := <-ended; err != nil {
		return delays{}, fmt.Errorf("dumpcap: %w %s", err, said.String())
	}
	d, err := readDelays(file, func(ip string) bool { return ip == s.door || ip == s.far() })
	if err == nil && min(len(d.invite), len(d.answer)) < calls*99/100 {
		err = fmt.Errorf("of %d calls only %d INVITEs and %d answers were captured on both sides", calls, len(d.invite), len(d.answer))
	}
	return d, err
}

// overloaded is a load of which too many calls have failed.
type overloaded struct {
	rate int
	outcome
}

// Error says how many.
func (o overloaded) Error() string { return fmt.Sprintf("at %d calls/s: %s", o.rate, o.outcome) }

// counted is a round's delays, or none where it was overloaded, which is remarked.
func (b *bench) counted(who string, d delays, err error) (delays, error) {
	if over, ok := errors.AsType[overloaded](err); ok {
		b.remark("%s %s: that round's delays do not count", who, over)
		return delays{}, nil
	}
	return d, err
}

// far is the address that a system has towards carriers.
func (s *system) far() string {
	if s.other != "" {
		return s.other
	}
	return s.door
}

// added measures what systems add to the setup of a call, in turn; the calls of all rounds count together.
func (b *bench) added(ctx context.Context, up []*system) error {
	all := make([]delays, len(up))
	for range max(1, b.rounds-1) { // the delays of so many calls say enough
		for i, s := range up {
			if err := calm(ctx, up); err != nil {
				return err
			}
			d, err := b.listened(ctx, s, b.length)
			if d, err = b.counted(s.name, d, err); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			all[i].add(d)
		}
	}
	for i, s := range up {
		if len(all[i].invite) == 0 {
			continue
		}
		b.note(s, "delay of INVITE, p50", "µs", always, quantile(all[i].invite, .5))
		b.note(s, "delay of INVITE, p99", "µs", always, quantile(all[i].invite, .99))
		b.note(s, "delay of 200, p50", "µs", always, quantile(all[i].answer, .5))
		b.note(s, "delay of 200, p99", "µs", always, quantile(all[i].answer, .99))
	}
	return nil
}

// delays are what a system adds: from an INVITE in to the INVITE out, from a 200 in to the 200 out.
type delays struct{ invite, answer []time.Duration }

func (d *delays) add(more delays) {
	d.invite, d.answer = append(d.invite, more.invite...), append(d.answer, more.answer...)
}

// readDelays pairs what went into the system with what came out of it, by the
// number dialled, which is each call's own. The first of repeats counts.
func readDelays(file string, ours func(ip string) bool) (delays, error) {
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
