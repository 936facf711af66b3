//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/storage/storagetest"
)

// TestRecordsOutliveAFullDisk: the disk of the records is full in the middle of calls. No call
// notices, operators see it, and when there is room each call has its record, in order.
func TestRecordsOutliveAFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("a small disk takes root")
	}
	t.Parallel()
	const calls = 60
	o := operate(t, 1, plan{prefix: "127.30"})
	disk := filepath.Join(o.dir, "disk")
	size := func(size string, flags uintptr) {
		t.Helper()
		if err := syscall.Mount("records", disk, "tmpfs", flags, "size="+size); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	size("16k", 0)
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	file := filepath.Join(o.dir, "calls.jsonl")
	if err := errors.Join(os.Remove(file), os.Symlink(filepath.Join(disk, "calls.jsonl"), file), o.cmd.Process.Signal(syscall.SIGHUP)); err != nil {
		t.Fatal(err)
	}
	o.until("the file to be opened anew", patience, func() bool { _, err := os.Stat(file); return err == nil })

	carrier := o.carrierAt(tc1, "uas.xml", nil, "-m", "60")
	call := o.callerTo(number, "uac.xml", nil, "-m", "60", "-r", "30", "-d", "100")
	call.finish(patience)
	carrier.finish(patience)
	if n := call.failed(); n != 0 {
		t.Errorf("%d calls failed", n)
	}
	o.until("records to wait", patience, func() bool { return o.metric("bulkhead_records_waiting") > 0 })
	full := o.lines()
	if full == 0 || full >= calls {
		t.Errorf("%d records are on a disk of 16 KiB", full)
	}
	size("1m", syscall.MS_REMOUNT)
	o.records(calls)
	seen := map[string]bool{}
	for _, r := range o.written() {
		seen[r.Call] = true
	}
	if len(seen) != calls {
		t.Errorf("%d calls have a record, of %d", len(seen), calls)
	}
	o.until("nobody to wait", 10*time.Second, func() bool { return o.metric("bulkhead_records_waiting") == 0 })
	if n := o.sum(`bulkhead_dropped_total{by="record"`); n != 0 {
		t.Errorf("%v records are lost", n)
	}
	log := o.tail(1 << 20)
	for _, line := range []string{"records wait in memory for the record file", "no space left on device", "records that waited have been written"} {
		if strings.Count(log, line) != 1 {
			t.Errorf("the log has %q %d times", line, strings.Count(log, line))
		}
	}
	t.Logf("%d of %d records on a disk that was full, all %d later", full, calls, len(seen))
}

// TestRecordsWaitInRedisForAFullDisk: the same, with Redis: they wait there.
func TestRecordsWaitInRedisForAFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("a small disk takes root")
	}
	t.Parallel()
	const calls = 60
	redis := storagetest.StartRedis(t)
	disk := t.TempDir()
	size := func(size string, flags uintptr) {
		t.Helper()
		if err := syscall.Mount("records", disk, "tmpfs", flags, "size="+size); err != nil {
			t.Fatal(err)
		}
	}
	size("16k", 0)
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	file := filepath.Join(disk, "calls.jsonl")
	p := plan{prefix: "127.30", more: fmt.Sprintf("state: {redis: {addresses: [%q]}}\nunit: {name: u2}", redis.Address)}
	p.whole = strings.Replace((&border{net: 2, plan: plan{prefix: p.prefix}}).config(), "file: calls.jsonl", "file: "+file, 1)
	o := operate(t, 2, p)
	carrier := o.carrierAt(tc1, "uas.xml", nil, "-m", "60")
	call := o.callerTo(number, "uac.xml", nil, "-m", "60", "-r", "30", "-d", "100")
	call.finish(patience)
	carrier.finish(patience)
	if n := call.failed(); n != 0 {
		t.Errorf("%d calls failed", n)
	}
	written := func() int {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), "\n")
	}
	says := func(line string) int { return strings.Count(o.tail(1<<20), line) }
	o.until("the log to say so", patience, func() bool { return says("no space left on device") > 0 })
	if n := written(); n == 0 || n >= calls {
		t.Errorf("%d records are on a disk of 16 KiB", n)
	}
	size("1m", syscall.MS_REMOUNT)
	o.until("all records to be written", patience, func() bool { return written() == calls })
	o.until("the log to say so", patience, func() bool { return says("records that waited have been written") > 0 })
	if n := says("records wait in the store for the record file"); n != 1 {
		t.Errorf("the log says %d times that records wait", n)
	}
}
