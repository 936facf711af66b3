package ops_test

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/b2bua/simtest"
)

// wrongs are calls in which tc1 does everything that is counted, over two hours.
const wrongs = `
carrier tc1 no_answer=10s linger=3m
carrier tc2
route * tc1 tc2/+33799887766
trunk auto ACK
tc2 auto 486 INVITE
trunk INVITE +33123456789 sdp
tc1 100 ; tc1 503 every 500ms..4s for 20s
settle
trunk INVITE +33123456790 sdp
tc1 100 ; tc1 503 tag=one ; tc1 503 tag=two
settle
tc1 auto 200 CANCEL
trunk INVITE +33123456791 sdp
tc1 100 ; tc1 180
settle
tc1 auto 200 BYE
trunk INVITE +33123456792 sdp
tc1 100 ; tc1 180 ; +10s tc1 200 sdp
settle
trunk INVITE +33123456794 sdp
tc1 183 sdp ; tc1 200 sdp=2 "s/ 7 2 / 7 1 /"
trunk BYE
settle
wait 1h
trunk INVITE +33123456793 sdp
+3s tc1 486
settle
`

// gathered is the zip of a carrier.
func gathered(t *testing.T, hour func(begin time.Time) time.Time, redact ops.Redact) (files map[string]string, day ops.Score) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		journal := &b2bua.Journal{Keep: 3 * time.Hour}
		cards := &ops.Scorecards{Journal: journal, Now: time.Now}
		s := simtest.Open(t, nil)
		s.Watch = b2bua.Observers{journal, cards}
		defer s.Close()
		s.Do(wrongs)
		day, _, _ = cards.Of("tc1")
		e := cards.Evidence("sbc-a", "tc1", hour(begin), redact, time.Now())
		var b bytes.Buffer
		if err := e.Write(&b); err != nil {
			t.Fatal(err)
		}
		z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
		if err != nil {
			t.Fatal(err)
		}
		files = map[string]string{}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			files[f.Name] = string(text)
		}
	})
	return files, day
}

func always(time.Time) time.Time { return time.Time{} }

// TestEvidence: the counts of the zip are those of the scorecard, each misbehaviour has its
// section and its ladder, and no number is whole in it, nor anybody else's name.
func TestEvidence(t *testing.T) {
	files, day := gathered(t, always, ops.Redact{Numbers: "last4"})
	var e ops.Evidence
	if err := json.Unmarshal([]byte(files["evidence.json"]), &e); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"ack_ignored": day.ACKIgnored, "answered_after_cancel": day.Late, "no_final_after_cancel": day.NoFinal, "to_tag_changes": day.ToTags, "no_100": day.No100, "bad_origins": day.Origins}
	if day.ToTags != 1 || day.Origins != 1 || day.NoFinal != 1 || day.Late != 1 || day.No100 != 1 || day.ACKIgnored < 7 {
		t.Fatalf("the scenario does not show what it should: %+v", day)
	}
	for _, m := range e.What {
		if m.Count != want[m.Name] {
			t.Errorf("%s: %d, and the scorecard has %d", m.Name, m.Count, want[m.Name])
		}
		delete(want, m.Name)
		if !strings.HasPrefix(m.Section, "RFC 3261 §") && !strings.HasPrefix(m.Section, "RFC 3264 §") || !strings.Contains(files["README.txt"], m.Section) || !strings.Contains(files["README.txt"], m.Says) {
			t.Errorf("%s: the letter does not say %s", m.Name, m.Section)
		}
		ladder := files["ladders/"+m.Name+"/001.txt"]
		if !strings.Contains(ladder, "tc1") || !strings.Contains(ladder, "Call-ID:  ") {
			t.Errorf("%s has no ladder:\n%s", m.Name, ladder)
		}
	}
	if len(want) > 0 {
		t.Errorf("not told: %v", want)
	}
	rows, err := csv.NewReader(strings.NewReader(files["counts.csv"])).ReadAll()
	if err != nil || len(rows) != 3 || rows[1][1] != "5" || rows[2][1] != "1" || rows[2][len(rows[2])-1] != "1" {
		t.Errorf("%q %v", rows, err)
	}
	for name, text := range files {
		for _, private := range []string{"+331234567", "+33612345678", "6789", "5678", "+3379", "tc2", "trunk "} {
			if at := strings.Index(text, private); at >= 0 {
				t.Errorf("%s: %q is in it: %s", name, private, text[max(0, at-60):min(len(text), at+60)])
			}
		}
	}
	if l := files["ladders/ack_ignored/001.txt"]; !strings.Contains(l, "+3312345xxxx") || !strings.Contains(l, "503 ×8") || !strings.Contains(l, "each ACKed") {
		t.Error(l)
	}
}

// TestEvidenceWhileMoreMayCome: a call to which its carrier still repeats itself is not shown
// before it is counted; it is said that there is one.
func TestEvidenceWhileMoreMayCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := &b2bua.Journal{Keep: 3 * time.Hour}
		cards := &ops.Scorecards{Journal: journal, Now: time.Now}
		s := simtest.Open(t, nil)
		s.Watch = b2bua.Observers{journal, cards}
		defer s.Close()
		look := func() (ops.Evidence, bool) {
			e := cards.Evidence("sbc-a", "tc1", time.Time{}, ops.Redact{}, time.Now())
			var b bytes.Buffer
			if err := e.Write(&b); err != nil {
				t.Fatal(err)
			}
			z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
			if err != nil {
				t.Fatal(err)
			}
			_, err = z.Open("ladders/ack_ignored/001.txt")
			return e, err == nil
		}
		s.Do("carrier tc1 linger=3m\ncarrier tc2\nroute * tc1 tc2\ntrunk auto ACK\ntc2 auto 486 INVITE\ntrunk INVITE +33123456789 sdp\ntc1 100 ; tc1 503 every 500ms..4s for 20s\nwait 25s")
		if e, there := look(); e.Settling != 1 || e.What[0].Count != 0 || there {
			t.Errorf("%d settle, %d counted, ladder %v", e.Settling, e.What[0].Count, there)
		}
		s.Do("settle")
		if e, there := look(); e.Settling != 0 || e.What[0].Count == 0 || !there {
			t.Errorf("%d settle, %d counted, ladder %v", e.Settling, e.What[0].Count, there)
		}
	})
}

// Of one hour: what the other has done is not in it. With all digits hidden none is left.
func TestEvidenceOfAnHour(t *testing.T) {
	files, _ := gathered(t, func(begin time.Time) time.Time { return begin.Add(time.Hour) }, ops.Redact{Numbers: "all"})
	var e ops.Evidence
	if err := json.Unmarshal([]byte(files["evidence.json"]), &e); err != nil {
		t.Fatal(err)
	}
	for _, m := range e.What {
		if n := map[string]int{"no_100": 1}[m.Name]; m.Count != n {
			t.Errorf("%s: %d", m.Name, m.Count)
		}
	}
	if l := files["ladders/no_100/001.txt"]; !strings.Contains(l, "+xxxxxxxxxxx") || strings.Contains(l, "+33") {
		t.Error(l)
	}
	if len(files) != 4 {
		t.Errorf("%d files", len(files))
	}
}
