package ng_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bulkhead/b2bua/media/ng"
)

// The answer is one of rtpengine 10.5.3 to a query of a call with RTCP on both sides.
func TestStatsOfARecordedAnswer(t *testing.T) {
	b, err := os.ReadFile("testdata/query.bencode")
	if err != nil {
		t.Fatal(err)
	}
	v, err := ng.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ng.StatsOf(v)
	if err != nil {
		t.Fatal(err)
	}
	if s.RTP != (ng.Packets{Packets: 520, Bytes: 89440}) || s.RTCP.Packets != 10 {
		t.Errorf("%+v, %+v", s.RTP, s.RTCP)
	}
	if len(s.Legs) != 2 || s.Legs[0].Leg != "L0" || s.Legs[1].Leg != "L1" {
		t.Fatalf("%+v", s.Legs)
	}
	m := s.Legs[1].Media[0]
	if m.Index != 1 || m.Kind != "audio" || m.Protocol != "RTP/AVP" || m.Codec != "PCMA/8000" || len(m.Streams) != 2 {
		t.Errorf("%+v", m)
	}
	rtp, rtcp := m.Streams[0], m.Streams[1]
	if rtp.RTCP || !rtcp.RTCP || rtp.SSRC != 0x2222 || rtp.Received != (ng.Packets{Packets: 260, Bytes: 44720}) ||
		rtp.Remote != netip.MustParseAddrPort("127.0.238.11:7000") || rtp.Local.Addr() != netip.MustParseAddr("127.0.238.2") || rtp.Last.Unix() < 1795739000 {
		t.Errorf("%+v", rtp)
	}
	for _, source := range s.Sources {
		want := ng.SourceStats{SSRC: 0x1111, Lost: 3, Loss: 1, Jitter: 5 * time.Millisecond, RoundTrip: source.RoundTrip, MOS: source.MOS, MOSLowest: source.MOSLowest}
		if source.SSRC == 0x2222 {
			want.SSRC, want.Lost, want.Loss = 0x2222, 1, 0
		}
		if !reflect.DeepEqual(source, want) || source.RoundTrip < time.Millisecond || source.RoundTrip > time.Second ||
			source.MOS < 2 || source.MOS > 4.5 || source.MOSLowest < 2 || source.MOSLowest > source.MOS {
			t.Errorf("%+v", source)
		}
	}
	if len(s.Sources) != 2 {
		t.Errorf("%+v", s.Sources)
	}
}

func TestStatsAreTakenBeforeTheEnd(t *testing.T) {
	f := newFake(t)
	c := newClient(t, ng.Config{Ping: never}, f)
	type ended struct {
		ng.Stats
		err error
	}
	done := make(chan ended, 1)
	end := func() {
		s, err := c.Delete(context.Background(), "n0", "c1")
		done <- ended{s, err}
	}
	b, err := os.ReadFile("testdata/query.bencode")
	if err != nil {
		t.Fatal(err)
	}
	go end()
	a := f.next()
	if a.raw != "d7:call-id2:c17:command5:querye" {
		t.Errorf("%s", a.raw)
	}
	f.answer(a, string(b))
	if a = f.next(); a.raw != "d7:call-id2:c17:command6:delete12:delete-delayi0ee" {
		t.Errorf("%s", a.raw)
	}
	f.answer(a, "d6:result2:oke")
	if r := wait(t, done); r.err != nil || r.RTP.Packets != 520 {
		t.Errorf("%+v", r)
	}
	// Gone between the two: rtpengine calls that ok, with a warning.
	go end()
	f.answer(f.next(), string(b))
	f.answer(f.next(), "d6:result2:ok7:warning38:Call-ID not found or tags didn't matche")
	if r := wait(t, done); !errors.Is(r.err, ng.ErrUnknownCall) || r.RTP.Packets != 520 {
		t.Errorf("%+v", r)
	}
	// Gone before.
	go end()
	f.answer(f.next(), "d12:error-reason15:Unknown call-id6:result5:errore")
	if r := wait(t, done); !errors.Is(r.err, ng.ErrUnknownCall) {
		t.Errorf("%+v", r)
	}
	// An answer that is none.
	go end()
	f.answer(f.next(), "d6:result2:oke")
	if r := wait(t, done); !errors.Is(r.err, ng.ErrGarbled) {
		t.Errorf("%+v", r)
	}
}

func TestPollTellsOfCallsThereAndGone(t *testing.T) {
	type death struct {
		call, node string
		why        error
	}
	f, g := newFake(t), newFake(t)
	config := ng.Config{Ping: never, Timeout: 50 * time.Millisecond, Repeat: never}
	told := changes(&config)
	c := newClient(t, config, f, g)
	var mu sync.Mutex
	at := map[string][]string{"n0": {"alive", "dead", "mute", "odd"}}
	calls := func(node string) []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(at[node])
	}
	dead := make(chan death, 100)
	var alive atomic.Int32
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Poll(ctx, 40*time.Millisecond, calls, func(call, node string, stats ng.Stats, why error) {
			if why == nil && call == "alive" && len(stats.Legs) == 2 {
				alive.Add(1)
				return
			}
			dead <- death{call, node, why}
		})
	}()
	b, err := os.ReadFile("testdata/query.bencode")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // rounds
		for _, call := range at["n0"] {
			a := f.next()
			if a.str("call-id") != call || a.str("command") != "query" {
				t.Fatalf("%s", a.raw)
			}
			switch call {
			case "alive":
				f.answer(a, string(b))
			case "dead":
				f.answer(a, "d12:error-reason15:Unknown call-id6:result5:errore")
			case "odd":
				f.answer(a, "d12:error-reason10:Don't know6:result5:errore")
			}
		}
		if d := wait(t, dead); d.call != "dead" || d.node != "n0" || !errors.Is(d.why, ng.ErrUnknownCall) {
			t.Errorf("%+v", d)
		}
	}
	if len(dead) > 0 || len(g.got) > 0 {
		t.Errorf("%+v", <-dead)
	}
	if n := alive.Load(); n < 3 { // a fourth round may have begun
		t.Errorf("of the one that is there it was told %d times", n)
	}
	// The other node goes.
	g.close()
	mu.Lock()
	at = map[string][]string{"n1": {"a", "b"}}
	mu.Unlock()
	if d := wait(t, told); d.node != "n1" || d.up {
		t.Errorf("%+v", d)
	}
	for _, call := range []string{"a", "b", "a"} {
		if d := wait(t, dead); d.call != call || d.node != "n1" || !errors.Is(d.why, ng.ErrNodeLost) {
			t.Errorf("%+v", d)
		}
	}
	cancel()
	wait(t, ended)
}
