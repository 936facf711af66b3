package sdp

import (
	"encoding/base64"
	"errors"
	"fmt"
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
		said := &c.Lifetime
		if strings.Contains(x, ":") {
			said = &c.MKI
		}
		if *said != "" {
			return Crypto{}, ErrCrypto
		}
		*said = x
	}
	if _, err := c.Master(); err != nil {
		return Crypto{}, ErrCrypto
	}
	return c, nil
}

// Usable says what stands against using the line, for who knows no session parameters
// that change the packets (RFC 4568 §6.3): such a line is one that is not supported, and another one may be. nil: nothing.
// A hint at the size of the window, and an extension that says itself that it may be, are passed over.
func (c *Crypto) Usable() error {
	if _, err := c.Identifier(); err != nil {
		return err
	}
	if !lives(c.Lifetime) {
		return fmt.Errorf("%w: lifetime %q", ErrUnusable, c.Lifetime)
	}
	for p := range strings.FieldsSeq(c.Params) {
		n, hint := strings.CutPrefix(p, "WSH=")
		size, err := strconv.ParseUint(n, 10, 31)
		if !strings.HasPrefix(p, "-") && (!hint || err != nil || size < 64) {
			return fmt.Errorf("%w: session parameter %q", ErrUnusable, p)
		}
	}
	return nil
}

// Identifier is the master key identifier that each packet of the line's sender has between what is encrypted and its tag, "1:4" in
// four bytes (RFC 4568 §6.1, RFC 3711 §3.1); empty: none has one. The error is ErrUnusable.
func (c *Crypto) Identifier() ([]byte, error) {
	if c.MKI == "" {
		return nil, nil
	}
	value, length, _ := strings.Cut(c.MKI, ":")
	v, err := strconv.ParseUint(value, 10, 64)
	n, errLength := strconv.ParseUint(length, 10, 8)
	if err != nil || errLength != nil || n == 0 || n > 128 || n < 8 && v>>(8*n) != 0 {
		return nil, fmt.Errorf("%w: master key identifier %q", ErrUnusable, c.MKI)
	}
	mki := make([]byte, n)
	for i := len(mki) - 1; i >= 0; i, v = i-1, v>>8 {
		mki[i] = byte(v)
	}
	return mki, nil
}

// ErrUnusable is a line that says a key, in a way that is not supported here.
var ErrUnusable = errors.New("sdp: a=crypto that cannot be used")

// lives reads a key's lifetime in packets, "1048576" or "2^20": up to 2^48 (RFC 4568 §6.1, RFC 3711 §9.2).
func lives(lifetime string) bool {
	power, is := strings.CutPrefix(lifetime, "2^")
	n, err := strconv.ParseUint(power, 10, 64)
	return lifetime == "" || err == nil && (is && n <= 48 || !is && n > 0 && n <= 1<<48)
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
