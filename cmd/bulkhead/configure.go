package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"bulkhead/b2bua/ops"
)

// Reload is ops.Node: all of the file is taken, or nothing.
func (p *process) Reload() (ops.Reloaded, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text, err := os.ReadFile(p.name)
	if err != nil {
		return ops.Reloaded{}, p.refuse(fmt.Errorf("reading the configuration: %w", err))
	}
	before, number, since := p.config.text, p.generation, p.taken
	done, err := p.take(text, "", nil)
	if err == nil && !bytes.Equal(before, text) {
		if err := newGenerations(p.name).keep(number, before, since); err != nil {
			p.log.Info("the configuration before is not kept", zap.Int("generation", number), zap.Error(err))
		}
	}
	return done, err
}

// take has a configuration in force, and between what can fail and what cannot has it
// written. What is said of it calls it by a name, as in reading. The lock is held.
func (p *process) take(text []byte, as string, write func() error) (ops.Reloaded, error) {
	began := time.Now()
	f, err := p.reading(text, as, p.config)
	var apply []func()
	if err == nil {
		apply, err = p.prepare(f)
	}
	if err == nil && write != nil {
		err = write()
	}
	if err != nil {
		return ops.Reloaded{}, p.refuse(err)
	}
	for _, do := range apply {
		do()
	}
	changes := differences(p.config, f.config)
	done := ops.Reloaded{File: p.name, Changes: spoken(changes, p.config, f.config)}
	p.config = f.config
	p.generation++
	p.taken = time.Now()
	done.Generation, done.Tag = p.generation, tag(p.generation, text)
	p.figures.reloads.WithLabelValues("taken").Inc()
	p.figures.generation.Set(float64(p.generation))
	p.figures.loaded.SetToCurrentTime()
	for _, w := range f.warnings() {
		done.Warnings = append(done.Warnings, w.String())
	}
	p.log.Info("configuration taken", append(summary(changes), zap.String("file", p.name), zap.Int("generation", p.generation),
		zap.Int("warnings", len(done.Warnings)), zap.Duration("took", time.Since(began)))...)
	return done, nil
}

// refuse counts and tells that a configuration is not taken, and says why in the words of the
// API. The lock is held.
func (p *process) refuse(err error) error {
	p.figures.reloads.WithLabelValues("refused").Inc()
	p.log.Error("configuration refused; the one before stays", zap.String("file", p.name), zap.Int("generation", p.generation), zap.Error(err))
	return refused(err)
}

// reading reads a configuration as if it stood in the file; what is said of it calls it by
// a name, if it has another one. before, if not nil, is the one that the node runs with.
func (p *process) reading(text []byte, as string, before *Config) (*file, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("asking for the host's name: %w", err)
	}
	f, err := read(p.name, text, host, before, true, nil)
	if as == "" {
		return f, err
	}
	if faults, ok := errors.AsType[Faults](err); ok {
		for i := range faults {
			if faults[i].File == p.name {
				faults[i].File = as
			}
		}
		return nil, faults
	}
	if err != nil {
		return nil, err
	}
	f.decoder.file = as // all that it names files by has been read
	for i := range f.exposed {
		f.exposed[i].File = as
	}
	return f, nil
}

func spoken(changes []difference, before, after *Config) []ops.Change {
	list := make([]ops.Change, 0, len(changes))
	for _, c := range changes {
		list = append(list, ops.Change{Key: c.path.String(), How: c.how, Text: c.words(before, after)})
	}
	return list
}

// Configuration is ops.Configured.
func (p *process) Configuration() (ops.Configuration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var text strings.Builder
	if err := p.config.print(&text); err != nil {
		return ops.Configuration{}, err
	}
	return ops.Configuration{Generation: p.generation, File: p.name, Taken: p.taken.UTC(), Text: text.String(), Tag: tag(p.generation, p.config.text)}, nil
}

