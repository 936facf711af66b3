// Package ask puts the question of where a call may go to somebody else, over HTTP.
//
// A Server is one who decides: it bounds how many questions are asked at once and how
// long an answer may take, and keeps answers for as long as its configuration says.
// Nothing here waits for an answer: whoever asks is called.
package ask

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"bulkhead/carriers"
)

// mostAnswer is how long an answer may be, in bytes.
const mostAnswer = 64 << 10

// Why there is no answer, beside what ReadAnswer says and what the network does.
var (
	ErrTimeout = errors.New("no answer in time")
	ErrStatus  = errors.New("not answered with 200")
	ErrTooLong = errors.New("the answer is too long")
	ErrInvalid = errors.New("the answer is none")
)

// Server is one who decides. It may be asked from any number of goroutines.
type Server struct {
	ask  *carriers.Ask
	http http.Client
	free chan struct{} // as many as may be asked at once
	kept answers
}

// New makes a Server. Questions go by the transport; nil: over the network.
func New(ask *carriers.Ask, transport http.RoundTripper) *Server {
	if transport == nil {
		transport = &http.Transport{
			DialContext:         (&net.Dialer{Timeout: ask.Timeout}).DialContext,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: ask.CA},
			MaxIdleConnsPerHost: ask.Concurrent,
			MaxConnsPerHost:     ask.Concurrent,
			IdleConnTimeout:     90 * time.Second,
			ForceAttemptHTTP2:   true,
		}
	}
	return &Server{
		ask: ask, free: make(chan struct{}, ask.Concurrent),
		http: http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		kept: answers{most: ask.Most},
	}
}

// Known is an answer that is kept and still holds.
func (s *Server) Known(now time.Time, q carriers.Question) (carriers.Answer, bool) {
	key := s.ask.Key(q)
	if key == "" {
		return carriers.Answer{}, false
	}
	return s.kept.get(now, key)
}

// Ask asks, and calls with the answer, or with why there is none: once, from a goroutine
// of its own, when the timeout is over at the latest.
func (s *Server) Ask(q carriers.Question, answered func(carriers.Answer, error)) {
	go func() {
		ctx, cancel := context.WithTimeoutCause(context.Background(), s.ask.Timeout, ErrTimeout)
		defer cancel()
		a, err := s.put(ctx, q)
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if key := s.ask.Key(q); err == nil && key != "" {
			now := time.Now()
			s.kept.put(now, key, a, now.Add(s.ask.Keep))
		}
		answered(a, err)
	}()
}

// put waits for its turn, posts the question and reads the answer.
func (s *Server) put(ctx context.Context, q carriers.Question) (none carriers.Answer, err error) {
	select {
	case s.free <- struct{}{}:
		defer func() { <-s.free }()
	case <-ctx.Done():
		return none, ctx.Err()
	}
	if ctx.Err() != nil { // its turn came too late
		return none, ctx.Err()
	}
	text, err := json.Marshal(q)
	if err != nil {
		return none, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.ask.URL, bytes.NewReader(text))
	if err != nil {
		return none, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "Bulkhead")
	response, err := s.http.Do(request)
	if err != nil {
		return none, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, mostAnswer+1))
	switch {
	case err != nil:
		return none, err
	case response.StatusCode != http.StatusOK:
		return none, fmt.Errorf("%w: %s", ErrStatus, response.Status)
	case len(body) > mostAnswer:
		return none, ErrTooLong
	}
	a, err := carriers.ReadAnswer(body)
	if err != nil {
		return none, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return a, nil
}
