package ops

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// Problem is an error as the API tells it (RFC 9457).
type Problem = huma.ErrorModel

// roleKey is where an operation says which role it takes.
const roleKey = "role"

// handler is everything that is served.
func (s *Server) handler(metrics prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	c := huma.DefaultConfig("Bulkhead", "1")
	c.Info.Description = "Operates a node, and looks after the calls of its whole cluster. By the Unix socket no token is needed."
	c.OpenAPIPath, c.DocsPath, c.SchemasPath, c.CreateHooks = "/v1/openapi", "", "", nil
	c.RejectUnknownQueryParameters = true
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "A token of api.tokens_file. Each operation names the role that it takes."},
	}
	api := humago.New(mux, c)
	api.UseMiddleware(func(ctx huma.Context, next func(huma.Context)) { s.guard(api, ctx, next) })
	s.operations(api)
	s.calls(api)
	s.hangups(api)
	s.stories(api)
	s.events(api)
	s.carriers(api)
	s.routes(api)
	s.traces(api)
	s.captures(api)
	s.evidence(api)
	s.logging(api)
	s.lives(api)
	s.orders(api)
	s.drains(api)
	s.configs(api)

	s.pages(mux)
	s.profiles(mux)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "alive") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		state, ready := s.node.State()
		code := http.StatusOK
		if !ready {
			code = http.StatusServiceUnavailable
		}
		say(w, code, state)
	})
	figures := promhttp.HandlerFor(metrics, promhttp.HandlerOpts{})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if code, detail := objection(s.caller(r), Viewer); code != 0 {
			fail(w, code, detail)
			return
		}
		figures.ServeHTTP(w, r)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fail(w, http.StatusNotFound, "there is no such path") })
	return mux
}

// register adds an operation that takes a role.
func register[I, O any](api huma.API, needs Role, op huma.Operation, do func(context.Context, *I) (*O, error)) {
	huma.Register(api, operation(needs, op), do)
}

// operation is one that takes a role.
func operation(needs Role, op huma.Operation) huma.Operation {
	op.Metadata = map[string]any{roleKey: needs}
	op.Security = []map[string][]string{{"token": {}}}
	op.Description += " Takes the role " + needs.String() + "."
	op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden)
	return op
}

// guard lets through who may do what is asked for. It logs what changes something, and what
// not every viewer may see: messages, secrets.
func (s *Server) guard(api huma.API, ctx huma.Context, next func(huma.Context)) {
	r, _ := humago.Unwrap(ctx)
	needs, _ := ctx.Operation().Metadata[roleKey].(Role)
	who := s.caller(r)
	code, detail := objection(who, needs)
	if code == 0 {
		next(huma.WithValue(ctx, whoKey{}, who))
		code = ctx.Status()
	} else {
		if code == http.StatusUnauthorized {
			ctx.SetHeader("WWW-Authenticate", challenge)
		}
		_ = huma.WriteErr(api, ctx, code, detail) // the peer is gone if it fails
	}
	if r.Method != http.MethodGet || needs > Viewer {
		s.audit(r, who, ctx.Operation().OperationID, code)
	}
}

// audit logs who has done, seen or tried what. What strangers try is told seldom, with how
// many have.
func (s *Server) audit(r *http.Request, who caller, action string, code int) {
	path, count := r.URL.RequestURI(), zap.Skip()
	if who.Role == Nobody {
		n := s.strangers.due(time.Now())
		if n == 0 {
			return
		}
		path, count = path[:min(len(path), mostPath)], zap.Int("count", n)
	}
	from := r.RemoteAddr
	if r.Context().Value(peerKey{}) != nil {
		from = "unix socket"
	}
	via := zap.Skip()
	if who.Via != "" {
		via = zap.String("via", who.Via)
	}
	s.log.Info("audit", zap.String("who", who.Name), zap.Stringer("role", who.Role), zap.String("from", from),
		zap.String("action", action), zap.String("path", path), zap.Int("status", code), via, count)
}

// say answers a line of text.
func say(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text + "\n"))
}

// fail answers a problem where the API's own code does not.
func fail(w http.ResponseWriter, code int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	if code == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(Problem{Status: code, Title: http.StatusText(code), Detail: detail})
}
