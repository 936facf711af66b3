package ops

import (
	"context"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// Messages writes a line of the log for every message of every call, while the log is at
// debug. At any other level it costs a call a few nanoseconds.
//
// It is a b2bua.Observer.
type Messages struct {
	Log    *zap.Logger
	Redact func() Redact
}

// Saw is b2bua.Observer.
func (m *Messages) Saw(s b2bua.Sight) {
	if s.Data == nil {
		if c := m.Log.Check(zapcore.DebugLevel, "message went no further"); c != nil {
			c.Write(zap.Stringer("call", s.Call), zap.Uint8("leg", s.Leg), zap.String("peer", s.Peer), zap.String("reason", s.Note))
		}
		return
	}
	if c := m.Log.Check(zapcore.DebugLevel, "message"); c != nil {
		c.Write(described(s, m.Redact())...)
	}
}

// Hunted is b2bua.Observer.
func (m *Messages) Hunted(dialog.CallID, b2bua.Failover) {}

// Ended is b2bua.Observer.
func (m *Messages) Ended(dialog.CallID, b2bua.Record) {}

// Left is b2bua.Observer.
func (m *Messages) Left(dialog.CallID) {}

// described are the fields of a message: its head, and how long its body is.
func described(s b2bua.Sight, r Redact) []zap.Field {
	way, body := "out", 0
	if s.In {
		way = "in"
	}
	if _, rest, ok := strings.Cut(string(s.Data), "\r\n\r\n"); ok {
		body = len(rest)
	}
	fields := []zap.Field{
		zap.Stringer("call", s.Call), zap.Uint8("leg", s.Leg), zap.String("peer", s.Peer), zap.String("way", way),
		zap.Stringer("address", s.Path.Remote), zap.Stringer("transport", s.Path.Transport),
		zap.String("head", r.Message(s.Data)), zap.Int("body", body),
	}
	if s.Repeat {
		fields = append(fields, zap.Bool("repeat", true))
	}
	if s.Note != "" {
		fields = append(fields, zap.String("reason", s.Note))
	}
	return fields
}

// debug writes a line for each message of the calls that are listened to, whatever the log's
// level is, until the time is over, somebody stops it, or the node ends.
func (s *Server) debug(live *b2bua.Live, span time.Duration) {
	defer live.Close()
	ctx, cancel := context.WithTimeout(context.Background(), span)
	defer cancel()
	log := s.node.Loud()
	for {
		select {
		case f := <-live.Frames:
			log.Debug("message", described(f.Sight, s.node.Redact())...)
			if n := live.Missed.Swap(0); n > 0 {
				log.Warn("messages not logged: there were too many", zap.Uint64("messages", n))
			}
		case <-ctx.Done():
			return
		case <-live.Stopped:
			return
		case <-s.ending:
			return
		}
	}
}