// Look is ops.Configured.
func (p *process) Look(text []byte, as string) (ops.Looked, error) {
	f, err := p.reading(text, as, nil)
	if err != nil {
		return ops.Looked{}, refused(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.prepare(f); err != nil {
		return ops.Looked{}, refused(err)
	}
	changes := differences(p.config, f.config)
	seen := ops.Looked{Changes: spoken(changes, p.config, f.config)}
	for _, c := range restarting(changes) {
		seen.Restart = append(seen.Restart, c.path.String())
	}
	for _, w := range f.warnings() {
		seen.Warnings = append(seen.Warnings, w.String())
	}
	return seen, nil
}

// Apply is ops.Configured.
func (p *process) Apply(text []byte, of, as string) (ops.Reloaded, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.apply(text, of, as)
}

// apply is Apply with the lock held.
func (p *process) apply(text []byte, of, as string) (ops.Reloaded, error) {
	if of != "*" && of != tag(p.generation, p.config.text) {
		return ops.Reloaded{}, ops.ErrStale
	}
	is, gone := os.ReadFile(p.name)
	switch {
	case gone != nil && !errors.Is(gone, fs.ErrNotExist):
		return ops.Reloaded{}, ops.Conflict("the configuration file cannot be read: " + gone.Error())
	case gone == nil && !bytes.Equal(is, p.config.text):
		return ops.Reloaded{}, ops.Conflict(fmt.Sprintf("%s was changed since generation %d was read from it: reload it, or put it back", p.name, p.generation))
	}
	g := newGenerations(p.name)
	var unsure error
	written := func(err error) error {
		if _, ok := errors.AsType[*unsynced](err); ok {
			unsure, err = err, nil
		}
		return err
	}
	done, err := p.take(text, as, func() error {
		same := bytes.Equal(text, p.config.text)
		if same && gone == nil {
			return nil // what it names is read again
		}
		if !same {
			if err := written(g.keep(p.generation, p.config.text, p.taken)); err != nil {
				return unwritable(err)
			}
		}
		if err := written(g.put(text)); err != nil {
			if !same {
				g.forget(p.generation)
			}
			return unwritable(err)
		}
		return nil
	})
	if err == nil && unsure != nil {
		done.Warnings = append(done.Warnings, fmt.Sprintf("%s: in force and in the file, but a loss of power may bring back the one before: %s", p.name, unsure))
		p.log.Error("the configuration may not be on the disk", zap.String("file", p.name), zap.Int("generation", p.generation), zap.Error(unsure))
	}
	return done, err
}

// unwritable is why a configuration cannot be written.
func unwritable(err error) error {
	for _, ours := range []error{syscall.EROFS, syscall.EACCES, syscall.EPERM, syscall.EBUSY} { // busy: the file itself is mounted
		if errors.Is(err, ours) {
			return ops.Conflict(fmt.Sprintf("the configuration cannot be written here (%s): change it where it comes from, and reload", err))
		}
	}
	return fmt.Errorf("writing the configuration: %w", err)
}

// first is why there is nothing to go back to.
type first struct{}

// Error says what else there may be.
func (first) Error() string {
	return "no configuration from before the one in force is kept: its history says what else can be had"
}

// Unwrap is what it is in the words of the API.
func (first) Unwrap() error { return ops.ErrNotKept }

// Rollback is ops.Configured.
func (p *process) Rollback(to int, of string) (ops.Reloaded, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := newGenerations(p.name)
	if to == 0 {
		var err error
		if to, err = g.before(p.config.text); err != nil {
			return ops.Reloaded{}, err
		}
		if to == 0 {
			return ops.Reloaded{}, first{}
		}
	}
	text, err := g.read(to)
	if errors.Is(err, fs.ErrNotExist) {
		return ops.Reloaded{}, fmt.Errorf("generation %d: %w", to, ops.ErrNotKept)
	}
	if err != nil {
		return ops.Reloaded{}, err
	}
	p.log.Info("rolling back", zap.Int("generation", p.generation), zap.Int("to", to))
	return p.apply(text, of, g.of(to))
}

// Generations is ops.Configured.
func (p *process) Generations() ([]ops.Generation, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all, err := newGenerations(p.name).list()
	if err != nil {
		return nil, err
	}
	list := []ops.Generation{{Number: p.generation, Taken: p.taken.UTC(), Size: int64(len(p.config.text)), Current: true}}
	for _, k := range all {
		list = append(list, ops.Generation{Number: k.number, Taken: k.at.UTC(), Size: k.size})
	}
	return list, nil
}

// Kept is ops.Configured.
func (p *process) Kept(generation int) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if generation == p.generation {
		return p.config.text, nil
	}
	text, err := newGenerations(p.name).read(generation)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ops.ErrNotKept
	}
	return text, err
}
