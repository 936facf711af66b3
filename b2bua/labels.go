package b2bua

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// mostNames is how many trunks, and how many carriers, have series of their own. What
// more there are is counted under the name of others, so that no configuration and no
// decision service makes a metrics server as large as it likes.
const mostNames = 1000

// others is the name under which all those are counted that have no series of their own.
const others = "other"

// labels are the names of one kind that stand in metrics: the first of the book in force, in
// its order. Looking one up takes no lock.
type labels struct {
	label string
	known atomic.Pointer[map[string]bool]
	vecs  []deleter
	over  prometheus.Gauge
}

// deleter is what has series by name.
type deleter interface {
	DeletePartialMatch(prometheus.Labels) int
}

// of is the name as metrics have it; the empty one stays: nobody.
func (l *labels) of(name string) string {
	if known := l.known.Load(); name == "" || known != nil && (*known)[name] {
		return name
	}
	return others
}

// adopt takes the names of another book. The series of those that are gone go with them:
// what a call of theirs still does is counted under others.
func (l *labels) adopt(names []string) {
	known := make(map[string]bool, min(len(names), mostNames))
	for _, name := range names[:min(len(names), mostNames)] {
		known[name] = true
	}
	l.over.Set(float64(len(names) - len(known)))
	before := l.known.Swap(&known)
	if before == nil {
		return
	}
	for name := range *before {
		if known[name] {
			continue
		}
		for _, v := range l.vecs {
			v.DeletePartialMatch(prometheus.Labels{l.label: name})
		}
	}
}

// mostPairs is how many pairs of carriers failovers have series for.
const mostPairs = 2000

// pairs are those of a carrier that failed and the one tried after it: the first that came.
type pairs struct {
	mu    sync.Mutex
	known map[[2]string]bool
}

// of is the carrier tried next as metrics have it beside the one that failed.
func (p *pairs) of(from, to string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	pair := [2]string{from, to}
	switch {
	case to == "" || p.known[pair]:
		return to
	case len(p.known) >= mostPairs:
		return others
	case p.known == nil:
		p.known = map[[2]string]bool{}
	}
	p.known[pair] = true
	return to
}
