package ops

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"bulkhead/b2bua"
)

// Ladder is what crossed the wire of a call, one column a party: the trunk, Bulkhead, then
// the attempts' carriers in their order.
type Ladder struct {
	Call    string    `json:"call"`
	Began   time.Time `json:"began"`
	Whole   bool      `json:"whole"` // false: the call was taken over, what came before is not known
	Trunk   Party     `json:"trunk"`
	Legs    []Party   `json:"legs"` // attempt n is leg n+1
	Rungs   []Rung    `json:"rungs"`
	Lost    int       `json:"lost,omitempty"` // messages that are not shown, beyond what one call may have
	current bool
}

// Party is who is on the other end of a leg.
type Party struct {
	Name   string `json:"name"`
	Number string `json:"number"` // that is called there
}

// Rung is a message and its repeats.
type Rung struct {
	b2bua.Rung
	Settled bool `json:"settled,omitempty"` // it came or went after its leg had lost, or the call had ended
	Acked   int  `json:"acked,omitempty"`   // how many ACKs the copies of a final response got
}

// NewLadder draws up the ladder of a call from what was seen of it and its record as it
// stands.
func NewLadder(a b2bua.Account, r b2bua.Record) *Ladder {
	l := &Ladder{
		Call: r.Call, Began: a.Began, Whole: a.Whole, Lost: a.Lost,
		Trunk: Party{r.Trunk, r.To}, current: r.Ended.IsZero(),
	}
	for _, t := range r.Attempts {
		l.Legs = append(l.Legs, Party{t.Carrier, t.Number})
	}
	for _, one := range a.Rungs {
		rung := Rung{Rung: one, Settled: l.settled(one, r)}
		if i := l.refusal(one); i >= 0 {
			if last := &l.Rungs[i]; last.Count > 1 && one.Count > 1 {
				last.Acked += one.Count // one line says both
				continue
			}
		}
		l.Rungs = append(l.Rungs, rung)
	}
	return l
}

// settled says that a message came or went when its leg was no part of the call any more.
func (l *Ladder) settled(one b2bua.Rung, r b2bua.Record) bool {
	if !r.Ended.IsZero() && one.At.After(r.Ended) {
		return true
	}
	n := int(one.Leg)
	return n > 0 && n < len(r.Attempts) && !one.At.Before(r.Attempts[n].Began)
}

// refusal is the index of the final response that an ACK of ours is for; -1: it is none.
func (l *Ladder) refusal(one b2bua.Rung) int {
	if one.Method != "ACK" || one.In {
		return -1
	}
	for i, r := range slices.Backward(l.Rungs) {
		if r.Leg == one.Leg && r.In && r.Method == "INVITE" && r.Code >= 200 {
			return i
		}
	}
	return -1
}

// lane is how many characters are from one column to the next.
const lane = 26

// Head is the line of the parties' names.
func (l *Ladder) Head() string {
	names := []string{l.Trunk.Name, "bulkhead"}
	for _, p := range l.Legs {
		names = append(names, p.Name)
	}
	var b strings.Builder
	b.WriteString("           ")
	for _, n := range names {
		b.WriteString(pad(n, lane))
	}
	return strings.TrimRight(b.String(), " ")
}

// Row draws one rung between Bulkhead's column and the peer's; empty: there is no such
// column.
func (l *Ladder) Row(r Rung) string {
	column := 0 // of the peer
	if r.Leg > 0 {
		column = int(r.Leg) + 1
	}
	if column > len(l.Legs)+1 {
		return ""
	}
	row := []rune(strings.Repeat(pad("│", lane), len(l.Legs)+1) + "│")
	from, to := min(1, column)*lane, max(1, column)*lane
	shaft := '─'
	if r.Settled {
		shaft = '╌'
	}
	for i := from + 1; i < to; i++ {
		if i%lane != 0 {
			row[i] = shaft
		}
	}
	if right := r.In == (r.Leg == 0); right {
		row[to-1] = '▶'
	} else {
		row[from+1] = '◀'
	}
	text := []rune(" " + l.Label(r) + " ")
	at := from // the segment next to the peer
	if column > 1 {
		at = to - lane
	}
	if room := lane - 5; len(text) > room {
		text = append(text[:room-1], ' ')
	}
	copy(row[at+(lane-len(text))/2+1:], text)
	line := fmt.Sprintf("%9.3f  %s", r.At.Sub(l.Began).Seconds(), string(row))
	if note := l.note(r); note != "" {
		line += "   " + note
	}
	return line
}

// Label is what a message is: method and number, or status code and method.
func (l *Ladder) Label(r Rung) string {
	text := r.Method
	switch {
	case r.Code != 0 && r.Method == "INVITE":
		text = fmt.Sprint(r.Code)
	case r.Code != 0:
		text = fmt.Sprintf("%d (%s)", r.Code, r.Method)
	case r.Method == "INVITE" && r.Leg == 0 && r.In && l.Trunk.Number != "":
		text += " " + l.Trunk.Number
	case r.Method == "INVITE" && r.Leg > 0 && !r.In && int(r.Leg) <= len(l.Legs):
		text += " " + l.Legs[r.Leg-1].Number
	}
	if r.Count > 1 {
		text += fmt.Sprintf(" ×%d", r.Count)
	}
	return text
}

// note is what stands beside a rung: how long it was repeated, what became of it.
func (l *Ladder) note(r Rung) string {
	var list []string
	if r.Count > 1 {
		list = append(list, fmt.Sprintf("until %.3f", r.Until.Sub(l.Began).Seconds()))
	}
	switch {
	case r.Acked > 0 && r.Acked == r.Count:
		list = append(list, "each ACKed")
	case r.Acked > 0:
		list = append(list, fmt.Sprintf("%d ACKs", r.Acked))
	}
	switch {
	case r.Absorbed == 1 && r.Count == 1:
		list = append(list, "✱ absorbed")
	case r.Absorbed > 0:
		list = append(list, fmt.Sprintf("✱ %d absorbed", r.Absorbed))
	}
	if r.Note != "" {
		list = append(list, "✱ "+strings.ReplaceAll(r.Note, "_", " "))
	}
	return strings.Join(list, ", ")
}

// Text draws the ladder for a terminal.
func (l *Ladder) Text() string {
	var b strings.Builder
	b.WriteString(l.Head() + "\n")
	if !l.Whole {
		b.WriteString("           (the call was taken over: what came before is not known here)\n")
	}
	for _, r := range l.Rungs {
		if row := l.Row(r); row != "" {
			b.WriteString(row + "\n")
		}
	}
	if l.Lost > 0 {
		fmt.Fprintf(&b, "           (%d more messages, which are not kept)\n", l.Lost)
	}
	if l.current {
		b.WriteString("           (the call is up)\n")
	}
	return b.String()
}

func pad(s string, width int) string {
	if n := width - len([]rune(s)); n > 0 {
		return s + strings.Repeat(" ", n)
	}
	return s
}
