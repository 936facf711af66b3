package ops

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
)

// Configuration is a configuration.
type Configuration struct {
	Generation int       `json:"generation"`
	File       string    `json:"file"`
	Taken      time.Time `json:"taken" doc:"When it came into force."`
	Text       string    `json:"text" doc:"YAML: with all defaults, as bulkhead check prints it. Secrets are in files of their own, which are named here and not opened."`

	Tag string `json:"-"` // its ETag
}

// Generation is a configuration that can be had again.
type Generation struct {
	Number  int       `json:"number"`
	Taken   time.Time `json:"taken" doc:"When it came into force."`
	Size    int64     `json:"size" doc:"In bytes."`
	Current bool      `json:"current,omitempty" doc:"It is in force."`
}

// Looked is what came of looking at a configuration that is not in force.
type Looked struct {
	Changes  []Change `json:"changes" doc:"What it says otherwise than the one in force."`
	Warnings []string `json:"warnings,omitempty" doc:"Keys that have no effect, with file, line and column."`
	Restart  []string `json:"restart,omitempty" doc:"The keys among the changes that need a restart: a running node refuses them."`
}

// ErrStale says that a configuration was made for another one than is in force.
var ErrStale = errors.New("the configuration in force is another one by now: see what it is, and make the change again")

// Configured is where a node's configuration is kept and changed.
type Configured interface {
	// Configuration is the one in force.
	Configuration() (Configuration, error)

	// Look says what one would change. What is said of it calls it by a name; empty: that of
	// the node's file. The error is *Refused where it cannot be used.
	Look(text []byte, name string) (Looked, error)

	// Apply puts one in force and into the file, and keeps the one before: all of it or
	// nothing. The tag is that of the one in force, as who has made the change has seen it;
	// "*": any. The error is *Refused, ErrStale, or ErrConflict where the file is not ours
	// to write, or has been changed by somebody else. The name is as in Look.
	Apply(text []byte, tag, name string) (Reloaded, error)

	// Rollback is Apply of a generation that is kept; 0: the one that was in force before the
	// one that is, not counting those that have been gone back from, so that each goes
	// further back. It is ErrNotKept where there is none such.
	Rollback(generation int, tag string) (Reloaded, error)

	// Generations are those that can be had, the latest first.
	Generations() ([]Generation, error)

	// Kept is the text of one of them: ErrNotKept.
	Kept(generation int) ([]byte, error)
}

// ErrNotKept says that there is no such generation.
var ErrNotKept = errors.New("no such generation is kept")

// YAMLBody is a configuration as it comes.
type YAMLBody struct {
	Name    string `query:"name" maxLength:"4096" doc:"What faults and warnings call the text; absent: as the node's file."`
	RawBody []byte `contentType:"application/yaml"`
}

// Resolve refuses names that no line could hold.
func (b *YAMLBody) Resolve(huma.Context) []error {
	if strings.ContainsFunc(b.Name, unicode.IsControl) {
		return []error{&huma.ErrorDetail{Message: "want one line of text", Location: "query.name", Value: b.Name}}
	}
	return nil
}

// Match is what a change was made for.
type Match struct {
	IfMatch string `header:"If-Match" doc:"The ETag of the configuration in force, as the change was made for it; * for any. It must be there, so that nobody overwrites what he has not seen."`
}

// mostConfig is how long a configuration may be, in bytes.
const mostConfig = 32 << 20

// rejected is an error of Configured in the API's words.
func rejected(err error) error {
	if refused, ok := errors.AsType[*Refused](err); ok {
		details := make([]error, 0, len(refused.Faults))
		for _, f := range refused.Faults {
			details = append(details, f)
		}
		return huma.Error422UnprocessableEntity("the configuration is refused; the one before stays", details...)
	}
	switch {
	case errors.Is(err, ErrStale):
		return huma.Error412PreconditionFailed(err.Error())
	case errors.Is(err, ErrNotKept):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, ErrConflict):
		return huma.Error409Conflict(err.Error())
	}
	return huma.Error500InternalServerError("the one before stays: " + err.Error())
}

// need wants to know what a change was made for.
func (m Match) need() error {
	if m.IfMatch == "" {
		return huma.NewError(http.StatusPreconditionRequired, "If-Match is missing: the ETag of GET /v1/config, or *")
	}
	return nil
}

