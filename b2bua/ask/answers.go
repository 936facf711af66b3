package ask

import (
	"sync"
	"time"

	"bulkhead/carriers"
)

// answers are those that are kept, for a time and up to a number.
type answers struct {
	most int

	mu  sync.Mutex
	all map[string]kept
}

// kept is an answer and until when it holds.
type kept struct {
	carriers.Answer
	until time.Time
}

func (l *answers) get(now time.Time, key string) (carriers.Answer, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, ok := l.all[key]
	if !ok || !now.Before(k.until) {
		return carriers.Answer{}, false
	}
	return k.Answer, true
}

// looked is how many answers are looked at for one that does not hold any more, where
// room has to be made.
const looked = 32

// put keeps an answer. Where there are too many, one that does not hold any more goes,
// or any: what was asked last is as likely to be asked again as what was asked first.
func (l *answers) put(now time.Time, key string, a carriers.Answer, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[string]kept{}
	}
	if _, again := l.all[key]; !again && len(l.all) >= l.most {
		victim, n := "", 0
		for other, k := range l.all {
			if n++; n == 1 || !now.Before(k.until) {
				victim = other
			}
			if n == looked || !now.Before(k.until) {
				break
			}
		}
		delete(l.all, victim)
	}
	l.all[key] = kept{a, until}
}
