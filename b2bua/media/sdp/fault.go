package sdp

import (
	"fmt"
	"strconv"
)

// Why a body cannot be read, is not to be answered by media, or cannot be written as the
// rules say: stable snake_case words, for counters and for the Warning of a 488.
const (
	Empty       = "empty"         // no byte, or blanks alone
	TooLong     = "too_long"      // the body is longer than MaxBody
	LineTooLong = "line_too_long" // a line is longer than MaxLine
	ManyMedia   = "many_media"    // more m= lines than MaxMedia
	ManyFormats = "many_formats"  // more formats in an m= line than there are payload types
	Control     = "control"       // NUL, or a CR that ends no line: others may see other lines
	NoSDP       = "no_sdp"        // neither v= nor m=
	Version     = "version"       // v= is not 0
	Origin      = "origin"        // a number of o= is beyond 64 bits (RFC 3264 §5)
	Connection  = "connection"    // c= has no address, or two that differ
	MediaLine   = "media_line"    // m= lacks its port, transport or formats
	Port        = "port"          // a port that is no number, or beyond 65535
	Syntax      = "syntax"        // what pion refuses beside that
	Multicast   = "multicast"     // media for many, or for a network (Check)
	Loop        = "loop"          // media to ourselves (Check)
	Address     = "address"       // an address that nothing can be sent to, or may be (Check)
	PortCount   = "port_count"    // an m= line with several ports (Check)
	NoKeys      = "no_keys"       // SRTP is to be described and no key goes with it (Rewrite)
	BadRules    = "rules"         // the rules do not fit the body: a defect of the caller (Rewrite)
)

// Faults lists the names, for who counts them.
func Faults() []string {
	return []string{Empty, TooLong, LineTooLong, ManyMedia, ManyFormats, Control, NoSDP, Version, Origin, Connection,
		MediaLine, Port, Syntax, Multicast, Loop, Address, PortCount, NoKeys, BadRules}
}

// Bounds of what is looked at, since a peer chooses it.
const (
	MaxBody    = 64 << 10 // bytes
	MaxLine    = 16 << 10 // bytes: a Vorbis header in a fmtp has six thousand
	MaxMedia   = 32       // m= lines
	maxFormats = 128      // of an m= line: a payload type has seven bits
)

// Fault is what is wrong with a body, and where.
type Fault struct {
	Name string // one of the names above
	Line int    // counted from 1 in the body as it came; 0: it is of no line
	Text string // what is there, cut; may be empty
}

// Error is the fault in one line.
func (f *Fault) Error() string {
	s := "sdp: " + f.Name
	if f.Line > 0 {
		s += fmt.Sprintf(" in line %d", f.Line)
	}
	if f.Text != "" {
		s += ": " + f.Text
	}
	return s
}

const quoted = 60 // bytes of a line that are told

func fault(name string, line int, text string) *Fault {
	if text != "" {
		text = strconv.QuoteToASCII(text[:min(len(text), quoted)])
	}
	return &Fault{Name: name, Line: line, Text: text}
}
