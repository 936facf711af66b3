package ng

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// Exchange is an offer or an answer on its way from one leg to another.
type Exchange struct {
	Node string // has the call; "" in an offer: one is chosen
	Anew bool   // of an offer: where Node is lost, or does not know the call, as if it named none, nor To
	Call string // our id of the call
	// From is the leg that made the offer and To the one that answers it, also in the
	// answer. To is empty in the first offer to a leg: forks answer as themselves.
	From, To string
	// Branch tells attempts apart, each of which has ports of its own. It is the same
	// in all requests of an attempt; empty where there is only one.
	Branch string
	Body   []byte  // SDP
	Learn  Learn   // of the leg that the body is from
	Toward Profile // of the leg that it goes to
}

// Result is what became of a body.
type Result struct {
	Node    string // for the call's record
	Anew    bool   // it was as if none had been named: nothing is agreed there
	Body    []byte // to be given to the SDP rules, then to the other leg
	Warning string // rtpengine's own words, if any
}

// Offer has ports opened for the offer's media and gives back the offer with them.
// Where the exchange names no node, the one that is chosen for the call is asked; if
// that one is lost or busy, the next in its rank, and so on: each at most once, and not
// one that has just been lost. All of them together have Config.Timeout: a node half of
// what is left of it while there is another one to ask. A node that did the work and
// whose answer was lost keeps the ports until its own timeout.
//
// Errors: ErrNoNode, ErrNodeLost, ErrBusy, ErrGarbled, ErrTooLong, an *Error with
// rtpengine's words, or that of ctx. With ErrGarbled the result has the node, which may
// have opened ports: they are to be deleted.
func (c *Client) Offer(ctx context.Context, x Exchange) (Result, error) {
	until, lost, anew := time.Now().Add(c.config.Timeout), "", false
	var errs []error
	if x.Node != "" {
		n, err := c.named(x.Node)
		var result Result
		if err == nil {
			another, _ := c.best(x.Call, noRank, x.Node)
			result, err = n.exchange(ctx, "offer", &x, share(until, x.Anew && another != nil))
		}
		forgotten := errors.Is(err, ErrUnknownCall)
		if !x.Anew || !forgotten && !errors.Is(err, ErrNodeLost) || ctx.Err() != nil {
			return result, err
		}
		if !forgotten {
			lost = x.Node
		}
		errs, anew = append(errs, err), true
		x.Node, x.To = "", ""
	}
	for below := uint64(noRank); ; {
		n, rank := c.best(x.Call, below, lost)
		if n == nil || !time.Now().Before(until) {
			return Result{}, errors.Join(append(errs, ErrNoNode)...)
		}
		another, _ := c.best(x.Call, rank, lost)
		result, err := n.exchange(ctx, "offer", &x, share(until, another != nil))
		if result.Anew = anew; !errors.Is(err, ErrNodeLost) && !errors.Is(err, ErrBusy) || ctx.Err() != nil {
			return result, err
		}
		errs = append(errs, err)
		below = rank
	}
}

// share is how long a node is waited for of the time until then, where there is another one to ask after it or not.
func share(until time.Time, another bool) time.Duration {
	if another {
		return time.Until(until) / 2
	}
	return time.Until(until)
}

// Answer gives back the answer with rtpengine's ports. Errors are those of Offer, and
// ErrUnknownCall.
func (c *Client) Answer(ctx context.Context, x Exchange) (Result, error) {
	n, err := c.named(x.Node)
	if err != nil {
		return Result{}, err
	}
	return n.exchange(ctx, "answer", &x, c.config.Timeout)
}

