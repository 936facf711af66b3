package main

import (
	"bytes"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"bulkhead/b2bua"
)

// exported opens a record file that has this text.
func exported(t *testing.T, name, text string) *exportFile {
	t.Helper()
	if text != "" {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file, err := b2bua.OpenRecordFile(name, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	x, err := newExportFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func detail(call string) []byte { return fmt.Appendf(nil, `{"call":%q}`, call) }

func lines(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		t.Errorf("the file ends within a line")
	}
	return strings.Fields(string(text))
}

// TestARecordIsWrittenOnce, whatever was in the file when the node came back.
func TestARecordIsWrittenOnce(t *testing.T) {
	long := strings.Repeat(" ", longest+longest/2)
	for name, c := range map[string]struct{ before, after string }{
		"nothing":                 {"", `{"call":"x"}` + "\n"},
		"it":                      {`{"call":"x"}` + "\n", `{"call":"x"}` + "\n"},
		"another":                 {`{"call":"y"}` + "\n", `{"call":"y"}` + "\n" + `{"call":"x"}` + "\n"},
		"a part of it":            {`{"call":"y"}` + "\n" + `{"call":"x`, `{"call":"y"}` + "\n" + `{"call":"x"}` + "\n"},
		"only a part":             {`{"ca`, `{"call":"x"}` + "\n"},
		"it, and what is no JSON": {`{"call":"x"}` + "\n" + "\x00\x00\n", `{"call":"x"}` + "\n" + "\x00\x00\n"},
		"it, behind a long line":  {long + "\n" + `{"call":"x"}` + "\n", long + "\n" + `{"call":"x"}` + "\n"},
		"a long line without end": {`{"call":"x"}` + "\n" + long, `{"call":"x"}` + "\n"},
		"it, at the end of a large file": {
			strings.Repeat(strings.Repeat(" ", 1023)+"\n", lastBytes/1024+100) + `{"call":"x"}` + "\n",
			strings.Repeat(strings.Repeat(" ", 1023)+"\n", lastBytes/1024+100) + `{"call":"x"}` + "\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "calls.jsonl")
			for range 2 {
				x := exported(t, file, c.before)
				c.before = ""
				for range 2 {
					if err := x.take("x", detail("x")); err != nil {
						t.Fatal(err)
					}
				}
			}
			if text, err := os.ReadFile(file); err != nil || string(text) != c.after {
				t.Errorf("%d bytes, want %d: %.200q; %v", len(text), len(c.after), text, err)
			}
		})
	}
}

// TestRecordsComeFromTwoSides: from the store, and from the writer that has no place
// in it for them.
func TestRecordsComeFromTwoSides(t *testing.T) {
	file := filepath.Join(t.TempDir(), "calls.jsonl")
	x := exported(t, file, "")
	var sides sync.WaitGroup
	for range 2 {
		sides.Go(func() {
			for i := range remembered {
				if err := x.take(fmt.Sprint(i), detail(fmt.Sprint(i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	sides.Wait()
	seen := map[string]bool{}
	for _, line := range lines(t, file) {
		if seen[line] {
			t.Errorf("%s twice", line)
		}
		seen[line] = true
	}
	if len(seen) != remembered {
		t.Errorf("%d records", len(seen))
	}
}

// TestARecordIsWrittenOnceAroundARotation: by ourselves at a size, or by logrotate.
func TestARecordIsWrittenOnceAroundARotation(t *testing.T) {
	for name, rotate := range map[string]func(t *testing.T, x *exportFile, file string){
		"by size": func(t *testing.T, x *exportFile, file string) {
			small, err := b2bua.OpenRecordFile(file, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer small.Close()
			if err := small.Append(detail("filler")); err != nil {
				t.Fatal(err)
			}
		},
		"by logrotate": func(t *testing.T, x *exportFile, file string) {
			if err := os.Rename(file, file+".1"); err != nil {
				t.Fatal(err)
			}
			if err := x.file.Reopen(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "calls.jsonl")
			x := exported(t, file, "")
			if err := x.take("x", detail("x")); err != nil {
				t.Fatal(err)
			}
			rotate(t, x, file)
			x = exported(t, file, "") // the node has died and is back
			for _, call := range []string{"x", "y"} {
				if err := x.take(call, detail(call)); err != nil {
					t.Fatal(err)
				}
			}
			all, err := filepath.Glob(filepath.Dir(file) + "/*")
			if err != nil || len(all) != 2 {
				t.Fatalf("%q, %v", all, err)
			}
			times := map[string]int{}
			for _, name := range all {
				for _, line := range lines(t, name) {
					times[line]++
				}
			}
			if times[string(detail("x"))] != 1 || times[string(detail("y"))] != 1 {
				t.Errorf("written so often: x %d, y %d", times[string(detail("x"))], times[string(detail("y"))])
			}
		})
	}
}

// TestWhatIsRotatedStaysAsItIs, whatever it is.
func TestWhatIsRotatedStaysAsItIs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "calls.jsonl")
	packed := []byte("\x1f\x8b packed \n without an end")
	if err := os.WriteFile(file+".1.gz", packed, 0o600); err != nil {
		t.Fatal(err)
	}
	exported(t, file, "")
	if got, err := os.ReadFile(file + ".1.gz"); err != nil || !bytes.Equal(got, packed) {
		t.Errorf("%q, %v", got, err)
	}
}

// TestAFullDiskTearsNoLine: what was written of it is taken back, and the record is
// written when there is room.
func TestAFullDiskTearsNoLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "calls.jsonl")
	x := exported(t, file, "")
	if err := x.take("1", detail("1")); err != nil {
		t.Fatal(err)
	}
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	limit := was
	limit.Cur = uint64(len(detail("1")) + 5) // in the middle of the second line
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	err := x.take("2", detail("2"))
	if err2 := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err2 != nil {
		t.Fatal(err2)
	}
	if err == nil {
		t.Fatal("written into a full file")
	}
	for _, call := range []string{"2", "3"} {
		if err := x.take(call, detail(call)); err != nil {
			t.Fatal(err)
		}
	}
	if got := lines(t, file); len(got) != 3 || got[1] != string(detail("2")) {
		t.Errorf("%q", got)
	}
}

// TestAPipeTakesRecords too: it has no past.
func TestAPipeTakesRecords(t *testing.T) {
	if err := exported(t, os.DevNull, "").take("x", detail("x")); err != nil {
		t.Error(err)
	}
}
