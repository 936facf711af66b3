package carriers

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Price is what a minute costs, in billionths of the unit of its currency. It is
// written as a decimal number, "0.0125".
type Price int64

// Places of a price after its point, and the billionths in a unit.
const (
	pricePlaces = 9
	priceUnit   = 1_000_000_000
)

// UnmarshalText reads a price.
func (p *Price) UnmarshalText(text []byte) error {
	whole, part, point := strings.Cut(string(text), ".")
	units, err := strconv.ParseUint(whole, 10, 32)
	if err != nil || point && (part == "" || len(part) > pricePlaces) {
		return errPrice(text)
	}
	billionths := uint64(0)
	if point {
		if billionths, err = strconv.ParseUint(part+strings.Repeat("0", pricePlaces-len(part)), 10, 32); err != nil {
			return errPrice(text)
		}
	}
	*p = Price(units*priceUnit + billionths)
	return nil
}

func errPrice(text []byte) error {
	return fmt.Errorf("%q is not a price, such as 0.0125: %d places at most", text, pricePlaces)
}

// String is the price with no more places than it has.
func (p Price) String() string {
	s := fmt.Sprintf("%d.%09d", p/priceUnit, p%priceUnit)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// MarshalText writes what UnmarshalText reads.
func (p Price) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Rates is a carrier's table of prices by what a number begins with. It is never
// changed. A prefix takes 20 bytes, and 28 where the table has times.
type Rates struct {
	Currency string // as the table writes it; empty: it does not

	keys    []dialled // in order
	prices  []Price
	parents []uint32   // the last row of the longest prefix that begins this one, from 1; 0: none does
	valid   []validity // empty: always, all of them
}

// validity is when a price holds, in seconds since 1970, the end not in it.
type validity struct{ from, until uint32 }

// dialled is the beginning of a number, four bits a digit from the left, a digit one
// more than its value: the order of numbers as texts is that of these.
type dialled uint64

// maxPrefix is how many digits a number has at most (ITU-T E.164 §6).
const maxPrefix = 15

// digitsOf packs what a number begins with. Visual separators (RFC 3966 §5.1.1) and
// what stands after the number, parameters, say nothing; false: it is no number.
func digitsOf(number string) (d dialled, ok bool) {
	shift := 64
	for i := range len(number) {
		switch c := number[i]; {
		case '0' <= c && c <= '9':
			if shift > 0 {
				shift -= 4
				d |= dialled(c-'0'+1) << shift
			}
		case c == '+' && i == 0, c == '-', c == '.', c == '(', c == ')':
		case c == ';':
			return d, d != 0
		default:
			return 0, false
		}
	}
	return d, d != 0
}

// begins says that a prefix begins a number.
func (d dialled) begins(number dialled) bool {
	end := bits.TrailingZeros64(uint64(d)) &^ 3
	return number>>end<<end == d
}

// String is the digits.
func (d dialled) String() string {
	var b strings.Builder
	for ; d != 0; d <<= 4 {
		b.WriteByte(byte(d>>60) - 1 + '0')
	}
	return b.String()
}

// Price is that of the longest prefix which begins the number and has a price then;
// false: there is none.
func (r *Rates) Price(now time.Time, number string) (Price, bool) {
	if r == nil {
		return 0, false
	}
	target, ok := digitsOf(number)
	if !ok {
		return 0, false
	}
	// The last key that is not above the number has every prefix of the number that
	// is a key among those which begin it.
	i := sort.Search(len(r.keys), func(i int) bool { return r.keys[i] > target })
	at := uint32(0)
	if len(r.valid) > 0 {
		at = seconds(now)
	}
	for i > 0 {
		row := i - 1
		if r.keys[row].begins(target) {
			for ; row >= 0 && r.keys[row] == r.keys[i-1]; row-- {
				if len(r.valid) == 0 || r.valid[row].from <= at && at < r.valid[row].until {
					return r.prices[row], true
				}
			}
		}
		i = int(r.parents[i-1])
	}
	return 0, false
}

// seconds is a time as tables keep it.
func seconds(t time.Time) uint32 { return uint32(min(max(t.Unix(), 0), 1<<32-1)) }

// Prefixes is how many rows the table has.
func (r *Rates) Prefixes() int { return len(r.keys) }

// rate is one row as it was read.
type rate struct {
	key   dialled
	price Price
	validity
	line uint32
}

// newRates makes a table of rows, in any order. It calls again for each row that says
// something else about a prefix than the one before it in that time.
func newRates(rows []rate, currency string, again func(row, before rate)) *Rates {
	slices.SortFunc(rows, func(a, b rate) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.from, b.from), cmp.Compare(a.line, b.line))
	})
	r := &Rates{
		Currency: currency,
		keys:     make([]dialled, len(rows)), prices: make([]Price, len(rows)), parents: make([]uint32, len(rows)),
	}
	if slices.ContainsFunc(rows, func(x rate) bool { return x.validity != always }) {
		r.valid = make([]validity, len(rows))
	}
	var open []uint32 // rows of the prefixes that begin the one at hand, from 1
	for i, x := range rows {
		r.keys[i], r.prices[i] = x.key, x.price
		if r.valid != nil {
			r.valid[i] = x.validity
		}
		if i > 0 && rows[i-1].key == x.key {
			if x.from < rows[i-1].until {
				again(x, rows[i-1])
			}
			open = open[:len(open)-1] // this row stands for the prefix
		}
		for len(open) > 0 && !r.keys[open[len(open)-1]-1].begins(x.key) {
			open = open[:len(open)-1]
		}
		if len(open) > 0 {
			r.parents[i] = open[len(open)-1]
		}
		open = append(open, uint32(i+1))
	}
	return r
}

// always is the validity of a row that names none.
var always = validity{0, 1<<32 - 1}
