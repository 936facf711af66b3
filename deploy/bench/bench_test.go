package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// SIPp's own names, in its order; what it writes beside them is shortened.
const statistics = "StartTime;ElapsedTime(C);CurrentCall;SuccessfulCall(P);SuccessfulCall(C);FailedCall(C);Retransmissions(C);\n" +
	"2026-11-27\t03:37:36.044342\t1795750656.044342;00:00:01;40;60;60;0;0;\n" +
	"2026-11-27\t03:37:36.044342\t1795750656.044342;00:00:02;0;37;97;3;5;\n"

func TestStatisticsAreThoseOfTheLastWholeLine(t *testing.T) {
	for name, text := range map[string]string{"ended": statistics, "being written": statistics + "2026-11-27;00:00:0"} {
		got, err := lastly(write(t, text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got["SuccessfulCall(C)"] != 97 || got["FailedCall(C)"] != 3 || got["CurrentCall"] != 0 || got["Retransmissions(C)"] != 5 {
			t.Errorf("%s: %v", name, got)
		}
	}
	for name, text := range map[string]string{
		"empty":        "",
		"a head alone": strings.SplitAfter(statistics, "\n")[0],
		"other names":  strings.ReplaceAll(statistics, "FailedCall(C)", "Lost"),
	} {
		if got, err := lastly(write(t, text)); err == nil {
			t.Errorf("%s: no error, but %v", name, got)
		}
	}
}

func TestOneInAThousandMayFail(t *testing.T) {
	if o := (outcome{calls: 5000, failed: 5}); !o.fine() {
		t.Error("5 of 5000 are too many")
	}
	if o := (outcome{calls: 5000, failed: 6}); o.fine() {
		t.Error("6 of 5000 are none")
	}
}

// found are figures of two systems and rounds.
func found() *figures {
	var f figures
	a, b := &system{kind: kinds[0]}, &system{kind: kinds[2]}
	for i, v := range []float64{400, 900, 410} {
		f.note(a, "CPU a call", "µs", perSecond(500), v)
		f.note(b, "CPU a call", "µs", perSecond(500), v/2+float64(i))
	}
	f.note(b, "memory a held call", "KiB", held(10000), 4.25)
	f.note(b, "CPU a call at 500/s beside held", "µs", held(50000), 220)
	f.note(b, "CPU a call at 500/s beside held", "µs", held(0), 200)
	f.note(b, "delay beside legs", "µs", legs(10), 5)
	f.remark("kamailio is away")
	return &f
}

func TestTableComparesMedians(t *testing.T) {
	var b strings.Builder
	found().table(&b)
	for _, line := range []string{
		"| | kamailio | bulkhead |",
		"| CPU a call, 500 calls/s, µs | 410 | 207 (0.50) |", // 200, 451, 207
		"| memory a held call, 10,000 held, KiB | - | 4.2 |",
		"| CPU a call at 500/s beside held, 0 held, µs | - | 200 |",
		"| CPU a call at 500/s beside held, 50,000 held, µs | - | 220 (1.10) |",
		"| delay beside legs, 10 stuck legs, µs | - | 5 |", // of a single line there is nothing to compare
		"- kamailio is away",
	} {
		if !slices.Contains(strings.Split(b.String(), "\n"), line) {
			t.Errorf("no line %q in\n%s", line, b.String())
		}
	}
}

func TestFiguresAreWrittenRoundByRound(t *testing.T) {
	name := filepath.Join(t.TempDir(), "out.csv")
	if err := found().write(name); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(text), "kamailio,CPU a call,500,calls/s,µs,"); got != 3 {
		t.Errorf("%d rounds in\n%s", got, text)
	}
}

// drawn is a plot, which must be XML without a number that is none.
func drawn(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(strings.NewReader(string(text))); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(string(text), "NaN") || strings.Contains(string(text), "Inf") {
		t.Errorf("not a number, in\n%s", text)
	}
	return string(text)
}

func TestPlotShowsWhatWasMeasured(t *testing.T) {
	name := filepath.Join(t.TempDir(), "out.svg")
	panels := found().panels(500)
	if len(panels) != 3 {
		t.Fatalf("%d panels", len(panels))
	}
	if err := draw(name, panels); err != nil {
		t.Fatal(err)
	}
	text := drawn(t, name)
	for _, want := range []string{">CPU a call, µs (paler: its Redis)<", ">410<", ">207<", ">4.2<", ">50,500<", ">kamailio<"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

func TestSeriesShowsACallsCostByTheMinute(t *testing.T) {
	var elapsed, calls, cpu []float64
	for i := range 31 { // 300 calls/s, each of 400 µs, then of 800
		elapsed, calls = append(elapsed, float64(i*20)), append(calls, float64(i*6000))
		cpu = append(cpu, float64(i*6000)*400e-6+float64(max(0, i-15)*6000)*400e-6)
	}
	minutes, costs := costsOver(elapsed, calls, cpu)
	if len(minutes) != 10 || minutes[0] != 1 || minutes[9] != 10 {
		t.Errorf("minutes %v", minutes)
	}
	for i, want := range []float64{400, 400, 400, 400, 400, 800, 800, 800, 800, 800} {
		if math.Abs(costs[i]-want) > 1 {
			t.Errorf("minute %d: %.0f µs, want %.0f", i+1, costs[i], want)
		}
	}
}

func TestSeriesIsDrawnOrRefused(t *testing.T) {
	good := "elapsed_s,calls,cpu_s,rss_bytes,goroutines,fds,keys\n0,0,0,50000000,20,12,0\n10,3000,1.2,60000000,21,12,400\n20,6000,2.4,60000000,21,12,400\n"
	name := filepath.Join(t.TempDir(), "out.svg")
	if err := drawSeries(write(t, good), name); err != nil {
		t.Fatal(err)
	}
	if text := drawn(t, name); !strings.Contains(text, "goroutines") {
		t.Error(text)
	}
	for what, text := range map[string]string{
		"there is no column fds": strings.Replace(good, "fds", "files", 1),
		"3: cpu_s":               strings.Replace(good, "1.2", "much", 1),
		"no series":              strings.Join(strings.SplitAfter(good, "\n")[:2], ""),
		"without calls":          strings.NewReplacer("3000", "0", "6000", "0").Replace(good),
	} {
		if err := drawSeries(write(t, text), name); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// RFC 3261 §17.2.1, Timer G: T1, 2·T1, 4·T1, ..., T2.
func TestADeafCarrierRepeatsFromT1ToT2(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	nobody, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close()
	d := &deaf{carrier: nobody, due: make([][]repeat, 4)}
	r := repeat{to: conn.LocalAddr().(*net.UDPAddr), data: []byte("487")}
	for n, want := range []time.Duration{t1, 2 * t1, 4 * t1, t2, t2, t2} {
		begun := time.Now()
		d.send(r, n)
		queue := d.due[min(n, 3)]
		if in := queue[len(queue)-1].at.Sub(begun); in < want || in > want+time.Second {
			t.Errorf("copy %d: the next is due in %v, want %v", n, in, want)
		}
	}
	if copies, _ := d.counts(); copies != 6 {
		t.Errorf("%d copies", copies)
	}
	d.silent.Store(true)
	d.send(r, 3)
	if copies, _ := d.counts(); copies != 6 {
		t.Error("a silent carrier has sent one")
	}
}

func TestConfigurationSaysStoreAndRelay(t *testing.T) {
	text, err := os.ReadFile("bulkhead.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds {
		if !k.bulkhead() {
			continue
		}
		got := (&system{kind: k}).configured(string(text), "warn")
		for _, want := range []struct {
			text string
			is   bool
		}{
			{"udp://" + k.door + ":5060", true}, {"udp://" + k.other + ":5060", true}, {"state: {redis", k.storeIP != ""},
			{"media: {mode: relay", k.media[0] != ""}, {"], media: 127.0.1.18}", k.media[0] != ""}, {"], media: 127.0.1.19}", k.media[0] != ""},
		} {
			if strings.Contains(got, want.text) != want.is {
				t.Errorf("%s: %q is not %v in\n%s", k.name, want.text, want.is, got)
			}
		}
	}
}
