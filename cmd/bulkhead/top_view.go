package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"bulkhead/b2bua/ops"
)

// look is how a piece of text stands out: none of them says anything by colour alone.
type look uint8

const (
	asIs look = iota
	strong
	faint
	good
	bad
	chosen // of a whole line
)

// piece is text with its look.
type piece struct {
	string
	look
}

// row is a line of the screen.
type row []piece

func (r row) text() (s string) {
	for _, p := range r {
		s += p.string
	}
	return s
}

// view is what is on the screen: a value, made anew of what the node has said and of the
// keys that were pressed.
type view struct {
	live   ops.Live
	calls  ops.Calls
	named  []string // the nodes of the cluster, in order
	filter string   // as it was typed
	typing *string
	at     int    // the call that is chosen, or what went wrong
	of     string // the call that is told of; empty: the board is shown
	what   string // ladder, why
	story  []string
	scroll int
	note   string // what is wrong with the last key; the next one takes it away
	err    string // what is wrong with the node's last answer
	width  int
	height int
	plain  bool // as text: nothing can be chosen
}

// ids are the calls that can be chosen, in the order in which they stand on the board.
func (v *view) ids() (ids []string) {
	for _, s := range v.wrong() {
		ids = append(ids, s.Call)
	}
	for _, c := range v.calls.Calls {
		ids = append(ids, c.ID)
	}
	return ids
}

// wrong is what went wrong last, as much as there is room for.
func (v *view) wrong() []ops.Step { return v.live.Wrong[:min(len(v.live.Wrong), 5)] }

// board is the rows of the board.
func (v *view) board() (rows []row) {
	l := v.live
	rows = append(rows, v.heading()...)
	rows = append(rows, nil)
	sums := row{}
	for _, c := range l.Calls {
		sums = append(sums, piece{fmt.Sprintf("%d", c.Calls), strong}, piece{" " + c.State + "   ", asIs})
	}
	sums = append(sums, piece{fmt.Sprintf("%.1f", l.Rate), strong}, piece{" ended a second", asIs})
	rows = append(rows, sums, nil)

	wide := 7 // the longest name of a carrier
	for _, c := range l.Carriers {
		wide = max(wide, utf8.RuneCountInString(clean(c.Name)))
	}
	wide = min(wide, 20)
	rows = append(rows, row{{fmt.Sprintf("%s  %-13s  %5s  %-18s  %11s  %6s  %8s  %s", cell("CARRIER", wide), "STATE", "CALLS", "ANSWERED", "", "DELAY", "ABSORBED", "LATE 200  WHY"), faint}})
	for _, c := range l.Carriers {
		rows = append(rows, carrierRow(c, wide))
	}
	if len(l.Carriers) == 0 {
		rows = append(rows, row{{"none", faint}})
	}

	rows = append(rows, nil, row{{"WENT WRONG LAST", faint}})
	for i, s := range v.wrong() {
		rows = append(rows, v.choice(i, row{{s.At.Format("15:04:05") + "  " + cell(s.Call, 13) + "  ", asIs}, {clean(ops.Said(s)), bad}, {v.where(s.Node), faint}}))
	}
	if len(l.Wrong) == 0 {
		rows = append(rows, row{{"nothing", faint}})
	}

	title := fmt.Sprintf("%d calls", v.calls.Matched)
	if v.filter != "" {
		title += " with " + v.filter
	}
	node := ""
	if len(v.named) > 1 {
		node = "  NODE"
	}
	rows = append(rows, nil, row{{title, strong}}, row{{fmt.Sprintf("%-13s  %-8s  %6s  %-10s  %-15s  %-15s  %-10s  %s", "CALL", "STATE", "AGE", "TRUNK", "FROM", "TO", "CARRIER", "TRIED"), faint}, {node, faint}})
	for i, c := range v.calls.Calls {
		rows = append(rows, v.choice(len(v.wrong())+i, row{{fmt.Sprintf("%s  %s  %6s  %s  %s  %s  %s  %5d", cell(c.ID, 13), cell(c.State, 8), short(l.At.Sub(c.Began)),
			cell(c.Trunk, 10), cell(c.From, 15), cell(c.To, 15), cell(c.Carrier, 10), c.Attempts), asIs}, v.whose(c)}))
	}
	for _, g := range v.calls.Incomplete {
		rows = append(rows, row{{clean("incomplete: " + missing(g)), bad}})
	}
	if n := v.calls.Matched - len(v.calls.Calls); n > 0 {
		rows = append(rows, row{{fmt.Sprintf("and %d more", n), faint}})
	}
	if v.calls.Matched == 0 {
		rows = append(rows, row{{"none", faint}})
	}
	return rows
}

// take takes what a node has told: of all nodes, or of one of those that are known then.
func (v *view) take(l ops.Live, c ops.Calls, one bool) {
	v.live, v.calls = l, c
	if one {
		return
	}
	v.named = nil
	for _, n := range l.Nodes {
		if n.Node != "" {
			v.named = append(v.named, n.Node)
		}
	}
	slices.Sort(v.named)
}

