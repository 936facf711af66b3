package wire

import (
	"bytes"
	"time"
)

// unheard is how long after a request was written a peer that closes the connection may
// not have read it: what crosses the end of a connection meets nobody, and no error says so.
// A round trip takes less.
const unheard = time.Second

// recent are the requests written to a connection a moment ago that have no answer. They are sent
// once more, by a new one, where the peer closes it: for who has read them it is a repeat like any
// other. What has been answered is not: its transaction may be over at the peer (RFC 3261 §17.2,
// where timers are zero over a stream), and a new INVITE would be a new call.
type recent struct {
	order []written
	by    map[string]written // by the branch of their top Via
}

type written struct {
	outgoing
	branch string
	at     time.Time
}

// writes notes what is about to be written, if it is such a request, and forgets what the
// peer must have read by now.
func (r *recent) writes(now time.Time, o outgoing) bool {
	branch := topBranch(o.data)
	if o.again || branch == "" || isResponse(o.data) {
		return false
	}
	if r.by == nil {
		r.by = map[string]written{}
	}
	w := written{o, branch, now}
	r.by[branch] = w
	r.order = append(r.order, w)
	for len(r.order) > 0 && (len(r.order) > maxQueued || now.Sub(r.order[0].at) > unheard) {
		r.forget(r.order[0])
		r.order[0] = written{}
		r.order = r.order[1:]
	}
	return true
}

// withdraw takes out what could not be written; false: it is not there any more.
func (r *recent) withdraw(o outgoing) bool {
	branch := topBranch(o.data)
	_, there := r.by[branch]
	delete(r.by, branch)
	return there
}

// forget takes a request out, unless another one with its branch, a CANCEL or an ACK, has
// taken its place.
func (r *recent) forget(w written) {
	if r.by[w.branch].at.Equal(w.at) {
		delete(r.by, w.branch)
	}
}

// answered takes out the request that a message answers.
func (r *recent) answered(raw []byte) {
	if len(r.by) > 0 && isResponse(raw) {
		delete(r.by, topBranch(raw))
	}
}

// unanswered are those that the peer may not have read, in their order.
func (r *recent) unanswered(now time.Time) (list []outgoing) {
	for _, w := range r.order {
		if last, ok := r.by[w.branch]; ok && last.at.Equal(w.at) && now.Sub(w.at) <= unheard {
			w.again = true
			list = append(list, w.outgoing)
		}
	}
	*r = recent{}
	return list
}

func isResponse(data []byte) bool { return bytes.HasPrefix(data, []byte("SIP/")) }

// topBranch is the branch of the first Via, as we write it and a response gives it back;
// empty: there is none.
func topBranch(data []byte) string {
	_, rest, found := bytes.Cut(data, []byte(";branch="))
	if end := bytes.IndexAny(rest, ";,\r\n\t "); found && end > 0 {
		return string(rest[:end])
	}
	return ""
}
