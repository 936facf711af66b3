package ops

import (
	"fmt"
	"html"
	"strings"
)

// Measures of a drawing, in pixels.
const (
	drawLeft = 90  // where the first column stands
	drawLane = 190 // from one column to the next
	drawRow  = 26
	drawHead = 40
	drawNote = 260 // room for notes at the right
)

// SVG draws the ladder for a page. Colours are the page's where it is embedded: the drawing
// uses currentColor, and classes settled and absorbed.
func (l *Ladder) SVG() string {
	names := []string{l.Trunk.Name, "bulkhead"}
	for _, p := range l.Legs {
		names = append(names, p.Name)
	}
	last := drawLeft + drawLane*(len(names)-1)
	width, height := last+drawNote, drawHead+drawRow*(len(l.Rungs)+1)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="monospace" font-size="12" role="img" aria-label="ladder of call %s">`,
		width, height, width, height, html.EscapeString(l.Call))
	b.WriteString(`<style>line,path{stroke:currentColor}text{fill:currentColor}.settled{opacity:.55}.settled line{stroke-dasharray:4 3}.absorbed{fill:#b45309}</style>`)
	for i, n := range names {
		x := drawLeft + drawLane*i
		fmt.Fprintf(&b, `<text x="%d" y="18" text-anchor="middle" font-weight="bold">%s</text>`, x, html.EscapeString(n))
		fmt.Fprintf(&b, `<line x1="%d" y1="26" x2="%d" y2="%d" opacity=".3"/>`, x, x, height)
	}
	y := drawHead
	for _, r := range l.Rungs {
		if int(r.Leg) > len(l.Legs) {
			continue
		}
		peer := drawLeft
		if r.Leg > 0 {
			peer += drawLane * (int(r.Leg) + 1)
		}
		us := drawLeft + drawLane
		from, to := us, peer
		if r.In {
			from, to = peer, us
		}
		class := ""
		if r.Settled {
			class = ` class="settled"`
		}
		head := 6
		if to < from {
			head = -6
		}
		label := (peer + us) / 2
		if r.Leg > 0 { // beside the peer
			label = peer - drawLane/2
		}
		fmt.Fprintf(&b, `<g%s><text x="4" y="%d">%.3f</text>`, class, y+4, r.At.Sub(l.Began).Seconds())
		fmt.Fprintf(&b, `<line x1="%d" y1="%d" x2="%d" y2="%d"/><path d="M%d %dl%d -4v8z" fill="currentColor"/>`, from, y, to, y, to, y, -head)
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`, label, y-4, html.EscapeString(l.Label(r)))
		if note := l.note(r); note != "" {
			fmt.Fprintf(&b, `<text x="%d" y="%d" class="absorbed">%s</text>`, last+12, y+4, html.EscapeString(note))
		}
		b.WriteString(`</g>`)
		y += drawRow
	}
	b.WriteString(`</svg>`)
	return b.String()
}
