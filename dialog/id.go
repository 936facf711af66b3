package dialog

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
)

// CallID names a call inside Bulkhead: in records, logs and the API as 13
// letters, and sealed in every identifier that we hand out. It is not a SIP
// Call-ID; each leg has one of its own.
type CallID [8]byte

// letters is base32 of RFC 4648 in lower case: it survives peers that change
// the case of tokens.
var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// String is the 13 letters by which people name the call.
func (c CallID) String() string { return letters.EncodeToString(c[:]) }

// ParseCallID reads what String wrote, without regard to case.
func ParseCallID(s string) (c CallID, ok bool) {
	b, err := letters.DecodeString(strings.ToLower(s))
	if err != nil || len(b) != len(c) {
		return c, false
	}
	return CallID(b), true
}

// ID names a leg: leg 0 is the inbound one, 1 and up are the attempts.
type ID struct {
	Call CallID
	Leg  uint8
}

// Stateless is the leg number in the To-tags of answers that are given without
// a call (RFC 3261 §8.2.7).
const Stateless = 0xff

// Kind is what a sealed address is used as, so that one cannot be passed off as
// another.
type Kind uint8

// The three identifiers of SIP that a peer hands back to us.
const (
	KindTag Kind = iota + 1
	KindBranch
	KindCallID
)

// Address is what a sealed identifier says: whose it is.
type Address struct {
	ID
	Kind Kind
	Seq  uint16 // which transaction of the leg, for a branch
}

// Cookie begins every branch (RFC 3261 §8.1.1.7).
const Cookie = "z9hG4bK"

// sealed is the length of a sealed address: two characters of the unit in
// clear, then one AES block in base32.
const sealed = 2 + 26

// Seal turns addresses into identifiers that tell a stranger nothing, and back.
// All nodes of a cluster share its key. It is safe for concurrent use.
type Seal struct {
	block cipher.Block
	key   [32]byte
	unit  [2]byte

	recalled *recalled // of a replay; nil: nothing is
}

// NewSeal makes a Seal of a cluster's 32-byte key and the name of the unit,
// whose two characters a stateless balancer may route by.
func NewSeal(key [32]byte, unit string) *Seal {
	derive := func(use string) [32]byte {
		m := hmac.New(sha256.New, key[:])
		m.Write([]byte(use))
		return [32]byte(m.Sum(nil))
	}
	k := derive("seal")
	block, err := aes.NewCipher(k[:16])
	if err != nil {
		panic(err) // a 16-byte key is always valid
	}
	u := derive("unit " + unit)
	s := &Seal{block: block, key: derive("call")}
	copy(s.unit[:], letters.EncodeToString(u[:2]))
	return s
}

// Seal writes an address as 28 characters of one alphabet.
func (s *Seal) Seal(a Address) string {
	if s.recalled != nil {
		if g, ok := s.recalled.find(a.ID, uses[a.Kind], a.Seq); ok {
			return g.Text
		}
	}
	var b [16]byte // call 8, leg, kind, sequence 2, zero 4: a stranger's block opens once in 2^32
	copy(b[:], a.Call[:])
	b[8], b[9] = a.Leg, byte(a.Kind)
	binary.BigEndian.PutUint16(b[10:], a.Seq)
	s.block.Encrypt(b[:], b[:])
	var t [sealed]byte
	copy(t[:], s.unit[:])
	letters.Encode(t[2:], b[:])
	return string(t[:])
}

// Open reads what Seal wrote; false: it is not ours.
func (s *Seal) Open(text string) (a Address, ok bool) {
	if len(text) != sealed {
		return a, false
	}
	if a, ok = s.recalled.open(text); ok {
		return a, true
	}
	var t [sealed - 2]byte
	for i := range t {
		c := text[i+2]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		t[i] = c
	}
	var b [17]byte
	if n, err := letters.Decode(b[:], t[:]); err != nil || n != 16 {
		return a, false
	}
	s.block.Decrypt(b[:16], b[:16])
	if binary.BigEndian.Uint32(b[12:]) != 0 {
		return a, false
	}
	copy(a.Call[:], b[:])
	a.Leg, a.Kind, a.Seq = b[8], Kind(b[9]), binary.BigEndian.Uint16(b[10:])
	return a, true
}

