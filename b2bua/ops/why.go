package ops

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// Why says in plain sentences why a call went as it did, from its record as it stands: first
// the cause of its end, or what it is at, then each attempt in its order, then who was passed
// over.
func Why(r b2bua.Record) []string {
	list := []string{outcome(r)}
	for i, a := range r.Attempts {
		list = append(list, attempt(r, i, a)...)
	}
	list = append(list, untried(r)...)
	for _, t := range r.Transfers {
		list = append(list, transfer(t))
	}
	return list
}

// outcome is the first sentence.
func outcome(r b2bua.Record) string {
	n := len(r.Attempts)
	if r.Ended.IsZero() {
		switch {
		case !r.Answered.IsZero():
			return fmt.Sprintf("The call is up: %s answered at attempt %s after %s.", last(r).Carrier, ofAll(n, n), since(r.Began, r.Answered))
		case n == 0:
			return "The call has just come: nobody has been tried yet."
		}
		return fmt.Sprintf("The call is being set up: %s is tried, attempt %d.", last(r).Carrier, n)
	}
	switch r.Cause {
	case "cancelled":
		if n == 0 {
			return fmt.Sprintf("The caller (trunk %s) cancelled after %s, before anybody was tried.", r.Trunk, since(r.Began, r.Ended))
		}
		return fmt.Sprintf("The caller (trunk %s) cancelled after %s, while %s.", r.Trunk, since(r.Began, r.Ended), doing(last(r)))
	case "hung_up":
		return hungUp(r)
	case "no_ack":
		return fmt.Sprintf("The caller (trunk %s) never acknowledged the 200: its ACK did not come, so both sides got a BYE (RFC 3261 §13.3.1.4).", r.Trunk)
	case "expired":
		if r.Answered.IsZero() {
			return fmt.Sprintf("Bulkhead gave up: nobody had answered within the trunk's max_setup, %s.", since(r.Began, r.Ended))
		}
		return fmt.Sprintf("Bulkhead ended the call at the trunk's max_duration, %s after the answer.", since(r.Answered, r.Ended))
	case "operator":
		return fmt.Sprintf("An operator hung the call up, %s.", into(r))
	case "drained":
		return fmt.Sprintf("Bulkhead ended the call, %s: the node was going out of service and the time for calls to end by themselves was over.", into(r))
	case "fault":
		return fmt.Sprintf("A defect of Bulkhead ended the call, %s; the log has its trace under this call.", into(r))
	case "peer_lost":
		return fmt.Sprintf("A side of the call was gone, %s: its request within the dialog was answered with %s.", into(r), lostBy(r))
	case "transferred":
		return fmt.Sprintf("The call was transferred, %s.", into(r))
	case "no_route":
		return noRoute(r)
	}
	return failed(r)
}

// hungUp is the end of a call by BYE.
func hungUp(r b2bua.Record) string {
	who := fmt.Sprintf("The caller (trunk %s)", r.Trunk)
	if r.EndedBy == "carrier" && len(r.Attempts) > 0 {
		who = "The called side (" + last(r).Carrier + ")"
	}
	if r.Answered.IsZero() {
		return fmt.Sprintf("%s gave the call up by BYE before it was answered, after %s.", who, since(r.Began, r.Ended))
	}
	text := fmt.Sprintf("%s hung up, %s after the answer", who, since(r.Answered, r.Ended))
	if r.Q850 != 0 && r.Q850 != 16 {
		text += " (" + q850(r.Q850) + ")"
	}
	return text + "."
}

// noRoute is a call that nobody was tried for.
func noRoute(r b2bua.Record) string {
	switch {
	case r.Status == 404 && len(r.Attempts) == 0:
		return fmt.Sprintf("The routes lead nowhere for %s from trunk %s: answered 404.", called(r), r.Trunk)
	case len(r.Attempts) == 0 && len(r.Untried) > 0:
		return nobody(r)
	case len(r.Attempts) == 0:
		return fmt.Sprintf("The route for %s from trunk %s refused the call: answered %s.", called(r), r.Trunk, response(r.Code, ""))
	}
	return fmt.Sprintf("No target was left for %s.", called(r))
}

// failed is a call that ended with its last attempt.
func failed(r b2bua.Record) string {
	n := len(r.Attempts)
	if n == 0 && r.Cause == "no_media" {
		return fmt.Sprintf("What the caller described cannot be carried, or no media port was free (trunk %s): answered %s.", r.Trunk, response(r.Code, ""))
	}
	if n == 0 && r.Cause == "no_codec" {
		return fmt.Sprintf("The carriers' codecs leave nothing of the caller's offer (trunk %s): answered %s.", r.Trunk, response(r.Code, ""))
	}
	if n == 0 {
		return fmt.Sprintf("The call was refused: answered %s.", response(r.Code, ""))
	}
	a := last(r)
	text := fmt.Sprintf("%s %s", a.Carrier, fate(a))
	if n == 1 {
		return text + ", and nobody else was to be tried." + told(r, a)
	}
	return fmt.Sprintf("All %d attempts failed; the last: %s.%s", n, text, told(r, a))
}

// told is what the trunk heard, where it is not what the carrier said.
func told(r b2bua.Record, a b2bua.Attempt) string {
	if r.Code == 0 || r.Code == a.Code {
		return ""
	}
	return fmt.Sprintf(" The trunk was told %s.", response(r.Code, ""))
}

