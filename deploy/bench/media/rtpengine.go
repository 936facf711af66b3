package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// beginRTPEngine starts rtpengine and makes the calls by its ng protocol.
func beginRTPEngine(ctx context.Context, l *load, _ options) (*system, error) {
	const control = middle + ":22222"
	cmd := ordinary(ctx, "rtpengine", "--config-file=none", "--foreground", "--log-stderr", "--log-level=3", "--table=-1",
		"--interface="+middle, "--listen-ng="+control, "--port-min=40000", "--port-max=49999", "--delete-delay=0")
	var said bytes.Buffer
	cmd.Stderr, cmd.Stdout = &said, &said
	s, err := begin(cmd)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*system, error) {
		s.end()
		return nil, fmt.Errorf("%w; it said %q", err, said.String())
	}
	conn, err := net.Dial("udp", control)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = conn.Close() }()
	if err := s.answers(ctx, conn, cold); err != nil {
		return fail(err)
	}
	before := remember(cmd.Process.Pid)
	for i := range l.calls {
		about := map[string]string{"call-id": fmt.Sprint("call-", i), "from-tag": "a", "sdp": description(l.at(0, i)), "ICE": "remove"}
		toB, err := offer(conn, "offer", about)
		if err != nil {
			return fail(err)
		}
		about["to-tag"], about["sdp"] = "b", description(l.at(1, i))
		toA, err := offer(conn, "answer", about)
		if err != nil {
			return fail(err)
		}
		l.to[1][i], l.to[0][i] = toB, toA
	}
	s.memory = remember(cmd.Process.Pid).less(before)
	return s, nil
}

// answers waits until the process answers a ping of the ng protocol, for so long at most.
func (s *system) answers(ctx context.Context, conn net.Conn, most time.Duration) error {
	for end := time.Now().Add(most); ; {
		soon := time.After(100 * time.Millisecond) // a port where nobody listens yet refuses at once
		_, err := ask(conn, "ping", nil)
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("nobody answered at %v within %v: %w", conn.RemoteAddr(), most, err)
		}
		select {
		case <-s.gone:
			return fmt.Errorf("nobody answered at %v, and the process has ended: %v", conn.RemoteAddr(), s.cmd.ProcessState)
		case <-ctx.Done():
			return ctx.Err()
		case <-soon:
		}
	}
}

// offer sends a description with a command of the ng protocol, and says which port the answer's names.
func offer(conn net.Conn, command string, about map[string]string) (*net.UDPAddr, error) {
	got, err := ask(conn, command, about)
	if err != nil {
		return nil, err
	}
	_, media, found := strings.Cut(got, "m=audio ")
	port, err := strconv.Atoi(strings.Split(media, " ")[0])
	if !found || err != nil {
		return nil, fmt.Errorf("%s: answered %q", command, got)
	}
	return &net.UDPAddr{IP: net.ParseIP(middle), Port: port}, nil
}

// ask sends a command of the ng protocol, and returns the answer to it: one to an earlier ask may come late.
func ask(conn net.Conn, command string, about map[string]string) (string, error) {
	text := func(s string) string { return fmt.Sprintf("%d:%s", len(s), s) }
	cookie := strconv.FormatInt(time.Now().UnixNano(), 10) + " "
	var b strings.Builder
	b.WriteString(cookie + "d" + text("command") + text(command))
	for k, v := range about {
		b.WriteString(text(k) + text(v))
	}
	if about != nil {
		b.WriteString(text("flags") + "l" + text("trust-address") + text("strict-source") + text("port-latching") + "e")
	}
	b.WriteString("e")
	if _, err := conn.Write([]byte(b.String())); err != nil {
		return "", fmt.Errorf("%s: %w", command, err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	answer := make([]byte, 65536)
	for {
		n, err := conn.Read(answer)
		if err != nil {
			return "", fmt.Errorf("%s: %w", command, err)
		}
		if got, ours := strings.CutPrefix(string(answer[:n]), cookie); ours {
			return got, nil
		}
	}
}
