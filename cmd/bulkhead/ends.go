package main

import (
	"bytes"
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

// tellFor is the longest that telling them may take: the unit serves nobody meanwhile.
const tellFor = 5 * time.Second

// end is a line of that file.
type end struct {
	Call      string          `json:"call"`
	Stored    bool            `json:"stored"` // the store has surely had the call
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

// keep notes ends of calls that the store was not told of.
func (u *unit) keep(kept []storage.Kept) {
	if err := keepIn(u.endsFile(), kept); err != nil {
		u.log.Error("ends of calls not kept: they are live for the store", zap.Int("calls", len(kept)), zap.Error(err))
		for _, e := range kept {
			u.spool(e.Tombstone.ID, e.Detail)
		}
	}
}

func keepIn(name string, kept []storage.Kept) error {
	if name == "" {
		return errors.New("there is no cdr.file to keep them beside")
	}
	var lines []byte
	for _, e := range kept {
		line, err := json.Marshal(end{e.Tombstone.ID, e.Sure, e.Tombstone.Version, e.Tombstone.Expires, e.Tombstone.Data, e.Detail})
		if err != nil {
			return err
		}
		lines = append(append(append(lines, '\n'), line...), '\n') // the first behind what may be half a line
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(lines)
	return errors.Join(err, f.Sync(), f.Close())
}

// tellEnds tells the store the ends that were kept, of the calls that are live for it:
// the others have had their record from another owner.
func (u *unit) tellEnds(ctx context.Context, epoch uint64) {
	name := u.endsFile()
	kept, unread := readEnds(name)
	if len(kept) == 0 && unread == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tellFor)
	defer cancel()
	ends, apart, err := u.untold(ctx, kept)
	if err == nil {
		err = u.store.Write(ctx, epoch, storage.Batch{Ends: ends})
	}
	if err == nil {
		err = u.setApart(name+".untold", apart)
	}
	switch {
	case err != nil: // told next time
	case unread != nil:
		err = errors.Join(unread, os.Rename(name, name+".unread"))
	default:
		err = os.Remove(name)
	}
	if err != nil {
		u.log.Error("ends of calls that the store takes for live", zap.String("file", name), zap.Error(err))
	}
	u.log.Info("ends of calls that the store was not told of", zap.Int("kept", len(kept)), zap.Int("live", len(ends)))
}

// untold are the ends of calls that the store does not know to be over, and those of calls
// of which it knows nothing any more.
func (u *unit) untold(ctx context.Context, kept []end) (ends []storage.Ending, apart []end, err error) {
	for _, e := range kept {
		_, err := u.store.Get(ctx, e.Call)
		switch {
		case errors.Is(err, storage.ErrEnded):
			continue
		case errors.Is(err, storage.ErrNotFound) && e.Stored: // a tombstone is forgotten after minutes
			apart = append(apart, e)
			continue
		case err != nil && !errors.Is(err, storage.ErrNotFound):
			return nil, nil, fmt.Errorf("call %s: %w", e.Call, err)
		}
		// Its peers may repeat themselves for a while, counted from now.
		expires := time.Now().Add(max(time.Until(e.Expires), time.Minute))
		ends = append(ends, storage.Ending{
			Tombstone: storage.Item{ID: e.Call, Version: e.Version, Data: e.Tombstone, Expires: expires}, Detail: e.Record,
		})
	}
	return ends, apart, nil
}

// setApart keeps records of calls that are over for the store, or lost there: whether another
// owner has written them nobody knows, so that who bills has to look. The log may not show
// the numbers in them.
func (u *unit) setApart(name string, apart []end) error {
	if len(apart) == 0 {
		return nil
	}
	var lines []byte
	for _, e := range apart {
		lines = append(append(lines, e.Record...), '\n')
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(lines)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	for _, e := range apart {
		u.log.Warn("end of a call not told: it is over for the store, or lost there", zap.String("call", e.Call), zap.String("file", name))
	}
	return nil
}

// readEnds reads the file: each call once, and what is wrong with lines that are not
// whole, as one is that was being written when the node died.
func readEnds(name string) (kept []end, err error) {
	text, err := os.ReadFile(name)
	if name == "" || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	read := map[string]bool{}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		var e end
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if fault := json.Unmarshal(line, &e); fault != nil {
			err = errors.Join(err, fmt.Errorf("line %d: %w", n, fault))
		} else if !read[e.Call] {
			read[e.Call] = true
			kept = append(kept, e)
		}
	}
	return kept, err
}
