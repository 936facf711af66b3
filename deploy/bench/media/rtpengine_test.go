package main

import (
	"bytes"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// control is a port of ours where nobody listens any more.
func control(t *testing.T) *net.UDPConn {
	t.Helper()
	at, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	_ = at.Close()
	conn, err := net.DialUDP("udp4", nil, at.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// started is a process that is no rtpengine.
func started(t *testing.T, script string) (*system, *bytes.Buffer) {
	t.Helper()
	said := new(bytes.Buffer)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
	cmd.Stderr = said
	s, err := begin(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.end)
	return s, said
}

// Who is slow to start is waited for: its port may refuse pings, and what answers another one is no answer.
func TestColdStartIsWaitedFor(t *testing.T) {
	conn := control(t)
	s, _ := started(t, "exec sleep 60")
	answered := make(chan error)
	go func() { answered <- s.answers(t.Context(), conn, time.Minute) }()
	node, err := net.ListenUDP("udp4", conn.RemoteAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = node.Close() }()
	b := make([]byte, 1500)
	for n := range 2 {
		size, from, err := node.ReadFromUDPAddrPort(b)
		if err != nil {
			t.Fatal(err)
		}
		cookie, _, _ := strings.Cut(string(b[:size]), " ")
		if n == 0 { // what is not the answer to this ping is none
			cookie = "0"
		}
		if _, err := node.WriteToUDPAddrPort([]byte(cookie+" d6:result4:ponge"), from); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

// Who has ended is not waited for, and who never answers not for ever. Both are named.
func TestNobodyAnswers(t *testing.T) {
	conn := control(t)
	s, said := started(t, "echo no such interface >&2; exit 3")
	err := s.answers(t.Context(), conn, time.Minute)
	if err == nil || !strings.Contains(err.Error(), conn.RemoteAddr().String()) || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("of a process that has ended: %v", err)
	}
	if got := said.String(); got != "no such interface\n" {
		t.Errorf("it said %q", got)
	}
	s, _ = started(t, "exec sleep 60")
	err = s.answers(t.Context(), conn, time.Second)
	if err == nil || !strings.Contains(err.Error(), conn.RemoteAddr().String()) || !strings.Contains(err.Error(), "within 1s") {
		t.Errorf("of a process that does not answer: %v", err)
	}
}
