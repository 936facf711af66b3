package ops

import (
	"bytes"
	"hash/maphash"
	"sync"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// toTags finds out which carriers refuse one INVITE with different To-tags. Of a call a few
// bytes an attempt are kept while it is there, and of those that were wrong its name.
type toTags struct {
	mu    sync.Mutex
	seen  map[dialog.CallID][]toTag
	wrong map[string]uint64 // by the call's name: attempts, from bit 0
	order []string          // of wrong, oldest first
}

// toTag is what was seen of an attempt.
type toTag struct {
	leg     uint8
	first   uint64
	changed bool
}

// Bounds of what is kept.
const (
	mostTagged = 100_000
	mostWrong  = 1000
)

var tagSeed = maphash.MakeSeed()

// saw looks at a final refusal.
func (t *toTags) saw(s b2bua.Sight) {
	if !s.In || s.Leg == 0 || s.Method != "INVITE" || s.Code < 300 {
		return
	}
	tag := maphash.Bytes(tagSeed, toTagOf(s.Data))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		t.seen = map[dialog.CallID][]toTag{}
	}
	list := t.seen[s.Call]
	for i := range list {
		if list[i].leg == s.Leg {
			list[i].changed = list[i].changed || list[i].first != tag
			return
		}
	}
	if len(t.seen) < mostTagged {
		t.seen[s.Call] = append(list, toTag{leg: s.Leg, first: tag})
	}
}

// toTagOf is the tag in To; nil: there is none.
func toTagOf(message []byte) []byte {
	head, _, _ := bytes.Cut(message, []byte("\r\n\r\n"))
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if name = bytes.TrimSpace(name); !bytes.EqualFold(name, []byte("To")) && !bytes.EqualFold(name, []byte("t")) {
			continue
		}
		if i := bytes.LastIndexByte(value, '>'); i >= 0 {
			value = value[i:]
		}
		_, tag, _ := bytes.Cut(bytes.ToLower(value), []byte("tag="))
		if i := bytes.IndexAny(tag, "; \t,"); i >= 0 {
			tag = tag[:i]
		}
		return tag
	}
	return nil
}

// left gives the attempts, from 0, of a call that has gone whose To-tags changed.
func (t *toTags) left(id dialog.CallID) (wrong []int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range t.seen[id] {
		if one.changed {
			wrong = append(wrong, int(one.leg)-1)
		}
	}
	delete(t.seen, id)
	if len(wrong) == 0 {
		return nil
	}
	if t.wrong == nil {
		t.wrong = map[string]uint64{}
	}
	name := id.String()
	for _, n := range wrong {
		t.wrong[name] |= 1 << min(n, 63)
	}
	t.order = append(t.order, name)
	if len(t.order) > mostWrong {
		delete(t.wrong, t.order[0])
		t.order = t.order[1:]
	}
	return wrong
}

// changed says that they did in an attempt, from 0, of a call that is remembered.
func (t *toTags) changed(call string, attempt int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wrong[call]&(1<<min(attempt, 63)) != 0
}
