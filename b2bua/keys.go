package b2bua

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
)

// masked are the bytes of a message as anybody is shown them: instead of each key of SRTP (a=crypto, RFC 4568 §6.1) there is what
// a hash makes of it, as long as that was. So nothing else moves, one can see whether two keys are the same, and a call that is
// replayed from what was shown comes to the same. What has no key is not copied.
func masked(data []byte) []byte { return hidden(data, "inline:") }

// MaskedRecord is the same of a record of a call: of the messages in it, and of what its media has.
func MaskedRecord(data []byte) []byte {
	return hidden(data, "inline:", `"Send":"`, `"Receive":"`, `"Key":"`)
}

// hidden hides the base64 that follows any of some texts.
func hidden(data []byte, after ...string) []byte {
	copied := false
	for _, text := range after {
		for at := 0; ; {
			i := bytes.Index(data[at:], []byte(text))
			if i < 0 {
				break
			}
			from := at + i + len(text)
			at = from
			for at < len(data) && isBase64(data[at]) {
				at++
			}
			if from == at {
				continue
			}
			if !copied {
				data, copied = bytes.Clone(data), true
			}
			key := data[from:at]
			last := key
			for len(key) > 0 {
				sum := sha256.Sum256(last)
				key = key[copy(key, base64.RawStdEncoding.EncodeToString(sum[:])):]
				last = sum[:]
			}
		}
	}
	return data
}

// isBase64 says that a character is one of base64's, but for the padding at the end.
func isBase64(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/'
}
