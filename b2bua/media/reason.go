package media

import (
	"errors"

	"bulkhead/b2bua/media/ng"
	"bulkhead/b2bua/media/sdp"
)

// Reason is a word for why a description could not be carried, of a fixed set: what is wrong
// with the description (sdp.Faults), or no_port, unavailable, srtp_without_tls, srtp_keys, srtp_answer,
// unsupported.
func Reason(err error) string {
	var fault *sdp.Fault
	switch {
	case errors.As(err, &fault):
		return fault.Name
	case errors.Is(err, ErrExhausted):
		return "no_port"
	case errors.Is(err, ErrUnavailable):
		return "unavailable"
	case errors.Is(err, ErrInsecure):
		return "srtp_without_tls"
	case errors.Is(err, ErrNoKey):
		return "srtp_keys"
	case errors.Is(err, ErrMismatch):
		return "srtp_answer"
	}
	return "unsupported"
}

// Failure is a word for why an rtpengine did not do what it was asked for beside descriptions, of a
// fixed set: node_lost, unknown_call, garbled, closed, or refused, by words of its own.
func Failure(err error) string {
	for _, f := range [...]struct {
		err  error
		name string
	}{{ng.ErrNodeLost, "node_lost"}, {ng.ErrUnknownCall, "unknown_call"}, {ng.ErrGarbled, "garbled"}, {ng.ErrClosed, "closed"}} {
		if errors.Is(err, f.err) {
			return f.name
		}
	}
	return "refused"
}
