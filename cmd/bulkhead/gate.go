package main

import (
	"regexp"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"bulkhead/b2bua/ops"
)

// gate lets the lines of the log through that its level wants, with numbers as they are to be
// shown. Level and redaction change while it is in use.
type gate struct {
	zapcore.Core
	level  zapcore.LevelEnabler
	redact *atomic.Pointer[ops.Redact]
}

// Enabled is zapcore.LevelEnabler.
func (g *gate) Enabled(l zapcore.Level) bool { return g.level.Enabled(l) }

// Check is zapcore.Core.
func (g *gate) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if g.Enabled(e.Level) {
		return c.AddCore(e, g)
	}
	return c
}

// With is zapcore.Core.
func (g *gate) With(fields []zapcore.Field) zapcore.Core {
	return &gate{g.Core.With(fields), g.level, g.redact}
}

// Write is zapcore.Core.
func (g *gate) Write(e zapcore.Entry, fields []zapcore.Field) error {
	r := *g.redact.Load()
	if r.Numbers == "" || r.Numbers == "none" {
		return g.Core.Write(e, fields)
	}
	shown := make([]zapcore.Field, len(fields))
	for i, f := range fields {
		shown[i] = redacted(r, e.Message, f)
	}
	return g.Core.Write(e, shown)
}

// numbered are the fields that have a number in them, by the line.
var numbered = map[string]map[string]bool{
	"call ended": {"from": true, "to": true},
}

// asked are the numbers in what somebody has asked the API for.
var asked = regexp.MustCompile(`((?:number|from)=)([^&]*)`)

// redacted is a field as it is shown.
func redacted(r ops.Redact, line string, f zapcore.Field) zapcore.Field {
	switch {
	case f.Type != zapcore.StringType:
	case numbered[line][f.Key]:
		f.String = r.Number(f.String)
	case line == "audit" && f.Key == "path":
		f.String = asked.ReplaceAllStringFunc(f.String, func(s string) string {
			m := asked.FindStringSubmatch(s)
			return m[1] + r.Number(m[2])
		})
	case f.Key == "contact", f.Key == "text":
		f.String = r.URIs(f.String)
	}
	return f
}

// gated is a log behind a gate.
func gated(log *zap.Logger, level zapcore.LevelEnabler, r ops.Redact) *zap.Logger {
	p := &atomic.Pointer[ops.Redact]{}
	p.Store(&r)
	return log.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core { return &gate{c, level, p} }))
}

// loud is a log that says all, whatever the level of the gate is.
func loud(log *zap.Logger) *zap.Logger {
	return log.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core {
		if g, ok := c.(*gate); ok {
			return &gate{g.Core, zapcore.DebugLevel, g.redact}
		}
		return c
	}))
}

// shownBy is how a log shows numbers.
func shownBy(log *zap.Logger) ops.Redact {
	if g, ok := log.Core().(*gate); ok {
		return *g.redact.Load()
	}
	return ops.Redact{}
}

// shows has a log show numbers in another way from now on.
func shows(log *zap.Logger, r ops.Redact) {
	if g, ok := log.Core().(*gate); ok {
		g.redact.Store(&r)
	}
}
