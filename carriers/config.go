package carriers

import (
	"crypto/x509"
	"fmt"
	"strconv"
	"time"

	"bulkhead/dialog"
)

// Config is what an operator writes about trunks, carriers and routes. The
// zero value of every field has a meaning of its own or stands for the default
// that the field names; Default fills in what a file starts from.
type Config struct {
	Trunks   map[string]TrunkConfig   `yaml:"trunks,omitempty"`
	Carriers map[string]CarrierConfig `yaml:"carriers,omitempty"`
	Routes   []RouteConfig            `yaml:"routes,omitempty"` // the first that matches
	Limits   []RangeConfig            `yaml:"limits,omitempty"` // on ranges of numbers, as the trunks dial them

	// Who reads the file reads those that it names.
	Tables      map[File]*Rates         `yaml:"-"` // of carriers
	Authorities map[File]*x509.CertPool `yaml:"-"` // of routes that ask
}

// File is the name of a file, relative to the directory of the configuration.
type File string

// TrunkConfig is somebody who calls us, found by realm and source address.
type TrunkConfig struct {
	Realm        string              `yaml:"realm"`
	From         []string            `yaml:"from"`                  // addresses and prefixes
	Contact      string              `yaml:"contact,omitempty"`     // [udp://|tcp://|tls://]ip:port
	MaxDuration  time.Duration       `yaml:"max_duration,positive"` // of a call; zero: DefaultMaxDuration
	MaxSetup     time.Duration       `yaml:"max_setup,positive"`    // from the INVITE to the answer; zero: DefaultMaxSetup
	Limits       LimitsConfig        `yaml:"limits,omitempty"`
	Country      string              `yaml:"country,omitempty"` // ISO 3166-1 alpha-2: how its numbers become those of E.164
	Numbers      NumbersConfig       `yaml:"numbers,omitempty"`
	Media        string              `yaml:"media,omitempty"`     // bypass, relay, rtpengine; empty: as the carrier's, then media.mode
	SRTP         bool                `yaml:"srtp,omitempty"`      // offers to it have keys; without TLS the relay makes none, and an rtpengine offers RTP
	Transcode    []string            `yaml:"transcode,omitempty"` // codecs that offers to it have in any case; by rtpengine
	Headers      HeadersConfig       `yaml:"headers,omitempty"`
	Trust        bool                `yaml:"trust,omitempty"`      // its P-Asserted-Identity is believed, and it is told what others withhold
	Identities   []string            `yaml:"identities,omitempty"` // numbers and patterns of such that it may call as without trust
	Diversion    string              `yaml:"diversion,omitempty"`  // none (zero), history: whether History-Info of responses passes
	Auth         *AuthConfig         `yaml:"auth,omitempty"`
	Codecs       CodecsConfig        `yaml:"codecs,omitempty"`
	SessionTimer *SessionTimerConfig `yaml:"session_timer,omitempty"`
	Audit        time.Duration       `yaml:"audit,omitempty"`         // between two OPTIONS within a dialog that has no session timer; zero: none
	Methods      []string            `yaml:"methods"`                 // that pass within a dialog; empty: none
	EarlyMedia   bool                `yaml:"p_early_media,omitempty"` // P-Early-Media passes (RFC 5009)
	Refer        string              `yaml:"refer,omitempty"`         // refuse (zero), relay
}

