package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/tools/txtar"

	"bulkhead/b2bua"
	"bulkhead/b2bua/simtest"
	"bulkhead/dialog"
)

// everything keeps the ids of the calls that there were.
type everything struct {
	*b2bua.Captures
	ids []dialog.CallID
}

// simulated are the realms of a scenario.
var simulated = map[string]RealmConfig{
	"access": {Listen: []string{"udp://192.0.2.1:5060", "tcp://192.0.2.1:5060", "tls://192.0.2.1:5061"}, TLS: &TLSConfig{Certificate: "a", Key: "b"}},
	"core":   {Listen: []string{"udp://198.51.100.1:5060", "tcp://198.51.100.1:5060", "tls://198.51.100.1:5061"}, TLS: &TLSConfig{Certificate: "a", Key: "b"}},
}

// TestReplayOfEveryScenario plays every ladder of the suite with its calls captured, from the
// INVITE on and from when they were up, writes and reads the captures, and replays them
// without the key: each step comes to the same, byte for byte.
func TestReplayOfEveryScenario(t *testing.T) {
	files, err := filepath.Glob("../../b2bua/testdata/*.txtar")
	if err != nil || len(files) < 100 {
		t.Fatalf("%d scenarios: %v", len(files), err)
	}
	calls, steps := 0, 0
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			for _, f := range captureScenario(t, file) {
				calls, steps = calls+1, steps+len(f.Steps)
				if f.Head.Lost > 0 || f.Head.Broken {
					t.Fatalf("lost %d, broken %v", f.Head.Lost, f.Head.Broken)
				}
				book, err := bookOf(file, f, nil)
				if err != nil {
					t.Fatal(err)
				}
				r, err := b2bua.NewReplay(f, book)
				if err != nil {
					t.Fatal(err)
				}
				d, err := r.Run()
				if err != nil {
					t.Fatal(err)
				}
				if d != nil {
					t.Fatalf("step %d of %d, %s:\n%s\nbecame\n%s", d.Step, len(f.Steps), f.Steps[d.Step-1].Event, inLines(d.Want), inLines(d.Got))
				}
			}
		})
	}
	t.Logf("%d calls, %d steps", calls, steps)
	if calls < 250 {
		t.Errorf("%d calls were captured", calls)
	}
}

func inLines(list []json.RawMessage) string {
	var b strings.Builder
	for _, m := range list {
		b.Write(m)
		b.WriteString("\n")
	}
	return b.String()
}

// captureScenario plays a scenario with every call captured, and gives the captures as they
// were written and read.
func captureScenario(t *testing.T, file string) (all []*b2bua.Captured) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		raw := map[string]string{}
		for _, f := range archive.Files {
			raw[f.Name] = string(f.Data)
		}
		s := simtest.Open(t, raw)
		defer s.Close()
		c := &b2bua.Captures{Keep: 24 * time.Hour}
		if _, err := c.Start(b2bua.Filter{}, "test", time.Now(), time.Now().Add(24*time.Hour), 0); err != nil {
			t.Fatal(err)
		}
		seen := &everything{Captures: c}
		s.Capture, s.Watch = c, seen
		s.Do(raw["scenario"])
		for _, id := range seen.ids {
			one := c.Of(id, time.Now())
			if one == nil {
				t.Fatalf("call %s is not captured", id)
			}
			f, err := one.Captured(func(b b2bua.Book, trunk string, names []string) (json.RawMessage, error) {
				return described("sbc", simulated, b, trunk, names)
			})
			if err != nil {
				t.Fatal(err)
			}
			var text bytes.Buffer
			if err := f.Write(&text); err != nil {
				t.Fatal(err)
			}
			read, err := b2bua.ReadCaptured(&text)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, read)
			keyless(t, read)
		}
	})
	return all
}

// keyless wants none of the keys of the scenarios in a capture.
func keyless(t *testing.T, f *b2bua.Captured) {
	t.Helper()
	var all bytes.Buffer
	if err := f.Write(&all); err != nil {
		t.Fatal(err)
	}
	all.Write(f.Head.Record)
	for i := range f.Steps {
		for _, m := range f.Steps[i].Media {
			all.Write(m.Anchor)
		}
	}
	for _, key := range []string{"MTIzNDU2Nzg5QUJDREUw", "QUJDREVGR0hJSktM", "AQEBAQEBAQEB", "AgICAgICAgIC"} {
		if bytes.Contains(all.Bytes(), []byte(key)) {
			t.Errorf("there is a key in the capture: %s", key)
		}
	}
}

// A capture that begins when the call is up is replayed from there: from its record.
func TestReplayFromTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simtest.Open(t, nil)
		defer s.Close()
		c := &b2bua.Captures{Keep: time.Hour}
		seen := &everything{Captures: c}
		s.Capture, s.Watch = c, seen
		s.Do("carrier tc1 no_answer=10s\ncarrier tc2 auth=us:secret\nroute * tc1 tc2\ntrunk INVITE +33123456789 sdp\ntc1 100 ; +1s tc1 180")
		if _, err := c.Start(b2bua.Filter{}, "test", time.Now(), time.Now().Add(time.Hour), 0); err != nil {
			t.Fatal(err)
		}
		s.Do(`wait 10s
tc1 200 CANCEL ; tc1 487
tc2 401 h="WWW-Authenticate: Digest realm=\"tc2.example\", nonce=\"n1\", qop=\"auth\""
tc2 200 sdp
trunk ACK
+5s trunk BYE
tc2 200 BYE
settle`)
		f, err := c.Of(seen.ids[0], time.Now()).Captured(func(b b2bua.Book, trunk string, names []string) (json.RawMessage, error) {
			return described("sbc", simulated, b, trunk, names)
		})
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := f.Write(&text); err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"us:secret", `"secret`, "0100000000000000"} {
			if strings.Contains(text.String(), secret) {
				t.Errorf("%s is in the capture", secret)
			}
		}
		if !strings.Contains(text.String(), "response=") {
			t.Error("no credentials were shown: the test shows nothing")
		}
		if f, err = b2bua.ReadCaptured(&text); err != nil || f.Head.Record == nil {
			t.Fatalf("%v", err)
		}
		book, err := bookOf("capture", f, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := b2bua.NewReplay(f, book)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := r.Run(); err != nil || d != nil {
			t.Fatalf("%v\n%+v", err, d)
		}
		if o := outcome(r.Call()); o != "answered 200 after 11.000 s (tc1 no_answer, tc2 hung_up)" {
			t.Error(o)
		}
	})
}

// Saw is b2bua.Observer.
func (e *everything) Saw(s b2bua.Sight) {
	for _, id := range e.ids {
		if id == s.Call {
			return
		}
	}
	e.ids = append(e.ids, s.Call)
}

// Hunted is b2bua.Observer.
func (e *everything) Hunted(dialog.CallID, b2bua.Failover) {}

// Ended is b2bua.Observer.
func (e *everything) Ended(dialog.CallID, b2bua.Record) {}

// Left is b2bua.Observer.
func (e *everything) Left(dialog.CallID) {}
