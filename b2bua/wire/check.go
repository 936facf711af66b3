package wire

import "strings"

// maxCSeq is the largest sequence number (RFC 3261 §8.1.1.5).
const maxCSeq = 1<<31 - 1

// mandatory checks what every message must have (RFC 3261 §8.1.1), each of it
// once. method is that of the request; empty: a response.
func mandatory(s *section, method string) *Fault {
	var via, from, to, id, cseq, hops, kind *field
	for i := range s.fields {
		f := &s.fields[i]
		var one **field
		switch f.name {
		case "Via":
			if via == nil {
				via = f
			}
			continue
		case "From":
			one = &from
		case "To":
			one = &to
		case "Call-ID":
			one = &id
		case "CSeq":
			one = &cseq
		case "Max-Forwards":
			one = &hops
		case "Content-Type":
			one = &kind
		default:
			continue
		}
		if *one != nil {
			return bad("repeated_"+word(f.name), "Repeated "+f.name)
		}
		*one = f
	}
	for _, f := range [...]struct {
		name  string
		field *field
	}{{"Via", via}, {"From", from}, {"To", to}, {"Call-ID", id}, {"CSeq", cseq}} {
		if f.field == nil {
			return bad("missing_"+word(f.name), "Missing "+f.name)
		}
	}
	for _, f := range [...]*field{from, to} {
		if rest, ok := afterAddress(f.value, false); !ok || rest != "" {
			return malformed(f.name)
		}
	}
	if id.value == "" || strings.ContainsAny(id.value, space) {
		return malformed(id.name)
	}
	// Only the topmost Via says anything to us; the others are carried home.
	if _, ok := afterVia(via.value); !ok {
		return malformed(via.name)
	}
	digits, named, _ := strings.Cut(strings.ReplaceAll(cseq.value, "\t", " "), " ")
	named = strings.TrimLeft(named, space)
	if _, ok := number(digits, maxCSeq); !ok || !isToken(named) {
		return malformed(cseq.name)
	}
	// Numbers are read in more places than one: one space between the two.
	if len(digits)+1+len(named) != len(cseq.value) || strings.IndexByte(cseq.value, '\t') >= 0 {
		cseq.value = digits + " " + named
	}
	if method != "" && named != method {
		return bad("cseq_method", "CSeq Method Differs from Request Method")
	}
	return nil
}

// requestFields checks what only requests are refused for.
func requestFields(s *section, method string) *Fault {
	for i := range s.fields {
		f := &s.fields[i]
		switch f.name {
		case "Max-Forwards":
			// Its absence is RFC 2543's (RFC 4475 §3.4.1); 0 is the receiver's to judge.
			if _, ok := number(f.value, 255); !ok {
				return malformed(f.name)
			}
		case "Contact":
			// The call would be answered and could never be ended.
			if method == "INVITE" && !isContact(f.value) {
				return malformed(f.name)
			}
		}
	}
	return nil
}

func isContact(value string) bool {
	for {
		rest, ok := afterAddress(value, true)
		if !ok {
			return false
		}
		if rest == "" {
			return true
		}
		value = strings.TrimLeft(rest[1:], space)
	}
}

// contentLength reads Content-Length; two that differ leave it open where the
// message ends (RFC 4475 §3.3.9).
func contentLength(fields []field) (size int, declared bool, flaw *Fault) {
	for i := range fields {
		if fields[i].name != "Content-Length" {
			continue
		}
		n, ok := number(fields[i].value, 1<<31-1)
		if !ok {
			return 0, false, malformed("Content-Length")
		}
		if declared && int(n) != size {
			return 0, false, bad("repeated_content_length", "Conflicting Content-Length")
		}
		size, declared = int(n), true
	}
	return size, declared, nil
}

func malformed(name string) *Fault { return bad("malformed_"+word(name), "Malformed "+name) }

// word makes a header field name part of a counter's name.
func word(name string) string {
	return strings.ReplaceAll(strings.ToLower(name), "-", "_")
}
