package b2bua

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// Trunks that have to prove who they are (RFC 3261 §22.3, as a proxy: 407). An INVITE that
// begins a call is challenged; nothing is kept of one that proves nothing. A nonce is the
// time and a keyed hash of it, so each node of a unit takes those of the others.

// How long a nonce is good, and how far apart the nodes' clocks may be. A call's own INVITE
// is absorbed for longer than that, so a copy of it makes no second call.
const (
	nonceFor  = 30 * time.Second
	nonceSkew = 5 * time.Second
)

// maxSpent is how many nonces are remembered in one nonceFor: two such generations of some
// 100 bytes each.
const maxSpent = 1 << 17

// nonces knows which nonces have been shown. On a pair each node knows its own: one that was
// shown to the other just before a takeover can be shown once more, for as long as it is
// good.
type nonces struct {
	key [32]byte

	mu     sync.Mutex
	since  time.Time
	recent [2]map[spent]dialog.CallID
}

// spent is a nonce and its count.
type spent struct {
	nonce [32]byte // in hexadecimal
	nc    [8]byte
}

func newNonces(key [32]byte, unit string) *nonces {
	m := hmac.New(sha256.New, key[:])
	m.Write([]byte("nonce " + unit))
	return &nonces{key: [32]byte(m.Sum(nil))}
}

// nonce is one made now, for a trunk.
func (g *nonces) nonce(now time.Time, trunk string) string {
	var b [4 + 16]byte
	binary.BigEndian.PutUint32(b[:], uint32(now.Unix()))
	copy(b[4:], g.sign(b[:4], trunk))
	return hex.EncodeToString(b[:])
}

func (g *nonces) sign(at []byte, trunk string) []byte {
	m := hmac.New(sha256.New, g.key[:])
	m.Write(at)
	m.Write([]byte(trunk))
	return m.Sum(nil)
}

// made says that a nonce is one of ours for that trunk, and whether it is still good.
func (g *nonces) made(now time.Time, trunk, nonce string) (ours, good bool) {
	b, err := hex.DecodeString(nonce)
	if err != nil || len(b) != 4+16 || !hmac.Equal(b[4:], g.sign(b[:4], trunk)[:16]) {
		return false, false
	}
	age := now.Sub(time.Unix(int64(binary.BigEndian.Uint32(b)), 0))
	return true, age >= -nonceSkew && age < nonceFor
}

// Whether a nonce may be shown.
const (
	unspent = iota
	spentElsewhere
	spentFull
)

// spend notes that a nonce has been shown with this count for this call, for which it may be
// shown again: that is the same INVITE.
func (g *nonces) spend(now time.Time, c dialog.Credentials, call dialog.CallID) int {
	var s spent
	copy(s.nonce[:], c.Nonce[8:]) // the hash
	copy(s.nc[:], c.NC)
	g.mu.Lock()
	defer g.mu.Unlock()
	if age := now.Sub(g.since); age >= nonceFor+nonceSkew || g.recent[0] == nil {
		g.recent[1] = g.recent[0]
		if age >= 2*(nonceFor+nonceSkew) {
			g.recent[1] = nil
		}
		g.recent[0], g.since = map[spent]dialog.CallID{}, now
	}
	for _, r := range g.recent {
		if by, shown := r[s]; shown && by == call {
			return unspent
		} else if shown {
			return spentElsewhere
		}
	}
	if len(g.recent[0]) >= maxSpent {
		return spentFull
	}
	g.recent[0][s] = call
	return unspent
}

// authenticate is why an INVITE does not prove that it is its trunk's. Within a dialog nobody
// is asked again: our tag in the request was given to who had proved it, and every message
// comes from an address of the trunk's (belongs). Nor is who asks for OPTIONS, which tells
// nothing and begins nothing.
func (e *Engine) authenticate(now time.Time, id dialog.CallID, trunk *carriers.Trunk, p *dialog.Policy, it item) (dialog.Refusal, string) {
	if trunk.Login == nil {
		return dialog.Refusal{}, ""
	}
	realm := realmOf(p, it.path.Transport)
	ask := func(stale bool) dialog.Refusal {
		return dialog.Refusal{Code: 407, Extra: dialog.Challenges(realm, e.nonces.nonce(now, trunk.Name), stale)}
	}
	c, found, sound := it.message.Credentials(realm)
	switch {
	case !found:
		return ask(false), "challenged"
	case !sound:
		return dialog.Refusal{Code: 400, Phrase: "Unreadable Credentials"}, "auth_unreadable"
	}
	ours, good := e.nonces.made(now, trunk.Name, c.Nonce)
	switch {
	case !ours:
		return ask(false), "auth_foreign_nonce"
	case !c.Prove(*trunk.Login, realm, it.message.Method):
		if n := e.notices.due("auth "+trunk.Name, now); n > 0 {
			e.log.Warn("wrong credentials", zap.String("trunk", trunk.Name), zap.Int("requests", n), zap.Stringer("last_from", it.path.Remote))
		}
		return dialog.Refusal{Code: 403}, "auth_wrong"
	case !good:
		return ask(true), "auth_stale"
	}
	switch e.nonces.spend(now, c, id) {
	case spentElsewhere:
		return ask(true), "auth_replayed"
	case spentFull:
		return dialog.Refusal{Code: 503, Extra: []dialog.Header{{Name: "Retry-After", Value: "30"}}}, "auth_full"
	}
	return dialog.Refusal{}, ""
}

// realmOf names us to a trunk: the host that it knows (RFC 3261 §22.1).
func realmOf(p *dialog.Policy, t dialog.Transport) string {
	if host, _, err := net.SplitHostPort(p.Local[t]); err == nil {
		return host
	}
	return strings.Trim(p.Local[t], "[]")
}
