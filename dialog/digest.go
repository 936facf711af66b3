package dialog

import (
	"crypto/md5" // what RFC 3261 has, and most carriers know no other
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strings"
)

// Digest authentication (RFC 3261 §22; RFC 7616 as RFC 8760 profiles it): what challenges
// and credentials say, and what is computed of them. Who asks whom is in auth.go, and in
// the package above for those who call us.

// Password is a secret: nothing that prints it shows it.
type Password string

func (Password) String() string { return "(secret)" }

// GoString is String.
func (Password) GoString() string { return "(secret)" }

// MarshalText is String.
func (Password) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }

// Login is what proves who we are.
type Login struct {
	Username string
	Password Password

	Proofs Proofs // of a replay, which has no password; nil: they are made
}

// Proofs are responses that have been shown, by what they answer.
type Proofs map[Proof]string

// Proof is what a response answers.
type Proof struct{ Nonce, NC, Cnonce, URI string }

// Note keeps the responses that stand in a request as it was sent.
func (p Proofs) Note(request []byte) {
	head, _, _ := strings.Cut(string(request), "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		if name != "Authorization" && name != "Proxy-Authorization" {
			continue
		}
		if d, ok := digestParams(value); ok {
			p[Proof{d["nonce"], d["nc"], d["cnonce"], d["uri"]}] = d["response"]
		}
	}
}

// Algorithm is a hash of RFC 8760 §2.1. SHA-512-256 is read by nobody who is known to us;
// the -sess variants are not SIP's.
type Algorithm uint8

// The algorithms, in the order in which nobody prefers them.
const (
	MD5 Algorithm = iota
	SHA256
	algorithms
)

// String is the token of the algorithm parameter.
func (a Algorithm) String() string { return [...]string{"MD5", "SHA-256"}[a] }

// algorithmOf reads the token; none is MD5 (RFC 3261 §22.4).
func algorithmOf(token string) (Algorithm, bool) {
	for a := range algorithms {
		if strings.EqualFold(token, a.String()) {
			return a, true
		}
	}
	return MD5, token == ""
}

// hash is H of the parts with colons between them, in hexadecimal.
func (a Algorithm) hash(parts ...string) string {
	text := []byte(strings.Join(parts, ":"))
	if a == SHA256 {
		sum := sha256.Sum256(text)
		return hex.EncodeToString(sum[:])
	}
	sum := md5.Sum(text) // see above
	return hex.EncodeToString(sum[:])
}

// Secret is H(A1) (RFC 7616 §3.4.2): as good as the password in this realm.
func (a Algorithm) Secret(l Login, realm string) Password {
	return Password(a.hash(l.Username, realm, string(l.Password)))
}

// Response is the response parameter (RFC 7616 §3.4.1), of qop=auth where there is an nc.
func (a Algorithm) Response(secret Password, nonce, nc, cnonce, method, uri string) string {
	asked := a.hash(method, uri)
	if nc == "" {
		return a.hash(string(secret), nonce, asked)
	}
	return a.hash(string(secret), nonce, nc, cnonce, "auth", asked)
}

// maxChallenge is the longest value of a challenge or of credentials that is read.
const maxChallenge = 2048

// digestParams reads a challenge or credentials: the parameters by their names in lower
// case, with their values as they stand between the quotes. They are hashed and given back
// so: what an escape in one of them would mean, peers disagree on. False: it is not Digest,
// or cannot be read.
func digestParams(value string) (map[string]string, bool) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
	if len(value) > maxChallenge || !strings.EqualFold(scheme, "Digest") {
		return nil, false
	}
	params := map[string]string{}
	for _, one := range appendList(nil, rest) {
		name, v, given := strings.Cut(one, "=")
		name, v = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(v)
		switch {
		case !given || !isToken(name):
			return nil, false
		case isQuoted(v):
			v = v[1 : len(v)-1]
		case strings.ContainsAny(v, "\"\\ \t"):
			return nil, false
		}
		if _, again := params[name]; again {
			return nil, false
		}
		params[name] = v
	}
	return params, true
}

// Challenge is what a peer wants proof by. Its texts are as they stand between the quotes.
type Challenge struct {
	Proxy     bool // of Proxy-Authenticate
	Realm     string
	Nonce     string
	Opaque    string
	Algorithm Algorithm
	Named     bool   // it names its algorithm
	QOP       bool   // qop=auth; else the way of RFC 2069
	Count     uint32 // nc of the last request that it was answered in
	For       uint16 // transaction that it was first answered in

	stale bool
}

// challenges are those of a 401 or 407 that can be met: of each realm the first, which
// is the one that the peer likes best (RFC 8760 §2.4). A proxy that has forked may have put
// both kinds into either response (RFC 3261 §16.7). Where there is none, why says so.
func challenges(m *Message) (list []Challenge, why string) {
	why = "challenge without a challenge"
	for _, h := range m.headers {
		proxy := strings.EqualFold(h.Name(), "Proxy-Authenticate")
		if !proxy && !strings.EqualFold(h.Name(), "WWW-Authenticate") {
			continue
		}
		c, fault := readChallenge(h.Value())
		if fault != "" {
			why = fault
			continue
		}
		c.Proxy = proxy
		if find(list, c) < 0 && len(list) < maxRealms {
			list = append(list, c)
		}
	}
	if len(list) > 0 {
		why = ""
	}
	return list, why
}

