package ng_test

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"bulkhead/b2bua/media/ng"
)

// carrier's offer, some 450 bytes of SDP.
var carriers = []byte("v=0\r\no=- 20518 0 IN IP4 203.0.113.1\r\ns=-\r\nc=IN IP4 203.0.113.1\r\nt=0 0\r\n" +
	"m=audio 54400 RTP/AVP 8 0 18 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:18 G729/8000\r\n" +
	"a=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n")

// echo answers everything with one body, and allocates nothing.
func echo(b *testing.B, body string) netip.AddrPort {
	b.Helper()
	udp, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		in, out := make([]byte, 1<<16), make([]byte, 0, 1<<16)
		for {
			_, from, err := udp.ReadFromUDPAddrPort(in)
			if err != nil {
				return
			}
			out = append(append(out[:0], in[:17]...), body...)
			if _, err := udp.WriteToUDPAddrPort(out, from); err != nil {
				b.Error(err)
				return
			}
		}
	}()
	b.Cleanup(func() { _ = udp.Close(); <-ended })
	return udp.LocalAddr().(*net.UDPAddr).AddrPort()
}

func asking(b *testing.B, body string) *ng.Client {
	b.Helper()
	c, err := ng.New(ng.Config{Nodes: []ng.Node{{Name: "n0", Address: echo(b, body)}}, Ping: never})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return c
}

// BenchmarkOffer is a round trip over loopback; what it allocates is the body that is
// given back.
func BenchmarkOffer(b *testing.B) {
	c := asking(b, fine)
	x := ng.Exchange{Call: "u01abcdefghijklmnopqrstuvwx", From: "L0", Body: carriers, Toward: ng.Profile{
		SRTP: ng.SRTPSDES, Transcode: []string{"PCMU"}, Interfaces: [2]string{"core", "peering"}}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Offer(context.Background(), x); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkQuery(b *testing.B) {
	answer, err := os.ReadFile("testdata/query.bencode")
	if err != nil {
		b.Fatal(err)
	}
	c := asking(b, string(answer))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Query(context.Background(), "n0", "u01abcdefghijklmnopqrstuvwx"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	answer, err := os.ReadFile("testdata/query.bencode")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(answer)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ng.Parse(answer); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParse_Hostile is a datagram that is all keys of one dictionary.
func BenchmarkParse_Hostile(b *testing.B) {
	var text strings.Builder
	text.WriteByte('d')
	for i := range 1024 {
		text.WriteString("4:xx" + string([]byte{byte(i >> 8), byte(i)}) + "0:")
	}
	text.WriteByte('e')
	raw := []byte(text.String())
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := ng.Parse(raw); err != nil {
			b.Fatal(err)
		}
	}
}
