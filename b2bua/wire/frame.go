package wire

import (
	"bytes"
	"strings"
)

// framer cuts a stream into messages (RFC 3261 §18.3). It holds at most one
// message beyond what one read brought.
type framer struct {
	limit int // bytes of a message

	buf   []byte      // read and not yet cut
	from  int         // where to go on looking for the end of the header part
	need  int         // bytes of the message at the start of buf; 0: not known yet
	skip  int         // bytes of a body to be thrown away
	crlfs int         // line ends since the last message
	pong  func() bool // takes a line end for the answer to a ping of ours, where one is awaited; nil: never
}

// cut is what a framer found next.
type cut uint8

const (
	cutNothing cut = iota // more bytes are needed
	cutMessage            // a message
	cutPing               // CRLF CRLF between messages (RFC 5626 §3.5.1)
	cutPong               // CRLF that answers a ping of ours
	cutHuge               // a header part with a body beyond the limit: the body is skipped
	cutFlawed             // a header part that does not say where its message ends
	cutEndless            // the header part is beyond the limit: nothing can be read of it
)

func (f *framer) add(b []byte) { f.buf = append(f.buf, b...) }

// began says whether a message has begun and not ended.
func (f *framer) began() bool { return len(f.buf) > 0 || f.skip > 0 }

// next returns one thing found and the bytes of it, the caller's to keep. After
// cutFlawed and cutEndless the stream cannot be read on.
func (f *framer) next() (cut, []byte) {
	if f.skip > 0 {
		n := min(f.skip, len(f.buf))
		f.drop(n)
		if f.skip -= n; f.skip > 0 {
			return cutNothing, nil
		}
	}
	for f.need == 0 && len(f.buf) >= 2 && f.buf[0] == '\r' && f.buf[1] == '\n' {
		f.drop(2)
		if f.crlfs == 0 && f.pong != nil && f.pong() {
			return cutPong, nil
		}
		if f.crlfs++; f.crlfs == 2 {
			f.crlfs = 0
			return cutPing, nil
		}
	}
	if f.need == 0 {
		i := bytes.Index(f.buf[f.from:], []byte("\r\n\r\n"))
		if i < 0 {
			if len(f.buf) > f.limit {
				return cutEndless, nil
			}
			f.from = max(0, len(f.buf)-3)
			return cutNothing, nil
		}
		head := f.from + i
		if head > f.limit {
			return cutEndless, nil
		}
		f.crlfs = 0
		size, ok := bodySize(f.buf[:head])
		switch {
		case !ok:
			return cutFlawed, f.take(head + 4)
		case head+4+size > f.limit:
			f.skip = size
			return cutHuge, f.take(head + 4)
		}
		f.need = head + 4 + size
	}
	if len(f.buf) < f.need {
		return cutNothing, nil
	}
	return cutMessage, f.take(f.need)
}

// take hands over the first n bytes; nobody writes to them again.
func (f *framer) take(n int) []byte {
	raw := f.buf[:n:n]
	if n < len(f.buf) {
		raw = bytes.Clone(raw)
	}
	f.drop(n)
	f.need = 0
	return raw
}

func (f *framer) drop(n int) {
	f.from = 0
	if f.buf = f.buf[n:]; len(f.buf) == 0 {
		f.buf = nil // the next bytes get memory of their own; an idle connection holds none
	}
}

// bodySize reads Content-Length, which streams cannot do without (RFC 3261
// §20.14).
func bodySize(head []byte) (size int, ok bool) {
	_, rest, _ := strings.Cut(string(head), "\r\n")
	var found [4]field
	fields := found[:0]
	for rest != "" {
		var line string
		line, rest = cutLine(rest)
		name, value, _ := strings.Cut(line, ":")
		if canonical(strings.TrimRight(name, space)) == "Content-Length" {
			fields = append(fields, field{name: "Content-Length", value: strings.Trim(value, space)})
		}
	}
	size, declared, flaw := contentLength(fields)
	return size, declared && flaw == nil
}
