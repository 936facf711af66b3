package ops

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// Pcap writes messages as packets, for Wireshark and its like: as pcapng, with a comment that
// says whose each is, or as pcap. The headers are made up, of the addresses that the messages
// really went between: all have UDP's, so that what went by TCP or TLS is shown as well,
// in clear, and each message is one packet.
type Pcap struct {
	// Local says which socket of ours a message goes by, where its path does not; nil: none.
	Local func(dialog.Path) netip.AddrPort

	begun   time.Time
	ng      *pcapgo.NgWriter
	old     *pcapgo.Writer
	id      uint16
	written int
}

// PcapFormats are the forms in which packets are written.
var PcapFormats = []string{"pcapng", "pcap"}

// most is how much of a message one packet of UDP holds.
const mostOfPacket = 65535 - 40 - 8

// NewPcap begins a file.
func NewPcap(w io.Writer, format string, now time.Time) (*Pcap, error) {
	p := &Pcap{begun: now}
	if format == "pcap" {
		p.old = pcapgo.NewWriterNanos(w)
		return p, p.old.WriteFileHeader(1<<18, layers.LinkTypeRaw)
	}
	options := pcapgo.DefaultNgWriterOptions
	options.SectionInfo.Application = "bulkhead"
	options.SectionInfo.Comment = "SIP messages of calls through Bulkhead; IP and UDP headers are made up"
	intf := pcapgo.DefaultNgInterface
	intf.Name, intf.LinkType, intf.OS = "bulkhead", layers.LinkTypeRaw, ""
	var err error
	p.ng, err = pcapgo.NewNgWriterInterface(w, intf, options)
	return p, err
}

// Write adds a message.
func (p *Pcap) Write(f b2bua.Frame) error {
	data := f.Data
	cut := len(data) > mostOfPacket
	if cut {
		data = data[:mostOfPacket]
	}
	packet, err := p.packet(f, data)
	if err != nil {
		return err
	}
	info := gopacket.CaptureInfo{Timestamp: f.At, CaptureLength: len(packet), Length: len(packet) + len(f.Data) - len(data)}
	p.written++
	if p.old != nil {
		return p.old.WritePacket(info, packet)
	}
	return p.ng.WritePacketWithOptions(info, packet, pcapgo.NgPacketOptions{Comments: []string{comment(f, cut)}})
}

// packet is a message behind an IP and a UDP header.
func (p *Pcap) packet(f b2bua.Frame, data []byte) ([]byte, error) {
	ours, theirs := f.Path.Local, f.Path.Remote
	if !ours.IsValid() && p.Local != nil {
		ours = p.Local(f.Path)
	}
	from, to := ours, theirs
	if f.In {
		from, to = theirs, ours
	}
	udp := &layers.UDP{SrcPort: layers.UDPPort(from.Port()), DstPort: layers.UDPPort(to.Port())}
	b := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	p.id++
	if theirs.Addr().Unmap().Is4() {
		ip := &layers.IPv4{Version: 4, TTL: 64, Id: p.id, Protocol: layers.IPProtocolUDP, SrcIP: address(from, true), DstIP: address(to, true)}
		if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
			return nil, err
		}
		err := gopacket.SerializeLayers(b, options, ip, udp, gopacket.Payload(data))
		return b.Bytes(), err
	}
	ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP, SrcIP: address(from, false), DstIP: address(to, false)}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		return nil, err
	}
	err := gopacket.SerializeLayers(b, options, ip, udp, gopacket.Payload(data))
	return b.Bytes(), err
}

// address is an address of a family; that of a side that is not known is unspecified.
func address(at netip.AddrPort, four bool) []byte {
	a := at.Addr().Unmap()
	switch {
	case four && a.Is4(), !four && a.Is6():
	case four:
		a = netip.IPv4Unspecified()
	default:
		a = netip.IPv6Unspecified()
	}
	return a.AsSlice()
}

// comment says whose a packet is.
func comment(f b2bua.Frame, cut bool) string {
	list := []string{fmt.Sprintf("call %s leg %d %s", f.Call, f.Leg, f.Peer), strings.ToLower(f.Path.Transport.String())}
	if f.Repeat {
		list = append(list, "repeat")
	}
	if f.Note != "" {
		list = append(list, strings.ReplaceAll(f.Note, "_", " "))
	}
	if cut {
		list = append(list, fmt.Sprintf("the first %d of %d bytes", mostOfPacket, len(f.Data)))
	}
	return strings.Join(list, ", ")
}

// Flush writes out what waits to be.
func (p *Pcap) Flush() error {
	if p.old != nil {
		return nil
	}
	return p.ng.Flush()
}

// Written is how many messages have been added.
func (p *Pcap) Written() int { return p.written }

// End closes the file with how many messages are not in it.
func (p *Pcap) End(now time.Time, missed uint64) error {
	if p.old != nil {
		return nil
	}
	err := p.ng.WriteInterfaceStats(0, pcapgo.NgInterfaceStatistics{
		LastUpdate: now, StartTime: p.begun, EndTime: now, PacketsReceived: uint64(p.written) + missed, PacketsDropped: missed,
	})
	if err != nil {
		return err
	}
	return p.ng.Flush()
}
