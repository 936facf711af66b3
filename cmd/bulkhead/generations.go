package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// generationsKept is how many configurations of before are kept.
const generationsKept = 50

// generations are the configurations that were in force before, beside the file of the one
// that is: bulkhead.yaml.7 is generation 7.
type generations struct{ file string }

// kept is a configuration of before.
type kept struct {
	number int
	at     time.Time // when it came into force
	size   int64
}

// newGenerations are those of a file; behind a link they are where it leads.
func newGenerations(name string) generations {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	return generations{name}
}

func (g generations) of(n int) string { return g.file + "." + strconv.Itoa(n) }

// list is what is kept, the latest first.
func (g generations) list() (all []kept, err error) {
	entries, err := os.ReadDir(filepath.Dir(g.file))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		digits, ours := strings.CutPrefix(e.Name(), filepath.Base(g.file)+".")
		n, err := strconv.Atoi(digits)
		if !ours || err != nil || n < 1 || strconv.Itoa(n) != digits {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			all = append(all, kept{n, info.ModTime(), info.Size()})
		}
	}
	slices.SortFunc(all, func(a, b kept) int { return b.number - a.number })
	return all, nil
}

// first is the number that the configuration has with which a process begins.
func (g generations) first() int {
	if all, err := g.list(); err == nil && len(all) > 0 {
		return all[0].number + 1
	}
	return 1
}

// read is the text of one that is kept.
func (g generations) read(n int) ([]byte, error) { return os.ReadFile(g.of(n)) }

// before is the one that was in force before the text that is; 0: none is kept. Who puts a
// text in force that there was, has gone back to it: those that came between do not count.
func (g generations) before(text []byte) (int, error) {
	all, err := g.list()
	if err != nil {
		return 0, err
	}
	type step struct {
		number int
		text   []byte
	}
	var way []step
	for _, k := range slices.Backward(all) {
		is, err := g.read(k.number)
		if err != nil {
			return 0, err
		}
		way = append(way, step{k.number, is})
	}
	var back []step
	for _, s := range append(way, step{text: text}) {
		if i := slices.IndexFunc(back, func(b step) bool { return bytes.Equal(b.text, s.text) }); i >= 0 {
			back = back[:i]
		}
		back = append(back, s)
	}
	if len(back) < 2 {
		return 0, nil
	}
	return back[len(back)-2].number, nil
}

// keep writes one that has been in force since an instant, and is to be no longer; the oldest
// are forgotten.
func (g generations) keep(n int, text []byte, since time.Time) error {
	unsure := g.write(g.of(n), text)
	if _, ok := errors.AsType[*unsynced](unsure); unsure != nil && !ok {
		return unsure
	}
	_ = os.Chtimes(g.of(n), since, since) // without it the list says when it was kept
	all, err := g.list()
	if err != nil {
		return err
	}
	for _, old := range all[min(len(all), generationsKept):] {
		if err := os.Remove(g.of(old.number)); err != nil {
			return err
		}
	}
	return unsure
}

// forget takes back what was kept in vain.
func (g generations) forget(n int) { _ = os.Remove(g.of(n)) }

// put puts a text in the place of the file.
func (g generations) put(text []byte) error { return g.write(g.file, text) }

// unsynced is why a file that is there may not be there after a loss of power.
type unsynced struct{ error }

// Unwrap is the cause.
func (u *unsynced) Unwrap() error { return u.error }

// syncDirectory has the names in a directory on the disk. Tests have one that fails.
var syncDirectory = func(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// write writes a file that is there whole or not at all, whenever the machine stops: under
// another name, to the disk, and then by its own name. It has the mode and, where we may
// say so, the owner of the configuration. The error is *unsynced where the file is there.
func (g generations) write(name string, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // it is not there any more where it has been renamed
		}
	}()
	mode := fs.FileMode(0o600)
	info, missing := os.Stat(g.file)
	if missing == nil {
		mode = info.Mode().Perm()
		owned(f, info)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	if err := syncDirectory(filepath.Dir(name)); err != nil {
		return &unsynced{err}
	}
	return nil
}

// tag names a configuration: its generation and what it says.
func tag(generation int, text []byte) string {
	sum := sha256.Sum256(text)
	return fmt.Sprintf(`"%d-%x"`, generation, sum[:8])
}

// owned gives a file to the owner of another, where we may.
func owned(f *os.File, like fs.FileInfo) {
	if is, ok := like.Sys().(*syscall.Stat_t); ok {
		_ = f.Chown(int(is.Uid), int(is.Gid))
	}
}
