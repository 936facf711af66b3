package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"bulkhead/b2bua"
)

// A node dies between the writing of a record and the word that it is written at
// most once, and what it then gets again is among the last: so many are known by
// name, and looked for in so much of the file.
const (
	remembered = 4096
	lastBytes  = 16 << 20
	longest    = 1 << 20 // of a record
)

// exportFile writes records of the store to the record file, each once: a record
// that is handed out again after a crash is known by its call.
type exportFile struct {
	mu    sync.Mutex
	file  *b2bua.RecordFile
	known map[string]bool
	order []string
}

// newExportFile reads which records the file ends with, and the one before it: it may
// have been rotated a moment before the node died. A line without an end is taken
// away: who was writing it died, and gets the record again. Files that have been rotated
// stay as they are.
func newExportFile(file *b2bua.RecordFile) (*exportFile, error) {
	x := &exportFile{file: file, known: map[string]bool{}}
	if err := x.open(rotated(file.Name()), os.O_RDONLY); err != nil {
		return nil, fmt.Errorf("reading the record file before: %w", err)
	}
	if err := x.open(file.Name(), os.O_RDWR); err != nil {
		return nil, fmt.Errorf("reading the record file: %w", err)
	}
	return x, nil
}

// rotated is the youngest file that has been rotated: ours put the time before the
// ending of the name, logrotate something behind it. Empty: there is none.
func rotated(name string) (youngest string) {
	var last time.Time
	ending := filepath.Ext(name)
	for _, pattern := range []string{strings.TrimSuffix(name, ending) + "-*" + ending, name + ".*", name + "-*"} {
		all, err := filepath.Glob(pattern)
		if err != nil {
			continue // a name with brackets: nobody's but its giver's
		}
		for _, f := range all {
			if info, err := os.Stat(f); err == nil && info.Mode().IsRegular() && info.ModTime().After(last) {
				youngest, last = f, info.ModTime()
			}
		}
	}
	return youngest
}

func (x *exportFile) open(name string, how int) error {
	f, err := os.OpenFile(name, how, 0)
	if name == "" || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return x.read(f, how == os.O_RDWR)
}

func (x *exportFile) read(f *os.File, mend bool) error {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() { // a pipe remembers nothing
		return err
	}
	whole := max(info.Size()-lastBytes, 0) // where the last whole line ends
	if _, err := f.Seek(whole, io.SeekStart); err != nil {
		return err
	}
	lines := bufio.NewReaderSize(f, longest)
	for {
		line, err := lines.ReadSlice('\n')
		size := int64(len(line))
		for errors.Is(err, bufio.ErrBufferFull) { // no record of ours
			line, err = lines.ReadSlice('\n')
			size, line = size+int64(len(line)), nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err != nil {
			if size > 0 && mend {
				return f.Truncate(whole)
			}
			return nil
		}
		whole += size
		var r struct{ Call string }
		if json.Unmarshal(line, &r) == nil && r.Call != "" {
			x.remember(r.Call)
		}
	}
}

// take writes a record, unless it is there.
func (x *exportFile) take(id string, detail []byte) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.known[id] {
		return nil
	}
	if err := x.file.Append(detail); err != nil {
		return err
	}
	x.remember(id)
	return nil
}

func (x *exportFile) remember(id string) {
	if x.known[id] {
		return
	}
	x.known[id] = true
	if x.order = append(x.order, id); len(x.order) > remembered {
		delete(x.known, x.order[0])
		x.order = x.order[1:]
	}
}
