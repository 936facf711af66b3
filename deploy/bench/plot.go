package main

import (
	"fmt"
	"html"
	"math"
	"os"
	"strings"
)

// panel is one diagram: curves over numbers, or bars over names where names are given.
type panel struct {
	title  string
	log    bool     // the numbers stand at their logarithms
	names  []string // of the places of bars; point i of a curve is at name i
	across string   // what the numbers are
	curves []curve
}

// curve has a colour and its points; NaN is none.
type curve struct {
	name   string
	colour string
	x, y   []float64
	top    []float64 // of bars: what stands on them, paler
}

var colours = []string{"#777777", "#b0752e", "#1f6fb4", "#2e8b57", "#8b4a9c"}

const (
	panelWidth, panelHeight        = 460, 270
	left, right, above, underneath = 62, 14, 52, 34
)

// draw writes panels as SVG, two beside each other.
func draw(file string, panels []panel) error {
	rows := (len(panels) + 1) / 2
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="%[2]d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="11">`+"\n",
		2*panelWidth, max(rows, 1)*panelHeight)
	b.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	for i, p := range panels {
		fmt.Fprintf(&b, `<g transform="translate(%d,%d)">`+"\n", i%2*panelWidth, i/2*panelHeight)
		p.draw(&b)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

func (p panel) draw(b *strings.Builder) {
	text := func(x, y float64, anchor, s string) {
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", x, y, anchor, html.EscapeString(s))
	}
	fmt.Fprintf(b, `<text x="%d" y="16" font-size="13" font-weight="bold">%s</text>`+"\n", left, html.EscapeString(p.title))
	x := float64(left)
	for _, c := range p.curves {
		if c.name == "" {
			continue // there is one, and the title says what it is
		}
		fmt.Fprintf(b, `<rect x="%.1f" y="27" width="9" height="9" fill="%s"/>`+"\n", x, c.colour)
		text(x+12, 35.5, "start", c.name)
		x += 26 + 6.2*float64(len([]rune(c.name)))
	}
	top, lowest, highest := p.extent()
	const width, height = float64(panelWidth - left - right), float64(panelHeight - above - underneath)
	down := func(v float64) float64 { return above + height*(1-v/top) }
	step := round(top / 5)
	for v := 0.0; v <= top*1.001; v += step {
		fmt.Fprintf(b, `<line x1="%d" y1="%.1f" x2="%d" y2="%[2]f" stroke="#dddddd"/>`+"\n", left, down(v), panelWidth-right)
		text(left-5, down(v)+4, "end", grouped(v))
	}
	if p.names != nil {
		p.bars(b, width, down, text)
		return
	}
	if p.log {
		lowest, highest = math.Log10(lowest), math.Log10(highest)
	}
	across := func(v float64) float64 {
		if p.log {
			v = math.Log10(v)
		}
		return left + width*(v-lowest)/max(highest-lowest, 1e-9)
	}
	for _, v := range p.marks(lowest, highest) {
		text(across(v), panelHeight-underneath+15, "middle", grouped(v))
	}
	text(left+width/2, panelHeight-5, "middle", p.across)
	for _, c := range p.curves {
		var points []string
		for i := range c.x {
			if !math.IsNaN(c.y[i]) {
				points = append(points, fmt.Sprintf("%.1f,%.1f", across(c.x[i]), down(c.y[i])))
			}
		}
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="1.8"/>`+"\n", strings.Join(points, " "), c.colour)
		if len(points) > 20 {
			continue
		}
		for _, at := range points {
			x, y, _ := strings.Cut(at, ",")
			fmt.Fprintf(b, `<circle cx="%s" cy="%s" r="3" fill="%s"/>`+"\n", x, y, c.colour)
		}
	}
}

// bars draws a group of bars for each name.
func (p panel) bars(b *strings.Builder, width float64, down func(float64) float64, text func(x, y float64, anchor, s string)) {
	group := width / float64(len(p.names))
	bar := group * .8 / float64(len(p.curves))
	for i, name := range p.names {
		from := left + group*float64(i) + group*.1
		text(left+group*(float64(i)+.5), panelHeight-underneath+15, "middle", name)
		for j, c := range p.curves {
			v := c.y[i]
			if math.IsNaN(v) {
				continue
			}
			x := from + bar*float64(j)
			fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x, down(v), bar*.92, down(0)-down(v), c.colour)
			if c.top != nil && !math.IsNaN(c.top[i]) {
				fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s" fill-opacity=".4"/>`+"\n",
					x, down(v+c.top[i]), bar*.92, down(v)-down(v+c.top[i]), c.colour)
				v += c.top[i]
			}
			fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle" font-size="9">%s</text>`+"\n", x+bar*.46, down(v)-3, grouped(v))
		}
	}
}

