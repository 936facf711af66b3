package b2bua

import (
	"slices"
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// verdicts are what a judge says in one step, in the order in which it is asked; then it
// lets everything through.
type verdicts struct {
	words []string
	asked []verdict
}

type verdict struct {
	target dialog.Target
	why    string
	anyway bool
}

// sayings are the judges that the model tries for each move. How things stand changes by
// itself, so every one may come at any time.
var sayings = [][]string{
	nil, {carriers.SkipCalls}, {carriers.SkipDown}, {carriers.SkipCalls, carriers.SkipCPS}, {carriers.SkipDown, carriers.SkipCalls},
}

// Begin is Judge.
func (v *verdicts) Begin(_ time.Time, t dialog.Target, anyway bool) string {
	why := ""
	if n := len(v.asked); n < len(v.words) && !(anyway && !carriers.Firm(v.words[n])) {
		why = v.words[n]
	}
	v.asked = append(v.asked, verdict{t, why, anyway})
	return why
}

// judged holds a call to its judge: an attempt is made where it has been let through,
// and nowhere else; what has been let through, and so has a place, is tried; and nobody
// who is not well is tried after somebody who was.
func (o *observer) judged(s *seen) string {
	if s.judge == nil {
		return ""
	}
	began := s.after.Out[len(s.before.Out):]
	passed := slices.DeleteFunc(slices.Clone(s.judge.asked), func(v verdict) bool { return v.why != "" })
	if len(began) != len(passed) {
		return "R16: not as many attempts as places"
	}
	for i, leg := range began {
		if leg.Target != passed[i].target {
			return "R16: another target is tried than was let through"
		}
	}
	refers := s.move.kind == says && s.move.msg.Method == "REFER" // another hunt begins
	tried := len(s.before.Out) > s.before.Begun && !refers
	for i, v := range s.judge.asked {
		switch {
		case v.anyway && tried:
			return "R29: who is not well is tried after another"
		case v.anyway && !slices.ContainsFunc(s.judge.asked[:i], func(w verdict) bool { return w.target == v.target && w.why != "" }):
			return "R29: who is well is tried as the last resort"
		case o.Closed:
			return "P5: somebody is asked for after the end"
		}
	}
	return ""
}
