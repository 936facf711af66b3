package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// Tracing is what a node gives for traces.
type Tracing interface {
	// Captures take calls down whole, for whom asks for it.
	Captures() *b2bua.Captures
	// Described is the configuration of a trunk and some carriers of a book, for a capture.
	Described(b b2bua.Book, trunk string, carriers []string) (json.RawMessage, error)
	// Local is the socket of ours that a message goes by where its path leaves it to the realm.
	Local(dialog.Path) netip.AddrPort
	// Redact says how much of numbers is shown.
	Redact() Redact
}

// Meant says which calls are wanted; what is not said means every call.
type Meant struct {
	Call    string `query:"call" json:"call,omitempty" doc:"The id of one call."`
	Trunk   string `query:"trunk" json:"trunk,omitempty"`
	Carrier string `query:"carrier" json:"carrier,omitempty" doc:"Calls that are tried there, whole: with the trunk's side, and with other carriers'."`
	Number  string `query:"number" json:"number,omitempty" doc:"What the number dialled begins with."`
	From    string `query:"from" json:"from,omitempty" doc:"What the caller's number begins with."`
}

// filter reads it; in is where it stands in the request.
func (m *Meant) filter(in string) (f b2bua.Filter, fault error) {
	f = b2bua.Filter{Trunk: m.Trunk, Carrier: m.Carrier, Number: m.Number, From: m.From}
	if m.Call != "" {
		var ok bool
		if f.Call, ok = dialog.ParseCallID(m.Call); !ok {
			return f, &huma.ErrorDetail{Message: "want the id of a call", Location: in + ".call", Value: m.Call}
		}
	}
	return f, nil
}

// Bounds of traces and captures.
const (
	longestTrace   = 10 * time.Minute
	longestCapture = 24 * time.Hour
	mostTrace      = 1 << 30
)

// TraceAsked is what a trace is asked with.
type TraceAsked struct {
	Meant
	For    string `query:"for" default:"30s" doc:"How long, 10m at most."`
	Bytes  int64  `query:"bytes" default:"104857600" minimum:"4096" maximum:"1073741824" doc:"How large it may become."`
	Format string `query:"format" enum:"pcapng,pcap" default:"pcapng"`

	filter b2bua.Filter
	span   time.Duration
}

// Resolve reads what is not a plain value.
func (t *TraceAsked) Resolve(huma.Context) (faults []error) {
	f, fault := t.Meant.filter("query")
	if t.filter = f; fault != nil {
		faults = append(faults, fault)
	}
	var err error
	if t.span, err = time.ParseDuration(t.For); err != nil || t.span <= 0 || t.span > longestTrace {
		faults = append(faults, &huma.ErrorDetail{Message: "want a duration of 10m at most, such as 30s", Location: "query.for", Value: t.For})
	}
	return faults
}

// Trailers that a trace ends with.
const (
	TrailerMessages = "Bulkhead-Messages"
	TrailerMissed   = "Bulkhead-Missed"
	TrailerEnd      = "Bulkhead-End"
)

// errFull ends a trace that has become as large as it may.
var errFull = errors.New("it has become as large as it may")

// counted is a writer that knows how much it has written.
type counted struct {
	io.Writer
	n int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	c.n += int64(n)
	return n, err
}

