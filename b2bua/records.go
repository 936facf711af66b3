package b2bua

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// RecordFile appends records to a file, one JSON object a line. When the file has
// become large it is given the time in its name and kept, and a new one is begun.
type RecordFile struct {
	mu      sync.Mutex
	name    string
	most    int64
	file    *os.File
	regular bool // no pipe or device, of which nothing can be taken back
	torn    bool // the file ends within a line
}

// OpenRecordFile opens or makes the file, which is to hold so many bytes at most; only
// its owner may read it. What is not a file, such as a pipe, is not rotated.
func OpenRecordFile(name string, most int64) (*RecordFile, error) {
	r := &RecordFile{name: name, most: most}
	return r, r.Reopen()
}

// Name is the name that the file was opened by.
func (r *RecordFile) Name() string { return r.name }

// Reopen closes the file and opens its name anew, after somebody else has rotated it.
func (r *RecordFile) Reopen() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reopen()
}

func (r *RecordFile) reopen() error {
	file, err := os.OpenFile(r.name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the record file: %w", err)
	}
	if r.file != nil {
		r.file.Close()
	}
	info, err := file.Stat()
	r.file, r.regular, r.torn = file, err == nil && info.Mode().IsRegular(), false
	return nil
}

// Write appends one record.
func (r *RecordFile) Write(rec Record) error {
	line, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("encoding a record: %w", err)
	}
	return r.Append(line)
}

// Append is Write for a record that is JSON already. A line is written with one system
// call, and is whole or not there: of a disk that is full its beginning is taken back.
func (r *RecordFile) Append(line []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	line = append(slices.Clip(line), '\n')
	if err := r.rotate(len(line)); err != nil {
		return err
	}
	if r.torn {
		line = append([]byte("\n"), line...)
	}
	n, err := r.file.Write(line)
	if err != nil {
		return fmt.Errorf("writing a record: %w", errors.Join(err, r.takeBack(n)))
	}
	r.torn = false
	return nil
}

// takeBack takes back what was written of a line.
func (r *RecordFile) takeBack(n int) error {
	if n == 0 || !r.regular {
		return nil
	}
	info, err := r.file.Stat()
	if err == nil {
		err = r.file.Truncate(info.Size() - int64(n))
	}
	r.torn = err != nil
	return err
}

// rotate begins a new file if the line would not go into this one.
func (r *RecordFile) rotate(line int) error {
	if !r.regular {
		return nil
	}
	info, err := r.file.Stat()
	if err != nil || info.Size() == 0 || info.Size()+int64(line) <= r.most {
		return err
	}
	ending := filepath.Ext(r.name)
	kept := strings.TrimSuffix(r.name, ending) + time.Now().UTC().Format("-2006-01-02T15-04-05.000000") + ending
	if err := os.Rename(r.name, kept); err != nil && !errors.Is(err, fs.ErrNotExist) { // renamed before, when no new one could be made
		return fmt.Errorf("rotating the record file: %w", err)
	}
	return r.reopen()
}

// Close closes the file, or fails where it stands still in the middle of a line.
func (r *RecordFile) Close() error {
	if !r.mu.TryLock() {
		return errors.New("the record file stands still")
	}
	defer r.mu.Unlock()
	return r.file.Close()
}
