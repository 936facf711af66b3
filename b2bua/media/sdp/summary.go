package sdp

import "strconv"

// Stream is one m= line as an operator is shown it.
type Stream struct {
	Kind      string   // audio, video, image
	Address   string   // "192.0.2.1:5004", with the name where c= has one; empty: the stream is refused, or has no c=
	Transport string   // as it came: "RTP/AVP", "udptl"
	Direction string   // sendrecv, sendonly, recvonly, inactive; of a hold by 0.0.0.0 what mutes its sender's ear
	Codecs    []string // "PCMA/8000", "opus/48000/2", "t38"; of an answer the first is the one in use
	PTime     int      // milliseconds of a packet; 0: not said
}

// Summary lists what the body offers or answers, an entry for each m= line.
func (b *Body) Summary() []Stream {
	list := make([]Stream, len(b.media))
	for i := range b.media {
		m, s := &b.media[i], &list[i]
		*s = Stream{Kind: m.Kind, Transport: m.Proto, Direction: m.Direction.String(), PTime: m.PTime, Codecs: make([]string, len(m.Formats))}
		if m.Addr.IsValid() && m.Addr.IsUnspecified() {
			s.Direction = mute(m.Direction).String()
		}
		switch {
		case m.Refused():
		case m.Addr.IsValid():
			s.Address = m.Remote().String()
		case m.Host != "":
			s.Address = m.Host + ":" + strconv.Itoa(int(m.Port))
		}
		for n := range m.Formats {
			s.Codecs[n] = m.Formats[n].String()
		}
	}
	return list
}

// String is the format as an rtpmap has it, or its payload type where nothing says what it is.
func (f *Format) String() string {
	switch {
	case f.Name == "":
		return f.Type
	case f.Rate == 0:
		return f.Name
	case f.Channels > 1:
		return f.Name + "/" + strconv.Itoa(f.Rate) + "/" + strconv.Itoa(f.Channels)
	}
	return f.Name + "/" + strconv.Itoa(f.Rate)
}
