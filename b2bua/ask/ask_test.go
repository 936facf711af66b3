package ask_test

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/b2bua/ask"
	"bulkhead/carriers"
)

// asked is what comes back for a question.
func asked(s *ask.Server, q carriers.Question) (carriers.Answer, error) {
	type back struct {
		answer carriers.Answer
		err    error
	}
	answered := make(chan back, 1)
	s.Ask(q, func(a carriers.Answer, err error) { answered <- back{a, err} })
	b := <-answered
	return b.answer, b.err
}

func who(url string) *carriers.Ask {
	return &carriers.Ask{URL: url, Timeout: 5 * time.Second, Concurrent: 4}
}

func TestAQuestionIsPostedAndTheAnswerRead(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q map[string]string
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.Method != "POST" || r.Header.Get("Content-Type") != "application/json" || r.URL.Path != "/route" {
			t.Errorf("%s %s %v", r.Method, r.URL, err)
		}
		fmt.Fprintf(w, `{"targets":[{"carrier":"tc1","number":%q}]}`, q["number"]+"0")
	}))
	defer server.Close()
	a := who(server.URL + "/route")
	if _, err := asked(ask.New(a, nil), carriers.Question{}); err == nil || !strings.Contains(err.Error(), "x509") {
		t.Errorf("a certificate that nobody vouches for: %v", err)
	}
	a.CA = x509.NewCertPool()
	a.CA.AddCert(server.Certificate())
	got, err := asked(ask.New(a, nil), carriers.Question{Number: "+331"})
	if err != nil || len(got.Targets) != 1 || got.Targets[0] != (carriers.AnsweredTarget{Carrier: "tc1", Number: "+3310"}) {
		t.Errorf("%+v %v", got, err)
	}
}

func TestWhatIsNoAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		want  error
	}{
		"another code": {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }, ask.ErrStatus},
		"a redirection": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusTemporaryRedirect)
		}, ask.ErrStatus},
		"too long": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat(" ", 64<<10)+`{"reject":{"code":404}}`)
		}, ask.ErrTooLong},
		"rubbish": {func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "<html>") }, ask.ErrInvalid},
	} {
		server := httptest.NewServer(c.serve)
		if _, err := asked(ask.New(who(server.URL), nil), carriers.Question{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		server.Close()
		if _, err := asked(ask.New(who(server.URL), nil), carriers.Question{}); err == nil {
			t.Errorf("%s: a server that is gone has answered", name)
		}
	}
}

// slow is a server that takes so long, in virtual time.
type slow struct {
	takes         time.Duration
	asked         atomic.Int64
	now, together atomic.Int64
}

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked.Add(1)
	s.together.Store(max(s.together.Load(), s.now.Add(1)))
	defer s.now.Add(-1)
	select {
	case <-time.After(s.takes):
		body := io.NopCloser(strings.NewReader(fmt.Sprintf(`{"reject":{"code":404,"reason":"%d"}}`, s.asked.Load())))
		return &http.Response{StatusCode: 200, Body: body}, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

func TestAnAnswerTakesNoLongerThanTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := who("http://x/")
		begin := time.Now()
		if _, err := asked(ask.New(a, &slow{takes: time.Minute}), carriers.Question{}); !errors.Is(err, ask.ErrTimeout) || time.Since(begin) != a.Timeout {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		if _, err := asked(ask.New(a, &slow{takes: a.Timeout - 1}), carriers.Question{}); err != nil {
			t.Error(err)
		}
	})
}

// TestOnlySoManyAreAskedAtOnce: the others wait for their turn, and give up in time.
func TestOnlySoManyAreAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, server := who("http://x/"), &slow{takes: 2 * time.Second}
		s := ask.New(a, server)
		var all sync.WaitGroup
		var answered, late atomic.Int64
		for range 20 {
			all.Add(1)
			s.Ask(carriers.Question{}, func(_ carriers.Answer, err error) {
				defer all.Done()
				if err == nil {
					answered.Add(1)
				} else if errors.Is(err, ask.ErrTimeout) {
					late.Add(1)
				}
			})
		}
		begin := time.Now()
		all.Wait()
		// At 0 and 2 s four each; those that begin at 4 s are cut off at 5.
		if answered.Load() != 8 || late.Load() != 12 || server.together.Load() != 4 || time.Since(begin) != a.Timeout {
			t.Errorf("%d answered, %d late, %d at once, %s", answered.Load(), late.Load(), server.together.Load(), time.Since(begin))
		}
	})
}

func TestAnswersHoldForTheirTimeAndKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, server := who("http://x/"), &slow{}
		a.Keep, a.By, a.Most = time.Minute, []string{"number"}, 3
		s := ask.New(a, server)
		first := carriers.Question{Number: "1"}
		if _, ok := s.Known(time.Now(), first); ok {
			t.Error("known before it was asked")
		}
		answer, _ := asked(s, first)
		<-time.After(time.Minute - 1)
		known, ok := s.Known(time.Now(), carriers.Question{Number: "1", Trunk: "other"})
		if !ok || *known.Reject != *answer.Reject {
			t.Errorf("kept %+v, was %+v", known, answer)
		}
		if _, ok := s.Known(time.Now(), carriers.Question{Number: "2"}); ok {
			t.Error("another number has the same answer")
		}
		<-time.After(1)
		if _, ok := s.Known(time.Now(), first); ok {
			t.Error("it holds for longer than a minute")
		}
		// Three have room; the one that holds no more goes first.
		for _, n := range []string{"2", "3", "4"} {
			_, _ = asked(s, carriers.Question{Number: n})
		}
		for _, n := range []string{"2", "3", "4"} {
			if _, ok := s.Known(time.Now(), carriers.Question{Number: n}); !ok {
				t.Errorf("%s is forgotten", n)
			}
		}
		_, _ = asked(s, carriers.Question{Number: "5"})
		count := 0
		for _, n := range []string{"1", "2", "3", "4", "5"} {
			if _, ok := s.Known(time.Now(), carriers.Question{Number: n}); ok {
				count++
			}
		}
		if count != 3 {
			t.Errorf("%d are kept", count)
		}
	})
}

// TestFailuresAreNotKept: who did not answer is asked again.
func TestFailuresAreNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, server := who("http://x/"), &slow{takes: time.Minute}
		a.Keep, a.By, a.Most = time.Minute, []string{"number"}, 3
		s := ask.New(a, server)
		_, _ = asked(s, carriers.Question{})
		if _, ok := s.Known(time.Now(), carriers.Question{}); ok {
			t.Error("a failure is kept")
		}
	})
}
