package ops

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Version is what runs.
type Version struct {
	Node       string    `json:"node"`
	Unit       string    `json:"unit,omitempty" doc:"Whose calls the node serves, or may serve."`
	Version    string    `json:"version"`
	Revision   string    `json:"revision,omitempty"`
	Go         string    `json:"go" doc:"Version of Go that it was built with."`
	Started    time.Time `json:"started"`
	State      string    `json:"state" enum:"starting,serving,standing by,draining"`
	Generation int       `json:"generation" doc:"Of the configuration in force, as Reloaded has it."`
}

// Reloaded is what came of a reload.
type Reloaded struct {
	Generation int      `json:"generation" doc:"Rises by one with every configuration that is taken; a process begins above those that are kept, or with 1."`
	File       string   `json:"file"`
	Changes    []Change `json:"changes" doc:"What the file says otherwise than the one before. What is in other files, such as certificates, is read again in any case."`
	Warnings   []string `json:"warnings,omitempty" doc:"Keys that have no effect, with file, line and column; files that others can read; and that the file may not be on the disk yet."`

	Tag string `json:"-"` // its ETag
}

// Change is a key whose value is another one.
type Change struct {
	Key  string `json:"key" example:"trunks.pbx.max_duration"`
	How  string `json:"how" enum:"added,removed,changed"`
	Text string `json:"text" example:"carrier tc1: limits.calls is 500, was 400"`
}

// Refused is why a configuration cannot be used.
type Refused struct{ Faults []Fault }

// Fault is one thing that is wrong with it.
type Fault struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Key     string `json:"key,omitempty"`
	Message string `json:"-"`
}

// Error is a line for each fault.
func (r *Refused) Error() string {
	lines := make([]string, 0, len(r.Faults))
	for _, f := range r.Faults {
		d := f.ErrorDetail()
		lines = append(lines, d.Location+": "+d.Message)
	}
	return strings.Join(lines, "\n")
}

// Error is the fault as a line.
func (f Fault) Error() string { return f.ErrorDetail().Error() }

// ErrorDetail is the fault as a part of a problem.
func (f Fault) ErrorDetail() *huma.ErrorDetail {
	d := &huma.ErrorDetail{Message: f.Message, Location: fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column), Value: f}
	if f.Key != "" {
		d.Message = f.Key + ": " + d.Message
	}
	return d
}

func (s *Server) operations(api huma.API) {
	register(api, Viewer, huma.Operation{
		OperationID: "version", Method: http.MethodGet, Path: "/v1/version", Tags: []string{"node"}, Summary: "What runs",
	}, func(context.Context, *struct{}) (*body[Version], error) {
		return &body[Version]{s.node.Version()}, nil
	})
	register(api, Admin, huma.Operation{
		OperationID: "reload", Method: http.MethodPost, Path: "/v1/reload", Tags: []string{"node"},
		Summary:     "Put the configuration file in force",
		Description: "Calls that are there go on with what they began with. A file that cannot be used, or that changes what needs a restart, is refused whole, and nothing changes.",
		Errors:      []int{http.StatusUnprocessableEntity},
	}, func(context.Context, *struct{}) (*body[Reloaded], error) {
		done, err := s.node.Reload()
		if refused, ok := errors.AsType[*Refused](err); ok {
			details := make([]error, 0, len(refused.Faults))
			for _, f := range refused.Faults {
				details = append(details, f)
			}
			return nil, huma.Error422UnprocessableEntity("the configuration is refused; the one before stays", details...)
		}
		if err != nil {
			return nil, huma.Error422UnprocessableEntity("the one before stays: " + err.Error())
		}
		return &body[Reloaded]{done}, nil
	})
}

// body is an answer.
type body[T any] struct{ Body T }
