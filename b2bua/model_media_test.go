package b2bua

// heard holds a hunt to what the profile says of early media (R21): the carrier that the
// caller has heard is not left for another.
func (o *observer) heard(s *seen) string {
	for n := 1; n < len(s.after.Out); n++ {
		l := s.after.Out[n-1]
		if l.Policy.Stay && o.Out[n-1].Media && n >= len(s.before.Out) {
			return "R21: a carrier is left after its early media"
		}
	}
	return ""
}
