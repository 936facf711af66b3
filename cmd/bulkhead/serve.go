package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"bulkhead/b2bua"
)

// recordsMost is how many bytes of records are in one file.
const recordsMost = 128 << 20

func serveCommand() *cobra.Command {
	drain := 30 * time.Second
	var track string
	c := &cobra.Command{
		Use:   "serve FILE",
		Short: "Run the session border controller",
		Long: "Run until SIGTERM or SIGINT. Then new calls are refused with 503 and Retry-After,\n" +
			"running ones may end by themselves for as long as --drain says, what is left is\n" +
			"ended by BYE, and the exit status is 0.\n\n" +
			"SIGHUP reads FILE again, as `bulkhead reload` does: what it says is in force for\n" +
			"the calls that begin from then on, or if it cannot be used, nothing changes and the\n" +
			"log says why. It opens the record file anew as well, for those who rotate it\n" +
			"themselves; at 128 MiB it is rotated anyhow.\n\n" +
			"With state.redis the node is one of a unit's: where another one is alive, a signal\n" +
			"hands the calls over to it instead, and nobody notices; of a unit that follows an\n" +
			"address, with --track only, which lets the address go before the process ends.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if drain < 0 {
				return fmt.Errorf("--drain %s: must not be negative", drain)
			}
			config, warnings, err := Load(args[0])
			if err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), err)
				return errRefused
			}
			if track != "" && !config.follows() {
				return errors.New("--track: it goes with unit.mode: address")
			}
			return serve(args[0], config, warnings, drain, track)
		},
	}
	c.Flags().DurationVar(&drain, "drain", drain, "how long running calls may go on after SIGTERM")
	c.Flags().StringVar(&track, "track", "", "file that says 0 while this node can take the unit's address, else 1 (for keepalived)")
	return c
}

func serve(name string, c *Config, warnings []Warning, drain time.Duration, track string) error {
	collectLess()
	log, level, written, err := c.logger()
	if err != nil {
		return err
	}
	defer func() { _ = log.Sync() }() // if nobody reads it, there is nobody to be told
	for _, w := range warnings {
		log.Warn("configuration", zap.Stringer("key", w))
	}
	key, err := c.key()
	if err != nil {
		return err
	}
	var records b2bua.Records = discard{}
	var file *b2bua.RecordFile
	if c.CDR != nil && c.CDR.File != "" {
		path := string(c.CDR.File)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return fmt.Errorf("making the record directory: %w", err)
		}
		if file, err = b2bua.OpenRecordFile(path, recordsMost); err != nil {
			return err
		}
		defer file.Close()
	}
	p := newProcess(name, c, log, level)
	p.registry.MustRegister(written.lost)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go fitProcessors(ctx, p.relays)
	if err := p.resolve(ctx); err != nil {
		return err
	}
	if p.cluster, err = newCluster(c, key, log); err != nil {
		return err
	}
	published, err := p.publish(c)
	if err != nil {
		return err
	}
	defer published.close()
	if file != nil && !p.pair {
		p.shelf = newShelf(file, log, p.metrics.Dropped.WithLabelValues("record", "not_written"))
		defer p.shelf.close() // what it writes is published
		records = p.shelf
	}
	if err := p.openAPI(); err != nil {
		return err
	}
	defer p.closeAPI()
	defer p.joinCluster()()
	hangup := func() { // SIGHUP
		go func() { // a file may stand still
			if file != nil {
				if err := file.Reopen(); err != nil {
					log.Error("record file", zap.Error(err))
				}
			}
			if err := published.reopen(); err != nil {
				log.Error("file of answered calls", zap.Error(err))
			}
		}()
		_, _ = p.Reload() // the log tells what came of it
	}
	if c.State != nil && c.State.Redis != nil {
		return serveUnit(p, c, key, file, hangup, drain, track)
	}
	s, err := c.bind(log)
	if err != nil {
		return err
	}
	defer s.edge.Close()
	b, err := p.raise(s, func(c *Config) (*border, error) {
		return newBorder(c, s, key, records, nil, nil, nil, log, p.metrics, p.watch(), nil)
	})
	if err != nil {
		return err
	}

	go p.keepOrders(ctx)
	served := make(chan error, 1)
	go func() { served <- b.run(ctx) }()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	log.Info("serving", zap.Int("realms", len(c.Realms)), zap.Int("trunks", len(c.Trunks)), zap.Int("carriers", len(c.Carriers)))
	for {
		select {
		case err := <-served:
			return fmt.Errorf("serving: %w", err)
		case s := <-signals:
			if s == syscall.SIGHUP {
				hangup()
				continue
			}
			p.leaving.Store(true)
			log.Info("draining", zap.Stringer("signal", s), zap.Int("calls", b.engine.Active()), zap.Duration("for", drain))
			err := b.drain(drain, signals, hangup)
			stop()
			return errors.Join(err, <-served)
		}
	}
}

// drain ends service: at once for new calls, in time for those that run. A second
// signal is for those who cannot wait: the BYEs go out now.
func (b *border) drain(wait time.Duration, signals <-chan os.Signal, hangup func()) error {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- b.engine.Drain(ctx, context.Background()) }()
	for {
		select {
		case err := <-drained:
			return err
		case s := <-signals:
			if s == syscall.SIGHUP {
				hangup()
				continue
			}
			cancel()
		}
	}
}
