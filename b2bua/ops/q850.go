package ops

import "strconv"

// clearing is the name of a cause value of ITU-T Q.850 (05/2018) table 1, in lower case;
// empty: it has none there.
var clearing = map[int]string{
	1: "unallocated number", 2: "no route to transit network", 3: "no route to destination",
	4: "send special information tone", 5: "misdialled trunk prefix", 6: "channel unacceptable",
	16: "normal call clearing", 17: "user busy", 18: "no user responding", 19: "no answer from user",
	20: "subscriber absent", 21: "call rejected", 22: "number changed", 23: "redirection to new destination",
	24: "call rejected due to feature at the destination", 25: "exchange routing error",
	26: "non-selected user clearing", 27: "destination out of order", 28: "invalid number format",
	29: "facility rejected", 30: "response to status enquiry", 31: "normal, unspecified",
	34: "no circuit available", 38: "network out of order", 41: "temporary failure",
	42: "switching equipment congestion", 43: "access information discarded",
	44: "requested circuit not available", 46: "precedence call blocked", 47: "resource unavailable",
	49: "quality of service not available", 50: "requested facility not subscribed",
	53: "outgoing calls barred within closed user group", 55: "incoming calls barred within closed user group",
	57: "bearer capability not authorized", 58: "bearer capability not available", 63: "service not available",
	65: "bearer capability not implemented", 66: "channel type not implemented",
	69: "requested facility not implemented", 70: "only restricted digital information available",
	79: "service not implemented", 81: "invalid call reference value", 82: "identified channel does not exist",
	87: "user not member of closed user group", 88: "incompatible destination", 90: "non-existent closed user group",
	91: "invalid transit network selection", 95: "invalid message", 96: "mandatory information element missing",
	97: "message type not implemented", 98: "message not compatible with call state",
	99: "information element not implemented", 100: "invalid information element contents",
	101: "message not compatible with call state", 102: "recovery on timer expiry",
	103: "parameter not implemented", 110: "message with unrecognized parameter", 111: "protocol error",
	127: "interworking, unspecified",
}

// q850 is a cause value with its name.
func q850(value int) string {
	text := "Q.850 " + strconv.Itoa(value)
	if name := clearing[value]; name != "" {
		text += ", " + name
	}
	return text
}
