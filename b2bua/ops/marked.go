package ops

import "bulkhead/dialog"

// mostWrong is how many calls are remembered for one misdeed.
const mostWrong = 1000

// marked are the last calls in which something was wrong, by name, and in which attempts.
type marked struct {
	attempts map[string]uint64 // from bit 0; the last bit is of all beyond
	order    []string          // oldest first
}

// note marks attempts, from 0, of a call that has gone; none: it is not marked.
func (m *marked) note(id dialog.CallID, attempts []int) {
	if len(attempts) == 0 {
		return
	}
	if m.attempts == nil {
		m.attempts = map[string]uint64{}
	}
	name := id.String()
	for _, n := range attempts {
		m.attempts[name] |= 1 << min(n, 63)
	}
	m.order = append(m.order, name)
	if len(m.order) > mostWrong {
		delete(m.attempts, m.order[0])
		m.order = m.order[1:]
	}
}

// has says whether an attempt is marked.
func (m *marked) has(call string, attempt int) bool {
	return m.attempts[call]&(1<<min(attempt, 63)) != 0
}
