package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// What an unacknowledged refusal is repeated by (RFC 3261 §17.2.1, Timer G): after t1, then after twice as long each time, up
// to t2.
const (
	t1 = 500 * time.Millisecond
	t2 = 4 * time.Second
)

// deaf is a caller and a carrier beside a load. The carrier refuses every call with 487, and repeats that for as long as
// it lives, whatever it is sent; the caller takes the refusal as it is.
type deaf struct {
	door            net.UDPAddr
	caller, carrier *net.UDPConn
	mine            string // of this one, within Call-IDs
	legs            int
	done            chan struct{}
	readers         sync.WaitGroup

	copies, acks atomic.Int64
	silent       atomic.Bool // nothing is repeated for a while

	mu      sync.Mutex
	over    []bool          // calls that the caller has the refusal of
	refusal map[string]bool // legs, by branch: refused already
	due     [][]repeat      // by how often it was sent: in the order in which they are due
}

// repeat is a refusal that is to be sent again.
type repeat struct {
	at   time.Time
	to   *net.UDPAddr
	data []byte
}

func newDeaf(s *system, legs int) (*deaf, error) {
	d := &deaf{door: net.UDPAddr{IP: net.ParseIP(s.door), Port: 5060}, legs: legs, mine: fmt.Sprint(time.Now().UnixNano()), done: make(chan struct{}),
		over: make([]bool, legs), refusal: map[string]bool{}, due: make([][]repeat, 4)}
	var err error
	for _, side := range []struct {
		conn **net.UDPConn
		ip   string
	}{{&d.caller, giverIP}, {&d.carrier, deafIP}} {
		if *side.conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(side.ip), Port: 5060}); err != nil {
			d.close()
			return nil, err
		}
		if raw, err := (*side.conn).SyscallConn(); err == nil {
			// What does not fit is lost, and repeated.
			_ = raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 8<<20) })
		}
	}
	d.readers.Go(func() { read(d.caller, d.answered) })
	d.readers.Go(func() { read(d.carrier, d.called) })
	d.readers.Go(d.repeats)
	return d, nil
}

func (d *deaf) close() {
	close(d.done)
	for _, c := range []*net.UDPConn{d.caller, d.carrier} {
		if c != nil {
			_ = c.Close()
		}
	}
	d.readers.Wait()
}

// counts are how often refusals were sent, and the ACKs that came.
func (d *deaf) counts() (copies, acks int64) { return d.copies.Load(), d.acks.Load() }

// begin makes the calls at a rate, and waits until each has been refused.
func (d *deaf) begin(ctx context.Context, rate int) error {
	for begun, sent := time.Now(), 0; sent < d.legs; {
		for until := min(d.legs, int(time.Since(begun).Seconds()*float64(rate))+1); sent < until; sent++ {
			d.invite(sent)
		}
		if err := wait(ctx, 2*time.Millisecond); err != nil {
			return err
		}
	}
	for try := 0; ; try++ {
		if err := wait(ctx, t1); err != nil {
			return err
		}
		d.mu.Lock()
		var missing []int
		for i, over := range d.over {
			if !over {
				missing = append(missing, i)
			}
		}
		d.mu.Unlock()
		if len(missing) == 0 {
			return nil
		}
		if try == 6 {
			return fmt.Errorf("%d of %d calls were not refused", len(missing), d.legs)
		}
		for _, i := range missing {
			d.invite(i)
		}
	}
}

// head is the part of the caller's requests that does not change within a call.
func (d *deaf) head(method string, i int, to string) string {
	return fmt.Sprintf("%[1]s sip:3%[2]d@%[3]s SIP/2.0\r\nVia: SIP/2.0/UDP %[4]s:5060;branch=z9hG4bK%[5]s.%[2]d\r\nMax-Forwards: 70\r\n"+
		"From: <sip:+41215550100@%[4]s>;tag=%[5]s.%[2]d\r\nTo: %[6]s\r\nCall-ID: %[2]d.%[5]s\r\nCSeq: 1 %[1]s\r\n",
		method, i, d.door.IP, giverIP, d.mine, to)
}