// CarrierConfig is somebody whom we call.
type CarrierConfig struct {
	Realm        string              `yaml:"realm"`
	Gateways     []GatewayConfig     `yaml:"gateways"`
	Media        string              `yaml:"media,omitempty"`     // as of a trunk
	SRTP         bool                `yaml:"srtp,omitempty"`      // as of a trunk
	Transcode    []string            `yaml:"transcode,omitempty"` // as of a trunk
	Timers       Timers              `yaml:"timers"`
	Linger       time.Duration       `yaml:"linger"` // how long after Timer D repeats are still ACKed
	Reroute      RerouteConfig       `yaml:"reroute,omitempty"`
	Limits       LimitsConfig        `yaml:"limits,omitempty"`
	Health       *HealthConfig       `yaml:"health,omitempty"`    // nil: gateways are not watched
	Quality      *QualityConfig      `yaml:"quality,omitempty"`   // nil: whatever comes of its calls, it is not capped
	Scorecard    *ScorecardConfig    `yaml:"scorecard,omitempty"` // nil: what it does is only counted
	SessionTimer *SessionTimerConfig `yaml:"session_timer,omitempty"`
	Audit        time.Duration       `yaml:"audit,omitempty"` // between two OPTIONS within a dialog that has no session timer; zero: none
	Auth         *AuthConfig         `yaml:"auth,omitempty"`
	Register     *RegisterConfig     `yaml:"register,omitempty"`
	Identity     string              `yaml:"identity,omitempty"`  // how who calls is shown: from (zero), pai, rpid, none
	Trust        bool                `yaml:"trust,omitempty"`     // as of a trunk: it is told whose number is to be withheld
	Diversion    string              `yaml:"diversion,omitempty"` // how it is told of diversions: diversion (zero), history, none
	Numbers      NumbersConfig       `yaml:"numbers,omitempty"`
	Codecs       CodecsConfig        `yaml:"codecs,omitempty"`
	Headers      HeadersConfig       `yaml:"headers,omitempty"`
	Methods      []string            `yaml:"methods"`                     // that pass within a dialog; empty: none
	Redirect     *RedirectConfig     `yaml:"redirect,omitempty"`          // nil: a 3xx is a failure
	Rates        File                `yaml:"rates,omitempty"`             // table of prices, for least_cost
	EarlyMedia   bool                `yaml:"p_early_media,omitempty"`     // as of a trunk
	AfterMedia   string              `yaml:"after_early_media,omitempty"` // hunt (zero), stop: what a failure after early media means
	Refer        string              `yaml:"refer,omitempty"`             // refuse (zero), relay, follow
	TLS          *PeerTLSConfig      `yaml:"tls,omitempty"`               // nil: as the realm's
	Large        string              `yaml:"large,omitempty"`             // udp (zero), tcp: how an INVITE above 1300 bytes goes where the gateway's transport is udp
	Keepalive    time.Duration       `yaml:"keepalive,omitempty"`         // between two pings on its connections (RFC 5626); zero: the realm's
}

// PeerTLSConfig is TLS with one carrier, where it is not as with everybody of the realm.
type PeerTLSConfig struct {
	Certificate File   `yaml:"certificate,omitempty"` // ours; empty: the realm's
	Key         File   `yaml:"key,omitempty"`
	CA          File   `yaml:"ca,omitempty"`   // vouches for the carrier; empty: the realm's client_ca, or else the system's
	Name        string `yaml:"name,omitempty"` // that its certificate must have (RFC 5922 §7); empty: the gateway's host name or address
}

// GatewayConfig is one address of a carrier, or a name that leads to several (RFC 3263).
type GatewayConfig struct {
	Address   string `yaml:"address"`                   // ip:port, name:port, name
	Transport string `yaml:"transport,omitempty"`       // udp, tcp, tls; zero: what the DNS says of a name alone, else udp
	Priority  int    `yaml:"priority"`                  // the lowest is tried first
	Weight    int    `yaml:"weight,positive,max=65535"` // share among gateways of one priority; zero: 1
}

// Timers say how long a carrier may take, from the INVITE, before the next
// target is tried.
type Timers struct {
	NoResponse time.Duration `yaml:"no_response"`        // no response at all; zero: as long as NoAnswer
	NoRinging  time.Duration `yaml:"no_ringing"`         // no 18x; zero: as long as NoAnswer
	NoAnswer   time.Duration `yaml:"no_answer,positive"` // no final response; zero: DefaultNoAnswer
}

// RerouteConfig changes, for one carrier, after which answers the next target
// is tried. An entry is a status code ("486") or a cause value of ITU-T Q.850
// as the Reason header field carries it ("q850:34", RFC 3326).
type RerouteConfig struct {
	Stop     []string `yaml:"stop,omitempty"`
	Continue []string `yaml:"continue,omitempty"`
}

// RedirectConfig lets a carrier redirect calls (RFC 3261 §8.1.3.4), to gateways of
// carriers of ours.
type RedirectConfig struct {
	Contacts int `yaml:"contacts,positive,max=20"` // that one call tries in all; zero: DefaultContacts
}

