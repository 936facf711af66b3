package ops

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"bulkhead/b2bua"
)

// The page is made here, whole, and says the same without scripts.
//
//go:embed page
var pageFiles embed.FS

// shell is what every page has.
type shell struct {
	Title, Node, State string
	At, Clock          string
	Live               string // the stream that tells when the page is out of date; empty: it never is
}

func (s *Server) shell(title, live string) shell {
	state, _ := s.node.State()
	now := time.Now().UTC()
	return shell{title, s.node.Version().Node, state, now.Format(time.RFC3339), now.Format("15:04:05 UTC"), live}
}

// board is the first page.
type board struct {
	shell
	Sums     []CallCount
	Rate     float64
	Carriers []boardCarrier
	States   []string
	Asked    struct{ State, Number, Carrier string }
	Calls    []Call
	Matched  int
	More     int
	Wrong    []Step
	Standby  string
}

// boardCarrier is a carrier on it: as it is now, and what it has done for a day.
type boardCarrier struct {
	Carrier
	State string
}

// onBoard is how many calls the board lists.
const onBoard = 50

var pages = template.Must(template.New("layout.html").Funcs(template.FuncMap{
	"share": func(c Carrier) string {
		if c.Attempts == c.NotSent {
			return ""
		}
		return fmt.Sprintf("%.0f%%", 100*c.ASR)
	},
	"delay": func(c Carrier) string {
		if c.DelayCount == 0 {
			return ""
		}
		return fmt.Sprintf("%.1f s", c.DelayMean)
	},
	"age":  func(c Call) string { return time.Since(c.Began).Round(time.Second).String() },
	"said": Said,
}).ParseFS(pageFiles, "page/layout.html"))

// page is the layout with one of its contents.
func page(name string) *template.Template {
	t := template.Must(pages.Clone())
	return template.Must(t.ParseFS(pageFiles, "page/"+name))
}

// Said is a step that went wrong, in words.
func Said(s Step) string {
	switch {
	case s.What == "failed" && s.Next != "":
		return fmt.Sprintf("%s: %s (%d), now %s", s.Peer, strings.ReplaceAll(s.Cause, "_", " "), s.Code, s.Next)
	case s.What == "failed":
		return fmt.Sprintf("%s: %s (%d), and nobody is left", s.Peer, strings.ReplaceAll(s.Cause, "_", " "), s.Code)
	}
	return fmt.Sprintf("%s was told %d: %s", s.Peer, s.Code, strings.ReplaceAll(s.Cause, "_", " "))
}

// pages adds the page to what is served. It is for viewers: by a token that the browser
// keeps, or by the socket.
func (s *Server) pages(mux *http.ServeMux) {
	boardPage, callPage, loginPage := page("board.html"), page("call.html"), page("login.html")
	mux.Handle("GET /page/", http.FileServerFS(pageFiles))
	mux.HandleFunc("GET /{$}", s.viewed(loginPage, func(w http.ResponseWriter, r *http.Request) {
		show(w, boardPage, http.StatusOK, s.board(r))
	}))
	mux.HandleFunc("GET /calls/{id}", s.viewed(loginPage, func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		a, record, err := s.story(r.Context(), id)
		if err != nil {
			fail(w, http.StatusNotFound, err.Error())
			return
		}
		live := ""
		if record.Ended.IsZero() {
			live = "/v1/calls/" + id + "/events"
		}
		show(w, callPage, http.StatusOK, struct {
			shell
			ID     string
			Why    []string
			Ladder template.HTML
		}{s.shell("Call "+id+" · Bulkhead", live), id, Why(record), template.HTML(NewLadder(a, record).SVG())}) // which escapes what peers say
	}))
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimSpace(r.PostFormValue("token"))
		if objected, _ := objection(s.holder(token), Viewer); objected != 0 {
			s.login(w, loginPage, http.StatusUnauthorized, "That is no token of this node.")
			return
		}
		http.SetCookie(w, &http.Cookie{
			Name: cookie, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil, MaxAge: 12 * 3600,
		})
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
}

// viewed asks who is not let in for a token.
func (s *Server) viewed(loginPage *template.Template, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if code, _ := objection(s.caller(r), Viewer); code != 0 {
			s.login(w, loginPage, code, "")
			return
		}
		next(w, r)
	}
}

func (s *Server) login(w http.ResponseWriter, t *template.Template, code int, wrong string) {
	show(w, t, code, struct {
		shell
		Wrong string
	}{shell{Title: "Bulkhead"}, wrong})
}

// board is what the node does now.
func (s *Server) board(r *http.Request) board {
	b := board{shell: s.shell("Bulkhead", "/v1/events"), States: b2bua.CallStates[:]}
	q := r.URL.Query()
	b.Asked.State, b.Asked.Number, b.Asked.Carrier = q.Get("state"), q.Get("number"), q.Get("carrier")
	now, all := s.live(r.Context())
	b.Rate, b.Wrong = now.Rate, now.Wrong
	for _, c := range now.Carriers {
		day, _, _ := s.node.Scorecards().Of(c.Name)
		b.Carriers = append(b.Carriers, boardCarrier{Carrier{Name: c.Name, Stands: newStand(s.node.Standings().Of(now.At, c.Name)), Score: day}, c.State})
	}
	if s.node.Engine() == nil {
		b.Standby = "This node serves no calls: another one of its unit does."
		return b
	}
	b.Sums = now.Calls
	f, p := Filters{Number: b.Asked.Number, Carrier: b.Asked.Carrier}, Page{Limit: onBoard}
	if b.Asked.State != "" {
		f.State = []string{b.Asked.State}
	}
	l := p.pick(all, &f, time.Now())
	b.Calls, b.Matched, b.More = l.Calls, l.Matched, l.Matched-len(l.Calls)
	return b
}

// show writes a page, whole or not at all.
func show(w http.ResponseWriter, t *template.Template, code int, data any) {
	var text bytes.Buffer
	if err := t.Execute(&text, data); err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'") // a ladder brings its style
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(code)
	_, _ = w.Write(text.Bytes())
}