// attempt tells of one attempt, and of what its redirection led to.
func attempt(r b2bua.Record, i int, a b2bua.Attempt) []string {
	n := len(r.Attempts)
	text := fmt.Sprintf("Attempt %s: %s at %s, number %s", ofAll(i+1, n), a.Carrier, a.Gateway, a.Number)
	if a.RedirectedBy > 0 {
		text += fmt.Sprintf(" (where attempt %d redirected to)", a.RedirectedBy)
	}
	text += ": " + trace(a)
	answered := !r.Answered.IsZero() && a.Code/100 == 2 && !a.Late
	switch {
	case answered:
		text += fmt.Sprintf("answered %d", a.Code)
		if !a.Final.IsZero() {
			text += " after " + since(a.Began, a.Final)
		}
	case i == n-1 && r.Ended.IsZero():
		text += "still being tried"
	default:
		text += "it " + fate(a)
	}
	list := []string{text + "."}
	if a.Late {
		list = append(list, fmt.Sprintf("%s answered all the same after it had been given up: Bulkhead acknowledged that and hung up at once, so its bill may list a call.", a.Carrier))
	}
	if a.Absorbed > 0 {
		list = append(list, fmt.Sprintf("%s sent %d more messages that could change nothing; they were absorbed on its own leg.", a.Carrier, a.Absorbed))
	}
	for _, s := range a.Skipped {
		list = append(list, fmt.Sprintf("Its redirection to %s was not followed: %s.", s.Contact, skipped(s.Reason)))
	}
	return list
}

// trace tells when what came of an attempt.
func trace(a b2bua.Attempt) string {
	var list []string
	if !a.Trying.IsZero() {
		list = append(list, "100 after "+since(a.Began, a.Trying))
	}
	if !a.Ringing.IsZero() {
		list = append(list, "ringing after "+since(a.Began, a.Ringing))
	}
	if !a.EarlyMedia.IsZero() {
		list = append(list, "early media after "+since(a.Began, a.EarlyMedia))
	}
	if len(list) == 0 {
		return ""
	}
	return strings.Join(list, ", ") + ", "
}

// fate is what became of an attempt that did not answer, as what its carrier did.
func fate(a b2bua.Attempt) string {
	switch a.Cause {
	case "rejected":
		text := "refused the call with " + response(a.Code, a.Phrase)
		if a.Q850 != 0 {
			text += " (" + q850(a.Q850) + ")"
		}
		return text
	case "no_response":
		return "did not respond at all within no_response"
	case "no_ringing":
		return "did not ring within no_ringing"
	case "no_answer":
		return "did not answer within no_answer"
	case "not_sent":
		text := "could not be reached: the INVITE was not sent"
		if a.Text != "" {
			text += " (" + a.Text + ")"
		}
		return text
	case "cancelled":
		return "was given up since the caller cancelled"
	case "hung_up":
		return "was hung up"
	case "no_codec":
		return "was not asked: its codecs leave nothing of the caller's offer"
	case "no_media":
		text := "could not be given media that we carry"
		if a.Text != "" {
			text += " (" + a.Text + ")"
		}
		return text
	case "media_timeout":
		return "was hung up: nothing was heard from either side for too long"
	case "unauthorized":
		text := "challenged us, and that was not met"
		if a.Text != "" {
			text += " (" + a.Text + ")"
		}
		return text
	case "peer_lost":
		return "was gone when something was asked of it within the dialog"
	}
	return "was given up: " + strings.ReplaceAll(a.Cause, "_", " ")
}

func transfer(t b2bua.TransferRecord) string {
	text := fmt.Sprintf("%s %s asked for a transfer to %s", t.By, t.Name, t.To)
	switch {
	case t.Status == 0:
		text += "; what became of it is not known"
	case t.Status < 200:
		text += fmt.Sprintf("; it has got as far as %d", t.Status)
	default:
		text += fmt.Sprintf("; it came to %s", response(t.Status, ""))
	}
	return text + "."
}

func skipped(reason string) string {
	switch reason {
	case b2bua.SkipNoGateway:
		return "no carrier of ours has that gateway"
	case b2bua.SkipRepeated:
		return "it is tried anyhow"
	case b2bua.SkipBeyond:
		return "the carrier's redirect.contacts were used up"
	}
	return reason
}

// doing is what an attempt was at when the caller gave up.
func doing(a b2bua.Attempt) string {
	switch {
	case !a.Ringing.IsZero():
		return a.Carrier + " was ringing"
	case !a.Trying.IsZero():
		return a.Carrier + " had said 100 and nothing more"
	}
	return a.Carrier + " had not responded"
}

// into is how far a call had got.
func into(r b2bua.Record) string {
	if r.Answered.IsZero() {
		return since(r.Began, r.Ended) + " after it began, before it was answered"
	}
	return since(r.Answered, r.Ended) + " after the answer"
}

func lostBy(r b2bua.Record) string {
	if r.Status == 0 {
		return "nothing"
	}
	return response(r.Status, "")
}

func last(r b2bua.Record) b2bua.Attempt { return r.Attempts[len(r.Attempts)-1] }

func called(r b2bua.Record) string {
	if r.To == "" {
		return "a call without a number"
	}
	return r.To
}

func ofAll(i, n int) string {
	if n == 1 {
		return "1"
	}
	return fmt.Sprintf("%d of %d", i, n)
}

// response is a status code with its phrase.
func response(code int, phrase string) string {
	if phrase == "" {
		phrase = dialog.Phrase(code)
	}
	return strings.TrimSpace(strconv.Itoa(code) + " " + phrase)
}

// since is a span as people say it: "0.3 s", "12.0 s", "3m5s".
func since(from, to time.Time) string {
	d := to.Sub(from)
	if d < time.Minute {
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
	return d.Round(time.Second).String()
}
