package simtest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// gap is the room between two columns of a ladder.
const gap = 20

// rung is one line of a ladder: a message and its repeats.
type rung struct {
	*crossing
	count    int
	absorbed int
	until    time.Time
}

// Ladder draws what crossed the wire, at Bulkhead's side of it: a message and
// all its repeats are one line, "×26 until 90.300", of which "*25" were absorbed
// on their leg. "x" stands where the network lost a message, "!" before why
// Bulkhead let it drop.
func (s *Stage) Ladder() string {
	s.Net.mu.Lock()
	crossed := append([]*crossing(nil), s.Net.crossed...)
	s.Net.mu.Unlock()
	lanes := []string{"trunk", "bulkhead"}
	for _, p := range s.Net.peers {
		if p.Name != "trunk" {
			lanes = append(lanes, p.Name)
		}
	}
	var b strings.Builder
	b.WriteString("    time   ")
	for i, name := range lanes {
		b.WriteString(name)
		if i < len(lanes)-1 {
			b.WriteString(strings.Repeat(" ", max(1, gap-len(name))))
		}
	}
	b.WriteString("\n")
	names := aliases{}
	for _, r := range s.rungs(crossed) {
		line := s.arrow(r, lanes)
		if note := s.note(r, names); note != "" {
			line += "  " + note
		}
		fmt.Fprintf(&b, "%8.3f   %s\n", r.at.Sub(s.Net.begin).Seconds(), strings.TrimRight(line, " "))
	}
	if s.Settled {
		fmt.Fprintf(&b, "    quiet after %.0f s more\n", s.Quiet.Seconds())
	}
	return b.String()
}

// rungs folds repeats: the same bytes the same way.
func (s *Stage) rungs(crossed []*crossing) (list []*rung) {
	seen := map[string]*rung{}
	for _, c := range crossed {
		key := fmt.Sprint(c.in, c.peer != nil && c.peer.Name == "trunk", c.to, c.lost, string(c.data))
		r := seen[key]
		if r == nil || s.unfold {
			r = &rung{crossing: c}
			seen[key] = r
			list = append(list, r)
		}
		r.count++
		r.until = c.at
		if c.mark == "absorbed" {
			r.absorbed++
		}
	}
	return list
}

// arrow draws one message between two lanes.
func (s *Stage) arrow(r *rung, lanes []string) string {
	const us = 1
	them := us
	for i, name := range lanes {
		if r.peer != nil && name == r.peer.Name {
			them = i
		}
	}
	row := make([]rune, gap*(len(lanes)-1)+1)
	for i := range row {
		row[i] = ' '
		if i%gap == 0 {
			row[i] = '|'
		}
	}
	left, right := min(us, them)*gap, max(us, them)*gap
	for i := left + 1; i < right; i++ {
		if i%gap != 0 {
			row[i] = '-'
		}
	}
	if r.in == (them < us) {
		row[right-1] = '>'
	} else {
		row[left+1] = '<'
	}
	label := []rune(" " + s.label(r) + " ")
	from := left + (min(gap, right-left)-len(label)+1)/2 // in the segment next to the peer
	if them > us {
		from = right - gap + (gap-len(label)+1)/2
	}
	for i, c := range label {
		if at := from + i; at > left && at < right {
			row[at] = c
		}
	}
	return string(row)
}

func (s *Stage) label(r *rung) string {
	l := r.text.label()
	if r.lost {
		l = "x " + l
	}
	return l
}

// note is what stands at the right of a line.
func (s *Stage) note(r *rung, names aliases) string {
	var list []string
	if r.count > 1 {
		list = append(list, fmt.Sprintf("×%d until %.3f", r.count, r.until.Sub(s.Net.begin).Seconds()))
	}
	switch {
	case r.absorbed == 1 && r.count == 1:
		list = append(list, "*")
	case r.absorbed > 0:
		list = append(list, "*"+strconv.Itoa(r.absorbed))
	case r.mark != "":
		list = append(list, "!"+r.mark)
	}
	if r.peer != nil {
		if port := r.to.Port(); port != r.peer.addresses[0].Port() {
			list = append(list, ":"+strconv.Itoa(int(port)))
		}
		if a := r.to.Addr(); len(r.peer.addresses) > 1 && a != r.peer.addresses[0].Addr() {
			list = append(list, "at "+a.String())
		}
	}
	for _, name := range s.detail {
		if v := detail(r.text, name); v != "" {
			list = append(list, name+"="+names.shorten(v))
		}
	}
	return strings.Join(list, " ")
}

// detail is what "detail" asks for of a message.
func detail(m message, name string) string {
	switch name {
	case "uri":
		return m.uri()
	case "to-tag":
		return m.toTag()
	case "from-tag":
		return m.fromTag()
	case "branch":
		return m.branch()
	case "start":
		return m.start
	case "body":
		return strings.ReplaceAll(strings.TrimSpace(m.body), "\r\n", "|")
	case "o":
		for _, l := range strings.Split(m.body, "\r\n") {
			if v, ok := strings.CutPrefix(l, "o="); ok {
				return v
			}
		}
		return ""
	}
	return strings.Join(m.all(name), ", ")
}

// aliases give Bulkhead's identifiers names that people can tell apart.
type aliases map[string]string

var opaque = regexp.MustCompile(`[a-z2-7]{28}|\b[0-9]{17,19}\b`)

func (a aliases) shorten(v string) string {
	return opaque.ReplaceAllStringFunc(v, func(id string) string {
		if a[id] == "" {
			a[id] = "~" + strconv.Itoa(len(a)+1)
		}
		return a[id]
	})
}