// maxRealms is how many realms of one peer are answered.
const maxRealms = 4

// find is where in a list the realm of a challenge stands; -1: it does not.
func find(list []Challenge, c Challenge) int {
	for i := range list {
		if list[i].Proxy == c.Proxy && list[i].Realm == c.Realm {
			return i
		}
	}
	return -1
}

func readChallenge(value string) (c Challenge, why string) {
	p, ok := digestParams(value)
	if !ok {
		return c, "challenge that cannot be read"
	}
	algorithm, known := algorithmOf(p["algorithm"])
	_, realm := p["realm"]
	qop, asked := p["qop"]
	switch {
	case !realm || p["nonce"] == "":
		return c, "challenge without realm or nonce"
	case !known:
		return c, "challenge by an unknown algorithm"
	case asked && !listed(appendList(nil, qop), "auth"):
		return c, "challenge by an unknown qop"
	}
	return Challenge{
		Realm: strings.Clone(p["realm"]), Nonce: strings.Clone(p["nonce"]), Opaque: strings.Clone(p["opaque"]),
		Algorithm: algorithm, Named: p["algorithm"] != "", QOP: asked,
		stale: strings.EqualFold(p["stale"], "true"),
	}, ""
}

// credentials are the answer for one request.
func (c *Challenge) credentials(l Login, method, uri, cnonce string) Header {
	name, nc := "Authorization", ""
	if c.Proxy {
		name = "Proxy-Authorization"
	}
	if c.QOP {
		nc = fmt.Sprintf("%08x", c.Count)
	}
	response, shown := l.Proofs[Proof{c.Nonce, nc, cnonce, uri}]
	if !c.QOP {
		response, shown = l.Proofs[Proof{Nonce: c.Nonce, URI: uri}]
	}
	if !shown {
		response = c.Algorithm.Response(c.Algorithm.Secret(l, c.Realm), c.Nonce, nc, cnonce, method, uri)
	}
	v := `Digest username="` + l.Username + `", realm="` + c.Realm + `", nonce="` + c.Nonce + `", uri="` + uri +
		`", response="` + response + `"`
	if c.Named {
		v += ", algorithm=" + c.Algorithm.String()
	}
	if c.QOP {
		v += `, cnonce="` + cnonce + `", qop=auth, nc=` + nc
	}
	if c.Opaque != "" {
		v += `, opaque="` + c.Opaque + `"`
	}
	return Header{name, v}
}

// Credentials are what a request brings to prove who it is from.
type Credentials struct {
	Username  string
	Nonce     string
	NC        string // eight hexadecimal digits
	Algorithm Algorithm

	uri, cnonce, response string
}

// Credentials are those of a request for a realm of ours, as of a proxy (RFC 3261 §22.3);
// found says that there are any, sound that they can be read and are of qop=auth.
func (m *Message) Credentials(realm string) (c Credentials, found, sound bool) {
	for _, h := range m.headers {
		if !strings.EqualFold(h.Name(), "Proxy-Authorization") {
			continue
		}
		p, ok := digestParams(h.Value())
		if !ok {
			found = true
			continue
		}
		if p["realm"] != realm {
			continue // for somebody behind us
		}
		algorithm, known := algorithmOf(p["algorithm"])
		c = Credentials{
			Username: p["username"], Nonce: p["nonce"], NC: strings.ToLower(p["nc"]), Algorithm: algorithm,
			uri: p["uri"], cnonce: p["cnonce"], response: p["response"],
		}
		sound = known && c.Username != "" && c.uri != "" && c.cnonce != "" && strings.EqualFold(p["qop"], "auth") &&
			len(c.NC) == 8 && strings.Trim(c.NC, "0123456789abcdef") == ""
		return c, true, sound
	}
	return c, found, false
}

// Prove says that the credentials are those of a login, for a request of this method. How
// long that takes says nothing about either. Their URI need not be the Request-URI: it may
// have been rewritten on the way (RFC 3261 §22.4), and who rewrites it could as well
// rewrite the body, which nothing protects.
func (c Credentials) Prove(l Login, realm, method string) bool {
	same := func(a, b string) int {
		x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
		return subtle.ConstantTimeCompare(x[:], y[:])
	}
	want := c.Algorithm.Response(c.Algorithm.Secret(l, realm), c.Nonce, c.NC, c.cnonce, method, c.uri)
	return same(c.Username, l.Username)&same(strings.ToLower(c.response), want) == 1
}

// Challenges are the header fields that ask for credentials, by the algorithm that we like
// best first (RFC 8760 §2.4).
func Challenges(realm, nonce string, stale bool) (list []Header) {
	for _, a := range [...]Algorithm{SHA256, MD5} {
		v := `Digest realm="` + realm + `", nonce="` + nonce + `", algorithm=` + a.String() + `, qop="auth"`
		if stale {
			v += ", stale=true"
		}
		list = append(list, Header{"Proxy-Authenticate", v})
	}
	return list
}
