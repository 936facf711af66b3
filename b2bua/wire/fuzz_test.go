package wire_test

import (
	"path/filepath"
	"strings"
	"testing"

	"bulkhead/b2bua/wire"

	"github.com/emiago/sipgo/sip"
)

// FuzzParse: no panic; and whatever passes, with a fault or without, can be
// written into another message without changing that one's lines.
func FuzzParse(f *testing.F) {
	for _, glob := range []string{"rfc4475/*.dat", "rfc5118/*.dat", "jsip/*.sip"} {
		files, _ := filepath.Glob("testdata/torture/" + glob)
		for _, file := range files {
			file, _ = filepath.Rel("testdata/torture", file)
			f.Add(read(f, file))
		}
	}
	f.Add(message("INVITE", "seed", 10))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, fault, err := wire.Parse(raw, wire.Limits{})
		if (m == nil) != (err != nil) || m == nil && fault != nil {
			t.Fatalf("%v, %v, %v", m, fault, err)
		}
		if m == nil {
			return
		}
		seen := map[string]int{}
		for _, h := range headers(m) {
			if strings.ContainsAny(h.Name()+h.Value(), "\x00\r\n") {
				t.Errorf("%q: %q", h.Name(), h.Value())
			}
			seen[h.Name()]++
		}
		for _, name := range []string{"From", "To", "Call-ID", "CSeq"} {
			if seen[name] != 1 {
				t.Errorf("%d %s", seen[name], name)
			}
		}
		if seen["Via"] == 0 || seen["Max-Forwards"] > 1 || seen["Content-Length"] > 1 {
			t.Errorf("%v", seen)
		}
		switch m := m.(type) {
		case *sip.Request:
			if strings.ContainsAny(string(m.Method), " \t\r\n\x00") || strings.ContainsAny(m.Recipient.String(), " \t\r\n\x00<>\"") {
				t.Errorf("%q %q", m.Method, m.Recipient.String())
			}
		case *sip.Response:
			if fault != nil || m.StatusCode < 100 || m.StatusCode > 699 || strings.ContainsAny(m.Reason, "\r\n\x00") {
				t.Errorf("%d %q %+v", m.StatusCode, m.Reason, fault)
			}
		}
	})
}