// heading is who tells, and how the nodes are of which it tells.
func (v *view) heading() (rows []row) {
	l := v.live
	if len(l.Nodes) < 2 {
		name := l.Node
		if l.Unit != "" {
			name += " of unit " + l.Unit
		}
		since := ""
		if !l.Started.IsZero() {
			since = ", up " + short(l.At.Sub(l.Started))
		}
		return []row{{{"bulkhead " + clean(name), strong}, {": ", asIs}, state(l.State), {since + "   " + l.At.Format("15:04:05Z"), faint}}}
	}
	rows = []row{{{fmt.Sprintf("bulkhead, %d nodes", len(l.Nodes)), strong}, {"   " + l.At.Format("15:04:05Z"), faint}}}
	for _, n := range l.Nodes {
		name, calls := n.Node, plural(n.Calls, "call")
		switch {
		case name == "":
			name = "no node"
		case n.Unit != "":
			name += " of unit " + n.Unit
		}
		if n.State == "none" {
			name, n.State = "unit "+n.Unit, "no node has it"
		}
		if n.State == "dead" || n.State == "unreachable" || n.Node == "" {
			calls += " as the store has them"
		}
		rows = append(rows, row{{"  " + clean(name), asIs}, {": ", asIs}, state(n.State), {", " + calls, asIs}})
	}
	return rows
}

// state is what a node does, in its colour.
func state(text string) piece {
	p := piece{text, bad}
	if text == "serving" || text == "standing by" {
		p.look = good
	}
	return p
}

// where is the node where something has happened, where there are several.
func (v *view) where(node string) string {
	if len(v.named) < 2 || node == "" {
		return ""
	}
	return "  at " + clean(node)
}

// whose is the node of a call, where there are several, and whether it tells of it.
func (v *view) whose(c ops.Call) piece {
	switch {
	case c.Owner != "":
		return piece{"  " + clean(c.Node+" "+ownership(c)), bad}
	case len(v.named) < 2:
		return piece{}
	}
	return piece{"  " + clean(c.Node), asIs}
}

// nextNode is the filter for the node after the one that is shown; after the last comes the
// whole cluster.
func (v *view) nextNode() string {
	var rest []string
	now := ""
	for _, word := range strings.Fields(v.filter) {
		if name, ok := strings.CutPrefix(word, "node="); ok {
			now = name
		} else {
			rest = append(rest, word)
		}
	}
	for _, name := range v.named {
		if name > now {
			rest = append(rest, "node="+name)
			break
		}
	}
	return strings.Join(rest, " ")
}

// choice is a row that can be chosen.
func (v *view) choice(n int, r row) row {
	if v.plain || n != v.at {
		return r
	}
	return row{{r.text(), chosen}}
}

// barWide is how wide the bar of a ratio is.
const barWide = 10

// carrierRow is a carrier: its bar is the answer-seizure ratio.
func carrierRow(c ops.LiveCarrier, wide int) row {
	state := piece{cell(c.State, 13), asIs}
	switch c.State {
	case "up":
		state.look = good
	case "":
	default:
		state.look = bad
	}
	if c.Watched > 1 && c.State == "part" {
		state.string = cell(fmt.Sprintf("%d of %d up", c.Well, c.Watched), 13)
	}
	s, tried := c.Lately, c.Lately.Attempts-c.Lately.NotSent
	full := int(s.ASR*barWide + 0.5)
	why := piece{look: bad}
	if text := c.Standing(); text != "" {
		why.string = "  " + clean(text)
	}
	return row{
		{cell(c.Name, wide) + "  ", asIs}, state, {fmt.Sprintf("  %5d  ", c.Calls), asIs},
		{strings.Repeat("█", full), good}, {strings.Repeat("░", barWide-full), faint},
		{fmt.Sprintf("  %6s  %11s  %6s  %8d  %8d", share(s.ASR, tried), fmt.Sprintf("%d of %d", s.Answered, tried), delay(s), s.Absorbed, s.Late), asIs}, why,
	}
}

// rows are what the screen shows, a row a line, as high as it is: the last one tells which
// keys there are, or what is wrong.
func (v *view) rows() []row {
	all := v.board()
	first := 0
	if v.of != "" {
		all = []row{{{v.what + " of " + v.of, strong}}, nil}
		for _, l := range v.story {
			all = append(all, row{{clean(l), asIs}})
		}
		v.scroll = max(0, min(v.scroll, len(all)-v.height+1))
		first = v.scroll
	} else if at := v.chosenRow(all); at >= v.height-2 {
		first = at - v.height + 3
	}
	all = all[min(first, len(all)):]
	all = all[:min(len(all), max(0, v.height-1))]
	for len(all) < v.height-1 {
		all = append(all, nil)
	}
	foot := row{{"↑↓ choose  Enter ladder  w why  / filter  q quit", faint}}
	if len(v.named) > 1 {
		foot = row{{"↑↓ choose  Enter ladder  w why  / filter  n node  q quit", faint}}
	}
	switch {
	case v.typing != nil:
		foot = row{{"/" + *v.typing + "▏", strong}}
	case v.note != "":
		foot = row{{clean(v.note), bad}}
	case v.err != "":
		foot = row{{clean(v.err), bad}}
	case v.of != "":
		foot = row{{"↑↓ scroll  Enter ladder  w why  Esc back  q quit", faint}}
	}
	return append(all, foot)
}

// chosenRow is which row is chosen; -1: none.
func (v *view) chosenRow(all []row) int {
	for i, r := range all {
		if len(r) == 1 && r[0].look == chosen {
			return i
		}
	}
	return -1
}

// cell is text as wide as a column, or cut.
func cell(s string, wide int) string {
	s = clean(s)
	n := utf8.RuneCountInString(s)
	if n > wide {
		return string([]rune(s)[:wide-1]) + "…"
	}
	return s + strings.Repeat(" ", wide-n)
}

// clean is text without what would move the cursor: peers have a say in it.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// short is a time in two units at most.
func short(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < 0:
		return "0s"
	case d < time.Hour:
		return d.String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
