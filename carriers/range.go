package carriers

import "fmt"

// MaxRanges is how many ranges of numbers may have limits: each new call is held against
// all of them.
const MaxRanges = 100

// numberRange is a range of numbers with a limit.
type numberRange struct {
	pattern pattern
	bound   Bound
}

func newRanges(list []RangeConfig) []numberRange {
	all := make([]numberRange, 0, len(list))
	for _, c := range list {
		all = append(all, numberRange{newPattern(c.Number), Bound{Place{OfNumbers, c.Number}, c.limit()}})
	}
	return all
}

// Ranges are the limits on the ranges that a number is in, as routes see it: a call has to
// have a place in each.
func (b *Book) Ranges(number string) (list []Bound) {
	for _, n := range b.ranges {
		if n.pattern.match(number) {
			list = append(list, n.bound)
		}
	}
	return list
}

// Bounds are all limits that bound something, for those who watch them.
func (b *Book) Bounds() (list []Bound) {
	for _, name := range b.Trunks() {
		list = append(list, b.trunks[name].Bound())
	}
	for _, name := range b.Carriers() {
		list = append(list, b.carriers[name].Bound())
	}
	for _, n := range b.ranges {
		list = append(list, n.bound)
	}
	return list
}

// Bound is the trunk's limit.
func (t *Trunk) Bound() Bound { return Bound{Place{OfTrunk, t.Name}, t.Limit} }

// Bound is the carrier's limit.
func (c *Carrier) Bound() Bound { return Bound{Place{OfCarrier, c.Name}, c.Limit} }

func (v *validator) ranges(list []RangeConfig) {
	if len(list) > MaxRanges {
		v.fault("limits", "%d ranges of numbers; %d at most", len(list), MaxRanges)
	}
	first := map[string]int{}
	for i, c := range list {
		path := fmt.Sprintf("limits[%d]", i)
		v.check(path+".number", checkUser(c.Number))
		if c.Number == "" {
			v.fault(path+".number", "is needed")
		} else if j, again := first[c.Number]; again {
			v.fault(path+".number", "the same as limits[%d]", j)
		} else {
			first[c.Number] = i
		}
		v.limits(path, c.LimitsConfig)
	}
}
