package ops

import (
	"bytes"
	"hash/maphash"
	"slices"
	"strings"
	"sync"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// toTags finds out which carriers refuse one INVITE with different To-tags. Of a call a few
// bytes an attempt are kept while it is there, and of those that were wrong its name.
type toTags struct {
	mu    sync.Mutex
	seen  map[dialog.CallID][]toTag
	wrong marked
}

// toTag is what was seen of an attempt.
type toTag struct {
	leg     uint8
	first   uint64
	changed bool
}

// mostTagged is how many calls are looked at at once.
const mostTagged = 100_000

var tagSeed = maphash.MakeSeed()

// saw looks at a final refusal.
func (t *toTags) saw(s b2bua.Sight) {
	if !s.In || s.Leg == 0 || s.Method != "INVITE" || s.Code < 300 {
		return
	}
	tag := maphash.Bytes(tagSeed, tagOf(s.Data, "To", "t"))
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

// tagOf is the tag in a header field of that name or short name; nil: there is none.
func tagOf(message []byte, names ...string) []byte {
	head, _, _ := bytes.Cut(message, []byte("\r\n\r\n"))
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		name = bytes.TrimSpace(name)
		if !slices.ContainsFunc(names, func(one string) bool { return strings.EqualFold(one, string(name)) }) {
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
	t.wrong.note(id, wrong)
	return wrong
}

// changed says that they did in an attempt, from 0, of a call that is remembered.
func (t *toTags) changed(call string, attempt int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wrong.has(call, attempt)
}
