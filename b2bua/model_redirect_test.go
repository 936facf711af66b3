package b2bua

import (
	"fmt"
	"slices"
	"strings"

	"bulkhead/dialog"
)

// best are the contacts of redirection that are gateways, in the order in which they
// are to be tried.
var best = []string{"sip:2@192.0.2.3", "sip:1@192.0.2.2"}

// redirection is what a carrier says in a 302: the worst first, one twice, and two that
// nobody of ours has.
var redirection = "Contact: <" + best[1] + ">;q=0.5;expires=0\r\n" +
	"Contact: <sip:4@198.51.100.77>, <" + best[0] + ">;q=0.9, <tel:+4930>, <" + best[0] + ">;q=0.2\r\n"

// redirected holds a call to RFC 3261 §8.1.3.4: the best contact that is left is tried,
// none twice, not too many, and none when a refusal speaks for everywhere.
func (o *observer) redirected(s *seen) string {
	if s.after.redirects == nil || s.after.redirects.Contacts("") == 0 || len(s.after.Out) == 0 {
		return ""
	}
	most, used := s.after.redirects.Contacts(""), 0
	var tried []string
	for i, leg := range s.after.Out {
		uri := "sip:" + leg.Target.Number + "@" + leg.Target.Host
		if slices.Contains(tried, uri) {
			return "RFC 3261 §8.1.3.4: " + uri + " is tried twice"
		}
		if tried = append(tried, uri); slices.Contains(best, uri) {
			used++
		}
		if !strings.HasPrefix(leg.Target.Host, "192.0.2.") || leg.URI != uri {
			return fmt.Sprintf("RFC 3261 §8.1.3.4: attempt %d is made at %s", i+1, leg.URI)
		}
	}
	if used > most {
		return fmt.Sprintf("RFC 3261 §8.1.3.4: %d contacts are tried", used)
	}
	m, n := s.move, len(s.before.Out)
	if m.kind != says || m.leg != uint8(n) || m.msg.Method != "INVITE" || m.msg.Code < 300 || s.before.Out[n-1].State >= dialog.Answered {
		return ""
	}
	began := len(s.after.Out) > n
	switch {
	case m.msg.Code >= 600 && began:
		return "RFC 3261 §21.6: a refusal of everywhere leads on"
	case m.msg.Code/100 != 3 || o.Closed:
		return ""
	}
	for _, uri := range best {
		if s.judge != nil && slices.ContainsFunc(s.judge.asked, func(v verdict) bool { return v.why != "" && "sip:"+v.target.Number+"@"+v.target.Host == uri }) {
			continue
		}
		i := slices.Index(tried, uri)
		pending := slices.ContainsFunc(s.before.Targets, func(t Target) bool { return "sip:"+t.Number+"@"+t.Host == uri })
		if i >= 0 && i < n || pending {
			continue
		}
		if used-1 < most && began && i == n || used >= most {
			return ""
		}
		return "RFC 3261 §8.1.3.4: not the best contact is tried, " + uri
	}
	return ""
}
