package ng

import (
	"slices"
	"strconv"
	"strings"
)

// Value is what the decoder makes of bytes, for tests.
type Value = value

var (
	CookieOf     = cookieOf
	AppendCookie = appendCookie
	Score        = score
)

func Parse(b []byte) (Value, error) { return new(check).parse(b) }

// StatsOf reads an answer to a query.
func StatsOf(v Value) (Stats, error) { return statsOf(v) }

func (v value) Get(key string) Value { return v.get(key) }
func (v value) Bytes() []byte        { return v.bytes() }
func (v value) Integer() int64       { return v.integer() }

// Canonical writes the value again with its dictionaries sorted.
func (v value) Canonical() []byte { return canonical(nil, v) }

func canonical(b []byte, v value) []byte {
	switch v[0] {
	case 'i':
		return append(strconv.AppendInt(append(b, 'i'), v.integer(), 10), 'e')
	case 'l':
		b = append(b, 'l')
		for member := range v.list() {
			b = canonical(b, member)
		}
		return append(b, 'e')
	case 'd':
		type pair struct {
			key string
			of  value
		}
		var pairs []pair
		for key, of := range v.dict() {
			pairs = append(pairs, pair{string(key), of})
		}
		slices.SortFunc(pairs, func(a, b pair) int { return strings.Compare(a.key, b.key) })
		b = append(b, 'd')
		for _, p := range pairs {
			b = canonical(appendText(b, p.key), p.of)
		}
		return append(b, 'e')
	}
	return appendText(b, v.bytes())
}
