package b2bua

import (
	"math"
	"time"

	"bulkhead/b2bua/media"
)

// MediaRecord is what was carried for an attempt. Attempts of a hunt have one session with the
// trunk, so what was counted of it is with the last of them.
type MediaRecord struct {
	Mode    string         `json:"mode"`           // relay, rtpengine
	Node    string         `json:"node,omitempty"` // of rtpengine
	Streams []StreamRecord `json:"streams"`        // one an m= line
}

// StreamRecord is one stream, as it came from either side.
type StreamRecord struct {
	Kind    string     `json:"kind"`    // audio, video, image
	Trunk   FlowRecord `json:"trunk"`   // from the trunk
	Carrier FlowRecord `json:"carrier"` // from the carrier
}

// FlowRecord is what was heard from one side.
type FlowRecord struct {
	Address  string `json:"address,omitempty"`  // where it was heard from; else where it was described
	Packets  uint64 `json:"packets"`            // of RTP or UDPTL that were taken
	Octets   uint64 `json:"octets"`             // their length, the headers of RTP included
	Lost     uint64 `json:"lost"`               // by sequence number
	Foreign  uint64 `json:"foreign,omitempty"`  // dropped, since they came from elsewhere
	SRTP     string `json:"srtp,omitempty"`     // the suite of what came; absent: RTP, or rtpengine knows
	Unkeyed  uint64 `json:"unkeyed,omitempty"`  // dropped, since it did not authenticate
	Replayed uint64 `json:"replayed,omitempty"` // dropped, since it had been here already

	Jitter float64 `json:"jitter"`        // milliseconds, the most there was
	Gap    float64 `json:"gap"`           // milliseconds, the longest between two packets
	MOS    float64 `json:"mos,omitempty"` // estimate, 1 to 4.5
}

func mediaRecord(a *media.Anchor) *MediaRecord {
	r := &MediaRecord{Mode: a.Mode.String(), Node: a.Node, Streams: []StreamRecord{}}
	for i := range a.Streams {
		s := &a.Streams[i]
		r.Streams = append(r.Streams, StreamRecord{
			Kind:  s.Kind,
			Trunk: flowRecord(&s.Ends[media.Trunk]), Carrier: flowRecord(&s.Ends[media.Carrier]),
		})
	}
	return r
}

func flowRecord(e *media.End) FlowRecord {
	d := e.Stats
	r := FlowRecord{
		Packets: d.Packets, Octets: d.Octets, Lost: d.Lost, Foreign: d.Foreign,
		Unkeyed: d.Unkeyed, Replayed: d.Replayed,
		Jitter: millis(d.MaxJitter), Gap: millis(d.Gap), MOS: math.Round(d.MOS()*100) / 100,
	}
	if e.Far.Crypto != nil {
		r.SRTP = e.Far.Crypto.Suite
	}
	switch at := d.Heard; {
	case at.IsValid():
		r.Address = at.String()
	case e.Far.RTP.Port() != 0:
		r.Address = e.Far.RTP.String()
	}
	return r
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// mode is how the media of the call was carried, at the last.
func (r *Record) mode() string {
	for i := len(r.Attempts) - 1; i >= 0; i-- {
		if m := r.Attempts[i].Media; m != nil {
			return m.Mode
		}
	}
	return media.Bypass.String()
}
