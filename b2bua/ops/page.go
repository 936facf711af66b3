package ops

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"sync"
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
	Now     Live
	Several bool // it is of more nodes than one, or could be
	States  []string
	Asked   struct{ State, Number, Carrier, Node string }
	Calls   []Call
	Matched int
	More    int
	Gaps    []Gap
	Standby string
}

// onBoard is how many calls the board lists.
const onBoard = 50

var pages = template.Must(template.New("layout.html").Funcs(template.FuncMap{
	"share": func(c Score) string {
		if c.Attempts == c.NotSent {
			return ""
		}
		return fmt.Sprintf("%.0f%%", 100*c.ASR)
	},
	"delay": func(c Score) string {
		if c.DelayCount == 0 {
			return ""
		}
		return fmt.Sprintf("%.1f s", c.DelayMean)
	},
	"age":  func(c Call) string { return time.Since(c.Began).Round(time.Second).String() },
	"said": Said,
	"old":  func(c Call) string { return time.Duration(c.Age * float64(time.Second)).Round(time.Second).String() },
	"word": func(state string) string { return strings.ReplaceAll(state, "_", " ") },
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
		in, err := s.scope(r.Context(), Where{r.URL.Query().Get("node")})
		if err != nil {
			refuse(w, err)
			return
		}
		show(w, boardPage, http.StatusOK, s.board(r, in))
	}))
	mux.HandleFunc("GET /calls/{id}", s.viewed(loginPage, func(w http.ResponseWriter, r *http.Request) {
		page, err := s.callPage(r.Context(), r.PathValue("id"))
		if err != nil {
			refuse(w, err)
			return
		}
		show(w, callPage, http.StatusOK, page)
	}))
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, mostHead)
		token := strings.TrimSpace(r.PostFormValue("token"))
		who := s.holder(token)
		if objected, _ := objection(who, Viewer); objected != 0 {
			s.audit(r, who, "login", http.StatusUnauthorized)
			s.login(w, loginPage, http.StatusUnauthorized, "That is no token of this node.")
			return
		}
		http.SetCookie(w, &http.Cookie{
			Name: cookie, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil, MaxAge: 12 * 3600,
		})
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
}

// ofCall is the page of a call.
type ofCall struct {
	shell
	ID     string
	Now    *Call // where it stands; nil: it has gone
	Why    []string
	Ladder template.HTML
}

// callPage tells of a call, whichever node has it.
func (s *Server) callPage(ctx context.Context, id string) (*ofCall, error) {
	of := &Wanted{id}
	a, record, there, err := tale[Ladder](ctx, s, Where{}, of, "/ladder")
	if err != nil {
		return nil, err
	}
	drawn, why := there, Reasons{Ended: record.Ended}
	if there == nil {
		drawn, why.Why = NewLadder(a, record), Why(record)
	} else {
		in, err := s.scope(ctx, Where{})
		if err != nil {
			return nil, err
		}
		if why, _, err = elsewhere[Reasons](ctx, s, in, peerWithin, http.MethodGet, of.path()+"/why"); err != nil {
			return nil, err
		}
		drawn.current = why.Ended.IsZero()
	}
	live := ""
	if why.Ended.IsZero() {
		live = "/v1/calls/" + id + "/events"
	}
	page := &ofCall{shell: s.shell("Call "+id+" · Bulkhead", live), ID: id, Why: why.Why, Ladder: template.HTML(drawn.SVG())} // which escapes what peers say
	if d, err := s.detail(ctx, Where{}, of); err == nil {
		page.Now = &d.Call
	}
	return page, nil
}

// refuse is the answer where there is no page.
func refuse(w http.ResponseWriter, err error) {
	if p, ok := errors.AsType[*Problem](err); ok {
		detail := p.Detail
		for _, d := range p.Errors {
			detail += ": " + d.Error()
		}
		fail(w, p.Status, detail)
		return
	}
	fail(w, http.StatusInternalServerError, err.Error())
}

// viewed asks who is not let in for a token.
func (s *Server) viewed(loginPage *template.Template, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who := s.caller(r)
		if code, _ := objection(who, Viewer); code != 0 {
			s.login(w, loginPage, code, "")
			return
		}
		next(w, r.WithContext(context.WithValue(r.Context(), whoKey{}, who)))
	}
}

func (s *Server) login(w http.ResponseWriter, t *template.Template, code int, wrong string) {
	show(w, t, code, struct {
		shell
		Wrong string
	}{shell{Title: "Bulkhead"}, wrong})
}

// board is what the nodes in scope do now.
func (s *Server) board(r *http.Request, in scope) board {
	q := r.URL.Query()
	b := board{States: b2bua.CallStates[:], Several: s.node.Cluster() != nil}
	b.Asked.State, b.Asked.Number, b.Asked.Carrier, b.Asked.Node = q.Get("state"), q.Get("number"), q.Get("carrier"), q.Get("node")
	live := "/v1/events"
	if b.Asked.Node != "" {
		live += "?node=" + url.QueryEscape(b.Asked.Node)
	}
	b.shell = s.shell("Bulkhead", live)
	f, p := Filters{Number: b.Asked.Number, Carrier: b.Asked.Carrier}, Page{Limit: onBoard}
	if b.Asked.State != "" {
		f.State = []string{b.Asked.State}
	}
	var listing sync.WaitGroup
	var l Calls
	var none error
	listing.Go(func() { l, none = s.list(r.Context(), in, &f, &p) })
	b.Now = s.live(r.Context(), in)
	listing.Wait()
	if none != nil {
		b.Standby = "This node serves no calls: another one of its unit does."
		return b
	}
	b.Calls, b.Matched, b.More, b.Gaps = l.Calls, l.Matched, l.Matched-len(l.Calls), l.Incomplete
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