// RouteConfig says where calls go: exactly one of Targets, Spread, LeastCost, Ask and
// Reject.
type RouteConfig struct {
	Match     MatchConfig      `yaml:"match"`
	Targets   []TargetConfig   `yaml:"targets,omitempty"`    // tried in this order
	Spread    []ShareConfig    `yaml:"spread,omitempty"`     // tried in an order drawn by weight
	LeastCost *LeastCostConfig `yaml:"least_cost,omitempty"` // tried in the order of their prices
	OnFailure []string         `yaml:"on_failure,omitempty"` // carriers tried after those of Spread and LeastCost
	Ask       *AskConfig       `yaml:"ask,omitempty"`        // somebody else decides
	Reject    *RejectConfig    `yaml:"reject,omitempty"`
}

// MatchConfig is what a call must be like; what is empty matches every call. In a
// pattern '*' stands for any run of characters.
type MatchConfig struct {
	Trunk   string   `yaml:"trunk,omitempty"`
	Number  string   `yaml:"number,omitempty"`                   // a pattern: user part of the Request-URI
	Caller  string   `yaml:"caller,omitempty"`                   // a pattern: user part of From
	Domain  string   `yaml:"domain,omitempty"`                   // a pattern: host of the Request-URI, in either case
	Percent int      `yaml:"percent,positive,max=100,omitempty"` // of the calls that come to this route; the others go on to the next
	Days    []string `yaml:"days,omitempty"`                     // mon to sun
	Hours   []Hours  `yaml:"hours,omitempty"`                    // of those days
	Zone    string   `yaml:"zone,omitempty"`                     // of days and hours, such as Europe/Paris; empty: UTC
}

// LeastCostConfig is who may carry a call, whoever costs least first. Who has no price
// for the number is not tried.
type LeastCostConfig struct {
	Carriers []ShareConfig `yaml:"carriers"`            // of equal prices the order is drawn by weight
	MaxPrice Price         `yaml:"max_price,omitempty"` // who costs more is not tried; zero: no bound
}

// AskConfig is who decides about the calls of a route: a Question is posted there as
// JSON, and an Answer comes back.
type AskConfig struct {
	URL        string         `yaml:"url"`                          // http or https
	Timeout    time.Duration  `yaml:"timeout,positive"`             // zero: DefaultAskTimeout; MostAskTimeout at most
	CA         File           `yaml:"ca,omitempty"`                 // PEM: who vouches for the server; empty: the system's authorities
	Concurrent int            `yaml:"concurrent,positive,max=1000"` // questions at once; zero: DefaultConcurrent
	Cache      *CacheConfig   `yaml:"cache,omitempty"`              // nil: every call is asked about
	Fallback   []TargetConfig `yaml:"fallback,omitempty"`           // tried where no answer comes; empty: the call is refused
}

// CacheConfig says for how long an answer holds, and for which calls.
type CacheConfig struct {
	By   []string      `yaml:"by"`                        // trunk, number, domain, caller, name: calls that agree in these
	Keep time.Duration `yaml:"keep,positive"`             // no default
	Most int           `yaml:"most,positive,max=1000000"` // answers kept; zero: DefaultAnswers
}

// TargetConfig is a carrier to try, and the number to dial there.
type TargetConfig struct {
	Carrier string `yaml:"carrier"`
	Number  string `yaml:"number,omitempty"` // empty: as it came
}

// ShareConfig is a carrier and its share of the calls.
type ShareConfig struct {
	Carrier string `yaml:"carrier"`
	Weight  int    `yaml:"weight,positive,max=65535"` // zero: 1
}

// RejectConfig is the answer to calls that go nowhere.
type RejectConfig struct {
	Code   int    `yaml:"code"`             // 400 to 699
	Reason string `yaml:"reason,omitempty"` // empty: the standard phrase
}

// LimitsConfig bounds what one trunk or carrier may use. Zero: no bound.
type LimitsConfig struct {
	Calls int `yaml:"calls,omitempty"` // at once
	CPS   int `yaml:"cps,omitempty"`   // new calls a second
	Burst int `yaml:"burst,omitempty"` // new calls at one instant; zero: CPS
	Code  int `yaml:"code,omitempty"`  // 503 (zero) or 486: the answer where there are Calls; not of a carrier
}

