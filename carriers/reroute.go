package carriers

import (
	"fmt"
	"strconv"
	"strings"

	"bulkhead/dialog"
)

// code is a status code of SIP or, when q850 is set, a cause value of Q.850.
type code struct {
	value int
	q850  bool
}

func parseCode(s string) (code, error) {
	text, q850 := strings.CutPrefix(s, "q850:")
	v, err := strconv.Atoi(text)
	switch {
	case err != nil, text[0] == '+', text[0] == '-':
	case q850 && 1 <= v && v <= 127:
		return code{v, true}, nil
	case !q850 && 300 <= v && v <= 699:
		return code{v, false}, nil
	}
	return code{}, fmt.Errorf("%q is neither a status code (300 to 699) nor a cause such as q850:34 (1 to 127)", s)
}

// Reroute says whether the next target is to be tried after an attempt at this
// carrier ended so.
//
// What we ourselves found (nothing came in time, nothing could be sent) always
// leads on. Of what the carrier answered, its Q.850 cause decides if the
// carrier's configuration names it, then the status code if the configuration
// names that, then the defaults.
func (c *Carrier) Reroute(cause dialog.Cause) bool {
	switch cause.Why {
	case dialog.NoResponse, dialog.NoRinging, dialog.NoAnswer, dialog.NotSent, dialog.NoMedia:
		return true
	case dialog.Rejected, dialog.Unauthorized:
		return c.leadsOn(cause)
	case dialog.Cancelled, dialog.HungUp, dialog.NoACK, dialog.Expired, dialog.Operator, dialog.Drained,
		dialog.Fault, dialog.PeerLost, dialog.NoRoute, dialog.Elsewhere,
		dialog.Transferred, dialog.NoCodec, dialog.Silent:
		return false
	}
	return false
}

func (c *Carrier) leadsOn(cause dialog.Cause) bool {
	if on, ok := c.reroute[code{cause.Q850, true}]; ok {
		return on
	}
	if on, ok := c.reroute[code{cause.Code, false}]; ok {
		return on
	}
	return leadsOn(cause.Code)
}

// leadsOn is what a status code means for the hunt where nothing else is
// configured: does it speak of this carrier, or of the one who is called?
func leadsOn(status int) bool {
	switch status {
	case 401, 407: // this carrier does not like our credentials
		return true
	case 408, 480:
		return true
	case 487: // ours to ask for, and we had not
		return true
	}
	// A redirection is not followed, so it is a failure of this carrier. The
	// other 4xx and 6xx would be the same elsewhere: the number is wrong
	// (404, 484, 604), busy (486, 600), unwilling (433, 603, 606 to 608), or
	// the call itself is refused (403, 488: by many carriers for reasons of
	// their own, hence the configuration).
	return 300 <= status && status < 400 || 500 <= status && status < 600
}
