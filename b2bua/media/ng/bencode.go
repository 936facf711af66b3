package ng

import (
	"bytes"
	"errors"
	"iter"
	"strconv"
)

// value is one bencoded value, checked and not unpacked: a byte string ("4:spam"),
// an integer ("i-3e"), a list ("l...e") or a dictionary ("d...e"). nil is the value
// that is not there; every reading of it, or of another kind, finds nothing.
type value []byte

const (
	maxDigits = 20   // of a number, with its sign: -9223372036854775808
	maxDepth  = 16   // of lists and dictionaries within each other; rtpengine has 6
	maxKeys   = 1024 // of all the dictionaries that stand open at one place
)

var (
	errSyntax    = errors.New("bencode: malformed")
	errTruncated = errors.New("bencode: ends too early")
	errTrailing  = errors.New("bencode: more than one value")
	errRepeated  = errors.New("bencode: a key stands twice in a dictionary")
	errTooDeep   = errors.New("bencode: nested too deep")
	errTooMany   = errors.New("bencode: too many keys")
)

// parse checks b, which must be one value and nothing more. Numbers have one
// spelling each (no leading zero, no -0) and fit into 64 bits; a key stands once.
// The order of keys is free: rtpengine does not sort them.
func (c *check) parse(b []byte) (value, error) {
	c.keys = c.keys[:0]
	rest, err := c.value(b, 0)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, errTrailing
	}
	return value(b), nil
}

// check has the keys of the dictionaries that stand open. It may be used again, so
// that it need not grow again.
type check struct{ keys [][]byte }

// value returns what follows the value that b begins with.
func (c *check) value(b []byte, depth int) (rest []byte, err error) {
	if len(b) == 0 {
		return nil, errTruncated
	}
	switch b[0] {
	case 'i':
		_, rest, err = integer(b[1:], 'e')
		return rest, err
	case 'l', 'd':
		if depth == maxDepth {
			return nil, errTooDeep
		}
		return c.items(b[1:], b[0] == 'd', depth+1)
	}
	_, rest, err = text(b)
	return rest, err
}

func (c *check) items(b []byte, dict bool, depth int) (rest []byte, err error) {
	first := len(c.keys)
	for {
		switch {
		case len(b) == 0:
			return nil, errTruncated
		case b[0] == 'e':
			c.keys = c.keys[:first]
			return b[1:], nil
		case dict:
			var key []byte
			if key, b, err = text(b); err != nil {
				return nil, err
			}
			for _, k := range c.keys[first:] {
				if string(k) == string(key) {
					return nil, errRepeated
				}
			}
			if len(c.keys) == maxKeys {
				return nil, errTooMany
			}
			c.keys = append(c.keys, key)
		}
		if b, err = c.value(b, depth); err != nil {
			return nil, err
		}
	}
}

// integer reads digits up to the byte that ends them.
func integer(b []byte, end byte) (n int64, rest []byte, err error) {
	i := bytes.IndexByte(b[:min(len(b), maxDigits+1)], end)
	switch {
	case i < 0 && len(b) <= maxDigits:
		return 0, nil, errTruncated
	case i < 0:
		return 0, nil, errSyntax
	}
	digits := b[:i]
	if positive := bytes.TrimPrefix(digits, []byte("-")); len(positive) == 0 || positive[0] < '0' || positive[0] > '9' ||
		positive[0] == '0' && len(digits) > 1 {
		return 0, nil, errSyntax
	}
	n, err = strconv.ParseInt(string(digits), 10, 64)
	if err != nil {
		return 0, nil, errSyntax
	}
	return n, b[i+1:], nil
}

// text reads a byte string.
func text(b []byte) (s, rest []byte, err error) {
	switch {
	case len(b) == 0:
		return nil, nil, errTruncated
	case b[0] < '0' || b[0] > '9':
		return nil, nil, errSyntax
	}
	n, rest, err := integer(b, ':')
	switch {
	case err != nil:
		return nil, nil, err
	case n > int64(len(rest)):
		return nil, nil, errTruncated
	}
	return rest[:n], rest[n:], nil
}

// next splits the first value off a list of checked ones.
func next(b []byte) (v value, rest []byte) {
	switch b[0] {
	case 'i':
		rest = b[bytes.IndexByte(b, 'e')+1:]
	case 'l', 'd':
		for rest = b[1:]; rest[0] != 'e'; {
			_, rest = next(rest)
		}
		rest = rest[1:]
	default:
		n, i := 0, 0
		for ; b[i] != ':'; i++ {
			n = n*10 + int(b[i]-'0')
		}
		rest = b[i+1+n:]
	}
	return value(b[:len(b)-len(rest)]), rest
}

// bytes are those of a byte string; they are part of what was parsed.
func (v value) bytes() []byte {
	s, _, err := text(v)
	if err != nil {
		return nil
	}
	return s
}

// integer is the number, or 0.
func (v value) integer() int64 {
	if len(v) == 0 || v[0] != 'i' {
		return 0
	}
	n, _, _ := integer(v[1:], 'e')
	return n
}

// list has the members of a list.
func (v value) list() iter.Seq[value] {
	return func(yield func(value) bool) {
		if len(v) == 0 || v[0] != 'l' {
			return
		}
		for b := []byte(v[1:]); b[0] != 'e'; {
			var member value
			if member, b = next(b); !yield(member) {
				return
			}
		}
	}
}

// dict has the keys and values of a dictionary, as they stand.
func (v value) dict() iter.Seq2[[]byte, value] {
	return func(yield func([]byte, value) bool) {
		if len(v) == 0 || v[0] != 'd' {
			return
		}
		for b := []byte(v[1:]); b[0] != 'e'; {
			var key, member value
			key, b = next(b)
			member, b = next(b)
			if !yield(key.bytes(), member) {
				return
			}
		}
	}
}

// get is a dictionary's value by its key.
func (v value) get(key string) value {
	for k, member := range v.dict() {
		if string(k) == key {
			return member
		}
	}
	return nil
}

// appendText writes a byte string.
func appendText[S ~string | ~[]byte](b []byte, s S) []byte {
	b = strconv.AppendInt(b, int64(len(s)), 10)
	b = append(b, ':')
	return append(b, s...)
}

// appendTexts writes a list of byte strings.
func appendTexts(b []byte, list ...string) []byte {
	b = append(b, 'l')
	for _, s := range list {
		b = appendText(b, s)
	}
	return append(b, 'e')
}
