package b2bua

import (
	"fmt"
	"slices"
	"strings"

	"bulkhead/dialog"
)

// reasoned holds what ends something to RFC 3326 §2 and RFC 6432: one cause of Q.850, and
// none but where the status code has none.
func (o *observer) reasoned(s *seen) string {
	for i, a := range s.sends {
		final := a.Leg == 0 && a.Method == "INVITE" && a.Tx == dialog.First && a.Code >= 300
		if !final && (a.Code != 0 || a.Method != "BYE" && a.Method != "CANCEL") {
			continue
		}
		causes := 0
		for _, r := range s.texts[i].msg.Values("Reason") {
			if strings.HasPrefix(r, "Q.850") {
				causes++
			}
		}
		without := final && slices.Contains([]int{487, 488, 603, 606, 607, 608}, a.Code)
		if causes > 1 || causes == 0 && !without {
			return fmt.Sprintf("RFC 6432: %d causes of Q.850 in %s %d", causes, a.Method, a.Code)
		}
	}
	return ""
}