// RangeConfig bounds the calls to a range of numbers.
type RangeConfig struct {
	Number       string `yaml:"number"` // a pattern, as of a route
	LimitsConfig `yaml:",inline"`
}

// AuthConfig is a digest credential (RFC 8760).
type AuthConfig struct {
	Username     string `yaml:"username"`
	PasswordFile File   `yaml:"password_file"`

	Password dialog.Password `yaml:"-"` // what the file holds: who loads the configuration reads it
}

// RegisterConfig is a registration of ours at a carrier (RFC 3261 §10).
type RegisterConfig struct {
	AOR     string        `yaml:"aor"`
	Expires time.Duration `yaml:"expires,positive"`
}

// HealthConfig is how a carrier's gateways are watched with OPTIONS.
type HealthConfig struct {
	Options   time.Duration `yaml:"options,positive"`    // between two
	DownAfter int           `yaml:"down_after,positive"` // failures in a row
	UpAfter   int           `yaml:"up_after,positive"`   // answers in a row
}

// QualityConfig is when a carrier is tried last because too few of its calls come to
// something.
type QualityConfig struct {
	Window time.Duration `yaml:"window,positive"`
	ASR    Ratio         `yaml:"asr,omitempty"`  // least answer-seizure ratio; zero: any
	NER    Ratio         `yaml:"ner,omitempty"`  // least network-effectiveness ratio; zero: any
	Calls  int           `yaml:"calls,positive"` // of fewer attempts nothing is said
	Probe  Ratio         `yaml:"probe"`          // share of calls that it still gets first
}

// ScorecardConfig is when a carrier is kept back for what it does. Thresholds are shares of
// its attempts, but for the delay; what is absent is only counted.
type ScorecardConfig struct {
	Window   time.Duration `yaml:"window,positive"`
	Attempts int           `yaml:"attempts,positive"`               // of fewer nothing is said
	Late     Ratio         `yaml:"answered_after_cancel,omitempty"` // 200s for calls that had been given up
	Ignored  Ratio         `yaml:"acks_ignored,omitempty"`          // refusals repeated three times or more, though each copy had its ACK
	NoFinal  Ratio         `yaml:"no_final,omitempty"`              // CANCELs accepted, and no final response
	No100    Ratio         `yaml:"no_100,omitempty"`                // first responses slower than 200 ms, and no 100
	Delay    time.Duration `yaml:"post_dial_delay,omitempty"`       // mean, from the INVITE to the first ringing, early media or answer
	Then     string        `yaml:"then"`                            // deprioritise, quarantine
	Well     Ratio         `yaml:"well"`                            // part of each threshold below which it is well again
	Floor    Ratio         `yaml:"floor"`                           // share of calls that go there all the same, one in each tenth of the window at least
}

// Ratio is a number from 0 to 1.
type Ratio float64

// UnmarshalText reads "0.3".
func (r *Ratio) UnmarshalText(text []byte) error {
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(f >= 0 && f <= 1) {
		return fmt.Errorf("%q is not a ratio, 0 to 1, such as 0.3", text)
	}
	*r = Ratio(f)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (r Ratio) MarshalText() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(r), 'f', -1, 64), nil
}

// SessionTimerConfig is the session timer of RFC 4028 on one leg.
type SessionTimerConfig struct {
	Expires   time.Duration `yaml:"expires,positive"`
	Min       time.Duration `yaml:"min,positive"`
	Refresher string        `yaml:"refresher,omitempty"` // us, them
}

// CodecsConfig is which codecs an offer to this trunk or carrier may name. An entry is the
// encoding name of an rtpmap (RFC 4566 §6), alone or with its clock rate: PCMA,
// telephone-event, AMR-WB/16000. Empty: all, in the order in which they come.
type CodecsConfig struct {
	Allow []string `yaml:"allow,omitempty"` // no others; of every medium, digits and comfort noise too
	Deny  []string `yaml:"deny,omitempty"`
	Order []string `yaml:"order,omitempty"` // those listed come first, in this order
}

// HeadersConfig is what becomes of header fields at the border.
type HeadersConfig struct {
	Pass   []string          `yaml:"pass,omitempty"` // '*' at the end stands for anything
	Add    map[string]string `yaml:"add,omitempty"`
	Remove []string          `yaml:"remove,omitempty"`
}
