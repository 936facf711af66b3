package ops

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// TestOrigins: what a carrier describes in a dialog is held to RFC 4566 §5.2 and RFC 3264 §8, each
// dialog for itself.
func TestOrigins(t *testing.T) {
	const plain = "- 7 1 IN IP4 192.0.2.1"
	for name, c := range map[string]struct {
		said []string // tag, o=, rest
		bad  bool
	}{
		"one":                          {said: []string{"a", plain, "x"}},
		"the same again":               {said: []string{"a", plain, "x", "a", plain, "x"}},
		"a change that is one":         {said: []string{"a", plain, "x", "a", "- 7 2 IN IP4 192.0.2.1", "y"}},
		"two forks":                    {said: []string{"a", plain, "x", "b", "- 9 5 IN IP4 192.0.2.9", "y"}},
		"a version that stays":         {said: []string{"a", plain, "x", "a", plain, "y"}, bad: true},
		"a version that falls":         {said: []string{"a", "- 7 2 IN IP4 192.0.2.1", "x", "a", plain, "y"}, bad: true},
		"another session":              {said: []string{"a", plain, "x", "a", "- 8 2 IN IP4 192.0.2.1", "y"}, bad: true},
		"another user":                 {said: []string{"a", plain, "x", "a", "me 7 2 IN IP4 192.0.2.1", "y"}, bad: true},
		"another address":              {said: []string{"a", plain, "x", "a", "- 7 2 IN IP4 192.0.2.2", "y"}, bad: true},
		"five fields":                  {said: []string{"a", "7 1 IN IP4 192.0.2.1", "x"}, bad: true},
		"a version that is no number":  {said: []string{"a", "- 7 one IN IP4 192.0.2.1", "x"}, bad: true},
		"a session that is no number":  {said: []string{"a", "- x 1 IN IP4 192.0.2.1", "x"}, bad: true},
		"wrong at first, right at end": {said: []string{"a", "7 1 IN IP4 192.0.2.1", "x", "a", plain, "x"}, bad: true},
	} {
		var o origins
		id := dialog.CallID{1}
		for i := 0; i < len(c.said); i += 3 {
			body := fmt.Sprintf("v=0\r\no=%s\r\ns=%s\r\n", c.said[i+1], c.said[i+2])
			o.saw(b2bua.Sight{Call: id, Leg: 2, In: true, Method: "INVITE", Code: 200, Data: []byte("SIP/2.0 200 OK\r\nTo: <sip:x>;tag=" + c.said[i] + "\r\n\r\n" + body)})
		}
		if wrong := o.left(id); (len(wrong) > 0) != c.bad || c.bad && (wrong[0] != 1 || !o.bad(id.String(), 1) || o.bad(id.String(), 0)) {
			t.Errorf("%s: %v", name, wrong)
		}
		if len(o.seen) > 0 {
			t.Errorf("%s: the call is kept", name)
		}
	}
}

// TestOriginsOfAChange: the carrier's own re-INVITE is of the dialog that its 200 has made.
func TestOriginsOfAChange(t *testing.T) {
	var o origins
	body := "\r\n\r\nv=0\r\no=- 7 1 IN IP4 192.0.2.1\r\ns=%s\r\n"
	o.saw(b2bua.Sight{Leg: 1, In: true, Method: "INVITE", Code: 200, Data: fmt.Appendf(nil, "SIP/2.0 200 OK\r\nFrom: <sip:us>;tag=us\r\nTo: <sip:x>;tag=a"+body, "x")})
	o.saw(b2bua.Sight{Leg: 1, In: true, Method: "INVITE", Data: fmt.Appendf(nil, "INVITE sip:us SIP/2.0\r\nf: <sip:x>;tag=a\r\nt: <sip:us>;tag=us"+body, "y")})
	if wrong := o.left(dialog.CallID{}); len(wrong) != 1 {
		t.Errorf("%v", wrong)
	}
}

// TestOriginsOfRealBodies: of what real peers have sent, said twice, those alone are wrong whose
// o= line is missing or names no session by number.
func TestOriginsOfRealBodies(t *testing.T) {
	files, err := filepath.Glob("../media/sdp/testdata/bodies/*")
	if err != nil || len(files) < 100 {
		t.Fatalf("%d bodies: %v", len(files), err)
	}
	var bad []string
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var o origins
		for range 2 {
			o.saw(b2bua.Sight{Leg: 1, In: true, Method: "INVITE", Code: 200, Data: append([]byte("SIP/2.0 200 OK\r\nTo: <sip:x>;tag=a\r\n\r\n"), data...)})
		}
		if len(o.left(dialog.CallID{})) > 0 {
			bad = append(bad, strings.TrimSuffix(filepath.Base(f), ".sdp"))
		}
	}
	want := []string{"5358e5cdb445", "60d44ab58ffa", "685a2a51f4c3", "cbf22de52e27"} // three without, one of session 10Z815165
	if !slices.Equal(bad, want) {
		t.Errorf("%v", bad)
	}
}