// extent is what the axes have to show: up to the highest value, and the numbers from the lowest to the highest.
func (p panel) extent() (top, lowest, highest float64) {
	lowest, highest = math.Inf(1), math.Inf(-1)
	for _, c := range p.curves {
		for i, v := range c.y {
			if math.IsNaN(v) {
				continue
			}
			if c.top != nil && !math.IsNaN(c.top[i]) {
				v += c.top[i]
			}
			top = max(top, v)
			if c.x != nil {
				lowest, highest = min(lowest, c.x[i]), max(highest, c.x[i])
			}
		}
	}
	if top == 0 {
		top = 1
	}
	step := round(top / 5)
	return math.Ceil(top*1.05/step) * step, lowest, highest
}

// marks are the numbers that are named: of a logarithmic axis those that were measured.
func (p panel) marks(lowest, highest float64) (all []float64) {
	if !p.log {
		step := round(max(highest-lowest, 1e-9) / 6)
		for v := math.Ceil(lowest/step) * step; v <= highest; v += step {
			all = append(all, v)
		}
		return all
	}
	seen := map[float64]bool{}
	for _, c := range p.curves {
		for _, v := range c.x {
			if !seen[v] {
				seen[v] = true
				all = append(all, v)
			}
		}
	}
	return all
}

// round is the next of 1, 2, 5, 10, ...
func round(v float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range []float64{1, 2, 5} {
		if v <= n*unit*1.0001 {
			return n * unit
		}
	}
	return 10 * unit
}

// panels are the diagrams of a run; what was not measured is left out. beside are the calls a second that held ones have beside
// them.
func (f *figures) panels(beside int) (all []panel) {
	bars := func(title, top string, names ...string) {
		p := panel{title: title}
		type place struct {
			name string
			at   at
		}
		var places []place
		for _, name := range names {
			for _, at := range f.ats(name) {
				label := at.String()
				if len(names) > 1 {
					_, label, _ = strings.Cut(name, ", ")
					if at.of != "" {
						label += ", " + at.String()
					}
				}
				p.names, places = append(p.names, label), append(places, place{name, at})
			}
		}
		if places == nil {
			return
		}
		for _, system := range f.systems() {
			c := curve{name: system, colour: colourOf(system)}
			some := false
			for _, pl := range places {
				c.y = append(c.y, f.value(system, pl.name, pl.at, &some))
				if top != "" {
					c.top = append(c.top, f.value(system, top, pl.at, &some))
				}
			}
			if some {
				p.curves = append(p.curves, c)
			}
		}
		all = append(all, p)
	}
	bars("CPU a call, µs (paler: its Redis)", "CPU a call of Redis", "CPU a call")
	bars("highest rate, calls/s", "", "highest rate")
	bars("delay of INVITE, µs", "", "delay of INVITE, p50", "delay of INVITE, p99")
	bars("delay of 200, µs", "", "delay of 200, p50", "delay of 200, p99")
	bars("memory a held call, KiB (paler: its Redis)", "memory a held call of Redis", "memory a held call")
	for _, name := range f.names() {
		if strings.HasPrefix(name, "CPU a call at ") && strings.HasSuffix(name, "beside held") {
			all = append(all, f.lines(name, beside))
		}
	}
	bars("delay of INVITE beside stuck legs, µs", "", "delay of INVITE beside stuck legs, p50", "delay of INVITE beside stuck legs, p99")
	bars("delay of 200 beside stuck legs, µs", "", "delay of 200 beside stuck legs, p50", "delay of 200 beside stuck legs, p99")
	return all
}

// lines shows a figure over the calls that were up: those that were held, and those of a second.
func (f *figures) lines(name string, beside int) panel {
	p := panel{title: name + " calls, µs", log: true, across: "calls up at once"}
	for _, system := range f.systems() {
		c := curve{name: system, colour: colourOf(system)}
		some := false
		for _, at := range f.ats(name) {
			c.x, c.y = append(c.x, float64(at.n+beside)), append(c.y, f.value(system, name, at, &some))
		}
		if some {
			p.curves = append(p.curves, c)
		}
	}
	return p
}

// value is a median, or NaN; some is set where there is one.
func (f *figures) value(system, name string, at at, some *bool) float64 {
	v, ok := f.median(system, name, at)
	if !ok {
		return math.NaN()
	}
	*some = true
	return v
}

func colourOf(system string) string {
	for i, k := range kinds {
		if k.name == system {
			return colours[i%len(colours)]
		}
	}
	return "black"
}
