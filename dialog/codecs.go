package dialog

import (
	"bytes"
	"slices"
	"strings"
)

// Codecs is which codecs an offer toward a peer may name, and in which order it prefers
// them. An entry is the encoding name of an rtpmap (RFC 4566 §6), alone or with its clock
// rate: "PCMA", "telephone-event", "AMR-WB/16000"; case says nothing. Zero: all, as they come.
type Codecs struct {
	Allow []string // empty: all that Deny does not list
	Deny  []string
	Order []string // those listed come first, in this order
}

// DropCodec is an offer of which no codec is left for the peer that it was for, or an
// answer of which none is: the offer is refused by 488 where that can be said, and
// otherwise its streams are.
const DropCodec = "no_codec"

// Suits says that of an offer something is left for the peer of this profile: a stream
// of audio, where it has any. What is no description suits.
func (p *Policy) Suits(offer Body) bool {
	_, ok := p.Codecs.offer(offer)
	return ok
}

// offer is an offer as the peer is to be shown it. Formats that may not pass leave their
// m= line with the attributes that speak of them; a stream that is left with none has port
// zero, which is how an offer says that a stream is not to be used (RFC 3264 §5.1, §8.2): the
// answer then has it too (§6), and its streams are still those of the offer, one for one.
// False: no audio is left where there was some, or nothing at all.
func (c *Codecs) offer(b Body) (Body, bool) { return c.filter(b, c.Order) }

// answer is an answer without what the offer has not named: RFC 3264 §6.1 lets an
// answerer list more formats than it was offered, which its peer might use then. One that
// lists nothing else has not answered the stream, which then counts as refused.
func (c *Codecs) answer(b Body) (Body, bool) { return c.filter(b, nil) }

// answers takes out of a message what the answer in it cannot name.
func (s *step) answers(m *Message) {
	body, ok := s.Policy.Codecs.answer(m.Body)
	if !ok {
		s.drop(DropCodec, m)
	}
	if !bytes.Equal(body.Data, m.Body.Data) { // else the message stays as it came: others may read it
		m.Body = body
	}
}

// late is what the carrier describes as the caller is to be shown it: to an INVITE that has
// offered nothing it is an offer. False: nothing of it is left.
func (s *step) late(b Body) (Body, bool) {
	if s.Offer {
		return b, true
	}
	return s.Policy.Codecs.offer(b)
}

// muted is an offer in a 2xx to a re-INVITE, where nobody can refuse it: the session loses
// the streams of which nothing is left.
func (s *step) muted(b Body) Body {
	body, ok := s.Policy.Codecs.offer(b)
	if !ok {
		s.drop(DropCodec, nil)
	}
	return body
}

// withoutCodec refuses the call of a trunk that is offered nothing that it may use.
func (s *step) withoutCodec(invite *Tx) {
	s.drop(DropCodec, nil)
	c := Cause{Why: NoCodec, Code: 488, Q850: 65}
	s.conclude(invite, c)
	s.finish(c, true)
}

// filter rewrites each description of a body; all else stays as it is, byte for byte.
func (c *Codecs) filter(b Body, order []string) (Body, bool) {
	if len(c.Allow) == 0 && len(c.Deny) == 0 && len(order) == 0 || b.Empty() {
		return b, true
	}
	var few [2]span
	var out []byte
	at, ok, found := 0, false, descriptions(few[:0], b, 0, nesting)
	for _, p := range found {
		data, suits := c.description(b.Data[p.from:p.to], order)
		ok = ok || suits // of several that stand for each other, one is enough
		if data != nil {
			out = append(append(out, b.Data[at:p.from]...), data...)
			at = p.to
		}
	}
	if at > 0 {
		b = Body{Type: b.Type, Data: append(out, b.Data[at:]...)}
	}
	return b, ok || len(found) == 0
}