func (s *Server) traces(api huma.API) {
	packets := map[string]*huma.Response{"200": {
		Description: "Packets. The trailers Bulkhead-Messages, Bulkhead-Missed and Bulkhead-End say at the end how many there are, how many more there were, and why it ends; so does the interface statistics block of pcapng.",
		Content:     map[string]*huma.MediaType{"application/x-pcapng": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
	}}
	register(api, Operator, huma.Operation{
		OperationID: "trace", Method: http.MethodGet, Path: "/v1/trace", Tags: []string{"traces"}, Summary: "Messages of calls as they cross the wire, as packets",
		Description: "Every message of the calls that are meant, absorbed and settled ones too, with its bytes: what is in them is as secret as the calls are. Calls that are up are shown from their next message on. What comes to no call (strays, refusals before a call begins) is not in it.",
		Errors:      []int{http.StatusUnprocessableEntity, http.StatusServiceUnavailable, http.StatusTooManyRequests}, Responses: packets,
	}, func(ctx context.Context, in *TraceAsked) (*huma.StreamResponse, error) {
		if _, err := s.engine(); err != nil {
			return nil, err
		}
		now := time.Now()
		live, err := s.node.Captures().Listen(in.filter, s.who(ctx), now, now.Add(in.span))
		if err != nil {
			return nil, huma.Error429TooManyRequests(err.Error())
		}
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			defer live.Close()
			s.trace(ctx, live, in)
		}}, nil
	})
	register(api, Operator, huma.Operation{
		OperationID: "call-pcap", Method: http.MethodGet, Path: "/v1/calls/{id}/pcap", Tags: []string{"traces"}, Summary: "What has been captured of a call, as packets",
		Description: "Of a call that a capture was started for, also after its end, for as long as trace.keep says.",
		Errors:      []int{http.StatusNotFound}, Responses: packets,
	}, func(_ context.Context, in *struct {
		Named
		Format string `query:"format" enum:"pcapng,pcap" default:"pcapng"`
	}) (*huma.StreamResponse, error) {
		c, err := s.capture(in.call)
		if err != nil {
			return nil, err
		}
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			ctx.SetHeader("Content-Type", "application/x-pcapng")
			ctx.SetHeader("Trailer", TrailerMessages+", "+TrailerMissed+", "+TrailerEnd)
			frames, lost := c.Frames()
			p, err := NewPcap(ctx.BodyWriter(), in.Format, time.Now())
			for i := 0; err == nil && i < len(frames); i++ {
				p.Local = s.node.Local
				err = p.Write(frames[i])
			}
			if err == nil {
				err = p.End(time.Now(), uint64(lost))
			}
			if err == nil {
				trailers(ctx, len(frames), uint64(lost), "that is all")
			}
		}}, nil
	})
	register(api, Operator, huma.Operation{
		OperationID: "call-capture", Method: http.MethodGet, Path: "/v1/calls/{id}/capture", Tags: []string{"traces"}, Summary: "The capture of a call, for bulkhead replay",
		Description: "As call-pcap; lines of JSON: a head, and then each step of the call with what it came to. There is no key and no password in it.",
		Errors:      []int{http.StatusNotFound, http.StatusConflict},
		Responses: map[string]*huma.Response{"200": {Description: "The capture.", Content: map[string]*huma.MediaType{
			"application/jsonl": {Schema: &huma.Schema{Type: huma.TypeString}},
		}}},
	}, func(_ context.Context, in *Named) (*huma.StreamResponse, error) {
		c, err := s.capture(in.call)
		if err != nil {
			return nil, err
		}
		f, err := c.Captured(s.node.Described)
		if err != nil {
			return nil, huma.Error409Conflict(err.Error())
		}
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			ctx.SetHeader("Content-Type", "application/jsonl")
			_ = f.Write(ctx.BodyWriter()) // the peer is gone if it fails
		}}, nil
	})
}

// capture is that of a call.
func (s *Server) capture(id dialog.CallID) (*b2bua.Capture, error) {
	if c := s.node.Captures().Of(id, time.Now()); c != nil {
		return c, nil
	}
	return nil, huma.Error404NotFound(fmt.Sprintf("call %s is not captured: POST /v1/captures (bulkhead trace start) says which calls are, from then on", id))
}

// trailers say at the end what it was.
func trailers(ctx huma.Context, messages int, missed uint64, end string) {
	_, w := humago.Unwrap(ctx)
	w.Header().Set(TrailerMessages, strconv.Itoa(messages))
	w.Header().Set(TrailerMissed, strconv.FormatUint(missed, 10))
	w.Header().Set(TrailerEnd, end)
}

// trace writes what is shown until the time is over, it is large enough, or who listens goes.
func (s *Server) trace(ctx huma.Context, live *b2bua.Live, in *TraceAsked) {
	ctx.SetHeader("Content-Type", "application/x-pcapng")
	ctx.SetHeader("Trailer", TrailerMessages+", "+TrailerMissed+", "+TrailerEnd)
	_, w := humago.Unwrap(ctx)
	control := http.NewResponseController(w)
	out := &counted{Writer: w}
	// Each of them may fail where a test has no connection; a write then fails as well.
	grace := func() { _ = control.SetWriteDeadline(time.Now().Add(within)) } // since the last one nothing may have been written
	flush := control.Flush
	grace()
	p, err := NewPcap(out, in.Format, time.Now())
	if err != nil {
		return
	}
	p.Local = s.node.Local
	if p.Flush() != nil || flush() != nil { // who listens knows that it has begun
		return
	}
	over := time.NewTimer(in.span)
	defer over.Stop()
	end := ""
	for end == "" {
		select {
		case f := <-live.Frames:
			if out.n+int64(len(f.Data))+512 > in.Bytes {
				end = errFull.Error()
				live.Missed.Add(1)
				continue
			}
			grace()
			if p.Write(f) != nil {
				return
			}
			if len(live.Frames) == 0 && (p.Flush() != nil || flush() != nil) {
				return
			}
		case <-live.Stopped:
			end = "somebody has stopped it"
		case <-over.C:
			end = "its time is over"
		case <-ctx.Context().Done():
			return
		case <-s.ending:
			end = "the node ends"
		}
	}
	missed := live.Missed.Load() + uint64(len(live.Frames))
	grace()
	if p.End(time.Now(), missed) == nil {
		trailers(ctx, p.Written(), missed, end)
	}
}

// who is the name of who has asked.
func (s *Server) who(ctx context.Context) string {
	asks, _ := ctx.Value(whoKey{}).(caller)
	return asks.Name
}
