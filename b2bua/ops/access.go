package ops

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

// Role is how much somebody may do. A higher one may all that a lower one may.
type Role uint8

// The roles.
const (
	Nobody   Role = iota
	Viewer        // looks at everything
	Operator      // acts on calls and carriers
	Admin         // changes the configuration
)

var roles = map[string]Role{"viewer": Viewer, "operator": Operator, "admin": Admin}

// String is the role's name.
func (r Role) String() string {
	for name, role := range roles {
		if role == r {
			return name
		}
	}
	return "nobody"
}

// caller is who makes a request.
type caller struct {
	Name  string
	Role  Role
	Via   string // the node that asks for somebody; empty: he asks himself
	Wrong string // why it is nobody; empty: he does not say who he is
}

// tokens are the callers by the SHA-256 of their token.
type tokens map[[sha256.Size]byte]caller

// leastToken is how many characters a token has at least: 96 bits in base64.
const leastToken = 16

// readTokens reads a tokens file: lines of a name, a role and a token or, after
// sha256:, its hash in hexadecimal digits. Empty lines and those that begin with # say
// nothing. All faults are named.
func readTokens(name string) (tokens, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading the tokens: %w", err)
	}
	all, names := tokens{}, map[string]bool{}
	var faults []error
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		f := strings.Fields(lines.Text())
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		fault := func(what string) { faults = append(faults, fmt.Errorf("%s:%d: %s", name, n, what)) }
		if len(f) != 3 {
			fault("want a name, a role and a token")
			continue
		}
		role := roles[f[1]]
		if role == Nobody {
			fault("the role is none of viewer, operator, admin")
		}
		if names[f[0]] {
			fault(f[0] + " stands here twice")
		}
		names[f[0]] = true
		hash := sha256.Sum256([]byte(f[2]))
		if digits, hashed := strings.CutPrefix(f[2], "sha256:"); hashed {
			b, err := hex.DecodeString(digits)
			if err != nil || len(b) != len(hash) {
				fault("want 64 hexadecimal digits after sha256:")
				continue
			}
			hash = [sha256.Size]byte(b)
		} else if len(f[2]) < leastToken {
			fault(fmt.Sprintf("the token is shorter than %d characters", leastToken))
		}
		if _, twice := all[hash]; twice {
			fault("another name has this token")
		}
		all[hash] = caller{Name: f[0], Role: role}
	}
	if err := errors.Join(append(faults, lines.Err())...); err != nil {
		return nil, err
	}
	return all, nil
}

// cookie holds the token of a browser. It counts for what only looks: a page of somebody
// else cannot make a browser act.
const cookie = "bulkhead-token"

// caller finds who makes a request; Nobody: it does not say, or what it says is wrong.
func (s *Server) caller(r *http.Request) caller {
	if who, ok := r.Context().Value(peerKey{}).(caller); ok {
		return who
	}
	if c, err := r.Cookie(cookie); err == nil && r.Method == http.MethodGet && r.Header.Get("Authorization") == "" {
		who := s.holder(c.Value)
		who.Role = min(who.Role, Viewer)
		return who
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, peerScheme) {
		return s.errand(r, strings.TrimSpace(token), time.Now())
	}
	if !strings.EqualFold(scheme, "Bearer") {
		return caller{}
	}
	return s.holder(strings.TrimSpace(token))
}

// holder is who has a token.
func (s *Server) holder(token string) caller {
	return s.access.Load().tokens[sha256.Sum256([]byte(token))]
}

// objection is why a caller may not do what needs a role; zero: it may.
func objection(who caller, needs Role) (code int, detail string) {
	switch {
	case who.Role == Nobody && who.Wrong != "":
		return http.StatusUnauthorized, who.Wrong
	case who.Role == Nobody:
		return http.StatusUnauthorized, "a token of the tokens file is needed"
	case who.Role < needs:
		return http.StatusForbidden, "it takes the role " + needs.String()
	}
	return 0, ""
}

// challenge goes with a 401 (RFC 6750 §3).
const challenge = `Bearer realm="bulkhead"`

// read is the configuration of TLS; nil: there is none.
func (f Files) read() (*tls.Config, error) {
	if f.Certificate == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
	if err != nil {
		return nil, fmt.Errorf("the API's certificate and key: %w", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, Certificates: []tls.Certificate{pair}}
	if f.ClientCA != "" {
		pem, err := os.ReadFile(f.ClientCA)
		if err != nil {
			return nil, fmt.Errorf("the API's client CA: %w", err)
		}
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		if !c.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the API's client CA: %s has no certificate in it", f.ClientCA)
		}
	}
	return c, nil
}
