package wire

// Fault says that a request cannot be taken as it is and how it is to be
// answered. The message that comes with it carries what a stateless answer needs
// (RFC 3261 §8.2.6): all Via, and the first From, To, Call-ID and CSeq.
type Fault struct {
	Code   int    // 400, 505 or 513
	Phrase string // says what is wrong, for the peer's engineer
	Name   string // the same as a stable snake_case word, for a counter
}

// DropError says that a message is to be dropped without an answer: a response
// or an ACK that is malformed, a request that lacks what an answer must carry,
// or what is no SIP message at all.
type DropError struct {
	Name string // why, as a stable snake_case word, for a counter
}

// Error is the reason in one line.
func (e DropError) Error() string { return "dropped: " + e.Name }

// Names of drops that are no fault of a message; those of malformed messages
// are the names of the faults.
const (
	dropUnknownSource = "unknown_source" // not in any trunk, gateway or probe
	dropRate          = "rate"           // more messages a second than one source may send
	dropKeepalive     = "keepalive"      // RFC 5626 §3.5.1, or NULs to the same end
	dropSTUN          = "stun"           // RFC 5626 §3.5.2: not offered
	dropNotSIP        = "not_sip"        // no start line of SIP
	dropLineFeeds     = "lf_only"        // lines that end with LF alone
	dropTooLarge      = "too_large"      // header part longer than a message may be
	dropPanic         = "panic"          // a defect of ours
	dropReadError     = "read_error"     // of a socket
	dropConnections   = "connections"    // more connections than there may be
	dropSourceConns   = "connections_per_source"
	dropSlow          = "slow"       // a message begun on a stream and not ended in time
	dropCut           = "cut"        // a stream that ended within a message
	dropIdle          = "idle"       // a connection closed for want of use
	dropPong          = "no_pong"    // a ping of ours had no answer (RFC 5626 §4.4.1)
	dropHandshake     = "handshake"  // TLS could not be agreed on
	dropUnframed      = "after_flaw" // what follows in a stream whose framing is lost
)

func bad(name, phrase string) *Fault { return &Fault{Code: 400, Phrase: phrase, Name: name} }
