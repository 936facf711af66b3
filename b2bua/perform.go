package b2bua

import (
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"go.uber.org/zap"

	"bulkhead/b2bua/wire"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

// wireNowhere is no fallback.
var wireNowhere wire.Hop

// perform does what the call wants done, in the order in which it says so. False:
// the rest waits for the store.
func (s *strand) perform(now time.Time, actions []Action) bool {
	e := s.engine
	for i, a := range actions {
		switch a := a.(type) {
		case Save:
			s.after = actions[i+1:]
			if !s.save(a.Wait) {
				return false
			}
		case Send:
			s.send(now, a.Send)
		case Drop:
			e.metrics.Dropped.WithLabelValues("leg", a.Name).Inc()
			if a.Name == dialog.DropAbsorbed {
				e.metrics.Absorbed.WithLabelValues(e.metrics.peer(a.Leg, s.peer(a.Leg))).Inc()
			}
			e.saw(Sight{Call: s.id, Leg: a.Leg, Peer: s.peer(a.Leg), In: true, At: now, Note: a.Name})
		case Failover:
			e.metrics.failedOver(a)
			if e.observer != nil {
				e.observer.Hunted(s.id, a)
			}
			what := "failover"
			if a.Next == "" {
				what = "attempt failed"
			}
			e.log.Info(what,
				zap.Stringer("call", s.id), zap.Int("attempt", a.Attempt), zap.String("carrier", a.Carrier),
				zap.Stringer("cause", a.Cause.Why), zap.Int("status", a.Cause.Code), zap.Int("q850", a.Cause.Q850),
				zap.String("text", a.Cause.Text), zap.String("next", a.Next))
		case Skip:
			e.metrics.Dropped.WithLabelValues("contact", a.Why).Inc()
			e.log.Info("contact skipped", zap.Stringer("call", s.id), zap.Int("attempt", a.Attempt),
				zap.String("contact", a.Contact), zap.String("reason", a.Why))
		case Untried:
			carrier := a.Carrier
			if s.profiles.Carrier(carrier) == nil {
				carrier = "" // who decides may name whom it likes
			}
			e.metrics.Skipped.WithLabelValues(e.metrics.carriers.of(carrier), carriers.Word(a.Why)).Inc()
		case Write:
			s.after = actions[i+1:]
			if !s.write(a.Record, len(s.after) > 0) {
				return false
			}
		case Violation:
			e.violated(s, a.Name)
		}
	}
	s.after = nil
	if e.between != nil && s.call != nil {
		s.call = e.between(s.call)
	}
	return true
}

// send puts bytes on the wire; what cannot be sent comes back as Unsent.
func (s *strand) send(now time.Time, a dialog.Send) {
	e := s.engine
	if !e.speaks() {
		return
	}
	e.metrics.messages.went(a.Method, a.Code, a.Repeat)
	e.saw(Sight{Call: s.id, Leg: a.Leg, Peer: s.peer(a.Leg), At: now, Path: a.Path, Method: a.Method, Code: a.Code, Data: a.Data, Repeat: a.Repeat})
	var unsent func(error)
	if a.Code == 0 && a.Tx != 0 {
		leg, tx := a.Leg, a.Tx
		unsent = func(err error) {
			if e.muted.Load() {
				return // our socket was closed, no peer's
			}
			if e.config.Present != nil && !e.config.Present() {
				return // lost: whoever has the address sends it again
			}
			s.put(item{command: Unsent{Leg: leg, Unsent: dialog.Unsent{Tx: tx, Why: err.Error()}}})
		}
	}
	e.wire.Send(hopOf(a.Path), hopOf(a.Fallback), a.Data, unsent)
}

// write gives the record out and logs the call's one line; wait and the result as in
// save.
func (s *strand) write(r Record, wait bool) bool {
	e := s.engine
	e.metrics.ended(r, s.call)
	if e.config.Media != nil {
		e.metrics.Media.WithLabelValues(r.mode()).Inc()
	}
	carrier := ""
	if n := len(r.Attempts); n > 0 {
		carrier = r.Attempts[n-1].Carrier
	}
	if e.observer != nil {
		e.observer.Ended(s.id, r)
	}
	e.log.Info("call ended",
		zap.Stringer("call", s.id), zap.String("trunk", r.Trunk), zap.String("from", r.From), zap.String("to", r.To),
		zap.String("carrier", carrier), zap.Int("attempts", len(r.Attempts)), zap.String("result", r.Result),
		zap.String("cause", r.Cause), zap.Int("status", r.Status), zap.Int("q850", r.Q850),
		zap.String("ended_by", r.EndedBy), zap.Float64("duration", r.Duration))
	s.absorbing = true
	e.absorbed.Add(1)
	e.settle()
	return s.record(r, wait)
}

// peer names who is on the other end of a leg.
func (s *strand) peer(leg uint8) string {
	if leg == 0 || s.call == nil {
		return s.trunk
	}
	if l := s.call.leg(leg); l != nil {
		return l.Target.Carrier
	}
	return ""
}

// violated counts a promise that was about to be broken.
func (e *Engine) violated(s *strand, name string) {
	e.metrics.Violations.WithLabelValues(name).Inc()
	e.log.Error("invariant violated", zap.Stringer("call", s.id), zap.String("name", name), zap.Strings("events", s.events()))
}

// broken ends a call in which a defect of ours showed: 500 or BYE on the trunk's
// side, CANCEL or BYE on the carriers', each leg by itself, so that what is left
// whole is ended in order. Nothing of that waits for the store.
func (s *strand) broken(now time.Time, it *item, reason any) {
	s.defect("panic in a call", reason)
	s.hasty = true
	defer func() { s.hasty = false }()
	if s.call == nil {
		if it != nil && it.admit != nil {
			m := it.message
			s.engine.refuse(m, it.path, dialog.Refusal{Code: 500}, "defect")
			s.bury(now, Record{
				Schema: 1, Call: s.id.String(), Trunk: s.trunk, CallID: m.CallID, From: m.Caller().User, To: m.Dialled(),
				Began: it.at, Ended: now, Result: "failed", Code: 500, Cause: dialog.Fault.String(), Status: 500,
				EndedBy: "bulkhead", Attempts: []Attempt{},
			})
		}
		return
	}
	s.call.anchors = s.anchors()
	cause := dialog.Cause{Why: dialog.Fault, Code: 500, Q850: 41}
	for n := 0; n <= len(s.call.Out); n++ {
		s.guard("panic while ending a leg", func() { s.perform(now, s.call.Abort(now, uint8(n), cause)) })
	}
	if s.panics > 3 {
		s.surrender(now)
	}
	s.guard("panic while counting a call", s.recount)
}

// surrender lets go of a call that cannot be stepped any more.
func (s *strand) surrender(now time.Time) {
	r := Record{Schema: 1, Call: s.id.String(), Trunk: s.trunk, Ended: now, Result: "failed", Cause: dialog.Fault.String(), EndedBy: "bulkhead", Attempts: []Attempt{}}
	written := s.call.Written
	s.guard("panic while ending the media of a call", s.forsake)
	s.guard("panic in a record", func() { r = s.call.Record(now) })
	s.call = nil
	if !written {
		s.bury(now, r)
		return
	}
	s.grave = now.Add(64 * s.engine.config.Timers.T1)
}

// bury writes the record of a call that a defect has ended, and keeps its name for
// as long as its trunk may repeat itself, so that a repeat is not a new call.
func (s *strand) bury(now time.Time, r Record) {
	s.grave = now.Add(64 * s.engine.config.Timers.T1)
	s.guard("panic in a record", func() { s.write(r, false) })
}

// guard does something that a defect must not lead out of.
func (s *strand) guard(what string, do func()) {
	defer func() {
		if r := recover(); r != nil {
			s.defect(what, r)
		}
	}()
	do()
}

// defect counts and logs a panic with the call's last events.
func (s *strand) defect(what string, reason any) {
	s.panics++
	s.engine.metrics.Panics.Inc()
	s.engine.log.Error(what, zap.Stringer("call", s.id), zap.Any("panic", reason),
		zap.Strings("events", s.events()), zap.ByteString("stack", debug.Stack()))
}

// events are the last events of the call, oldest first.
func (s *strand) events() (list []string) {
	if s.last == nil {
		return nil
	}
	for i := max(0, s.count-len(s.last)); i < s.count; i++ {
		ev := s.last[i%len(s.last)]
		what := ev.what
		if ev.code != 0 {
			what = strconv.Itoa(int(ev.code)) + " " + what
		}
		list = append(list, fmt.Sprintf("%s leg %d %s", ev.at.Format("15:04:05.000"), ev.leg, what))
	}
	return list
}
