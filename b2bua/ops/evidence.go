package ops

import (
	"archive/zip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// Misbehaviour is something that a carrier does that SIP does not foresee.
type Misbehaviour struct {
	Name    string `json:"name"`
	What    string `json:"what"`
	Section string `json:"section"` // of the RFC
	Says    string `json:"says"`    // what is there, in our words
	Count   int    `json:"count"`   // in the span

	count func(*Score) int
	shows func(b2bua.Account, int) bool // that the attempt, from 0, of the call has it
}

// misbehaviours are those that are counted, in the order in which they are told.
func (c *Scorecards) misbehaviours() []Misbehaviour {
	finals := func(a b2bua.Account, attempt int) (cancelled, finals, repeats int) {
		for _, r := range a.Rungs {
			if int(r.Leg) != attempt+1 || !r.In {
				continue
			}
			switch {
			case r.Method == "CANCEL" && r.Code/100 == 2:
				cancelled++
			case r.Method == "INVITE" && r.Code >= 200:
				finals++
				if r.Code >= 300 {
					repeats += r.Count - 1
				}
			}
		}
		return cancelled, finals, repeats
	}
	return []Misbehaviour{
		{
			Name: "ack_ignored", What: "refusals that were sent again although each copy had been acknowledged",
			Section: "RFC 3261 §17.2.1 (and figure 7)",
			Says:    "A server transaction that has its ACK in the Completed state goes to Confirmed; from there it sends the final response no more.",
			count:   func(s *Score) int { return s.ACKIgnored },
			shows:   func(a b2bua.Account, n int) bool { _, _, repeats := finals(a, n); return repeats > 0 },
		},
		{
			Name: "answered_after_cancel", What: "2xx responses for calls that had been cancelled",
			Section: "RFC 3261 §9.2",
			Says:    "A server that has not yet answered when the CANCEL comes ends the INVITE with 487. A 2xx that crosses the CANCEL on its way is no fault; one that follows the 200 to the CANCEL is. Each was acknowledged and ended by BYE at once (§15).",
			count:   func(s *Score) int { return s.Late },
			shows:   func(a b2bua.Account, n int) bool { return a.Record.Attempts[n].Late },
		},
		{
			Name: "no_final_after_cancel", What: "CANCELs that were accepted, while the INVITE never had its final response",
			Section: "RFC 3261 §9.2, §13.3.1.4 and §17.1.1",
			Says:    "CANCEL has a response of its own; the INVITE still has to be answered finally, with 487 as a rule. Without that the client transaction can only time out.",
			count:   func(s *Score) int { return s.NoFinal },
			shows:   func(a b2bua.Account, n int) bool { cancelled, all, _ := finals(a, n); return cancelled > 0 && all == 0 },
		},
		{
			Name: "to_tag_changes", What: "final refusals of one INVITE that had different To-tags",
			Section: "RFC 3261 §8.2.6.2",
			Says:    "All responses of a server to one request have one and the same tag in To.",
			count:   func(s *Score) int { return s.ToTags },
			shows:   func(a b2bua.Account, n int) bool { return c.tags.changed(a.Record.Call, n) },
		},
		{
			Name: "bad_origins", What: "attempts whose descriptions had an o= line that is none, that named another session within a dialog, or whose version fell, or stayed while the rest changed",
			Section: "RFC 3264 §8 (and RFC 4566 §5.2)",
			Says:    "When a description is changed within a dialog, its o= line stays but for the version, which rises by one; while the version is the same, so is the description. Who compares versions, as the RFC lets him, does not see the change else.",
			count:   func(s *Score) int { return s.Origins },
			shows:   func(a b2bua.Account, n int) bool { return c.origins.bad(a.Record.Call, n) },
		},
		{
			Name: "no_100", What: "first responses that came after more than 200 ms and were no 100",
			Section: "RFC 3261 §17.2.1",
			Says:    "A server transaction says 100 unless it knows that another response follows within 200 ms, so that the INVITE is not repeated.",
			count:   func(s *Score) int { return s.No100 },
			shows:   func(a b2bua.Account, n int) bool { return late100(a.Record.Attempts[n]) },
		},
	}
}

// Evidence is what is known of a carrier's misbehaviour in a span of time.
type Evidence struct {
	Carrier string         `json:"carrier"`
	Node    string         `json:"node"`
	From    time.Time      `json:"from"`
	To      time.Time      `json:"to"`
	Made    time.Time      `json:"made"`
	Sum     Score          `json:"sum"`
	Hours   []Score        `json:"hours"`
	What    []Misbehaviour `json:"misbehaviours"`

	// Settling is how many calls have ended to whose legs the carrier may still say something:
	// what it does there is counted once that is over.
	Settling int `json:"settling"`

	calls map[string][]string // ladders, by the misbehaviour's name
}

// mostLadders is how many are shown of each misbehaviour.
const mostLadders = 20

// Evidence gathers it: of one hour, or of all that are kept where it is zero. Numbers are
// redacted, the trunk and other carriers are not named.
func (c *Scorecards) Evidence(node, carrier string, hour time.Time, redact Redact, now time.Time) Evidence {
	e := Evidence{Carrier: carrier, Node: node, Made: now.UTC(), From: now.Add(-hours * time.Hour).UTC().Truncate(time.Hour), To: now.UTC(), calls: map[string][]string{}, Hours: []Score{}}
	if !hour.IsZero() {
		e.From = hour.UTC().Truncate(time.Hour)
		e.To = e.From.Add(time.Hour)
	}
	_, each, _ := c.Of(carrier)
	for _, s := range each {
		if !s.From.Before(e.From) && s.From.Before(e.To) {
			e.Hours = append(e.Hours, s)
			e.Sum.add(s)
		}
	}
	e.Sum.ratios()
	e.What = c.misbehaviours()
	for i := range e.What {
		e.What[i].Count = e.What[i].count(&e.Sum)
	}
	c.Journal.Past(now, func(_ dialog.CallID, a b2bua.Account) {
		if a.Record.Ended.Before(e.From) || !a.Record.Ended.Before(e.To) {
			return
		}
		for n, t := range a.Record.Attempts {
			if t.Carrier != carrier {
				continue
			}
			if !a.Left {
				e.Settling++
				return
			}
			for _, m := range e.What {
				if len(e.calls[m.Name]) < mostLadders && m.shows(a, n) {
					e.calls[m.Name] = append(e.calls[m.Name], shown(a, n, redact))
				}
			}
		}
	})
	return e
}

// shown is the ladder of one attempt, for its carrier: with the caller's side, without what
// concerns others.
func shown(a b2bua.Account, attempt int, redact Redact) string {
	r, t := *a.Record, a.Record.Attempts[attempt]
	l := NewLadder(a, r)
	l.Trunk = Party{"caller", redact.Number(r.To)}
	l.Legs = []Party{{t.Carrier, redact.Number(t.Number)}}
	kept := l.Rungs[:0]
	for _, rung := range l.Rungs {
		if int(rung.Leg) == attempt+1 {
			rung.Leg = 1
		} else if rung.Leg != 0 {
			continue
		}
		kept = append(kept, rung)
	}
	l.Rungs = kept
	number := t.Number
	if t.Dialled != "" {
		number = t.Dialled
	}
	return fmt.Sprintf("Call-ID:  %s\ngateway:  %s\nnumber:   %s\ncaller:   %s\nbegan:    %s (0.000 is %s)\n\n%s",
		t.CallID, t.Gateway, redact.Number(number), redact.Number(r.From), t.Began.UTC().Format("2006-01-02T15:04:05.000Z"),
		l.Began.UTC().Format("2006-01-02T15:04:05.000Z"), l.Text())
}

// Write writes a zip: a letter, the counts per hour, the same for machines, and ladders.
func (e *Evidence) Write(w io.Writer) error {
	z := zip.NewWriter(w)
	put := func(name string, write func(io.Writer) error) error {
		f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: e.Made})
		if err != nil {
			return err
		}
		return write(f)
	}
	if err := put("README.txt", e.letter); err != nil {
		return err
	}
	if err := put("counts.csv", e.table); err != nil {
		return err
	}
	err := put("evidence.json", func(w io.Writer) error {
		j := json.NewEncoder(w)
		j.SetIndent("", "  ")
		return j.Encode(e)
	})
	if err != nil {
		return err
	}
	for _, m := range e.What {
		for i, text := range e.calls[m.Name] {
			if err := put(fmt.Sprintf("ladders/%s/%03d.txt", m.Name, i+1), func(w io.Writer) error { _, err := io.WriteString(w, text); return err }); err != nil {
				return err
			}
		}
	}
	return z.Close()
}

