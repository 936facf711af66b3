package ops

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// Nodes of a cluster ask each other by their API. What a request is for is said in its
// Authorization, and sealed with a key that the cluster shares: which node asks which, for
// whom, what, and when. So no token of anybody travels, what is overheard serves for nothing
// else, and the audit log of the node that acts names who has asked the other one.

// peerScheme is the scheme of such an Authorization: the errand and its MAC, each in
// base64url, with a dot between them.
const peerScheme = "Bulkhead-Peer"

// errandFor is how far the clocks of two nodes may differ, and how long an errand is good.
const errandFor = 30 * time.Second

// errand is what a node asks another one for.
type errand struct {
	From string `json:"from"` // the node that asks
	To   string `json:"to"`
	Who  string `json:"who"` // whom it asks for
	Role string `json:"role"`
	At   int64  `json:"at"` // Unix time
	Once string `json:"once"`
}

// seal is the Authorization of an errand.
func (e errand) seal(key []byte, method, uri string) string {
	text, err := json.Marshal(e)
	if err != nil {
		return "" // it has texts and numbers only
	}
	b := base64.RawURLEncoding
	return peerScheme + " " + b.EncodeToString(text) + "." + b.EncodeToString(macOf(key, method, uri, text))
}

func macOf(key []byte, method, uri string, text []byte) []byte {
	m := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(m, "%s\n%s\n%s", method, uri, text) // a hash takes all
	return m.Sum(nil)
}

// errand is who has another node ask; Nobody: it is not to be believed, and why.
func (s *Server) errand(r *http.Request, sealed string, now time.Time) caller {
	wrong := func(format string, args ...any) caller {
		return caller{Wrong: "another node's request is not taken: " + fmt.Sprintf(format, args...)}
	}
	if len(s.config.PeerKey) == 0 {
		return wrong("this node is of no cluster")
	}
	text, mac, _ := strings.Cut(sealed, ".")
	b := base64.RawURLEncoding
	said, err := b.DecodeString(text)
	sum, broken := b.DecodeString(mac)
	if err != nil || broken != nil || !hmac.Equal(sum, macOf(s.config.PeerKey, r.Method, r.RequestURI, said)) {
		return wrong("it is not sealed with the key of this cluster (key_file)")
	}
	var e errand
	if err := json.Unmarshal(said, &e); err != nil {
		return wrong("%v", err)
	}
	if self := s.self(); e.To != self {
		return wrong("it is for node %s, and this is %s: look at api.advertise of %s", e.To, self, e.To)
	}
	if off := now.Sub(time.Unix(e.At, 0)); off.Abs() > errandFor {
		return wrong("its clock and ours differ by %v", off.Abs().Round(time.Second))
	}
	if r.Method != http.MethodGet && !s.heard.first(string(sum), now) {
		return wrong("it has been made before")
	}
	return caller{Name: e.Who, Role: roles[e.Role], Via: e.From}
}

// heard are the errands that have changed something lately: whoever overhears one and says it
// again changes nothing.
type heard struct {
	mu   sync.Mutex
	when map[string]time.Time
}

// first says that an errand has not been heard as long as it is good.
func (h *heard) first(mac string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.when, func(_ string, at time.Time) bool { return now.Sub(at) > 2*errandFor })
	if _, again := h.when[mac]; again {
		return false
	}
	if h.when == nil {
		h.when = map[string]time.Time{}
	}
	h.when[mac] = now
	return true
}

// self is the name of this node.
func (s *Server) self() string { return s.node.Version().Node }

// peerClient asks other nodes. Without proxies: they are neighbours.
func (c *Config) peerClient(own *tls.Config) (*http.Client, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if own != nil {
		t.Certificates = own.Certificates // a node that asks for one gets ours
	}
	if c.PeerCA != "" {
		pem, err := os.ReadFile(c.PeerCA)
		if err != nil {
			return nil, fmt.Errorf("the CA of other nodes: %w", err)
		}
		if t.RootCAs, err = x509.SystemCertPool(); err != nil {
			t.RootCAs = x509.NewCertPool()
		}
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the CA of other nodes: %s has no certificate in it", c.PeerCA)
		}
	}
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: t, MaxIdleConnsPerHost: 4, IdleConnTimeout: idle / 2},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// mostSaid is how many bytes another node's answer has at most.
const mostSaid = 64 << 20

// carried is an answer of another node as it came.
type carried struct {
	kind string
	text []byte
}

// fetch asks another node for somebody. What it refuses is a *Problem.
func (s *Server) fetch(ctx context.Context, p Peer, method, uri string) (carried, error) {
	response, err := s.open(ctx, p, method, uri)
	if err != nil {
		return carried{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, mostSaid))
	if err != nil {
		return carried{}, fmt.Errorf("its answer broke off: %w", err)
	}
	return carried{response.Header.Get("Content-Type"), text}, nil
}

// open is fetch, with the answer yet to be read.
func (s *Server) open(ctx context.Context, p Peer, method, uri string) (*http.Response, error) {
	if p.URL == "" {
		return nil, errors.New("it has no address for other nodes (api.advertise)")
	}
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(p.URL, "/")+uri, nil)
	if err != nil {
		return nil, err
	}
	who := whoIn(ctx)
	request.Header.Set("Authorization", errand{s.self(), p.Node, who.Name, who.Role.String(), time.Now().Unix(), rand.Text()}.
		seal(s.config.PeerKey, method, request.URL.RequestURI()))
	response, err := s.access.Load().peers.Do(request)
	if err != nil {
		if ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			return nil, errors.New("it did not answer in time")
		}
		return nil, fmt.Errorf("it cannot be asked: %w", errors.Unwrap(err))
	}
	if response.StatusCode < 300 {
		return response, nil
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, mostSaid))
	if err != nil {
		return nil, fmt.Errorf("its answer broke off: %w", err)
	}
	problem := &Problem{}
	if json.Unmarshal(text, problem) != nil || problem.Status == 0 {
		return nil, fmt.Errorf("it says %s", response.Status)
	}
	return nil, problem
}

// whoIn is who makes the request that is being answered.
func whoIn(ctx context.Context) caller {
	who, _ := ctx.Value(whoKey{}).(caller)
	return who
}
