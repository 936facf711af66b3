package sdp

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
)

// Crypto is an a=crypto line (RFC 4568 §9.1) with one key, which is what SRTP has in practice.
type Crypto struct {
	Tag      uint32 // of the answer: that of the offer's line which was taken
	Suite    string // "AES_CM_128_HMAC_SHA1_80"
	Key      string // master key and salt, one after the other, base64
	Lifetime string // as it came, "2^20"; empty: not said
	MKI      string // as it came, "1:4"; empty: none
	Params   string // of the session: "UNENCRYPTED_SRTCP", "KDR=4"; empty: none
}

// ErrCrypto is a line that says no key which could be used: another method than inline,
// several keys, or what is no base64.
var ErrCrypto = errors.New("sdp: no a=crypto with one inline key")

// ParseCrypto reads what follows "a=crypto:".
func ParseCrypto(value string) (Crypto, error) {
	f := strings.Fields(value)
	if len(f) < 3 {
		return Crypto{}, ErrCrypto
	}
	tag, err := strconv.ParseUint(f[0], 10, 32)
	inline, ok := strings.CutPrefix(f[2], "inline:")
	if err != nil || !ok || strings.Contains(inline, ";") {
		return Crypto{}, ErrCrypto
	}
	c := Crypto{Tag: uint32(tag), Suite: f[1], Params: strings.Join(f[3:], " ")}
	key, rest, _ := strings.Cut(inline, "|")
	c.Key = key
	for x := range strings.SplitSeq(rest, "|") {
		if strings.Contains(x, ":") {
			c.MKI = x
		} else {
			c.Lifetime = x
		}
	}
	if _, err := c.Master(); err != nil {
		return Crypto{}, ErrCrypto
	}
	return c, nil
}

// Master is the master key followed by the master salt, in bytes. Padding may lack.
func (c *Crypto) Master() ([]byte, error) {
	key, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(c.Key, "="))
	if err != nil || len(key) == 0 {
		return nil, ErrCrypto
	}
	return key, nil
}

// append writes the line's value.
func (c *Crypto) append(w []byte) []byte {
	w = strconv.AppendUint(w, uint64(c.Tag), 10)
	w = append(append(append(w, ' '), c.Suite...), " inline:"...)
	w = append(w, c.Key...)
	for _, x := range [...]string{c.Lifetime, c.MKI} {
		if x != "" {
			w = append(append(w, '|'), x...)
		}
	}
	if c.Params != "" {
		w = append(append(w, ' '), c.Params...)
	}
	return w
}
