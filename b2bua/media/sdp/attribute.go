package sdp

import "bytes"

// attributeName is what follows "a=", up to the colon, in lower case: names have a case (RFC
// 8866 §5.13), and some readers do not know.
func attributeName(value []byte) []byte {
	name, _, _ := bytes.Cut(value, []byte(":"))
	name = bytes.TrimSpace(name)
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			return bytes.ToLower(name)
		}
	}
	return name
}

// goes says that an attribute is not for the other side. t is the transport of its m= line;
// of the session's it is RTP where no line has another.
func (k Keep) goes(value []byte, anchored bool, t Transport) bool {
	switch string(attributeName(value)) {
	case "candidate", "remote-candidates", "end-of-candidates", "ice-ufrag", "ice-pwd", "ice-lite", "ice-options",
		"ice-mismatch", "ice-pacing":
		return k&KeepICE == 0
	case "fingerprint", "tls-id", "dtls-id", "identity":
		return k&KeepDTLS == 0
	case "setup", "connection": // of TCP also (RFC 4145), which is not ours
		return k&KeepDTLS == 0 && t != OtherTransport
	case "crypto", "key-mgmt":
		return k&KeepCrypto == 0
	case "ssrc": // of the others an end needs to tell streams apart
		return k&KeepCNAME == 0 && bytes.Contains(value, []byte(" cname:"))
	case "group":
		return k&KeepBundle == 0 && bytes.HasPrefix(value, []byte("group:BUNDLE"))
	case "bundle-only":
		return k&KeepBundle == 0
	case "acap", "tcap", "pcfg", "acfg", "csup", "creq", "rmcap", "omcap", "mfcap", "mscap", "lcfg", "sescap", "ccap", "bcap", "icap":
		return k&KeepOther == 0 || k&KeepCrypto == 0 // an acap may be a key (RFC 5939 §3.4.2)
	case "altc", "alt", "source-filter", "visited-realm", "secondary-realm", "omr-m-cksum", "omr-s-cksum":
		return k&KeepOther == 0 && anchored
	}
	return false
}
