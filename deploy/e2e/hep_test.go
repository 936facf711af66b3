//go:build e2e

package e2e

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// TestHEPIsReadByOthers: what Bulkhead mirrors is decoded by sngrep as what its peers sent
// and received, between the same addresses: of both legs, and of the attempt that lost.
func TestHEPIsReadByOthers(t *testing.T) {
	t.Parallel()
	const network, server = 229, 90
	dir := t.TempDir()
	capture := filepath.Join(dir, "hep.pcap")
	at := (&border{net: network}).ip(server) + ":9060"
	sngrep := start(t, dir, "sngrep", "sngrep", "-N", "-q", "-F", "-L", "udp:"+at, "-O", capture)
	sngrep.until("sngrep to listen", patience, func() bool { return bound("udp", at) })

	b := open(t, network, plan{more: "trace: {hep: \"udp://" + at + "\"}"})
	first := b.carrierAt(tc1, "uas_refuse.xml", nil)
	second := b.carrierAt(tc2, "uas.xml", nil)
	call := b.callerTo(number, "uac.xml", nil, "-d", "200")
	call.finish(patience)
	first.finish(patience)
	second.finish(patience)
	b.terminate(20 * time.Second)
	_ = syscall.Kill(sngrep.cmd.Process.Pid, syscall.SIGTERM)
	<-sngrep.exited

	got := mirrored(t, capture)
	between := func(from, to int, word string) (n int) {
		for _, p := range got {
			if p.from.String() == b.at(from) && p.to.String() == b.at(to) && strings.HasPrefix(p.text, word) {
				n++
			}
		}
		return n
	}
	for _, want := range []struct {
		from, to int
		word     string
	}{
		{caller, coreSide, "INVITE "}, {coreSide, caller, "SIP/2.0 100 "}, {coreSide, caller, "SIP/2.0 200 "}, {caller, coreSide, "ACK "}, {caller, coreSide, "BYE "},
		{peeringSide, tc1, "INVITE "}, {tc1, peeringSide, "SIP/2.0 503 "}, {peeringSide, tc1, "ACK "},
		{peeringSide, tc2, "INVITE "}, {tc2, peeringSide, "SIP/2.0 200 "}, {peeringSide, tc2, "ACK "}, {peeringSide, tc2, "BYE "},
	} {
		if between(want.from, want.to, want.word) == 0 {
			t.Errorf("no %sfrom %s to %s was mirrored", want.word, b.at(want.from), b.at(want.to))
		}
	}
	if t.Failed() {
		for _, p := range got {
			t.Logf("%s > %s %.40q", p.from, p.to, p.text)
		}
	}
}

// packet is a message that was captured.
type packet struct {
	from, to netip.AddrPort
	text     string
}

// mirrored reads a capture file.
func mirrored(t *testing.T, name string) (all []packet) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for {
		data, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		p := gopacket.NewPacket(data, r.LinkType(), gopacket.NoCopy)
		ip, okIP := p.NetworkLayer().(*layers.IPv4)
		udp, okUDP := p.TransportLayer().(*layers.UDP)
		if !okIP || !okUDP {
			t.Fatalf("no datagram: %s", p)
		}
		from, _ := netip.AddrFromSlice(ip.SrcIP)
		to, _ := netip.AddrFromSlice(ip.DstIP)
		all = append(all, packet{netip.AddrPortFrom(from, uint16(udp.SrcPort)), netip.AddrPortFrom(to, uint16(udp.DstPort)), string(udp.Payload)})
	}
}
