package ops

import (
	"net/http"
	"net/http/pprof"
)

// profiles adds what Go tells of its own process: profiles and traces, in the form that
// `go tool pprof` reads. It is for admins: a profile takes time of the calls, and memory has
// numbers and secrets in it.
func (s *Server) profiles(mux *http.ServeMux) {
	for path, serve := range map[string]http.HandlerFunc{
		"/debug/pprof/":        pprof.Index, // and the named profiles below it
		"/debug/pprof/cmdline": pprof.Cmdline,
		"/debug/pprof/profile": pprof.Profile,
		"/debug/pprof/trace":   pprof.Trace,
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			who := s.caller(r)
			code, detail := objection(who, Admin)
			if code != 0 {
				s.audit(r, who, "profile", code)
				fail(w, code, detail)
				return
			}
			s.audit(r, who, "profile", http.StatusOK) // before: it may take long, and end with the process
			serve(w, r)
		})
	}
}
