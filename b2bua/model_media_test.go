package b2bua

import (
	"slices"

	"bulkhead/dialog"
)

// forked holds a call to RFC 6228: what a carrier's dialog says after its 199 is not told,
// and the one dialog that the trunk has with us never ends by one.
func (o *observer) forked(s *seen) string {
	if slices.ContainsFunc(s.sends, func(a dialog.Send) bool { return a.Leg == 0 && a.Code == 199 }) {
		return "RFC 6228 §6: a 199 to the trunk"
	}
	m := s.move
	if m.kind != says || m.leg == 0 || m.msg.Method != "INVITE" || m.msg.Code >= 200 || m.change {
		return ""
	}
	ended := &o.Out[m.leg-1].Ended[m.tag]
	if *ended && s.before.leg(m.leg).State < dialog.Answered {
		return o.contained(s)
	}
	*ended = *ended || m.msg.Code == 199 && s.before.leg(m.leg).State < dialog.Answered &&
		slices.ContainsFunc(s.before.leg(m.leg).Dialogs, func(d *dialog.Dialog) bool { return d.Tag == tags[m.tag] })
	return ""
}

// heard holds a hunt to what the profile says of early media (R21): the carrier that the
// caller has heard is not left for another; a transfer is another hunt, which it does not hear.
func (o *observer) heard(s *seen) string {
	for n := 1; n < len(s.after.Out); n++ {
		l := s.after.Out[n-1]
		if l.Policy.Stay && o.Out[n-1].Media && n >= len(s.before.Out) && s.before.Winner < 0 {
			return "R21: a carrier is left after its early media"
		}
	}
	return ""
}
