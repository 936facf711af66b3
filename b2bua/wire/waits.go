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

// waits are the requests that have gone out on connections and have no response yet: if
// their connection ends, nobody will ever know of them. By which connection a response
// comes does not matter (RFC 3261 §18.2.2).
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

// add notes what is about to be written. What nobody wants to know of is not.
func (w *waits) add(c *conn, o outgoing) {
	key := transactionOf(o.data)
	if o.unsent == nil || key == "" {
		return
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

// remove takes back what could not be written. True: it is not known to anybody, or it
// was here.
func (w *waits) remove(c *conn, o outgoing) bool {
	key := transactionOf(o.data)
	if o.unsent == nil || key == "" {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	one := w.by[key]
	if one == nil || one.conn != c {
		return false // its connection's end has been quicker
	}
	w.forget(one)
	return true
}

// take takes out what waits for a connection that has ended, in its order.
func (w *waits) take(c *conn) (left []outgoing) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = slices.DeleteFunc(w.queue, func(one *wait) bool {
		if one.conn == c {
			left = append(left, one.outgoing)
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