// tagged is an answer about a configuration that is in force now.
type tagged[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

// configs are the operations on the configuration.
func (s *Server) configs(api huma.API) {
	op := func(id, method, path, summary, more string, codes ...int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: path, Tags: []string{"config"}, Summary: summary, Description: more, Errors: codes, MaxBodyBytes: mostConfig,
		}
	}
	register(api, Viewer, op("config", http.MethodGet, "/v1/config", "The configuration in force", ""),
		func(context.Context, *struct{}) (*tagged[Configuration], error) {
			c, err := s.node.Configuration()
			if err != nil {
				return nil, rejected(err)
			}
			return &tagged[Configuration]{c.Tag, c}, nil
		})
	register(api, Admin, op("validate-config", http.MethodPost, "/v1/config/validate", "Say everything that is wrong with a configuration",
		"The body is YAML; names of files are relative to the directory of the node's configuration. Nothing changes.", http.StatusUnprocessableEntity),
		func(_ context.Context, in *YAMLBody) (*body[Looked], error) { return s.look(in.RawBody, in.Name) })
	register(api, Admin, op("diff-config", http.MethodPost, "/v1/config/diff", "Say what a configuration would change",
		"The body is YAML. Nothing changes.", http.StatusUnprocessableEntity),
		func(_ context.Context, in *YAMLBody) (*body[Looked], error) { return s.look(in.RawBody, in.Name) })
	register(api, Admin, op("apply-config", http.MethodPost, "/v1/config/apply", "Put a configuration in force and into the file",
		"The body is YAML. All of it is taken or nothing: it is checked, the one before is kept as a numbered generation, the file is replaced at once, and calls that are there go on with what they began with. Where the file cannot be written, as in a container whose configuration is mounted read-only, it is refused: change it where it comes from, and reload. So it is where somebody has changed the file since it was read; one that is gone is written again.",
		http.StatusUnprocessableEntity, http.StatusConflict, http.StatusPreconditionFailed, http.StatusPreconditionRequired),
		func(_ context.Context, in *struct {
			Match
			YAMLBody
		}) (*tagged[Reloaded], error) {
			if err := in.need(); err != nil {
				return nil, err
			}
			return s.taken(s.node.Apply(in.RawBody, in.IfMatch, in.Name))
		})
	register(api, Admin, op("rollback-config", http.MethodPost, "/v1/config/rollback", "Put a configuration of before in force again",
		"As apply, with the text of a generation that is kept. It becomes a new generation. Each rollback goes further back: never to one that has been gone back from, unless it is named.",
		http.StatusUnprocessableEntity, http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed, http.StatusPreconditionRequired),
		func(_ context.Context, in *struct {
			Match
			To int `query:"to" minimum:"1" doc:"The generation. Absent: the one that was in force before the one that is, not counting those that have been gone back from."`
		}) (*tagged[Reloaded], error) {
			if err := in.need(); err != nil {
				return nil, err
			}
			return s.taken(s.node.Rollback(in.To, in.IfMatch))
		})
	register(api, Viewer, op("generations", http.MethodGet, "/v1/config/generations", "List the configurations that can be had again", ""),
		func(context.Context, *struct{}) (*body[[]Generation], error) {
			all, err := s.node.Generations()
			if err != nil {
				return nil, rejected(err)
			}
			return &body[[]Generation]{all}, nil
		})
	register(api, Admin, op("generation", http.MethodGet, "/v1/config/generations/{number}", "The text of a configuration, as it was written", "", http.StatusNotFound),
		func(_ context.Context, in *struct {
			Number int `path:"number"`
		}) (*written, error) {
			text, err := s.node.Kept(in.Number)
			if err != nil {
				return nil, rejected(fmt.Errorf("generation %d: %w", in.Number, err))
			}
			return &written{"application/yaml", text}, nil
		})
}

// written is a configuration as it was.
type written struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (s *Server) look(text []byte, name string) (*body[Looked], error) {
	seen, err := s.node.Look(text, name)
	if err != nil {
		return nil, rejected(err)
	}
	return &body[Looked]{seen}, nil
}

// taken is the answer to a change, with the tag of what is in force now.
func (s *Server) taken(done Reloaded, err error) (*tagged[Reloaded], error) {
	if err != nil {
		return nil, rejected(err)
	}
	return &tagged[Reloaded]{done.Tag, done}, nil
}
