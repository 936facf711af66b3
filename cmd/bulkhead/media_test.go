package main

import (
	"net"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"bulkhead/storage/storagetest"
)

// TestAnRTPEngineThatIsDownIsLogged, by its name in the configuration.
func TestAnRTPEngineThatIsDownIsLogged(t *testing.T) {
	t.Parallel()
	gone, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "udp://" + gone.LocalAddr().String()
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	c := defaults("sbc-a")
	m := MediaConfig{}
	m.Default()
	m.RTPEngine = &RTPEngineConfig{Nodes: []string{url}}
	c.Media = &m
	core, logs := observer.New(zapcore.InfoLevel)
	_, still, err := c.anchoring(zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	defer still()
	storagetest.Eventually(t, "it to be told", func() bool {
		l := logs.FilterMessage("rtpengine").FilterField(zap.String("engine", url)).FilterField(zap.String("state", "down"))
		return l.Len() == 1 && l.All()[0].Level == zapcore.WarnLevel
	})
}
