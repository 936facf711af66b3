package ng

import (
	"errors"
	"fmt"
)

// What callers branch on. In SIP: ErrNoNode, ErrNodeLost and ErrBusy are a 503, any
// other error of an offer or an answer is a 488 with the media refused.
var (
	// ErrNoNode: no node is in health, so no new call can be carried.
	ErrNoNode = errors.New("no rtpengine is in health")
	// ErrNodeLost: the node that has the call did not answer, or is known to be down,
	// or is no longer configured. Its calls have no media.
	ErrNodeLost = errors.New("rtpengine node lost")
	// ErrUnknownCall: the node is there and does not know the call: it has timed it
	// out, or has been started again since.
	ErrUnknownCall = errors.New("rtpengine does not know the call")
	// ErrBusy: the node takes no more calls: out of ports, or at its load limit.
	ErrBusy = errors.New("rtpengine takes no more calls")
	// ErrGarbled: the node's answer cannot be read, or is not one to the question.
	ErrGarbled = errors.New("answer of rtpengine cannot be used")
	// ErrTooLong: the request does not fit into a datagram.
	ErrTooLong = errors.New("longer than a datagram")
	// ErrClosed: Close was called.
	ErrClosed = errors.New("client closed")
)

// Error is a request that a node has refused: rtpengine's "result: error". It wraps
// the sentinel of its text where there is one.
type Error struct {
	Node    string
	Command string // offer, answer, delete, query
	Text    string // rtpengine's own words
	kind    error
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s by rtpengine %s: %s", e.Command, e.Node, e.Text)
}

func (e *Error) Unwrap() error { return e.kind }

// The texts of rtpengine that mean something; they are the same since 4.0.
var meanings = map[string]error{
	"Unknown call-id":                        ErrUnknownCall,
	"Call-ID not found or tags didn't match": ErrUnknownCall,
	"Ran out of ports":                       ErrBusy,
	"Parallel session limit reached":         ErrBusy,
}

// refusal is the error that an answer states, or nil.
func refusal(node, command string, answer value) error {
	var text []byte
	switch result := answer.get("result").bytes(); string(result) {
	case "ok", "pong":
		return nil
	case "load limit":
		if text = answer.get("message").bytes(); len(text) == 0 {
			text = result
		}
		return &Error{node, command, string(text), ErrBusy}
	case "error":
		text = answer.get("error-reason").bytes()
		return &Error{node, command, string(text), meanings[string(text)]}
	default:
		return fmt.Errorf("%s by rtpengine %s: result %q: %w", command, node, result, ErrGarbled)
	}
}
