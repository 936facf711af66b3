package dialog

// Why says in one word how a leg came to its end.
type Why uint8

// How a leg can end.
const (
	Rejected     Why = iota // a final response of 300 or above
	NoResponse              // nothing came in time
	NoRinging               // no 18x came in time
	NoAnswer                // no final response came in time
	NotSent                 // the INVITE could not be sent
	Cancelled               // the caller's CANCEL
	HungUp                  // a BYE
	NoACK                   // the caller never acknowledged the answer
	Expired                 // the longest setup or duration was reached
	Operator                // somebody asked for it
	Drained                 // the node goes out of service
	Fault                   // a defect of ours
	PeerLost                // a request within the dialog was answered 408 or 481, or not at all
	NoRoute                 // no target is left or there was none
	Elsewhere               // another leg was chosen
	Transferred             // its peer has had the call moved to another
	NoCodec                 // the profile leaves no codec of the offer
	Unauthorized            // a challenge that was not met
	NoMedia                 // what is described cannot be anchored, or there are no ports for it
	Silent                  // nothing has been heard from either side for too long
)

// whys are the names, in the order of the values.
var whys = [...]string{
	"rejected", "no_response", "no_ringing", "no_answer", "not_sent",
	"cancelled", "hung_up", "no_ack", "expired", "operator", "drained",
	"fault", "peer_lost", "no_route", "elsewhere", "transferred", "no_codec",
	"unauthorized", "no_media", "media_timeout",
}

// String is the name that records, logs and metrics use; other: a newer version's, found in the record of a call that
// was taken over.
func (w Why) String() string {
	if int(w) >= len(whys) {
		return "other"
	}
	return whys[w]
}

// Cause is why a leg ended or is to end, in the terms of SIP and of Q.850.
type Cause struct {
	Why        Why
	Code       int      // the status code that says it to a caller who waits, 300 to 699
	Phrase     string   // with it; empty: the standard one
	Text       string   // for the record, never sent
	Q850       int      // cause value of ITU-T Q.850; 0: unknown
	Reasons    []string // values of Reason header fields as received (RFC 3326), to be passed on
	RetryAfter int      // seconds; 0: none
}
