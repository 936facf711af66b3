package dialog

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// maxContacts is how many contacts of a redirection are looked at.
const maxContacts = 32

// contacts are the URIs of a redirection (RFC 3261 §8.1.3.4), those of the highest q
// first and each once; expires is ignored. One without a q, or with one that is no
// number, is as good as any.
func (m *Message) contacts() []string {
	type contact struct {
		uri string
		q   float64
	}
	var list []contact
	for _, v := range m.Values("Contact") {
		uri := addressURI(v)
		if uri == "" || len(list) >= maxContacts || slices.ContainsFunc(list, func(c contact) bool { return c.uri == uri }) {
			continue
		}
		q := 1.0
		if text, ok := param(afterAddress(v), "q"); ok {
			if n, err := strconv.ParseFloat(text, 64); err == nil && 0 <= n && n <= 1 {
				q = n
			}
		}
		list = append(list, contact{strings.Clone(uri), q})
	}
	slices.SortStableFunc(list, func(a, b contact) int { return cmp.Compare(b.q, a.q) })
	uris := make([]string, 0, len(list))
	for _, c := range list {
		uris = append(uris, c.uri)
	}
	return uris
}

// redirects says that a response names other places where the callee may be had. 380
// has them in its body, which is not for us (RFC 3261 §21.3.5).
func (m *Message) redirects() bool { return m.Code/100 == 3 && m.Code != 380 }
