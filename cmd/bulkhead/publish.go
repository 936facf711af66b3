package main

import (
	"context"
	"fmt"
	"sync"

	"go.uber.org/zap"

	"bulkhead/b2bua"
	"bulkhead/storage"
)

// publishFor is how long the end of a process waits for records to be posted.
const publishFor = closeFor

// publishing is what becomes of records beside their file.
type publishing struct {
	file   *b2bua.RecordFile // of answered calls; nil: they are not told
	starts *starts
	outs   []*outbox
	store  *storage.Redis // that has the stream; nil: there is none
}

// publish begins to tell of answered calls, and to post records, as the configuration wants.
func (p *process) publish(c *Config) (o *publishing, err error) {
	o = &publishing{}
	if c.CDR == nil || c.CDR.File == "" {
		return o, nil
	}
	defer func() {
		if err != nil {
			o.close()
		}
	}()
	if c.CDR.Start {
		if o.file, err = b2bua.OpenRecordFile(sibling("starts", string(c.CDR.File)), recordsMost); err != nil {
			return nil, fmt.Errorf("answered calls: %w", err)
		}
		o.starts = newStarts(o.file, p.log, p.registry)
		p.starts = o.starts
	}
	if c.CDR.Webhook != nil {
		w, err := newWebhook(*c.CDR.Webhook, c.Node, p.log, p.registry)
		if err == nil {
			err = o.follow(w.outbox, c.CDR)
		}
		if err != nil {
			return nil, err
		}
	}
	if c.CDR.Stream {
		storage.LogRedis(func(line string) { p.log.Debug("redis", zap.String("line", line)) })
		if o.store, err = c.redis(); err != nil {
			return nil, err
		}
		if err := o.follow(newStream(o.store, c.Node, p.log, p.registry), c.CDR); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// follow has an outbox post the lines of the files from now on.
func (o *publishing) follow(out *outbox, c *CDRConfig) error {
	name := string(c.File)
	stops, err := openTail(name, sibling(out.to, name))
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	if c.Start {
		begins, err := openTail(sibling("starts", name), sibling(out.to+"-starts", name))
		if err != nil {
			stop()
			return err
		}
		out.follow(ctx, begins, "start")
	}
	out.stop = stop
	out.follow(ctx, stops, "stop")
	o.outs = append(o.outs, out)
	return nil
}

// reopen opens the file anew after somebody else has rotated it.
func (o *publishing) reopen() error {
	if o.file == nil {
		return nil
	}
	return o.file.Reopen()
}

// close tells what is left to be told, for a moment. No call is there any more.
func (o *publishing) close() {
	if o.starts != nil {
		o.starts.close()
		_ = o.file.Close() // each line is written by one call
	}
	var closing sync.WaitGroup
	for _, out := range o.outs {
		closing.Go(func() { out.close(publishFor) })
	}
	closing.Wait()
	if o.store != nil {
		_ = o.store.Close() // nothing is asked any more
	}
}