// description rewrites one description; nil: it stays as it is.
func (c *Codecs) description(data []byte, order []string) (out []byte, suits bool) {
	var audio, media [2]int // streams that are in use, and those of them that lose all
	at := 0
	for from := stream(data, 0); from < len(data); {
		to := stream(data, from+1)
		section, lost := c.stream(data[from:to], order)
		if kind, used := inUse(data[from:to]); used {
			media[0]++
			if lost {
				media[1]++
			}
			if kind == "audio" {
				audio[0]++
				if lost {
					audio[1]++
				}
			}
		}
		if section != nil {
			out = append(append(out, data[at:from]...), section...)
			at = to
		}
		from = to
	}
	if out != nil {
		out = append(out, data[at:]...)
	}
	return out, (audio[1] == 0 || audio[1] < audio[0]) && (media[1] == 0 || media[1] < media[0])
}

// stream is where the next m= line begins, from a place on; the end where none does.
func stream(data []byte, from int) int {
	for at := from; at < len(data); at = lineEnd(data, at) {
		if (at == 0 || data[at-1] == '\n') && bytes.HasPrefix(data[at:], []byte("m=")) {
			return at
		}
	}
	return len(data)
}

// inUse is the medium of a stream, and whether its port says that it is used.
func inUse(section []byte) (kind string, used bool) {
	f := bytes.Fields(section[2:lineEnd(section, 0)])
	if len(f) < 2 {
		return "", false
	}
	port, _, _ := bytes.Cut(f[1], []byte("/"))
	return string(f[0]), len(bytes.Trim(port, "0")) > 0
}

// payloadTypes is how many there are (RFC 3550 §5.1). A stream that names more is refused: to
// look for codecs takes the product of its formats and attributes.
const payloadTypes = 128

// stream rewrites an m= line and what belongs to it; nil: it stays as it is. lost: no
// format is left, and the port is zero now.
func (c *Codecs) stream(section []byte, order []string) (out []byte, lost bool) {
	end := lineEnd(section, 0)
	line := section[:end]
	f := bytes.Fields(line)
	if _, used := inUse(section); !used || len(f) < 4 || !bytes.Contains(f[2], []byte("RTP/")) {
		return nil, false // what is no RTP has no payload types: T.38, MSRP
	}
	refused := func() ([]byte, bool) {
		at := len(f[0]) + bytes.Index(line[len(f[0]):], f[1])
		return slices.Concat(line[:at], []byte("0"), line[at+len(f[1]):], section[end:]), true
	}
	if len(f) > 3+payloadTypes {
		return refused()
	}
	formats := formatsOf(section[end:], f[3:])
	media := slices.ContainsFunc(formats, format.media)
	kept := slices.DeleteFunc(slices.Clone(formats), func(x format) bool { return !c.passes(x, formats) })
	if lost = !slices.ContainsFunc(kept, format.media) && media || len(kept) == 0; lost {
		return refused()
	}
	if len(order) > 0 {
		slices.SortStableFunc(kept, func(a, b format) int { return a.rank(order) - b.rank(order) })
	}
	if slices.Equal(kept, formats) {
		return nil, false
	}
	out = append(out, bytes.Join(f[:3], []byte(" "))...)
	for _, x := range kept {
		out = append(append(out, ' '), x.number...)
	}
	out = append(out, line[len(bytes.TrimRight(line, "\r\n")):]...)
	for at := end; at < len(section); {
		next := lineEnd(section, at)
		_, number, _ := ofFormat(section[at:next])
		same := func(x format) bool { return x.number == number }
		if slices.ContainsFunc(kept, same) || !slices.ContainsFunc(formats, same) {
			out = append(out, section[at:next]...)
		}
		at = next
	}
	return out, false
}

// format is one payload type of an m= line.
type format struct {
	number string
	name   string // encoding name; empty: none is known
	rate   string // clock rate; empty: not said
	apt    string // the payload type that it repeats (RFC 4588); empty: none
}

