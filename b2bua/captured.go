package b2bua

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"
	"unicode/utf8"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// A capture file is lines of JSON: a head, then a line a step of the call. The head has what
// the call began with besides the INVITE: the configuration of its trunk and carriers without
// passwords, how our side is called, and what the cluster's key has made of the names of
// this call, which takes the place of the key. A step has what came, and when, and all that
// it came to: a replay has to come to the same, byte for byte.

// CaptureVersion is that of the file.
const CaptureVersion = 1

// Captured is a capture as its file has it.
type Captured struct {
	Head  CaptureHead
	Steps []CaptureStep
}

// CaptureHead is the first line.
type CaptureHead struct {
	Bulkhead string                  `json:"bulkhead"` // "capture"
	Version  int                     `json:"version"`
	Call     string                  `json:"call"`
	Trunk    string                  `json:"trunk"`
	Began    time.Time               `json:"began"`
	Agent    string                  `json:"agent,omitempty"`
	Timers   dialog.Timers           `json:"timers"` // ns
	Local    map[string]dialog.Local `json:"local"`  // by realm: what our side calls itself by UDP, TCP, TLS
	Config   json.RawMessage         `json:"config"` // of the trunk and the carriers; JSON is YAML
	Given    []dialog.Given          `json:"given"`
	Record   []byte                  `json:"record,omitempty"` // of a call that was up when its capture began
	Lost     int                     `json:"lost,omitempty"`   // steps and messages beyond the bounds, which are not here
	Broken   bool                    `json:"broken,omitempty"` // a defect has shown
}

// CaptureStep is a line after it.
type CaptureStep struct {
	At    time.Time `json:"at"`
	Event string    `json:"event"` // invite, message, due, unsent, hangup, chosen
	Leg   uint8     `json:"leg"`
	What  string    `json:"what,omitempty"` // of a message, for people: 487 INVITE

	Path     *dialog.Path       `json:"path,omitempty"`
	Seen     time.Time          `json:"seen,omitzero"`
	Data     string             `json:"data,omitempty"`
	Binary   []byte             `json:"binary,omitempty"` // instead of Data, where that is not UTF-8
	Replaced *dialog.Replaced   `json:"replaced,omitempty"`
	Targets  []dialog.Target    `json:"targets,omitempty"`
	Skipped  []carriers.Skipped `json:"skipped,omitempty"`
	Choosing bool               `json:"choosing,omitempty"`
	Cause    *dialog.Cause      `json:"cause,omitempty"`
	Tx       uint16             `json:"tx,omitempty"`
	Why      string             `json:"why,omitempty"`

	Judged     []string        `json:"judged,omitempty"`     // of each attempt: why it was not to be made; empty: it was
	Redirected []CaptureTarget `json:"redirected,omitempty"` // of each contact: where it leads
	Media      []CaptureMedia  `json:"media,omitempty"`      // of each thing asked of its media: what became of it
	Port       netip.AddrPort  `json:"port,omitzero"`        // of a stream that is silent, or heard from elsewhere

	Did []json.RawMessage `json:"did"` // deeds
}

// CaptureTarget is where a contact of a redirection leads.
type CaptureTarget struct {
	dialog.Target
	Known bool `json:"known"`
}

// deed is an action as a capture has it.
type deed struct {
	Do       string       `json:"do"`
	Leg      uint8        `json:"leg,omitempty"`
	What     string       `json:"what,omitempty"`
	Tx       uint16       `json:"tx,omitempty"`
	Path     *dialog.Path `json:"path,omitempty"`
	Fallback *dialog.Path `json:"fallback,omitempty"`
	Repeat   bool         `json:"repeat,omitempty"`
	Data     string       `json:"data,omitempty"`
	Binary   []byte       `json:"binary,omitempty"`
	More     any          `json:"more,omitempty"`
}

// deedOf is an action as a line of JSON.
func deedOf(a Action) json.RawMessage {
	var d deed
	switch a := a.(type) {
	case Save:
		d = deed{Do: "save", More: a}
	case Send:
		d = deed{Do: "send", Leg: a.Leg, What: whatOf(a.Method, a.Code), Tx: a.Tx, Path: &a.Path, Repeat: a.Repeat}
		if a.Fallback != (dialog.Path{}) {
			d.Fallback = &a.Fallback
		}
		d.Data, d.Binary = textOf(a.Data)
	case Drop:
		d = deed{Do: "drop", Leg: a.Leg, What: whatOf(a.Method, a.Code), More: a.Name}
	case Failover:
		d = deed{Do: "failover", More: a}
	case Skip:
		d = deed{Do: "skip", More: a}
	case Untried:
		d = deed{Do: "untried", More: a}
	case Write:
		d = deed{Do: "write", More: inUTC(a.Record)}
	case Violation:
		d = deed{Do: "violation", More: a.Name}
	}
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	if err := e.Encode(d); err != nil {
		panic(err) // there is nothing in it that JSON has no words for
	}
	return bytes.TrimSpace(line.Bytes())
}

// inUTC is a record that reads alike wherever it is written.
func inUTC(r Record) Record {
	r.Attempts, r.Transfers = slices.Clone(r.Attempts), slices.Clone(r.Transfers)
	all := []*time.Time{&r.Began, &r.Ringing, &r.Answered, &r.Ended}
	for i := range r.Attempts {
		a := &r.Attempts[i]
		all = append(all, &a.Began, &a.Trying, &a.Ringing, &a.Final, &a.EarlyMedia)
	}
	for i := range r.Transfers {
		all = append(all, &r.Transfers[i].At)
	}
	for _, t := range all {
		if !t.IsZero() {
			*t = t.UTC()
		}
	}
	return r
}

