package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// tail reads the lines of a file that is appended to and rotated, and remembers beside it how
// far they have been dealt with, so that a line is given again only where that could not be
// remembered. What it holds in memory is one batch, whatever waits.
type tail struct {
	name string
	mark string // file of the place

	at   spot
	file *os.File // of at; nil: none is open
	next int64    // offset behind what was given last
}

// spot is how far the lines have been dealt with.
type spot struct {
	Inode  uint64    `json:"inode"` // of the file, whatever it is called by now; 0: none yet
	Offset int64     `json:"offset"`
	At     time.Time `json:"at"`
}

// openTail goes on where it stopped. Where nothing is known it begins with what comes.
func openTail(name, mark string) (*tail, error) {
	t := &tail{name: name, mark: mark}
	text, err := os.ReadFile(mark)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if info, err := os.Stat(name); err == nil {
			t.at = spot{Inode: inode(info), Offset: info.Size()}
		}
		return t, t.done()
	case err != nil:
		return nil, fmt.Errorf("reading how far records were taken: %w", err)
	}
	if err := json.Unmarshal(text, &t.at); err != nil {
		return nil, fmt.Errorf("%s: %w", mark, err)
	}
	return t, nil
}

func inode(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}

// done says that what was given has been dealt with.
func (t *tail) done() error {
	if t.next > 0 {
		t.at.Offset = t.next
	}
	t.at.At = time.Now().UTC()
	text, err := json.Marshal(t.at)
	if err != nil {
		return err
	}
	return generations{t.mark}.write(t.mark, text)
}

// segment is a file that lines may be in.
type segment struct {
	name  string
	inode uint64
}

// segments are those that there are, the oldest first. Files get other names while they are
// listed, so two lists have to be the same.
func (t *tail) segments() (all []segment) {
	for range 100 {
		before := all
		if all = t.listed(); slices.Equal(before, all) {
			break
		}
	}
	return all
}

func (t *tail) listed() (all []segment) {
	ending := filepath.Ext(t.name)
	written := map[segment]time.Time{}
	for _, pattern := range []string{t.name, strings.TrimSuffix(t.name, ending) + "-*" + ending, t.name + ".*", t.name + "-*"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			continue // a name with brackets: nobody's but its giver's
		}
		for _, name := range names {
			if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && !strings.HasSuffix(name, ".gz") {
				written[segment{name, inode(info)}] = info.ModTime()
			}
		}
	}
	return slices.SortedFunc(maps.Keys(written), func(a, b segment) int {
		switch { // the name itself is the youngest, whenever it was written to last
		case a.name == b.name:
			return cmp.Compare(a.inode, b.inode)
		case a.name == t.name:
			return 1
		case b.name == t.name:
			return -1
		}
		return cmp.Or(written[a].Compare(written[b]), cmp.Compare(a.name, b.name)) // the clock of files ticks slowly; ours have it in their names
	})
}

// open opens the file of the place, or the oldest after it where it is gone; false: there is
// none now. lost says that it was gone.
func (t *tail) open() (ok, lost bool) {
	if t.file != nil {
		return true, false
	}
	all := t.segments()
	for _, s := range all {
		if s.inode == t.at.Inode {
			return t.begin(s, t.at.Offset), false
		}
	}
	lost = t.at.Inode != 0
	for _, s := range all {
		if info, err := os.Stat(s.name); err == nil && (s.name == t.name || info.ModTime().After(t.at.At)) {
			ok = t.begin(s, 0)
			return ok, ok && lost
		}
	}
	return false, false // not made yet
}

// begin opens a file at an offset; false: it has another name by now.
func (t *tail) begin(s segment, offset int64) bool {
	f, err := os.Open(s.name)
	if err != nil {
		return false
	}
	info, err := f.Stat()
	if err != nil || inode(info) != s.inode {
		f.Close()
		return false
	}
	if offset > info.Size() { // somebody has emptied it
		offset = 0
	}
	t.file, t.at.Inode, t.at.Offset, t.next = f, s.inode, offset, offset
	return true
}

// lines gives the next ones that are whole, so many at most; none: nothing waits. Asked again
// without done, it gives them again.
func (t *tail) lines(most int) (list [][]byte, lost bool, err error) {
	for {
		ok, gone := t.open()
		lost = lost || gone
		if !ok {
			return nil, lost, nil
		}
		if list, err = t.read(most); err != nil || len(list) > 0 {
			return list, lost, err
		}
		moved, err := t.move()
		if err != nil || !moved {
			return nil, lost, err
		}
	}
}

// read reads from the place on.
func (t *tail) read(most int) (list [][]byte, err error) {
	if _, err := t.file.Seek(t.at.Offset, io.SeekStart); err != nil {
		return nil, err
	}
	t.next = t.at.Offset
	in := bufio.NewReaderSize(t.file, 64<<10)
	for len(list) < most {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) { // not whole yet, or never
			return list, nil
		}
		if err != nil {
			return list, err
		}
		t.next += int64(len(line))
		if line = bytes.TrimSpace(line); len(line) > 0 {
			list = append(list, line)
		}
	}
	return list, nil
}

// move goes on to the file after one that is at its end and is not written to any more.
func (t *tail) move() (bool, error) {
	t.at.Offset = max(t.at.Offset, t.next) // empty lines
	all := t.segments()
	i := slices.IndexFunc(all, func(s segment) bool { return s.inode == t.at.Inode })
	switch {
	case i < 0: // its name is gone; all there was of it has been read
		t.close()
		t.at.Inode = 0
		return true, nil
	case i == len(all)-1:
		if info, err := os.Stat(all[i].name); err == nil && inode(info) == t.at.Inode && info.Size() < t.at.Offset {
			t.at.Offset, t.next = 0, 0 // emptied in its place
			return true, nil
		}
		return false, nil
	}
	if rest, err := t.read(1); err != nil || len(rest) > 0 { // written before it got its name, and after we looked
		return len(rest) > 0, err
	}
	before := *t
	t.file = nil
	if !t.begin(all[i+1], 0) {
		*t = before
		return false, nil
	}
	before.close()
	return true, t.done()
}

func (t *tail) close() {
	if t.file != nil {
		_ = t.file.Close() // it was only read
		t.file = nil
	}
}

// sibling is the name of a file beside a record file that does not look like one that was
// rotated.
func sibling(what, name string) string {
	dir, base := filepath.Split(name)
	return dir + what + "-" + base
}
