package ops_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/dialog"
)

// hear opens a stream and gives its events, as their names and what they say, until it ends.
func (s *served) hear(path string) <-chan [2]string {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), "GET", "http://"+s.Addr()+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+strings.ReplaceAll(token("viewer"), " ", "-"))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	if kind := response.Header.Get("Content-Type"); response.StatusCode != 200 || kind != "text/event-stream" {
		s.t.Fatalf("%s, %s", response.Status, kind)
	}
	events := make(chan [2]string)
	go func() {
		defer close(events)
		defer response.Body.Close()
		event := [2]string{"message"} // where no name is said
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "event":
				event[0] = value
			case "data":
				event[1] = value
			case "":
				select {
				case events <- event:
				case <-s.t.Context().Done():
					return
				}
				event = [2]string{"message"}
			}
		}
	}()
	return events
}

// until reads a stream up to the step of that kind, and gives all that came.
func until(t *testing.T, events <-chan [2]string, what string) (steps []ops.Step, messages []ops.Message) {
	t.Helper()
	limit := time.After(10 * time.Second)
	for {
		select {
		case e, open := <-events:
			if !open {
				t.Fatal("the stream has ended")
			}
			switch e[0] {
			case "step":
				var s ops.Step
				if err := json.Unmarshal([]byte(e[1]), &s); err != nil {
					t.Fatal(err)
				}
				if steps = append(steps, s); s.What == what {
					return steps, messages
				}
			case "message":
				var m ops.Message
				if err := json.Unmarshal([]byte(e[1]), &m); err != nil {
					t.Fatal(err)
				}
				messages = append(messages, m)
			case "idle":
				if what == "idle" {
					return steps, messages
				}
			}
		case <-limit:
			t.Fatalf("no %s, but %+v", what, steps)
		}
	}
}

// TestEvents: all calls' steps on one stream, one call's messages as well on another.
func TestEvents(t *testing.T) {
	s, b := serve(t), newBorder(t)
	s.node.engine, s.node.journal = b.engine, &b.journal
	b.watch.add(&s.node.feed)
	all := s.hear("/v1/events")
	until(t, all, "idle") // it listens now
	second := b.first(b.answers(b.invites(5, "127.0.11.5", "+4105", "+3305"), "503 Service Unavailable", "127.0.21.1"), "INVITE ")
	steps, _ := until(t, all, "failed")
	id := steps[0].Call
	if len(steps) != 2 || steps[0].What != "attempt" || steps[0].Attempt != 1 || steps[0].Peer != "tc1" || steps[1].Peer != "tc1" || steps[1].Code != 503 || steps[1].Next != "tc2" || steps[1].Cause != "rejected" {
		t.Errorf("%+v", steps)
	}
	if until(t, all, "attempt"); t.Failed() {
		return
	}
	one := s.hear("/v1/calls/" + id + "/events")
	until(t, one, "idle")
	b.invites(6, "127.0.11.5", "+4106", "+3306") // another call
	b.answers(second, "486 Busy Here", "127.0.22.1")
	steps, messages := until(t, one, "ended")
	if last := steps[len(steps)-1]; last.Call != id || last.Result != "failed" || last.Code != 486 || last.Cause != "rejected" {
		t.Errorf("%+v", steps)
	}
	if m := messages[0]; m.Call != id || m.Leg != 2 || m.Peer != "tc2" || !m.In || m.Code != 486 || m.Method != "INVITE" {
		t.Errorf("%+v", m)
	}
	for _, m := range messages {
		if m.Call != id {
			t.Errorf("of another call: %+v", m)
		}
	}
	s.ask("", "GET", "/v1/events").problem(t, 401)
	s.ask("viewer", "GET", "/v1/calls/x/events").problem(t, 422)
	if err := s.Close(); err != nil { // does not wait for who listens
		t.Error(err)
	}
	for range all { // ends
	}
}

// TestFeedWaitsForNobody: what a listener does not take is counted for it.
func TestFeedWaitsForNobody(t *testing.T) {
	s := serve(t)
	events := s.hear("/v1/calls/" + (dialog.CallID{7: 1}).String() + "/events")
	until(t, events, "idle")
	told := 0
	for range 100_000 { // nobody reads events meanwhile
		s.node.feed.Saw(b2bua.Sight{Call: dialog.CallID{7: 1}, Method: "INFO", In: true, Data: []byte("INFO")})
		told++
	}
	for came := 0; ; {
		e := <-events
		switch e[0] {
		case "message":
			came++
		case "missed":
			var m ops.Missed
			if err := json.Unmarshal([]byte(e[1]), &m); err != nil || m.Events == 0 {
				t.Fatal(err, e)
			}
			if came += int(m.Events); came > told {
				t.Fatalf("%d of %d", came, told)
			}
			return
		}
	}
}
