package ng

import "slices"

// Profile is how a side is spoken to: the side that a body goes to.
type Profile struct {
	SRTP   SRTP
	Suites []string // of SDES that may be offered; default: DefaultSuites

	// Transcode lists codecs (PCMU, PCMA) that are added to an offer which does not
	// have them; rtpengine transcodes where one of them is chosen. Which of the others
	// stay in the offer is for the caller's codec filter, run on what comes back.
	Transcode []string

	// Interfaces name rtpengine's logical interfaces: of the side that the body came
	// from, and of the side that it goes to. Empty: its first for both. rtpengine takes
	// a name that it does not know for its first interface, without a word.
	Interfaces [2]string

	Family Family
	Record bool // write the call to rtpengine's recording directory
}

// SRTP says what is done about encryption in an offer. The answer follows its offer.
type SRTP int

const (
	SRTPKeep SRTP = iota // as it comes
	SRTPOff              // RTP/AVP
	SRTPSDES             // RTP/SAVP with keys in the SDP (RFC 4568): signalling must be TLS
)

// Family is that of the addresses in an offer that goes out.
type Family int

const (
	FamilyKeep Family = iota
	FamilyIP4
	FamilyIP6
)

// Learn says whether a leg's media must come from where its SDP says.
type Learn int

const (
	// LearnOff: only packets from the SDP's address and port are taken (RTPbleed: with
	// rtpengine's default whoever sends first gets the call).
	LearnOff Learn = iota
	// LearnHeuristic: for peers behind NAT; in the first three seconds rtpengine
	// prefers the SDP's address and takes another where that one is silent.
	LearnHeuristic
)

// DefaultSuites are the ones that RFC 4568 §6.2 makes everybody have.
var DefaultSuites = []string{"AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"}

// suites are all that rtpengine offers if it is let: NULL does not encrypt and F8 is
// known to few. It has no way to be told "only these" that 10.5 understands.
var suites = []string{
	"AEAD_AES_128_GCM", "AEAD_AES_256_GCM",
	"AES_192_CM_HMAC_SHA1_32", "AES_192_CM_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_32", "AES_256_CM_HMAC_SHA1_80",
	"AES_CM_128_HMAC_SHA1_32", "AES_CM_128_HMAC_SHA1_80",
	"F8_128_HMAC_SHA1_32", "F8_128_HMAC_SHA1_80",
	"NULL_HMAC_SHA1_32", "NULL_HMAC_SHA1_80",
}

// Suites are the names that Profile.Suites may have.
func Suites() []string { return slices.Clone(suites) }

func (f Family) String() string { return [...]string{"", "IP4", "IP6"}[f] }

func (s SRTP) protocol() string { return [...]string{"", "RTP/AVP", "RTP/SAVP"}[s] }

// flags are what every offer and answer of the leg asks for. Without reject-ICE, ICE is
// taken out of the body and yet done with a leg that offered it: its checks arrive there
// among the RTP.
func (l Learn) flags() []string {
	return [...][]string{
		{"trust-address", "strict-source", "port-latching", "reject-ICE", "endpoint-learning-off"},
		{"trust-address", "strict-source", "port-latching", "reject-ICE", "endpoint-learning-heuristic"},
	}[l]
}

// appendSDES lists the suites that are not to be offered.
func (p *Profile) appendSDES(b []byte) []byte {
	allowed := p.Suites
	if len(allowed) == 0 {
		allowed = DefaultSuites
	}
	b = append(b, 'l')
	for _, s := range suites {
		if !slices.Contains(allowed, s) {
			b = appendText(b, "no-"+s)
		}
	}
	return append(b, 'e')
}
