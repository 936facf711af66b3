package ops

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// named is a node of which only the name matters.
type named struct {
	Node
	name string
}

// Version is Node.
func (n named) Version() Version { return Version{Node: n.name} }

// TestErrandsGrowOld, by the clock of either node, and say as whom they are made.
func TestErrandsGrowOld(t *testing.T) {
	key := []byte("key")
	s := &Server{node: named{name: "b"}, config: Config{PeerKey: key}}
	made := time.Unix(1_800_000_000, 0)
	for off, good := range map[time.Duration]bool{0: true, errandFor: true, -errandFor: true, errandFor + time.Second: false, -errandFor - time.Second: false} {
		for _, method := range []string{"GET", "DELETE"} {
			sealed := errand{"a", "b", "joe", "operator", made.Unix(), method + off.String()}.seal(key, method, "/v1/calls")
			_, sealed, _ = strings.Cut(sealed, " ")
			who := s.errand(httptest.NewRequest(method, "/v1/calls", nil), sealed, made.Add(off))
			if want := (caller{Name: "joe", Role: Operator, Via: "a"}); good && who != want || !good && (who.Role != Nobody || !strings.Contains(who.Wrong, "clock")) {
				t.Errorf("%s off: %+v", off, who)
			}
		}
	}
	sealed := errand{"a", "b", "joe", "king", made.Unix(), ""}.seal(key, "GET", "/")
	if who := s.errand(httptest.NewRequest("GET", "/", nil), strings.Fields(sealed)[1], made); who.Role != Nobody {
		t.Errorf("%+v", who)
	}
	for range 3 { // what has been heard is forgotten when it is of no use any more
		made = made.Add(3 * errandFor)
		s.heard.first("x", made)
	}
	if n := len(s.heard.when); n != 1 {
		t.Errorf("%d are remembered", n)
	}
}
