package ops

import (
	"bytes"
	"hash/maphash"
	"strconv"
	"sync"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// origins finds out which carriers describe a session against its own rules: by an o= line that
// is none (RFC 4566 §5.2), that names another session within one dialog, or whose version falls, or
// stays while the rest is another (RFC 3264 §8). Of a call a few bytes a dialog are kept while it is
// there, and of those that were wrong its name.
type origins struct {
	mu    sync.Mutex
	seen  map[dialog.CallID][]origin
	wrong marked
}

// origin is what a dialog of the carrier's has described last.
type origin struct {
	leg     uint8
	bad     bool
	tag     uint64
	session uint64 // all of o= but the version
	version uint64
	body    uint64
}

// mostOrigins is how many dialogs of one call are looked at.
const mostOrigins = 16

// saw looks at a description.
func (o *origins) saw(s b2bua.Sight) {
	if !s.In || s.Leg == 0 {
		return
	}
	_, body, _ := bytes.Cut(s.Data, []byte("\r\n\r\n"))
	if !bytes.HasPrefix(body, []byte("v=")) {
		return
	}
	whose := []string{"From", "f"}
	if s.Code > 0 {
		whose = []string{"To", "t"}
	}
	is := origin{leg: s.Leg, tag: maphash.Bytes(tagSeed, tagOf(s.Data, whose...)), body: maphash.Bytes(tagSeed, body)}
	is.bad = !is.read(body)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen == nil {
		o.seen = map[dialog.CallID][]origin{}
	}
	list := o.seen[s.Call]
	for i := range list {
		if was := &list[i]; was.leg == is.leg && was.tag == is.tag {
			is.bad = is.bad || was.bad || was.session != is.session || is.version < was.version || is.version == was.version && is.body != was.body
			*was = is
			return
		}
	}
	if len(list) < mostOrigins && (len(list) > 0 || len(o.seen) < mostTagged) {
		o.seen[s.Call] = append(list, is)
	}
}

// read takes the o= line of a description: user, session, version, "IN", the kind of address and
// the address. False: it is none.
func (o *origin) read(body []byte) bool {
	_, line, found := bytes.Cut(body, []byte("\no="))
	line, _, _ = bytes.Cut(line, []byte("\n"))
	f := bytes.Fields(line)
	if !found || len(f) != 6 {
		return false
	}
	version, err := strconv.ParseUint(string(f[2]), 10, 64)
	if _, errSession := strconv.ParseUint(string(f[1]), 10, 64); err != nil || errSession != nil {
		return false
	}
	o.version = version
	var h maphash.Hash
	h.SetSeed(tagSeed)
	for _, part := range [][]byte{f[0], f[1], f[3], f[4], f[5]} {
		_, _ = h.Write(part) // never fails
		_ = h.WriteByte(' ')
	}
	o.session = h.Sum64()
	return true
}

// left gives the attempts, from 0, of a call that has gone whose descriptions were wrong.
func (o *origins) left(id dialog.CallID) (wrong []int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, one := range o.seen[id] {
		if one.bad {
			wrong = append(wrong, int(one.leg)-1)
		}
	}
	delete(o.seen, id)
	o.wrong.note(id, wrong)
	return wrong
}

// bad says that they were in an attempt, from 0, of a call that is remembered.
func (o *origins) bad(call string, attempt int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.wrong.has(call, attempt)
}
