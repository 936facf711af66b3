package carriers

import (
	"slices"
	"strconv"
	"strings"

	"bulkhead/dialog"
)

// Numbers that a call was for before: Diversion (RFC 5806) and History-Info (RFC 7044), which
// say the same, as far as RFC 7544 maps one to the other.

// The ways in which a carrier is told of diversions.
const (
	diversionHeader  = "diversion" // the default
	diversionHistory = "history"
	diversionNone    = "none"
)

const historyInfo = "History-Info"

// maxDiversions bounds what is kept of them: no network lets a call be diverted so often.
const maxDiversions = 10

// causeOf are the causes of RFC 4458 for reasons of Diversion (RFC 7544 §4.2, table 1).
var causeOf = map[string]int{
	"unconditional": 302, "user-busy": 486, "no-answer": 408, "unavailable": 503, "deflection": 480,
}

// reasonOf is the way back.
var reasonOf = map[int]string{
	302: "unconditional", 486: "user-busy", 408: "no-answer", 503: "unavailable", 480: "deflection", 487: "deflection",
}

// diversions are those that an INVITE tells of, the last first.
func (n *numbers) diversions(m *dialog.Message) (list []dialog.Diversion) {
	for _, v := range m.Values("Diversion") {
		params := dialog.Params(v)
		reason, _ := dialog.Param(params, "reason")
		private, _ := dialog.Param(params, "privacy")
		d := dialog.Diversion{User: n.party(v).User, Reason: word(reason), Private: strings.EqualFold(private, "full") || strings.EqualFold(private, "uri")}
		if counter, ok := dialog.Param(params, "counter"); ok {
			if c, err := strconv.ParseUint(counter, 10, 8); err == nil {
				d.Counter = uint8(c)
			}
		}
		if list = append(list, d); len(list) == maxDiversions {
			return list
		}
	}
	if len(list) > 0 {
		return list
	}
	entries := n.history(m)
	for i := len(entries) - 1; i > 0; i-- {
		e := entries[i]
		if e.cause == 0 {
			continue
		}
		from := entries[i-1]
		for _, other := range entries[:i] {
			if other.index == e.of {
				from = other
			}
		}
		list = append(list, dialog.Diversion{User: from.user, Reason: reasonOf[e.cause], Private: from.private})
	}
	return list
}

// word is a token that we may write again, in small letters.
func word(s string) string {
	s = strings.ToLower(strings.Trim(s, `"`))
	if len(s) > 32 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz-") != "" {
		return ""
	}
	return strings.Clone(s)
}

// changed is the diversion that an attempt at another number is: the number that was called
// first, and why it was not, or no longer, tried.
func changed(s *dialog.Setup, a Attempt) dialog.Diversion {
	d := dialog.Diversion{User: s.Number, Reason: "unavailable"}
	switch why, code := a.After.Why, a.After.Code; {
	case a.Number <= 1 || code/100 == 3:
		d.Reason = "unconditional"
	case why == dialog.Rejected && (code == 486 || code == 600):
		d.Reason = "user-busy"
	case why == dialog.NoAnswer || why == dialog.Rejected && (code == 408 || code == 480):
		d.Reason = "no-answer"
	}
	return d
}

// divert appends what the carrier is told of diversions, the call's and that of an attempt
// at another number.
func (c *Carrier) divert(list []dialog.Header, s *dialog.Setup, a Attempt, number string) []dialog.Header {
	if c.diversion == diversionNone {
		return list
	}
	all := s.Diversions
	if number != s.Number && s.Number != "" {
		all = append([]dialog.Diversion{changed(s, a)}, all...)
	}
	if len(all) == 0 {
		return list
	}
	if s.Privacy&dialog.PrivateHistory != 0 {
		all = slices.Clone(all)
		for i := range all {
			all[i].Private = true
		}
	}
	hidden := func(d dialog.Diversion) bool { return d.Private && !c.trust }
	if c.diversion == diversionHistory {
		return append(list, dialog.Header{Name: historyInfo, Value: c.told(all, hidden, c.dial(number), a.Host)})
	}
	for _, d := range all {
		var b strings.Builder
		if p := (dialog.Party{User: c.write(d.User)}); hidden(d) || p.User == "" {
			b.WriteString("<sip:anonymous@anonymous.invalid>")
		} else {
			b.WriteString(p.Address(a.Host))
		}
		if d.Reason != "" {
			b.WriteString(";reason=" + d.Reason)
		} else {
			b.WriteString(";reason=unknown")
		}
		b.WriteString(";counter=" + strconv.Itoa(max(1, int(d.Counter))))
		if d.Private {
			b.WriteString(";privacy=full")
		}
		list = append(list, dialog.Header{Name: "Diversion", Value: b.String()})
	}
	return list
}

// told writes diversions as a history: the number called first, and each that was called
// instead, with the cause (RFC 7544 §4.3).
func (c *Carrier) told(all []dialog.Diversion, hidden func(dialog.Diversion) bool, as, host string) string {
	var b strings.Builder
	index, cause, of := "1", 0, ""
	for i := len(all) - 1; i >= -1; i-- {
		e := entry{user: as, cause: cause, index: index, of: of}
		if i >= 0 {
			d := all[i]
			e.user, e.private = c.write(d.User), d.Private
			if hidden(d) {
				e.user = ""
			}
			if cause = causeOf[d.Reason]; cause == 0 {
				cause = 404
			}
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(e.write(host))
		of, index = index, index+".1"
	}
	return b.String()
}

// entry is one of History-Info (RFC 7044 §5.1).
type entry struct {
	user    string // empty: not told
	cause   int    // why the call came here (RFC 4458); 0: not said
	index   string
	of      string // index of whose target this one was called instead
	private bool
}

// history are the entries of a message that can be read.
func (n *numbers) history(m *dialog.Message) (list []entry) {
	for _, v := range m.Values(historyInfo) {
		params := dialog.Params(v)
		e := entry{user: n.party(v).User}
		e.index, _ = dialog.Param(params, "index")
		if e.of, _ = dialog.Param(params, "mp"); !isIndex(e.of) {
			e.of = ""
		}
		if cause, ok := dialog.URIParam(v, "cause"); ok {
			if c, err := strconv.Atoi(cause); err == nil && 100 <= c && c <= 699 {
				e.cause = c
			}
		}
		_, asks, _ := strings.Cut(dialog.AddressURI(v), "?")
		e.private = strings.Contains(strings.ToLower(asks), "privacy=history")
		if isIndex(e.index) && len(list) <= maxDiversions {
			list = append(list, e)
		}
	}
	return list
}

func isIndex(s string) bool {
	return s != "" && len(s) <= 32 && strings.Trim(s, "0123456789.") == "" && strings.Trim(s, ".") == s
}

// write is the entry at a host of ours.
func (e entry) write(host string) string {
	var b strings.Builder
	b.WriteString("<sip:")
	if e.user == "" {
		b.WriteString("anonymous@anonymous.invalid")
	} else {
		b.WriteString(e.user + "@" + host)
	}
	if e.cause != 0 {
		b.WriteString(";cause=" + strconv.Itoa(e.cause))
	}
	if e.private {
		b.WriteString("?Privacy=history")
	}
	b.WriteString(">;index=" + e.index)
	if e.of != "" {
		b.WriteString(";mp=" + e.of)
	}
	return b.String()
}