// formatsOf reads what the attributes of a stream say of its payload types. What a static
// one means no rtpmap changes.
func formatsOf(attributes []byte, numbers [][]byte) []format {
	list := make([]format, 0, len(numbers))
	for _, n := range numbers {
		x := format{number: string(n)}
		x.name, x.rate = static(x.number)
		list = append(list, x)
	}
	for at := 0; at < len(attributes); {
		end := lineEnd(attributes, at)
		kind, number, value := ofFormat(attributes[at:end])
		at = end
		for i := range list {
			switch x := &list[i]; {
			case number == "" || x.number != number:
			case kind == "a=rtpmap:" && x.name == "":
				name, rest, _ := strings.Cut(value, "/")
				rate, _, _ := strings.Cut(rest, "/")
				x.name, x.rate = strings.TrimSpace(name), strings.TrimSpace(rate)
			case kind == "a=fmtp:":
				if apt, found := param(";"+value, "apt"); found {
					x.apt = strings.TrimSpace(apt)
				}
			}
		}
	}
	return list
}

// ofFormat is the payload type that an attribute speaks of, and what it says; no number: it
// speaks of none, or of all.
func ofFormat(line []byte) (kind, number, value string) {
	for _, kind := range [...]string{"a=rtpmap:", "a=fmtp:", "a=rtcp-fb:", "a=imageattr:", "a=framesize:"} {
		if rest, found := bytes.CutPrefix(line, []byte(kind)); found {
			number, value, _ = strings.Cut(strings.TrimSpace(string(rest)), " ")
			return kind, number, value
		}
	}
	return "", "", ""
}

// passes says that a format may stay. One that repeats another goes with it.
func (c *Codecs) passes(x format, all []format) bool {
	if x.listed(c.Deny) || len(c.Allow) > 0 && !x.listed(c.Allow) {
		return false
	}
	if x.apt == "" || x.apt == x.number {
		return true
	}
	i := slices.IndexFunc(all, func(y format) bool { return y.number == x.apt })
	return i < 0 || all[i].apt != "" || c.passes(all[i], nil)
}

// media says that a format is one that a stream can do with alone: not digits, comfort
// noise, nor what repairs others.
func (x format) media() bool {
	switch strings.ToLower(x.name) {
	case "telephone-event", "cn", "rtx", "red", "ulpfec":
		return false
	}
	return true
}

func (x format) listed(codecs []string) bool {
	return slices.ContainsFunc(codecs, x.is)
}

// is says that an entry of a list names the format.
func (x format) is(codec string) bool {
	name, rate, rated := strings.Cut(codec, "/")
	return x.name != "" && strings.EqualFold(x.name, name) && (!rated || rate == x.rate)
}

// rank is the place of a format in the order, which those that it does not list follow.
func (x format) rank(order []string) int {
	if i := slices.IndexFunc(order, x.is); i >= 0 {
		return i
	}
	return len(order)
}

// static is what a payload type means without an rtpmap (RFC 3551 §6, tables 4 and 5).
func static(number string) (name, rate string) {
	switch number {
	case "0":
		return "PCMU", "8000"
	case "3":
		return "GSM", "8000"
	case "4":
		return "G723", "8000"
	case "5":
		return "DVI4", "8000"
	case "6":
		return "DVI4", "16000"
	case "7":
		return "LPC", "8000"
	case "8":
		return "PCMA", "8000"
	case "9":
		return "G722", "8000"
	case "10", "11":
		return "L16", "44100"
	case "12":
		return "QCELP", "8000"
	case "13", "19": // 19 is what comfort noise had before
		return "CN", "8000"
	case "14":
		return "MPA", "90000"
	case "15":
		return "G728", "8000"
	case "16":
		return "DVI4", "11025"
	case "17":
		return "DVI4", "22050"
	case "18":
		return "G729", "8000"
	case "25":
		return "CelB", "90000"
	case "26":
		return "JPEG", "90000"
	case "28":
		return "nv", "90000"
	case "31":
		return "H261", "90000"
	case "32":
		return "MPV", "90000"
	case "33":
		return "MP2T", "90000"
	case "34":
		return "H263", "90000"
	}
	return "", ""
}
