package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"bulkhead/storage"
)

// Calls that end while the store does not answer, on a node that then stops, are still
// live for the store: the next owner of the unit goes on with them, and would find
// their peers gone. So their ends are kept in a file beside the records, and told to the
// store when this node has the unit again, before it reads what is live. Should another
// have been the owner meanwhile, the call's one record is that one's.

// end is a line of that file.
type end struct {
	Call      string          `json:"call"`
	Version   uint64          `json:"version"`
	Expires   time.Time       `json:"expires"` // the tombstone
	Tombstone []byte          `json:"tombstone"`
	Record    json.RawMessage `json:"record"`
}

// endsFile is its name, which must not look like that of a record file that has been
// rotated; empty: there is no place for it.
func (u *unit) endsFile() string {
	if u.file == nil {
		return ""
	}
	dir, base := filepath.Split(u.file.file.Name())
	return dir + "ends-" + u.config.unitName() + "-" + base
}

// keep notes the end of a call that the store was not told of.
func (u *unit) keep(e storage.Ending) {
	if err := u.keepIn(u.endsFile(), e); err != nil {
		u.log.Error("end of a call not kept: it is live for the store", zap.String("call", e.Tombstone.ID), zap.Error(err))
		u.spool(e.Tombstone.ID, e.Detail)
	}
}

func (u *unit) keepIn(name string, e storage.Ending) error {
	if name == "" {
		return errors.New("there is no cdr.file to keep it beside")
	}
	line, err := json.Marshal(end{e.Tombstone.ID, e.Tombstone.Version, e.Tombstone.Expires, e.Tombstone.Data, e.Detail})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

// tellEnds tells the store the ends that were kept.
func (u *unit) tellEnds(ctx context.Context, epoch uint64) {
	name := u.endsFile()
	ends, err := readEnds(name)
	if len(ends) > 0 {
		ctx, cancel := context.WithTimeout(ctx, closeFor)
		defer cancel()
		if failed := u.store.Write(ctx, epoch, storage.Batch{Ends: ends}); failed != nil {
			err = errors.Join(err, failed)
		} else {
			u.log.Info("ends of calls told to the store", zap.Int("calls", len(ends)))
			err = errors.Join(err, os.Remove(name))
		}
	}
	if err != nil {
		u.log.Error("ends of calls that the store takes for live", zap.String("file", name), zap.Error(err))
	}
}

// readEnds reads the file. A line that cannot be read is one that was being written
// when the node died.
func readEnds(name string) (ends []storage.Ending, err error) {
	f, err := os.Open(name)
	if name == "" || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	read := map[string]bool{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, longest)
	for n := 1; lines.Scan(); n++ {
		var e end
		if fault := json.Unmarshal(lines.Bytes(), &e); fault != nil {
			err = errors.Join(err, fmt.Errorf("line %d: %w", n, fault))
			continue
		}
		if !read[e.Call] {
			read[e.Call] = true
			// Its peers may repeat themselves for a while, counted from now.
			expires := time.Now().Add(max(time.Until(e.Expires), time.Minute))
			ends = append(ends, storage.Ending{
				Tombstone: storage.Item{ID: e.Call, Version: e.Version, Data: e.Tombstone, Expires: expires}, Detail: e.Record,
			})
		}
	}
	return ends, errors.Join(err, lines.Err())
}
