package b2bua_test

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"

	"bulkhead/b2bua"
	"bulkhead/b2bua/simtest"
	"bulkhead/dialog"

	"golang.org/x/tools/txtar"
)

// secrets are the keys of testdata/media_srtp.txtar: the trunk's two, and ours.
var secrets = []string{"MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNk", strings.Repeat("AQEB", 10)}

// shown keeps what an observer is shown.
type shown struct {
	t    *testing.T
	keys []string
	all  int
}

func (s *shown) Saw(x b2bua.Sight) {
	s.all++
	if head, body, _ := strings.Cut(string(x.Data), "\r\n\r\n"); len(x.Data) > 0 && !strings.Contains(head, "Content-Length: "+strconv.Itoa(len(body))+"\r\n") && !strings.HasSuffix(head, "Content-Length: "+strconv.Itoa(len(body))) {
		s.t.Errorf("the length is not that of the body:\n%s", x.Data)
	}
	for _, line := range strings.Split(string(x.Data), "\n") {
		if _, key, found := strings.Cut(line, " inline:"); found {
			key, _, _ = strings.Cut(strings.TrimSpace(key), "|")
			s.keys = append(s.keys, key)
		}
	}
	for _, secret := range secrets {
		if bytes.Contains(x.Data, []byte(secret)) {
			s.t.Errorf("a key is shown:\n%s", x.Data)
		}
	}
}
func (*shown) Hunted(dialog.CallID, b2bua.Failover) {}
func (*shown) Ended(dialog.CallID, b2bua.Record)    {}
func (*shown) Left(dialog.CallID)                   {}

// Nobody is shown a key, whoever watches; one can see when it is another one.
func TestKeysAreNotShown(t *testing.T) {
	text, err := os.ReadFile("testdata/media_srtp.txtar")
	if err != nil {
		t.Fatal(err)
	}
	see := &shown{t: t}
	captured(t, &b2bua.Captures{}, func(s *simtest.Stage, _ *calls) {
		s.Watch = b2bua.Observers{see}
		s.Do(string(txtar.Parse(text).Files[0].Data))
	})
	if see.all < 20 || len(see.keys) != 8 || len(see.keys[0]) != len(secrets[0]) {
		t.Fatalf("%d messages, keys %q", see.all, see.keys)
	}
	// The trunk's first offer has the same key twice; its change has it again; then there is another one, twice.
	first, ours, other := see.keys[0], see.keys[2], see.keys[5]
	for i, want := range []string{first, first, ours, first, ours, other, other, ours} {
		if see.keys[i] != want {
			t.Errorf("key %d is shown as %q, not %q", i, see.keys[i], want)
		}
	}
	if first == ours || first == other || ours == other {
		t.Errorf("keys that differ are shown alike: %q", see.keys)
	}
}
