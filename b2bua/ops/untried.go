package ops

import (
	"fmt"
	"strings"

	"bulkhead/b2bua"
	"bulkhead/carriers"
)

// untried tells of the targets of the route that were passed over, each carrier once for
// each reason.
func untried(r b2bua.Record) (list []string) {
	said := map[string]bool{}
	for _, u := range r.Untried {
		text := fmt.Sprintf("%s was passed over: %s.", u.Carrier, passed(u))
		if !said[text] {
			said[text] = true
			list = append(list, text)
		}
	}
	return list
}

// nobody is the first sentence of a call whose every target was passed over.
func nobody(r b2bua.Record) string {
	var all []string
	said := map[string]bool{}
	for _, u := range r.Untried {
		if text := u.Carrier + " " + passed(u); !said[text] {
			said[text] = true
			all = append(all, text)
		}
	}
	return fmt.Sprintf("Nobody could be tried for %s from trunk %s (%s): answered %s.", called(r), r.Trunk, strings.Join(all, "; "), response(r.Code, ""))
}

// passed is why a target was, as something that is true of it.
func passed(u b2bua.UntriedRecord) string {
	text := ""
	switch u.Reason {
	case carriers.SkipDown:
		text = u.Gateway + " does not answer OPTIONS"
	case carriers.SkipResting:
		text = u.Gateway + " rests after calls that failed, or has asked for it"
	case carriers.SkipProbing:
		text = u.Gateway + " is being tried by another call, to find out whether it is well again"
	case carriers.SkipCalls:
		text = "has as many calls as it may"
	case carriers.SkipCPS:
		text = "has as many new calls a second as it may"
	case carriers.SkipRestoring:
		text = "has calls that were just being taken over, and how many was not known"
	default:
		text = strings.ReplaceAll(u.Reason, "_", " ")
	}
	if u.Detail != "" {
		text += " " + u.Detail
	}
	return text
}
