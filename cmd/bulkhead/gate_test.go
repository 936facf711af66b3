package main

import (
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"bulkhead/b2bua/ops"
)

// said are the values of the fields of each line.
func saidBy(logs *observer.ObservedLogs) (all []string) {
	for _, l := range logs.TakeAll() {
		line := l.Message
		for _, f := range l.Context {
			line += " " + f.Key + "=" + f.String
		}
		all = append(all, line)
	}
	return all
}

func TestLogShowsNumbersAsItIsTold(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	level := zap.NewAtomicLevelAt(zapcore.InfoLevel)
	log := gated(zap.New(core), level, ops.Redact{})
	tell := func() {
		log.With(zap.String("node", "sbc-a")).Info("call ended", zap.String("from", "+33612345678"), zap.String("to", "sales-team"))
		log.Info("audit", zap.String("from", "127.0.0.1:5123"), zap.String("path", "/v1/calls?number=%2B33612345678&state=up"))
		log.Info("contact skipped", zap.String("contact", "sip:+33612345678@192.0.2.1;user=phone"))
		log.Info("handing over", zap.String("to", "sbc-b"))
	}
	for _, c := range []struct {
		numbers string
		want    []string
	}{
		{"none", []string{"call ended node=sbc-a from=+33612345678 to=sales-team", "audit from=127.0.0.1:5123 path=/v1/calls?number=%2B33612345678&state=up", "contact skipped contact=sip:+33612345678@192.0.2.1;user=phone", "handing over to=sbc-b"}},
		{"last4", []string{"call ended node=sbc-a from=+3361234xxxx to=sales-xxxx", "audit from=127.0.0.1:5123 path=/v1/calls?number=%2B3361234xxxx&state=up", "contact skipped contact=sip:+3361234xxxx@192.0.2.1;user=phone", "handing over to=sbc-b"}},
		{"all", []string{"call ended node=sbc-a from=+xxxxxxxxxxx to=xxxxx-xxxx", "audit from=127.0.0.1:5123 path=/v1/calls?number=%xxxxxxxxxxxxx&state=up", "contact skipped contact=sip:+xxxxxxxxxxx@192.0.2.1;user=phone", "handing over to=sbc-b"}},
	} {
		shows(log, ops.Redact{Numbers: c.numbers})
		tell()
		if got := saidBy(logs); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%s", c.numbers, strings.Join(got, "\n"))
		}
	}
}

// The level changes while the log is in use; the loud log says all, as the other shows numbers.
func TestLevelOfTheLog(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	level := zap.NewAtomicLevelAt(zapcore.InfoLevel)
	log := gated(zap.New(core), level, ops.Redact{})
	noisy := loud(log)
	with := log.With(zap.String("a", "b")) // made before the level changes
	shows(log, ops.Redact{Numbers: "all"})
	count := func(l *zap.Logger) int {
		l.Debug("call ended", zap.String("to", "123"))
		l.Info("call ended", zap.String("to", "123"))
		l.Error("call ended", zap.String("to", "123"))
		lines := saidBy(logs)
		for _, line := range lines {
			if strings.Contains(line, "123") {
				t.Errorf("it shows a number: %s", line)
			}
		}
		return len(lines)
	}
	if n := []int{count(log), count(with), count(noisy)}; !slices.Equal(n, []int{2, 2, 3}) {
		t.Errorf("at info: %v", n)
	}
	level.SetLevel(zapcore.ErrorLevel)
	if n := []int{count(log), count(with), count(noisy)}; !slices.Equal(n, []int{1, 1, 3}) {
		t.Errorf("at error: %v", n)
	}
	level.SetLevel(zapcore.DebugLevel)
	if n := []int{count(log), count(with), count(noisy)}; !slices.Equal(n, []int{3, 3, 3}) {
		t.Errorf("at debug: %v", n)
	}
}
