package wire

import (
	"bytes"
	"net/netip"
	"testing"
	"time"
)

// Sizes at the edges, both families, many at once, in their order, with the
// sender's address; the sender reads the same bytes back from the address it wrote to.
func TestDatagramsCrossAsTheyAre(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(at, func(t *testing.T) {
			a, b := openForTest(t, at), openForTest(t, at)
			var sent [][]byte
			for i := range 66 {
				sent = append(sent, bytes.Repeat([]byte{byte(i)}, 1+i*7))
			}
			sent = append(sent, bytes.Repeat([]byte{'x'}, maxDatagram), nil)
			to := local(b)
			for _, data := range sent {
				if err := a.write(to, data); err != nil {
					t.Fatalf("%d bytes: %v", len(data), err)
				}
			}
			buf := make([]byte, 64<<10)
			for i := range sent {
				n, from, err := b.read(buf)
				if err != nil || from != local(a) || !bytes.Equal(buf[:n], sent[i]) {
					t.Fatalf("datagram %d of %d bytes became %d from %s: %v", i, len(sent[i]), n, from, err)
				}
			}
		})
	}
}

// A reader that waits, and one that has just read, end with the socket.
func TestDatagramsEndWithTheirSocket(t *testing.T) {
	d, peer := openForTest(t, "127.0.0.1:0"), openForTest(t, "127.0.0.1:0")
	read, ended := make(chan struct{}, 1), make(chan error)
	go func() {
		buf := make([]byte, 64<<10)
		for {
			if _, _, err := d.read(buf); err != nil {
				ended <- err
				return
			}
			read <- struct{}{}
		}
	}()
	if err := peer.write(local(d), []byte("once")); err != nil {
		t.Fatal(err)
	}
	<-read
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !closed(err) {
		t.Fatalf("ended with %v", err)
	}
	if err := d.write(local(peer), []byte("more")); !closed(err) {
		t.Fatalf("written after the end: %v", err)
	}
}

func openForTest(t *testing.T, at string) *datagrams {
	t.Helper()
	e := &Edge{ctx: t.Context()}
	d, err := e.openUDP(netip.MustParseAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return d
}

func local(d *datagrams) netip.AddrPort { return netip.MustParseAddrPort(d.LocalAddr().String()) }
