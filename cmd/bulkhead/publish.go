package main

import (
	"context"
	"fmt"

	"bulkhead/b2bua"
)

// publishFor is how long the end of a process waits for records to be posted.
const publishFor = closeFor

// publishing is what becomes of records beside their file.
type publishing struct {
	file    *b2bua.RecordFile // of answered calls; nil: they are not told
	starts  *starts
	webhook *webhook // nil: there is none
}

// publish begins to tell of answered calls, and to post records, as the configuration wants.
func (p *process) publish(c *Config) (*publishing, error) {
	o := &publishing{}
	if c.CDR == nil || c.CDR.File == "" {
		return o, nil
	}
	name := string(c.CDR.File)
	if c.CDR.Start {
		var err error
		if o.file, err = b2bua.OpenRecordFile(sibling("starts", name), recordsMost); err != nil {
			return nil, fmt.Errorf("answered calls: %w", err)
		}
		o.starts = newStarts(o.file, p.log, p.registry)
		p.starts = o.starts
	}
	if c.CDR.Webhook == nil {
		return o, nil
	}
	w, err := newWebhook(*c.CDR.Webhook, c.Node, p.log, p.registry)
	if err != nil {
		return nil, err
	}
	stops, err := openTail(name, sibling("webhook", name))
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	if c.CDR.Start {
		begins, err := openTail(sibling("starts", name), sibling("webhook-starts", name))
		if err != nil {
			stop()
			return nil, err
		}
		w.follow(ctx, begins, "start")
	}
	w.follow(ctx, stops, "stop")
	o.webhook = w
	return o, nil
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
	if o.webhook != nil {
		o.webhook.close(publishFor)
	}
}
