package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// chaosReport is what a suite has shown.
type chaosReport struct {
	Suite      string         `json:"suite"`
	Target     string         `json:"target"`
	Seconds    float64        `json:"seconds"`
	Failed     int            `json:"failed"`
	Strays     int            `json:"strays"` // received, and of no scenario of this run
	Stray      string         `json:"stray,omitempty"`
	Unfollowed int            `json:"unfollowed"`     // received, with a way that leads elsewhere than to whom the file names
	Lead       string         `json:"lead,omitempty"` // of the first of them
	Scenarios  []chaosVerdict `json:"scenarios"`

	began time.Time
}

// chaosVerdict is what a scenario has shown.
type chaosVerdict struct {
	Name    string         `json:"name"`
	About   string         `json:"about"`
	Section string         `json:"section"`
	Failed  *chaosOutcome  `json:"failed,omitempty"` // the first check that broke
	Checks  []chaosOutcome `json:"checks"`
	Left    string         `json:"left,omitempty"` // what could not be ended at the target
	Ladder  []string       `json:"ladder"`         // with the end of what failed
}

// chaosOutcome is what a check has shown.
type chaosOutcome struct {
	Name    string `json:"name"`
	Promise string `json:"promise"`
	Section string `json:"section"`
	Broken  string `json:"broken,omitempty"`  // by what
	Skipped bool   `json:"skipped,omitempty"` // the call did not come so far
}

func (r *chaosReport) json(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// text is the report for people; all prints the ladders of what passed as well.
func (r *chaosReport) text(out io.Writer, all bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s against %s\n\n", r.Suite, r.Target)
	for _, v := range r.Scenarios {
		mark := "pass"
		if v.Failed != nil {
			mark = "FAIL"
		}
		fmt.Fprintf(&b, "%s  %-28s %s\n", mark, v.Name, v.About)
		if v.Failed != nil {
			fmt.Fprintf(&b, "      %s: %s\n      %s (%s)\n", v.Failed.Name, v.Failed.Broken, v.Failed.Promise, v.Failed.Section)
			if v.Left != "" {
				fmt.Fprintf(&b, "      %s\n", v.Left)
			}
		}
		if all {
			for _, c := range v.Checks {
				mark := "ok    "
				switch {
				case c.Broken != "":
					mark = "BROKEN"
				case c.Skipped:
					mark = "-     "
				}
				fmt.Fprintf(&b, "      %s  %s: %s\n", mark, c.Name, c.Promise)
			}
		}
		if all || v.Failed != nil {
			b.WriteString("\n")
			for _, line := range v.Ladder {
				b.WriteString("      " + line + "\n")
			}
			b.WriteString("\n")
		}
	}
	fmt.Fprintf(&b, "\n%d scenarios, %d failed, %.1f s\n", len(r.Scenarios), r.Failed, r.Seconds)
	if r.Strays > 0 {
		fmt.Fprintf(&b, "%d messages were of no scenario; the first: %s\n", r.Strays, r.Stray)
	}
	if r.Unfollowed > 0 {
		fmt.Fprintf(&b, "%d Contacts or Record-Routes led elsewhere than to whom the file names, and were not followed; the first: %s\n", r.Unfollowed, r.Lead)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// ladder draws what was seen; repeats are folded into their first.
func (p *play) ladder(seen []sighting) []string {
	type row struct {
		sighting
		times int
		last  time.Time
	}
	var rows []*row
	index := map[string]*row{}
	for _, s := range seen {
		key := fmt.Sprint(s.who, s.sent, s.text)
		if r := index[key]; r != nil {
			r.times++
			r.last = s.at
			continue
		}
		r := &row{s, 1, s.at}
		index[key] = r
		rows = append(rows, r)
	}
	const width = 19
	lines := []string{fmt.Sprintf("%8s   %-20s%-20s%-20s%s", "time", "caller", "target", "tc1", "tc2")}
	for _, r := range rows {
		label := " " + r.title() + " "
		if r.code() > 0 {
			label = strings.TrimSuffix(label, "INVITE ")
		}
		if _, body, _ := strings.Cut(r.text, "\r\n\r\n"); body != "" {
			label += "sdp "
		}
		right := r.sent == (r.who == "caller")
		arrow := func() string {
			fill := max(width-2-len(label), 0)
			span := strings.Repeat("-", fill/2) + label + strings.Repeat("-", fill-fill/2)
			if right {
				return "-" + span + ">"
			}
			return "<" + span + "-"
		}
		cells := []string{strings.Repeat(" ", width), strings.Repeat(" ", width), strings.Repeat(" ", width)}
		switch r.who {
		case "caller":
			cells[0] = arrow()
		case "tc1":
			cells[1] = arrow()
		case "tc2":
			cells[2] = arrow()
			cells[1] = strings.Repeat("-", width)
			if !right {
				cells[1] = "<" + cells[1][1:]
				cells[2] = "-" + cells[2][1:]
			}
		}
		line := fmt.Sprintf("%8.3f   |%s|", r.at.Sub(p.began).Seconds(), strings.Join(cells, "|"))
		if r.times > 1 {
			line += fmt.Sprintf("  ×%d until %.3f", r.times, r.last.Sub(p.began).Seconds())
		}
		lines = append(lines, line)
	}
	return lines
}
