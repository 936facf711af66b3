package b2bua

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"sync"

	"gopkg.in/natefinch/lumberjack.v2"
)

// RecordFile appends records to a file, one JSON object a line. When the file has
// become large it is given the time in its name and kept, and a new one is begun.
type RecordFile struct {
	mu   sync.Mutex
	file lumberjack.Logger
}

// OpenRecordFile opens or makes the file, which is to hold so many MiB at most; only
// its owner may read it. What is not a file, such as a pipe, is not rotated.
func OpenRecordFile(name string, most int) (*RecordFile, error) {
	r := &RecordFile{file: lumberjack.Logger{Filename: name, MaxSize: most}}
	return r, r.Reopen()
}

// Name is the name that the file was opened by.
func (r *RecordFile) Name() string { return r.file.Filename }

// Reopen closes the file and opens its name anew, after somebody else has rotated it.
func (r *RecordFile) Reopen() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	file, err := os.OpenFile(r.file.Filename, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the record file: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && !info.Mode().IsRegular() {
		r.file.MaxSize = math.MaxInt32
	}
	return r.file.Close() // it opens the name with the next record
}

// Write appends one record with one system call, so that a line is whole or not
// there.
func (r *RecordFile) Write(rec Record) error {
	line, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("encoding a record: %w", err)
	}
	return r.Append(line)
}

// Append is Write for a record that is JSON already.
func (r *RecordFile) Append(line []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.file.Write(append(slices.Clip(line), '\n')); err != nil {
		return fmt.Errorf("writing a record: %w", err)
	}
	return nil
}

// Close closes the file.
func (r *RecordFile) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.file.Close()
}