func whatOf(method string, code int) string {
	if code == 0 {
		return method
	}
	return fmt.Sprintf("%d %s", code, method)
}

func textOf(data []byte) (string, []byte) {
	if utf8.Valid(data) {
		return string(data), nil
	}
	return "", data
}

// bytes are the message of a step.
func (s *CaptureStep) bytes() []byte {
	if s.Binary != nil {
		return s.Binary
	}
	return []byte(s.Data)
}

// step is a step as the file has it.
func (t *taken) step() CaptureStep {
	s := CaptureStep{At: t.at, Judged: t.judged, Did: []json.RawMessage{}}
	for _, m := range t.anchored {
		m.SDP, m.Anchor = string(masked([]byte(m.SDP))), MaskedRecord(m.Anchor)
		s.Media = append(s.Media, m)
	}
	for _, r := range t.redirected {
		s.Redirected = append(s.Redirected, CaptureTarget{r.target, r.ok})
	}
	for _, a := range t.actions {
		if send, ok := a.(Send); ok {
			send.Data = masked(send.Data)
			a = send
		}
		s.Did = append(s.Did, deedOf(a))
	}
	if t.raw != nil {
		path := t.path
		s.Path, s.Seen = &path, t.seen
		s.Data, s.Binary = textOf(masked(t.raw))
	}
	switch ev := t.event.(type) {
	case Admission:
		s.Event, s.What = "invite", "INVITE"
		s.Targets, s.Skipped, s.Choosing = bare(ev.Targets), ev.Skipped, ev.Choosing
		s.Cause = &ev.Refusal
	case Arrived:
		s.Event, s.Leg, s.What = "message", ev.Leg, whatOf(ev.Message.Method, ev.Message.Code)
		s.Replaced, s.Targets = ev.Replaced, bare(ev.Targets)
	case Due:
		s.Event = "due"
	case Unsent:
		s.Event, s.Leg, s.Tx, s.Why = "unsent", ev.Leg, ev.Tx, ev.Why
	case Hangup:
		s.Event, s.Cause = "hangup", &ev.Cause
	case Chosen:
		s.Event, s.Targets, s.Skipped, s.Cause = "chosen", bare(ev.Targets), ev.Skipped, &ev.Refusal
	case Silence:
		s.Event, s.Port, s.Leg = "silence", ev.At, ev.Leg
	case Heard:
		s.Event, s.Port = "heard", ev.At
	}
	return s
}

func bare(targets []Target) (list []dialog.Target) {
	for _, t := range targets {
		list = append(list, t.Target)
	}
	return list
}

// Captured is the capture as its file has it; config describes the trunk and the carriers that
// are named, of the book that the call began with.
func (c *Capture) Captured(config func(b Book, trunk string, carriers []string) (json.RawMessage, error)) (*Captured, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.steps) == 0 {
		return nil, errors.New("nothing of the call has been captured yet")
	}
	p := c.profiles
	f := &Captured{Head: CaptureHead{
		Bulkhead: "capture", Version: CaptureVersion, Call: c.id.String(), Trunk: c.trunk, Began: c.steps[0].at,
		Agent: p.engine.config.Agent, Timers: p.engine.config.Timers, Local: map[string]dialog.Local{},
		Record: MaskedRecord(c.record), Lost: c.lost, Broken: c.broken,
	}}
	names := slices.Clone(c.legs)
	add := func(targets []dialog.Target) {
		for _, t := range targets {
			names = append(names, t.Carrier)
		}
	}
	var said [][]byte
	for i := range c.steps {
		s := c.steps[i].step()
		add(s.Targets)
		for _, r := range s.Redirected {
			add([]dialog.Target{r.Target})
		}
		f.Steps = append(f.Steps, s)
		said = append(said, c.steps[i].raw)
		for _, a := range c.steps[i].actions {
			if send, ok := a.(Send); ok {
				said = append(said, send.Data)
			}
		}
	}
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(name string) bool { return p.carriers[name] == nil })
	f.Head.Given = p.engine.seal.Given(c.id, len(c.legs)+1, said)
	if t := p.trunks[c.trunk]; t != nil {
		f.Head.Local[p.TrunkNamed(c.trunk).Realm] = t.Local
	}
	for _, name := range names {
		f.Head.Local[p.Carrier(name).Realm] = p.carriers[name].Local
	}
	var err error
	f.Head.Config, err = config(p.Book, c.trunk, names)
	return f, err
}

// Write writes the file.
func (f *Captured) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(f.Head); err != nil {
		return err
	}
	for i := range f.Steps {
		if err := e.Encode(f.Steps[i]); err != nil {
			return err
		}
	}
	return nil
}

// maxCaptureLine is how long a line may be.
const maxCaptureLine = 16 << 20

// ReadCaptured reads what Write wrote.
func ReadCaptured(r io.Reader) (*Captured, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxCaptureLine)
	f := &Captured{}
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if f.Head.Bulkhead == "" {
			if err := json.Unmarshal(line, &f.Head); err != nil || f.Head.Bulkhead != "capture" {
				return nil, fmt.Errorf("line %d: this is no capture of a call", n)
			}
			if f.Head.Version != CaptureVersion {
				return nil, fmt.Errorf("line %d: version %d of the file; this Bulkhead reads %d", n, f.Head.Version, CaptureVersion)
			}
			continue
		}
		var s CaptureStep
		if err := json.Unmarshal(line, &s); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		f.Steps = append(f.Steps, s)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(f.Steps) == 0 {
		return nil, errors.New("there is no step in this capture")
	}
	return f, nil
}
