package main

import (
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// barAfter is how long work takes before somebody is shown how far it is. Tests are in a hurry.
var barAfter = 500 * time.Millisecond

// barEach is how often it is shown anew.
const barEach = 100 * time.Millisecond

// bar shows on a terminal how far work is that may take long, and leaves nothing of it there.
// Its methods may be called from any number of goroutines; of nil they do nothing.
type bar struct {
	mu    sync.Mutex // also of the library's, whose Clear has none
	n     int64
	shown *progressbar.ProgressBar // nil: not yet, or not any more
	stop  chan struct{}            // closed: it is over
	over  sync.Once
}

// newBar begins to show so much work, in a unit of its own or in bytes; -1: nobody knows how
// much it is. nil: the stream is no terminal.
func newBar(stream any, what string, most int64, bytes bool) *bar {
	w, ok := stream.(*os.File)
	if !ok || !terminal(stream) {
		return nil
	}
	b := &bar{stop: make(chan struct{})}
	go b.show(barAfter, func() *progressbar.ProgressBar {
		return progressbar.NewOptions64(most,
			progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
			progressbar.OptionShowBytes(bytes), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetSpinnerChangeInterval(0)) // we turn it
	})
	return b
}

// show shows it until it is over.
func (b *bar) show(after time.Duration, begin func() *progressbar.ProgressBar) {
	next := time.NewTimer(after)
	defer next.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-next.C:
		}
		b.mu.Lock()
		if b.shown == nil && !b.ended() {
			b.shown = begin()
		}
		if b.shown != nil {
			_ = b.shown.Set64(b.n) // a terminal that is gone shows nothing
		}
		b.mu.Unlock()
		next.Reset(barEach)
	}
}

// ended says that it is over.
func (b *bar) ended() bool {
	select {
	case <-b.stop:
		return true
	default:
		return false
	}
}

// add says that so much more is done.
func (b *bar) add(n int64) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n += n
}

// Write is io.Writer, for what is counted in bytes.
func (b *bar) Write(text []byte) (int, error) {
	b.add(int64(len(text)))
	return len(text), nil
}

// aside takes the bar away for a line that is printed meanwhile; it comes again by itself.
func (b *bar) aside() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shown != nil {
		_ = b.shown.Clear()
	}
}

// done takes the bar away.
func (b *bar) done() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over.Do(func() { close(b.stop) })
	if b.shown != nil {
		_ = b.shown.Exit() // what is not whole is not shown as whole
		_ = b.shown.Clear()
		b.shown = nil
	}
}

// sizeOf is how many bytes are in files; -1: one of them is none.
func sizeOf(names ...string) (sum int64) {
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() {
			return -1
		}
		sum += info.Size()
	}
	return sum
}
