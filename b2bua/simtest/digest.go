package simtest

import (
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
)

// Digest authentication as peers do it, by the letter of RFC 7616, with no code of what is
// tested.

var parameterOf = regexp.MustCompile(`([a-zA-Z]+)=(?:"([^"]*)"|([^\s,"]+))`)

// digest are the parameters of a challenge or of credentials.
func digest(value string) map[string]string {
	p := map[string]string{}
	for _, m := range parameterOf.FindAllStringSubmatch(strings.TrimPrefix(value, "Digest "), -1) {
		p[m[1]] = m[2] + m[3]
	}
	return p
}

// proof is the response parameter of credentials to a request.
func proof(p map[string]string, password, method string) string {
	h := func(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
	if p["algorithm"] == "SHA-256" {
		h = func(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }
	}
	a1, a2 := h(p["username"]+":"+p["realm"]+":"+password), h(method+":"+p["uri"])
	if p["qop"] == "" {
		return h(a1 + ":" + p["nonce"] + ":" + a2)
	}
	return h(a1 + ":" + p["nonce"] + ":" + p["nc"] + ":" + p["cnonce"] + ":" + p["qop"] + ":" + a2)
}

// proven holds the credentials in a request of ours to what the carrier can check: its own
// challenge, the right proof, a count that rises.
func (c *court) proven(m *crossing, a *attempt) {
	t := m.text
	auth := c.stage.config.Carriers[m.peer.Name].Auth
	shown := append(t.all("Authorization"), t.all("Proxy-Authorization")...)
	if t.method() == "ACK" {
		if invite, ok := a.invites[t.cseq()]; ok && a.accepted[tried(t)] && len(shown) != len(invite.all("Authorization"))+len(invite.all("Proxy-Authorization")) {
			c.fault(m, "RFC 3261 §22.1: an ACK without its INVITE's credentials")
		}
		return
	}
	for _, v := range shown {
		p := digest(v)
		switch {
		case t.method() == "CANCEL":
			c.fault(m, "a CANCEL with credentials")
		case auth == nil || !a.nonces[p["realm"]+" "+p["nonce"]]:
			c.fault(m, "credentials for a challenge that the carrier has not made")
		case p["uri"] != t.uri() || p["username"] != auth.Username:
			c.fault(m, "credentials for another request or user: %s", v)
		case p["response"] != proof(p, string(auth.Password), t.method()):
			c.fault(m, "credentials that prove nothing: %s", v)
		}
		if k := p["nonce"] + " " + p["nc"]; p["qop"] != "" {
			if last := a.counts[k]; last != "" && last != t.method()+t.first("CSeq") {
				c.fault(m, "the count %s again, for another request", p["nc"])
			}
			a.counts[k] = t.method() + t.first("CSeq")
		}
	}
}

// challenged notes what a carrier has asked for.
func (a *attempt) challenged(t message) {
	if t.code() != 401 && t.code() != 407 {
		return
	}
	switch {
	case t.method() == "INVITE" && t.cseq() == a.invite.cseq():
		a.asked = true
	case t.method() == "BYE":
		delete(a.byes, t.toTag()) // it may come once more
	case t.method() == "PRACK":
		clear(a.pracks)
	}
	for _, v := range append(t.all("WWW-Authenticate"), t.all("Proxy-Authenticate")...) {
		p := digest(v)
		a.nonces[p["realm"]+" "+p["nonce"]] = true
	}
}

// again is an INVITE that is sent once more with credentials (RFC 3261 §8.1.3.5).
func (c *court) again(m *crossing, a *attempt) {
	t := m.text
	switch {
	case !a.asked:
		c.fault(m, "a repeat of the INVITE with other bytes")
	case c.closed && c.calls == 1:
		c.fault(m, "P5: an INVITE after the trunk's CANCEL or BYE")
	case t.cseq() != a.invite.cseq()+1 || t.branch() == a.invite.branch() || t.first("From") != a.invite.first("From") ||
		t.uri() != a.invite.uri() || t.first("To") != a.invite.first("To") || t.body != a.invite.body:
		c.fault(m, "not the INVITE that was challenged")
	case len(t.all("Authorization"))+len(t.all("Proxy-Authorization")) == 0:
		c.fault(m, "the INVITE again without credentials")
	}
	a.invite, a.invites[t.cseq()] = t, t
	a.asked, a.final, a.provisional = false, false, false
	a.late[fmt.Sprint(t.cseq())] = t.body == ""
}

// authorize writes the credentials of a trunk's INVITE for the challenge that it has had.
func (t *talk) authorize(m *message, secret string) error {
	auth, err := credential(secret)
	if err != nil {
		return err
	}
	for _, kind := range [][2]string{{"WWW-Authenticate", "Authorization"}, {"Proxy-Authenticate", "Proxy-Authorization"}} {
		challenge := t.final.first(kind[0])
		if challenge == "" {
			continue
		}
		p := digest(challenge)
		p["username"], p["uri"] = auth.Username, m.uri()
		if p["qop"] != "" {
			t.counted++
			p["qop"], p["cnonce"], p["nc"] = "auth", "0a4f113b", fmt.Sprintf("%08x", t.counted)
		}
		p["response"] = proof(p, string(auth.Password), m.method())
		v := fmt.Sprintf("Digest username=%q, realm=%q, nonce=%q, uri=%q, response=%q", p["username"], p["realm"], p["nonce"], p["uri"], p["response"])
		for _, name := range []string{"algorithm", "qop", "nc"} {
			if p[name] != "" {
				v += ", " + name + "=" + p[name]
			}
		}
		if p["qop"] != "" {
			v += fmt.Sprintf(", cnonce=%q", p["cnonce"])
		}
		m.add(kind[1], v)
		return nil
	}
	return fmt.Errorf("nobody has asked for credentials")
}

// registers holds our REGISTERs to RFC 3261 §10.2: one Call-ID, numbers that rise, no user in
// the Request-URI, and the right proof.
func (c *court) registers(m *crossing) {
	t := m.text
	last, again := c.bound[m.peer.Name]
	c.bound[m.peer.Name] = t
	switch {
	case again && string(last.bytes()) == string(t.bytes()):
		return
	case again && (t.callID() != last.callID() || t.cseq() <= last.cseq()):
		c.fault(m, "RFC 3261 §10.2: another Call-ID, or CSeq %d after %d", t.cseq(), last.cseq())
	case strings.Contains(t.uri(), "@"), untagged(t.first("From")) != t.first("To"):
		c.fault(m, "RFC 3261 §10.2: a REGISTER to %s of %s", t.uri(), t.first("To"))
	}
	for _, v := range t.all("Authorization") {
		if p := digest(v); p["uri"] != t.uri() || p["response"] != proof(p, string(c.stage.config.Carriers[m.peer.Name].Auth.Password), "REGISTER") {
			c.fault(m, "credentials that prove nothing: %s", v)
		}
	}
}
