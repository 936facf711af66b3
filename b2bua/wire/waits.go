package wire

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// waitFor is how long a request may be without a response: 64·T1 (RFC 3261 §17.1.1.2).
const waitFor = 32 * time.Second

// unheard is how long after an ACK, which has no response, was written a peer that closes
// the connection may not have read it. A round trip takes less.
const unheard = time.Second

// waits are the requests that have gone out on connections and have no response yet: if
// their connection ends, nobody will ever know whether they were read. Sent again, they are
// a repeat like any other for who has read them; what has been answered is not, since its
// transaction may be over at the peer (RFC 3261 §17.2, where timers are zero over a
// stream), and a new INVITE would be a new call. By which connection a response comes does
// not matter (§18.2.2).
type waits struct {
	mu    sync.Mutex
	by    map[string]*wait
	queue []*wait // in the order in which they went out
}

type wait struct {
	outgoing
	key  string
	conn *conn // nil: answered
	at   time.Time
}

// add notes what is about to be written, if it is a request; false: it is none, or nobody
// wants to know what becomes of it a second time.
func (w *waits) add(c *conn, o outgoing) bool {
	key := transactionOf(o.data)
	if key == "" || o.unsent == nil && o.again {
		return false
	}
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by == nil {
		w.by = map[string]*wait{}
	}
	for len(w.queue) > 0 && (w.queue[0].conn == nil || now.Sub(w.queue[0].at) > waitFor) {
		w.forget(w.queue[0])
		w.queue[0] = nil
		w.queue = w.queue[1:]
	}
	if old := w.by[key]; old != nil {
		w.forget(old)
	}
	one := &wait{outgoing: o, key: key, conn: c, at: now}
	w.by[key] = one
	w.queue = append(w.queue, one)
	return true
}

// forget lets go of what is answered or too old. The lock is held.
func (w *waits) forget(one *wait) {
	if w.by[one.key] == one {
		delete(w.by, one.key)
	}
	one.conn, one.outgoing = nil, outgoing{}
}

// answered notes that a response has come.
func (w *waits) answered(r *sip.Response) {
	via, cseq := r.Via(), r.CSeq()
	if via == nil || cseq == nil {
		return
	}
	branch, _ := via.Params.Get("branch")
	w.mu.Lock()
	defer w.mu.Unlock()
	if one := w.by[string(cseq.MethodName)+" "+branch]; one != nil {
		w.forget(one)
	}
}

// remove takes back what could not be written; false: it is not there any more.
func (w *waits) remove(c *conn, o outgoing) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := w.by[transactionOf(o.data)]
	if one == nil || one.conn != c {
		return false
	}
	w.forget(one)
	return true
}

// take takes out what waits for a connection that has ended, in its order.
func (w *waits) take(c *conn) (left []outgoing) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = slices.DeleteFunc(w.queue, func(one *wait) bool {
		if one.conn == c {
			if age := now.Sub(one.at); age <= unheard || one.unsent != nil && age <= waitFor {
				left = append(left, one.outgoing)
			}
			w.forget(one)
		}
		return one.conn == nil
	})
	return left
}

// transactionOf names the transaction of a request of ours by its method and the branch
// of its Via, which is the first header field; empty: it is no request.
func transactionOf(data []byte) string {
	line, rest, _ := bytes.Cut(data, []byte("\r\n"))
	method, _, _ := strings.Cut(string(line), " ")
	via, _, _ := bytes.Cut(rest, []byte("\r\n"))
	_, branch, ok := strings.Cut(string(via), ";branch=")
	if !ok || method == "SIP/2.0" || !bytes.HasPrefix(via, []byte("Via:")) {
		return ""
	}
	branch, _, _ = strings.Cut(branch, ";")
	return method + " " + branch
}
