package ops

import (
	"bytes"
	"strings"
	"sync"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// Media remembers what the peers of each call have described last of their media, and what
// they were shown, in short. It is a b2bua.Observer; of a call that has been taken over it
// knows what has been described since then.
type Media struct {
	shards [64]struct {
		sync.Mutex
		calls map[dialog.CallID][]halfLeg
	}
}

// halfLeg is one side of a leg.
type halfLeg struct {
	leg  uint8
	in   bool
	text string // as digest makes it
}

// Stream is a stream of media as one side describes it.
type Stream struct {
	Kind      string   `json:"kind" example:"audio"`
	Address   string   `json:"address,omitempty" doc:"Where it takes media." example:"192.0.2.1:20000"`
	Transport string   `json:"transport,omitempty" example:"RTP/AVP"`
	Direction string   `json:"direction,omitempty" enum:"sendrecv,sendonly,recvonly,inactive"`
	Codecs    []string `json:"codecs,omitempty" doc:"The preferred one first." example:"PCMA/8000"`
	Off       bool     `json:"off,omitempty" doc:"It is refused, or not used: its port is 0."`
}

// Saw is b2bua.Observer.
func (m *Media) Saw(s b2bua.Sight) {
	if s.Repeat || len(s.Data) == 0 {
		return
	}
	at := bytes.Index(s.Data, []byte("\r\n\r\n"))
	if at < 0 || at+4 >= len(s.Data) {
		return
	}
	body := s.Data[at+2:]
	if at = bytes.Index(body, []byte("\nv=0")); at < 0 { // also in a multipart one
		return
	}
	text := digest(body[at+1:])
	sh := &m.shards[s.Call[7]%64]
	sh.Lock()
	defer sh.Unlock()
	list := sh.calls[s.Call]
	for i := range list {
		if list[i].leg == s.Leg && list[i].in == s.In {
			list[i].text = text
			return
		}
	}
	if sh.calls == nil {
		sh.calls = map[dialog.CallID][]halfLeg{}
	}
	sh.calls[s.Call] = append(list, halfLeg{s.Leg, s.In, text})
}

// Hunted is b2bua.Observer.
func (*Media) Hunted(dialog.CallID, b2bua.Failover) {}

// Ended is b2bua.Observer: what was said is of no use any more.
func (m *Media) Ended(id dialog.CallID, _ b2bua.Record) { m.Left(id) }

// Left is b2bua.Observer.
func (m *Media) Left(id dialog.CallID) {
	sh := &m.shards[id[7]%64]
	sh.Lock()
	defer sh.Unlock()
	delete(sh.calls, id)
}

// Of is what a leg's peer has described last, and what it was shown.
func (m *Media) Of(id dialog.CallID, leg uint8) (said, shown []Stream) {
	if m == nil {
		return nil, nil
	}
	sh := &m.shards[id[7]%64]
	sh.Lock()
	defer sh.Unlock()
	for _, d := range sh.calls[id] {
		switch {
		case d.leg != leg:
		case d.in:
			said = streams(d.text)
		default:
			shown = streams(d.text)
		}
	}
	return said, shown
}

// digest is a description (RFC 4566) in short: a line a stream, of its kind, port, transport,
// address, direction and codecs. What cannot be read is left out.
func digest(sdp []byte) string {
	var b strings.Builder
	address, direction := "-", "sendrecv" // of the session
	var stream struct {
		head, formats []string
		address, way  string
		names         map[string]string
	}
	end := func() {
		if stream.head == nil {
			return
		}
		b.WriteString(strings.Join([]string{stream.head[0], stream.head[1], stream.head[2], stream.address, stream.way}, " "))
		for _, f := range stream.formats {
			name := stream.names[f]
			if name == "" {
				name = static[f]
			}
			if name == "" {
				name = f
			}
			b.WriteString(" " + name)
		}
		b.WriteByte('\n')
		stream.head = nil
	}
	for line := range strings.Lines(string(sdp)) {
		line = strings.TrimRight(line, "\r\n")
		if len(line) < 2 || line[1] != '=' {
			break // the end of its part
		}
		text := line[2:]
		switch line[0] {
		case 'm':
			end()
			if f := strings.Fields(text); len(f) >= 4 {
				port, _, _ := strings.Cut(f[1], "/")
				stream.head, stream.formats, stream.names = []string{f[0], port, f[2]}, f[3:], nil
				stream.address, stream.way = address, direction
			}
		case 'c':
			f := strings.Fields(text)
			switch {
			case len(f) != 3:
			case stream.head == nil:
				address = f[2]
			default:
				stream.address = f[2]
			}
		case 'a':
			switch name, value, _ := strings.Cut(text, ":"); name {
			case "sendrecv", "sendonly", "recvonly", "inactive":
				if stream.head == nil {
					direction = name
				} else {
					stream.way = name
				}
			case "rtpmap":
				if number, codec, ok := strings.Cut(value, " "); ok && stream.head != nil {
					if stream.names == nil {
						stream.names = map[string]string{}
					}
					stream.names[number] = strings.TrimSpace(codec)
				}
			}
		}
	}
	end()
	return b.String()
}

// static are payload types that need no rtpmap (RFC 3551 §6).
var static = map[string]string{"0": "PCMU/8000", "3": "GSM/8000", "4": "G723/8000", "8": "PCMA/8000", "9": "G722/8000", "13": "CN/8000", "15": "G728/8000", "18": "G729/8000"}

// streams are what digest has made.
func streams(text string) (list []Stream) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		s := Stream{Kind: f[0], Transport: f[2], Direction: f[4], Codecs: f[5:], Off: f[1] == "0"}
		if s.Address = f[3] + ":" + f[1]; strings.Contains(f[3], ":") {
			s.Address = "[" + f[3] + "]:" + f[1]
		}
		if s.Off {
			s.Address, s.Direction = "", ""
		}
		list = append(list, s)
	}
	return list
}