// Tag is the tag of our side of a leg.
func (s *Seal) Tag(id ID) string { return s.Seal(Address{ID: id, Kind: KindTag}) }

// Branch is the branch of the leg's transaction number seq.
func (s *Seal) Branch(id ID, seq uint16) string {
	return Cookie + s.Seal(Address{ID: id, Kind: KindBranch, Seq: seq})
}

// CallID is the Call-ID header field of an outbound leg.
func (s *Seal) CallID(id ID) string { return s.Seal(Address{ID: id, Kind: KindCallID}) }

// OpenTag is Open for a From- or To-tag.
func (s *Seal) OpenTag(tag string) (Address, bool) {
	a, ok := s.Open(tag)
	return a, ok && a.Kind == KindTag
}

// OpenBranch is Open for the branch of a Via.
func (s *Seal) OpenBranch(branch string) (Address, bool) {
	if len(branch) != len(Cookie)+sealed || !strings.EqualFold(branch[:len(Cookie)], Cookie) {
		return Address{}, false
	}
	a, ok := s.Open(branch[len(Cookie):])
	return a, ok && a.Kind == KindBranch
}

// Call gives the call that an INVITE from a trunk makes: a keyed hash of what
// its repeats, its CANCEL and its non-2xx ACK share (RFC 3261 §17.2.3), so that
// every node finds the same call without an index. The branch is not part of
// it, so a merged request finds the call too (§8.2.2.2).
func (s *Seal) Call(trunk, callID, fromTag string, cseq uint32) (c CallID) {
	m := hmac.New(sha256.New, s.key[:])
	for _, part := range []string{trunk, callID, fromTag} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(part)))
		m.Write(n[:])
		m.Write([]byte(part))
	}
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], cseq)
	m.Write(n[:])
	copy(c[:], m.Sum(nil))
	return c
}

// Draw is a number below a bound that chance could have drawn, and the same on every
// node: of a leg and a number of it.
func (s *Seal) Draw(id ID, seq uint16, below uint64) uint64 { return s.draw(id, seq) % below }

func (s *Seal) draw(id ID, seq uint16) uint64 {
	if g, ok := s.recalled.find(id, "draw", seq); ok {
		return g.Value
	}
	var b [16]byte
	copy(b[:], id.Call[:])
	b[8], b[9] = id.Leg, 'd'
	binary.BigEndian.PutUint16(b[10:], seq)
	s.block.Encrypt(b[:], b[:])
	return binary.BigEndian.Uint64(b[:])
}

// Cnonce is what a client adds to a digest of its own (RFC 7616 §3.4): of a leg and a
// transaction of it, so that it is the same on every node, and nobody else could tell it.
func (s *Seal) Cnonce(id ID, seq uint16) string {
	if g, ok := s.recalled.find(id, "cnonce", seq); ok {
		return g.Text
	}
	var b [16]byte
	copy(b[:], id.Call[:])
	b[8], b[9] = id.Leg, 'c'
	binary.BigEndian.PutUint16(b[10:], seq)
	s.block.Encrypt(b[:], b[:])
	return letters.EncodeToString(b[:])
}

// Number is a constant of the leg that says nothing about it, for the session
// id of our o= lines (RFC 4566 §5.2): 62 bits, so that every peer can read it.
func (s *Seal) Number(id ID) uint64 {
	if g, ok := s.recalled.find(id, "number", 0); ok {
		return g.Value
	}
	var b [16]byte
	copy(b[:], id.Call[:])
	b[8], b[9] = id.Leg, 'o'
	s.block.Encrypt(b[:], b[:])
	return binary.BigEndian.Uint64(b[:]) >> 2
}
