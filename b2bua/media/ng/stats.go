package ng

import (
	"errors"
	"net/netip"
	"strconv"
	"time"
)

// Stats are what rtpengine has counted of a call.
type Stats struct {
	RTP, RTCP Packets // of all streams: received
	Legs      []LegStats
	Sources   []SourceStats // whose quality is known: of those that sent RTCP which was answered
}

// Packets counts what was received; Errors are those of them that were not forwarded,
// such as came from a wrong source.
type Packets struct{ Packets, Bytes, Errors uint64 }

// LegStats is one leg, by the id that we gave.
type LegStats struct {
	Leg   string
	Media []MediaStats // by m-line
}

// MediaStats is one m-line of a leg.
type MediaStats struct {
	Index    int    // from 1
	Kind     string // audio, image
	Protocol string // RTP/SAVP
	Codec    string // that arrives: PCMA/8000; empty: nothing has
	Streams  []StreamStats
}

// StreamStats is one port.
type StreamStats struct {
	Local, Remote netip.AddrPort // Local is invalid once it is released, Remote until it is known
	RTCP          bool
	SSRC          uint32 // the latest that arrived, from whomever; 0: none
	Received      Packets
	Last          time.Time // of the last packet, or when the port was opened; to the second
}

// SourceStats is the quality of one RTP source as its receivers report it in RTCP.
type SourceStats struct {
	SSRC      uint32
	Lost      int64 // packets, all in all
	Loss      int   // percent, on average
	Jitter    time.Duration
	RoundTrip time.Duration
	MOS       float64 // 1 to 5, rtpengine's estimate on average; 0: not known
	MOSLowest float64
}

var errNoTags = errors.New("no tags in it")

// statsOf reads the answer to a query.
func statsOf(answer value) (Stats, error) {
	tags := answer.get("tags")
	if len(tags) == 0 || tags[0] != 'd' {
		return Stats{}, errNoTags
	}
	totals := answer.get("totals")
	s := Stats{RTP: packetsOf(totals.get("RTP")), RTCP: packetsOf(totals.get("RTCP"))}
	for tag, of := range tags.dict() {
		leg := LegStats{Leg: string(tag)}
		for m := range of.get("medias").list() {
			leg.Media = append(leg.Media, mediaOf(m))
		}
		s.Legs = append(s.Legs, leg)
	}
	for ssrc, of := range answer.get("SSRC").dict() {
		if n, err := strconv.ParseUint(string(ssrc), 10, 32); err == nil {
			s.Sources = append(s.Sources, sourceOf(uint32(n), of))
		}
	}
	return s, nil
}

func mediaOf(m value) MediaStats {
	media := MediaStats{
		Index:    int(m.get("index").integer()),
		Kind:     string(m.get("type").bytes()),
		Protocol: string(m.get("protocol").bytes()),
		Codec:    string(m.get("codec").bytes()),
	}
	for stream := range m.get("streams").list() {
		of := StreamStats{
			Local:    addrPort(stream.get("local address"), stream.get("local port")),
			SSRC:     uint32(stream.get("SSRC").integer()),
			Received: packetsOf(stream.get("stats")),
		}
		endpoint := stream.get("endpoint")
		of.Remote = addrPort(endpoint.get("address"), endpoint.get("port"))
		if last := stream.get("last packet").integer(); last > 0 {
			of.Last = time.Unix(last, 0)
		}
		for flag := range stream.get("flags").list() {
			of.RTCP = of.RTCP || string(flag.bytes()) == "RTCP"
		}
		media.Streams = append(media.Streams, of)
	}
	return media
}

func packetsOf(v value) Packets {
	count := func(key string) uint64 { return uint64(max(0, v.get(key).integer())) }
	return Packets{count("packets"), count("bytes"), count("errors")}
}

func sourceOf(ssrc uint32, v value) SourceStats {
	mean := v.get("average MOS")
	return SourceStats{
		SSRC:      ssrc,
		Lost:      v.get("cumulative loss").integer(),
		Loss:      int(mean.get("packet loss").integer()),
		Jitter:    time.Duration(mean.get("jitter").integer()) * time.Millisecond,
		RoundTrip: time.Duration(mean.get("round-trip time").integer()) * time.Microsecond,
		MOS:       float64(mean.get("MOS").integer()) / 10, // it comes in tenths
		MOSLowest: float64(v.get("lowest MOS").get("MOS").integer()) / 10,
	}
}

func addrPort(addr, port value) netip.AddrPort {
	a, err := netip.ParseAddr(string(addr.bytes()))
	n := port.integer()
	if err != nil || n < 0 || n > 65535 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a, uint16(n))
}
