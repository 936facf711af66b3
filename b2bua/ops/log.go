package ops

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Logging is how the log of a node is changed while it runs.
type Logging interface {
	// Level is how much is logged.
	Level() zap.AtomicLevel
	// Loud is the log as it is at debug, whatever the level.
	Loud() *zap.Logger
}

// Log is how much is logged.
type Log struct {
	Level string          `json:"level" enum:"debug,info,warn,error" doc:"At debug there is a line for every message of every call."`
	Debug []CaptureFilter `json:"debug" doc:"Calls whose messages have a line each, whatever the level."`
}

// LevelAsked is the level that is wanted, until the configuration has another one or the process ends.
type LevelAsked struct {
	Level string `json:"level" enum:"debug,info,warn,error"`
}

// DebugAsked is which calls are to have a line for each message, and for how long.
type DebugAsked struct {
	Meant
	For string `json:"for" example:"10m" doc:"24h at most."`
}

// debugger is how filters that the log has asked for are known among others.
const debugger = "log: "

func (s *Server) logged() Log {
	l := Log{Level: s.node.Level().Level().String(), Debug: []CaptureFilter{}}
	for _, w := range s.node.Captures().Filters(time.Now()) {
		if len(w.By) >= len(debugger) && w.By[:len(debugger)] == debugger {
			f := newFilter(w)
			f.By = w.By[len(debugger):]
			l.Debug = append(l.Debug, f)
		}
	}
	return l
}

func (s *Server) logging(api huma.API) {
	register(api, Viewer, huma.Operation{
		OperationID: "log", Method: http.MethodGet, Path: "/v1/log", Tags: []string{"log"}, Summary: "How much is logged",
	}, func(context.Context, *struct{}) (*body[Log], error) {
		return &body[Log]{s.logged()}, nil
	})
	register(api, Operator, huma.Operation{
		OperationID: "log-level", Method: http.MethodPut, Path: "/v1/log/level", Tags: []string{"log"}, Summary: "Change how much is logged",
		Description: "Until a reload brings another log.level, or the process ends. At debug there is a line for every message.",
		Errors:      []int{http.StatusUnprocessableEntity},
	}, func(_ context.Context, in *struct{ Body LevelAsked }) (*body[Log], error) {
		level, err := zapcore.ParseLevel(in.Body.Level)
		if err != nil {
			return nil, huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Message: "want debug, info, warn or error", Location: "body.level", Value: in.Body.Level})
		}
		s.node.Level().SetLevel(level)
		return &body[Log]{s.logged()}, nil
	})
	register(api, Operator, huma.Operation{
		OperationID: "log-debug", Method: http.MethodPost, Path: "/v1/log/debug", Tags: []string{"log"}, Summary: "Log every message of some calls",
		Description: "Of one call, or those of a trunk, at a carrier, to or from a number, whatever the level: the head of each, without credentials, with numbers as log.redact says. It ends by itself.",
		Errors:      []int{http.StatusUnprocessableEntity, http.StatusTooManyRequests},
	}, func(ctx context.Context, in *struct{ Body DebugAsked }) (*body[Log], error) {
		f, fault := in.Body.filter("body")
		span, err := time.ParseDuration(in.Body.For)
		var faults []error
		if fault != nil {
			faults = append(faults, fault)
		}
		if err != nil || span <= 0 || span > longestCapture {
			faults = append(faults, &huma.ErrorDetail{Message: "want a duration of 24h at most, such as 10m", Location: "body.for", Value: in.Body.For})
		}
		if in.Body.Meant == (Meant{}) {
			faults = append(faults, &huma.ErrorDetail{Message: "want one of call, trunk, carrier, number, from; for every call there is PUT /v1/log/level", Location: "body"})
		}
		if len(faults) > 0 {
			return nil, huma.Error422UnprocessableEntity("validation failed", faults...)
		}
		now := time.Now()
		live, err := s.node.Captures().Listen(f, debugger+s.who(ctx), now, now.Add(span))
		if err != nil {
			return nil, huma.Error429TooManyRequests(err.Error())
		}
		go s.debug(live, span)
		return &body[Log]{s.logged()}, nil
	})
	register(api, Operator, huma.Operation{
		OperationID: "log-debug-stop", Method: http.MethodDelete, Path: "/v1/log/debug/{name}", Tags: []string{"log"}, Summary: "Log these calls' messages no more",
		Errors: []int{http.StatusNotFound},
	}, func(_ context.Context, in *struct {
		Name string `path:"name"`
	}) (*body[Log], error) {
		for _, f := range s.logged().Debug {
			if f.Name == in.Name && s.node.Captures().Stop(f.Name) {
				return &body[Log]{s.logged()}, nil
			}
		}
		return nil, huma.Error404NotFound(fmt.Sprintf("no debug %q is in force", in.Name))
	})
}
