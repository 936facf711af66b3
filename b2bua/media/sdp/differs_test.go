package sdp

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	pion "github.com/pion/sdp/v3"
)

// differs rewrites a body and complains where what is not ours to change is not what it was.
// It reads lines with its own eyes. Nil: the rules would have SRTP without keys.
func differs(t testing.TB, name string, body []byte, r Rules) []byte {
	t.Helper()
	b, err := Parse(body)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	out, err := b.Rewrite(r)
	var f *Fault
	if errors.As(err, &f) && f.Name == NoKeys {
		return nil
	}
	if err != nil {
		t.Fatalf("%s: %v\n%q", name, err, body)
	}
	if a, b := theirs(body, r), theirs(out, r); !slices.Equal(a, b) {
		t.Errorf("%s: changed what is not ours:\n%q\n%q\nof\n%s\nis\n%s", name, a, b, body, out)
	}
	if bytes.Count(out, []byte("\n")) != bytes.Count(out, []byte("\r\n")) || !bytes.HasSuffix(out, []byte("\r\n")) {
		t.Errorf("%s: lines that do not end with CRLF: %q", name, out)
	}
	if r.Addr.IsValid() {
		addressesAreOurs(t, name, out, r)
	}
	again, err := Parse(out)
	if err != nil {
		t.Fatalf("%s: our own is refused: %v\n%s", name, err, out)
	}
	if len(again.Media()) != len(b.Media()) {
		t.Fatalf("%s: %d streams, were %d\n%s", name, len(again.Media()), len(b.Media()), out)
	}
	for i, m := range again.Media() {
		was := b.Media()[i]
		if m.Held() != was.Held() && !m.Refused() {
			t.Errorf("%s: stream %d is held: %v\n%s\n%s", name, i, m.Held(), body, out)
		}
		if m.Refused() != (was.Refused() || r.Media != nil && r.Media[i].Port == 0 && !r.Media[i].Same) {
			t.Errorf("%s: stream %d is refused: %v\n%s", name, i, m.Refused(), out)
		}
		if !slices.Equal(m.Formats, was.Formats) || m.Kind != was.Kind || m.Transport != was.Transport {
			t.Errorf("%s: stream %d is another one: %v, was %v", name, i, m, was)
		}
	}
	twice, err := again.Rewrite(r)
	if err != nil || !bytes.Equal(twice, out) {
		t.Errorf("%s: rewritten twice, %v:\n%s\nwas\n%s\nof\n%s", name, err, twice, out, body)
	}
	if r.Addr.IsValid() {
		pionReads(t, name, again, out)
	}
	return out
}

// theirs are the lines that are not ours, with what is theirs of an m= line.
func theirs(body []byte, r Rules) (list []string) {
	inMedia := false
	for l := range strings.SplitSeq(string(body), "\n") {
		l = strings.TrimRight(l, "\r")
		if t := strings.TrimLeft(l, " \t"); t == "" || len(t) > 1 && t[1] == '=' && t[0] >= 'a' && t[0] <= 'z' {
			l = t
		}
		kind, value, ok := strings.Cut(l, "=")
		switch {
		case l == "":
		case !ok || len(kind) != 1:
			list = append(list, l)
		case kind == "v":
			inMedia = false
		case slices.Contains(strings.Fields("o s i u e p k c"), kind):
		case kind == "t" && !inMedia && strings.TrimSpace(value) == "0 0": // where it lacks it is added
		case kind == "m":
			inMedia = true
			f := words(value)
			if r.Media != nil {
				f[1], f[2] = "", ""
			}
			list = append(list, strings.Join(f, " "))
		case kind == "a" && ourAttribute(value):
		default:
			list = append(list, l)
		}
	}
	return list
}

// words are what stands between blanks of ASCII: SDP knows no others.
func words(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == '\t' })
}

// ourAttribute lists what a border decides on, in the words of RFC 8839, 8842, 4568, 5576 and
// so on; here, so that the package's own list is not its own witness.
func ourAttribute(value string) bool {
	name, rest, _ := strings.Cut(value, ":")
	switch name = strings.ToLower(strings.TrimSpace(name)); name {
	case "ssrc":
		return strings.Contains(rest, " cname:")
	case "group":
		return strings.HasPrefix(rest, "BUNDLE")
	}
	if _, ok := map[string]bool{"sendrecv": true, "sendonly": true, "recvonly": true, "inactive": true}[name]; ok {
		return true
	}
	return slices.Contains(strings.Fields(`rtcp rtcp-mux rtcp-mux-only crypto key-mgmt candidate remote-candidates end-of-candidates
		ice-ufrag ice-pwd ice-lite ice-options ice-mismatch ice-pacing fingerprint tls-id dtls-id identity setup connection bundle-only
		acap tcap pcfg acfg csup creq rmcap omcap mfcap mscap lcfg sescap ccap bcap icap altc alt source-filter
		visited-realm secondary-realm omr-m-cksum omr-s-cksum`), name)
}

// addressesAreOurs looks at all lines that tell one.
func addressesAreOurs(t testing.TB, name string, out []byte, r Rules) {
	t.Helper()
	for l := range strings.SplitSeq(string(out), "\r\n") {
		switch {
		case strings.HasPrefix(l, "o="), strings.HasPrefix(l, "c="), strings.HasPrefix(l, "a=rtcp:") && strings.Contains(l, " "):
			if !strings.HasSuffix(l, " "+r.Addr.String()) && l != "c=IN IP4 0.0.0.0" {
				t.Errorf("%s: an address of theirs: %q\n%s", name, l, out)
			}
		case r.Keep&KeepICE == 0 && strings.HasPrefix(l, "a=candidate:"):
			t.Errorf("%s: a candidate: %s", name, l)
		}
	}
}

// pionReads gives what is written to pion as it is, where it holds nothing that pion does not
// know: it is the strict reader.
func pionReads(t testing.TB, name string, b *Body, out []byte) {
	t.Helper()
	if len(b.parts) > 1 {
		return
	}
	for _, m := range b.Media() {
		if m.Transport != RTP || m.Proto != strings.ToUpper(m.Proto) {
			return
		}
	}
	order := "vosc0t0a1"
	at := 0
	for i := range b.lines { // the order of the lines is theirs
		l := &b.lines[i]
		switch {
		case l.kind == 'm' && !slices.Contains(kinds, words(string(l.value()))[0]):
			return
		case l.media != session && l.kind == 'm':
			order, at = "ma", 0
		case l.media != session && l.kind != 'c' && l.kind != 'a', l.kind == 0, l.kind == 'b':
			return
		case l.kind == 't' && !regexp.MustCompile(`^t=[0-9]+ [0-9]+$`).Match(l.text):
			return
		}
		n := strings.IndexByte(order, l.kind)
		if l.media == session && n < at || n < 0 && l.kind != 'c' {
			return
		}
		at = n
	}
	var d pion.SessionDescription
	if err := d.Unmarshal(out); err != nil {
		t.Errorf("%s: pion does not read it: %v\n%s", name, err, out)
	} else if len(d.MediaDescriptions) != len(b.Media()) {
		t.Errorf("%s: pion reads %d streams\n%s", name, len(d.MediaDescriptions), out)
	}
}
