package ops_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/dialog"
)

// last is a journal that tells which call it saw last.
type last struct {
	*b2bua.Journal
	mu sync.Mutex
	id dialog.CallID
}

func (l *last) Saw(s b2bua.Sight) {
	l.mu.Lock()
	l.id = s.Call
	l.mu.Unlock()
	l.Journal.Saw(s)
}

func (l *last) call() dialog.CallID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id
}

const founding = `           trunk                     bulkhead                  tc1                       tc2
    0.000  │── INVITE +33123456789 ─▶│                         │                         │
    0.000  │◀───────── 100 ──────────│                         │                         │
    0.000  │                         │── INVITE +33123456789 ─▶│                         │
    0.000  │                         │◀───────── 100 ──────────│                         │
    0.000  │                         │◀───────── 180 ──────────│                         │
    0.000  │◀──────── 180 ×2 ────────│                         │                         │   until 10.000
   10.000  │                         │─────────────────────────│──── INVITE +33789456 ──▶│
   10.000  │                         │╌╌╌╌╌╌╌╌╌ CANCEL ╌╌╌╌╌╌╌▶│                         │
   10.000  │                         │◀╌╌╌╌╌ 200 (CANCEL) ╌╌╌╌╌│                         │
   10.000  │                         │◀╌╌╌╌╌╌╌ 487 ×18 ╌╌╌╌╌╌╌╌│                         │   until 69.500, each ACKed, ✱ 17 absorbed
   10.000  │                         │◀────────────────────────│────────── 100 ──────────│
   10.000  │                         │◀────────────────────────│────────── 180 ──────────│
   12.000  │                         │◀────────────────────────│────────── 200 ──────────│
   12.000  │                         │─────────────────────────│────────── ACK ─────────▶│
   12.000  │◀───────── 200 ──────────│                         │                         │
   12.000  │────────── ACK ─────────▶│                         │                         │
  102.000  │────────── BYE ─────────▶│                         │                         │
  102.000  │◀────── 200 (BYE) ───────│                         │                         │
  102.000  │                         │─────────────────────────│────────── BYE ─────────▶│
  102.000  │                         │◀────────────────────────│─────── 200 (BYE) ───────│
`

func TestLadderOfTheFoundingFailure(t *testing.T) {
	l := ops.NewLadder(play(t, faults[len(faults)-1].script))
	if got := l.Text(); got != founding {
		t.Errorf("got\n%s\nwant\n%s", got, founding)
	}
	decoder := xml.NewDecoder(strings.NewReader(l.SVG()))
	for texts := 0; ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			if texts < 2*len(l.Rungs) {
				t.Errorf("%d texts for %d rungs", texts, len(l.Rungs))
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "text" {
			texts++
		}
	}
	text, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	var again ops.Ladder
	if err := json.Unmarshal(text, &again); err != nil || again.Text() != founding {
		t.Errorf("%v\n%s", err, again.Text())
	}
}

// TestDrawingEscapesNames: numbers are a caller's choice.
func TestDrawingEscapesNames(t *testing.T) {
	l := ops.Ladder{Trunk: ops.Party{Name: "a", Number: `"><script>`}, Rungs: []ops.Rung{{Rung: b2bua.Rung{In: true, Method: "INVITE", Count: 1}}}}
	if svg := l.SVG(); strings.Contains(svg, "<script>") {
		t.Error(svg)
	}
}

func TestLadderOfACallThatWasTakenOver(t *testing.T) {
	l := ops.NewLadder(b2bua.Account{Rungs: []b2bua.Rung{{In: true, Method: "BYE", Count: 1}}, Lost: 3}, b2bua.Record{})
	for _, want := range []string{"taken over", "3 more messages", "the call is up"} {
		if !strings.Contains(l.Text(), want) {
			t.Errorf("%q is not in\n%s", want, l.Text())
		}
	}
}