// letter is what a person reads first.
func (e *Evidence) letter(w io.Writer) error {
	var b strings.Builder
	const at = "2006-01-02 15:04Z"
	fmt.Fprintf(&b, "What carrier %s did from %s to %s, as Bulkhead %s saw it.\n\n", e.Carrier, e.From.Format(at), e.To.Format(at), e.Node)
	fmt.Fprintf(&b, "%d INVITEs ended, %d were answered. %d messages came when they could change nothing any more.\n", e.Sum.Attempts, e.Sum.Answered, e.Sum.Absorbed)
	if e.Settling > 0 {
		fmt.Fprintf(&b, "To %d calls that have ended more may still come: what is said to them is counted once that is over.\n", e.Settling)
	}
	for _, m := range e.What {
		fmt.Fprintf(&b, "\n%d  %s\n    %s: %s\n", m.Count, m.What, m.Section, m.Says)
		if n := len(e.calls[m.Name]); n > 0 {
			fmt.Fprintf(&b, "    Ladders of %d calls are in ladders/%s.\n", n, m.Name)
		} else if m.Count > 0 {
			b.WriteString("    The calls are no longer kept: their ladders are there for a while after their end only.\n")
		}
	}
	b.WriteString("\ncounts.csv has the counts by the hour, in UTC. In the ladders numbers are cut, and who else had a part in a\n" +
		"call is not named; Call-ID and times are those on the wire with you. Each message and its repeats are one line.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// table is the counts by the hour.
func (e *Evidence) table(w io.Writer) error {
	c := csv.NewWriter(w)
	head := []string{"hour", "attempts", "answered", "absorbed"}
	for _, m := range e.What {
		head = append(head, m.Name)
	}
	rows := [][]string{head}
	for _, s := range slices.Backward(e.Hours) {
		row := []string{s.From.UTC().Format("2006-01-02T15:04Z"), strconv.Itoa(s.Attempts), strconv.Itoa(s.Answered), strconv.Itoa(s.Absorbed)}
		for _, m := range e.What {
			row = append(row, strconv.Itoa(m.count(&s)))
		}
		rows = append(rows, row)
	}
	return c.WriteAll(rows)
}
