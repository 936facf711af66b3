package b2bua

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
)

// RecordFile appends records to a file, one JSON object a line.
type RecordFile struct {
	mu   sync.Mutex
	name string
	file *os.File
}

// OpenRecordFile opens or makes the file; only its owner may read it.
func OpenRecordFile(name string) (*RecordFile, error) {
	r := &RecordFile{name: name}
	return r, r.Reopen()
}

// Name is the name that the file was opened by.
func (r *RecordFile) Name() string { return r.name }

// Reopen closes the file and opens its name anew, after a rotation.
func (r *RecordFile) Reopen() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	file, err := os.OpenFile(r.name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the record file: %w", err)
	}
	if r.file != nil {
		r.file.Close()
	}
	r.file = file
	return nil
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
