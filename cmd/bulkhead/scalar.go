package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written "16KiB" or "16384".
type Size int

// units of Size, each 1024 times the one before.
const sizeUnits = "KMG"

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	digits, factor := string(text), 1
	if number, ok := strings.CutSuffix(digits, "iB"); ok && number != "" {
		power := strings.IndexByte(sizeUnits, number[len(number)-1]) + 1
		if power == 0 {
			return errSize(text)
		}
		digits, factor = number[:len(number)-1], 1<<(10*power)
	} else if number, ok := strings.CutSuffix(digits, "B"); ok {
		digits = number
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return errSize(text)
	}
	*s = Size(int(n) * factor)
	return nil
}

func errSize(text []byte) error {
	return fmt.Errorf("%q is not a size, such as 16KiB", text)
}

// MarshalText writes the size in the largest unit that holds it whole.
func (s Size) MarshalText() ([]byte, error) {
	n, unit := int(s), "B"
	for _, u := range sizeUnits {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, string(u)+"iB"
	}
	return []byte(strconv.Itoa(n) + unit), nil
}

// Ports is a range of ports, both ends in it, written "30000-39999".
type Ports struct{ First, Last uint16 }

// UnmarshalText reads a range of ports.
func (p *Ports) UnmarshalText(text []byte) error {
	first, last, ok := strings.Cut(string(text), "-")
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	if !ok || errA != nil || errB != nil || a == 0 || b < a {
		return fmt.Errorf("%q is not a range of ports, such as 30000-39999", text)
	}
	*p = Ports{First: uint16(a), Last: uint16(b)}
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (p Ports) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%d-%d", p.First, p.Last), nil
}

// brief writes a duration without the zeros at its end: 3m, not 3m0s.
func brief(d time.Duration) string {
	s := d.String()
	if before, ok := strings.CutSuffix(s, "m0s"); ok {
		s = before + "m"
	}
	if before, ok := strings.CutSuffix(s, "h0m"); ok {
		s = before + "h"
	}
	return s
}