func (n *node) exchange(ctx context.Context, command string, x *Exchange, timeout time.Duration) (Result, error) {
	r := newRequest()
	defer r.release()
	r.out = x.append(r.out, command)
	answer, err := n.command(ctx, command, r, timeout)
	switch {
	case errors.Is(err, ErrGarbled):
		return Result{Node: n.name}, err
	case err != nil:
		return Result{}, err
	}
	body := answer.get("sdp").bytes()
	if err := x.check(command, body); err != nil {
		return Result{Node: n.name}, fmt.Errorf("%s by rtpengine %s: %w: %w", command, n.name, ErrGarbled, err)
	}
	return Result{Node: n.name, Body: bytes.Clone(body), Warning: string(answer.get("warning").bytes())}, nil
}

// command asks a node unless that is known to be in vain, and makes an error of what
// it refuses.
func (n *node) command(ctx context.Context, command string, r *request, timeout time.Duration) (value, error) {
	if n.lost() {
		return nil, fmt.Errorf("rtpengine %s is down: %w", n.name, ErrNodeLost)
	}
	answer, err := n.ask(ctx, r, n.client.config.Repeat, timeout)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", command, err)
	}
	if err := refusal(n.name, command, answer); err != nil {
		n.counts.refused.Add(1)
		return nil, err
	}
	return answer, nil
}

// append writes the dictionary, its keys in order as bencode has them.
func (x *Exchange) append(b []byte, command string) []byte {
	p, offer := &x.Toward, command == "offer"
	b = append(b, 'd')
	b = append(b, "4:DTLS3:off"...) // its keys would be offered beside those of SDES
	b = append(b, "3:ICE6:remove"...)
	if offer && p.SRTP == SRTPSDES {
		b = p.appendSDES(append(b, "4:SDES"...))
	}
	b = append(b, "3:TOSi184e"...) // EF, RFC 3246
	if offer && p.Family != FamilyKeep {
		b = appendText(append(b, "14:address family"...), p.Family.String())
	}
	b = appendText(append(b, "7:call-id"...), x.Call)
	if offer && len(p.Transcode) > 0 {
		b = append(appendTexts(append(b, "5:codecd9:transcode"...), p.Transcode...), 'e')
	}
	b = appendText(append(b, "7:command"...), command)
	if offer && p.Interfaces != [2]string{} {
		b = appendTexts(append(b, "9:direction"...), p.Interfaces[0], p.Interfaces[1])
	}
	b = appendTexts(append(b, "5:flags"...), x.Learn.flags()...)
	b = appendText(append(b, "8:from-tag"...), x.From)
	if p.Record {
		b = append(b, "11:record call2:on"...)
	}
	b = append(b, "7:replacel6:origin18:session-connectione"...)
	b = append(b, "8:rtcp-muxl5:demuxe"...)
	b = appendText(append(b, "3:sdp"...), x.Body)
	b = append(b, "8:supportsl10:load limite"...)
	if x.To != "" {
		b = appendText(append(b, "6:to-tag"...), x.To)
	}
	if offer && p.SRTP != SRTPKeep {
		b = appendText(append(b, "18:transport-protocol"...), p.SRTP.protocol())
	}
	if x.Branch != "" {
		b = appendText(append(b, "10:via-branch"...), x.Branch)
	}
	return append(b, 'e')
}

// check refuses a body in which the number of m-lines has changed (RFC 3264 §6), and
// an address of the other family: rtpengine takes one where it has no interface of
// the family that was asked for.
func (x *Exchange) check(command string, body []byte) error {
	if sent, got := lines(x.Body, "m="), lines(body, "m="); got != sent || got == 0 {
		return fmt.Errorf("%d media lines went, %d came", sent, got)
	}
	if f := x.Toward.Family; command == "offer" && f != FamilyKeep && lines(body, "c=IN "+f.String()+" ") != lines(body, "c=") {
		return fmt.Errorf("it has no address of family %s", f)
	}
	return nil
}

// lines counts those that begin so.
func lines(body []byte, begin string) (n int) {
	for line := range bytes.Lines(body) {
		if len(line) >= len(begin) && string(line[:len(begin)]) == begin {
			n++
		}
	}
	return n
}