func (d *deaf) invite(i int) {
	const body = "v=0\r\no=- 1 1 IN IP4 " + giverIP + "\r\ns=-\r\nc=IN IP4 " + giverIP + "\r\nt=0 0\r\nm=audio 20000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
	text := d.head("INVITE", i, fmt.Sprintf("<sip:3%d@%s>", i, d.door.IP)) +
		fmt.Sprintf("Contact: <sip:stray@%s:5060>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", giverIP, len(body), body)
	_, _ = d.caller.WriteToUDP([]byte(text), &d.door) // what is lost is sent again
}

// answered is a response to the caller: a refusal has its ACK.
func (d *deaf) answered(data []byte, from *net.UDPAddr) {
	line, _, _ := bytes.Cut(data, []byte("\r\n"))
	if !bytes.HasPrefix(line, []byte("SIP/2.0 4")) {
		return
	}
	id, _, _ := strings.Cut(header(data, "Call-ID"), ".")
	var i int
	if _, err := fmt.Sscan(id, &i); err != nil || i < 0 || i >= d.legs {
		return
	}
	_, _ = d.caller.WriteToUDP([]byte(d.head("ACK", i, header(data, "To"))+"Content-Length: 0\r\n\r\n"), from) // lost: the refusal comes again
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over[i] = true
}

// called is a request to the carrier.
func (d *deaf) called(data []byte, from *net.UDPAddr) {
	switch {
	case bytes.HasPrefix(data, []byte("ACK ")):
		d.acks.Add(1)
	case bytes.HasPrefix(data, []byte("INVITE ")):
		via := header(data, "Via")
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.refusal[via] {
			return
		}
		d.refusal[via] = true
		var b strings.Builder
		b.WriteString("SIP/2.0 487 Request Terminated\r\n")
		for line := range strings.Lines(string(data)) {
			switch name, _, _ := strings.Cut(line, ":"); strings.ToLower(name) {
			case "via", "from", "call-id", "cseq", "record-route":
				b.WriteString(line)
			case "to":
				b.WriteString(strings.TrimRight(line, "\r\n") + ";tag=deaf\r\n")
			}
		}
		b.WriteString("Content-Length: 0\r\n\r\n")
		d.send(repeat{to: from, data: []byte(b.String())}, 0)
	}
}

// send sends a refusal for the nth time, and says when it is due again. d.mu is held.
func (d *deaf) send(r repeat, n int) {
	if !d.silent.Load() {
		if _, err := d.carrier.WriteToUDP(r.data, r.to); err == nil {
			d.copies.Add(1)
		}
	}
	r.at = time.Now().Add(min(t2, t1<<n))
	n = min(n, len(d.due)-1)
	d.due[n] = append(d.due[n], r)
}

// repeats sends what is due, until the carrier ends.
func (d *deaf) repeats() {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-d.done:
			return
		case now := <-tick.C:
			d.mu.Lock()
			for n := range d.due {
				for len(d.due[n]) > 0 && !d.due[n][0].at.After(now) {
					r := d.due[n][0]
					d.due[n] = d.due[n][1:]
					d.send(r, n+1)
				}
			}
			d.mu.Unlock()
		}
	}
}

// read hands over what comes until the socket is closed.
func read(c *net.UDPConn, each func(data []byte, from *net.UDPAddr)) {
	data := make([]byte, 65536)
	for {
		n, from, err := c.ReadFromUDP(data)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			each(data[:n], from)
		}
	}
}

// header is the value of the first header field of that name.
func header(data []byte, name string) string {
	for line := range bytes.Lines(data) {
		if n, value, ok := bytes.Cut(line, []byte(":")); ok && strings.EqualFold(string(n), name) {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}
