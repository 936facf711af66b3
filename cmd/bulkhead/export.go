package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"bulkhead/b2bua"
)

// remembered is how many of the last records are known by name: a node dies
// between the writing of a record and the word that it is written at most once,
// and what it then gets again is among the last.
const remembered = 4096

// exportFile writes records of the store to the record file, each once: a record
// that is handed out again after a crash is known by its call.
type exportFile struct {
	mu    sync.Mutex
	file  *b2bua.RecordFile
	known map[string]bool
	order []string
}

// newExportFile reads which records the file ends with.
func newExportFile(file *b2bua.RecordFile) (*exportFile, error) {
	x := &exportFile{file: file, known: map[string]bool{}}
	f, err := os.Open(file.Name())
	if errors.Is(err, fs.ErrNotExist) {
		return x, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the record file: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > 16<<20 {
		if _, err := f.Seek(-16<<20, io.SeekEnd); err != nil {
			return nil, fmt.Errorf("reading the record file: %w", err)
		}
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r struct{ Call string }
		if json.Unmarshal(lines.Bytes(), &r) == nil && r.Call != "" {
			x.remember(r.Call)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the record file: %w", err)
	}
	return x, nil
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
	x.known[id] = true
	if x.order = append(x.order, id); len(x.order) > remembered {
		delete(x.known, x.order[0])
		x.order = x.order[1:]
	}
}
