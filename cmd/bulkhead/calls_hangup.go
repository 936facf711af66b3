package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"bulkhead/b2bua/ops"
)

// many is what is said about ending many calls.
type many struct {
	filter  url.Values
	all     bool
	dryRun  bool
	confirm int
	cause   int
	rate    int
}

func hangupCallsCommand() *cobra.Command {
	var flags remoteFlags
	m := many{filter: url.Values{}, cause: 16, rate: 100}
	c := &cobra.Command{
		Use:   "hangup [FILE]",
		Short: "End the calls that the filters let through",
		Long: "Count the calls that the filters let through and that have not ended, and end them on both\n" +
			"sides. Their number has to be confirmed: by typing it or, where nobody is there to type, by\n" +
			"--confirm. If more match by then, none is ended. ^C ends no more of them.",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, _, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			return node.hangMany(cmd, &m)
		},
	}
	flags.add(c, 0)
	filterFlags(c, m.filter)
	c.Flags().BoolVar(&m.all, "all", false, "every call; instead of a filter")
	c.Flags().BoolVar(&m.dryRun, "dry-run", false, "say which calls it would be, and end none")
	c.Flags().IntVar(&m.confirm, "confirm", 0, "how many calls that is, as a dry run has said: no more are ended")
	c.Flags().IntVar(&m.cause, "cause", m.cause, "cause of Q.850 that both sides are told")
	c.Flags().IntVar(&m.rate, "rate", m.rate, "how many each node ends a second")
	return c
}

// hangMany ends many calls, after a look at which they are.
func (r *remote) hangMany(cmd *cobra.Command, m *many) error {
	q := m.filter
	q.Set("cause", strconv.Itoa(m.cause))
	q.Set("rate", strconv.Itoa(m.rate))
	if m.all {
		q.Set("all", "true")
	}
	ask := func() (e ops.Ended, err error) {
		if err = r.ask(cmd.Context(), http.MethodDelete, "/v1/calls?"+q.Encode(), &e); err != nil {
			err = told(cmd, err)
		}
		return e, err
	}
	q.Set("dry_run", "true")
	e, err := ask()
	if err != nil {
		return err
	}
	gaps(cmd.ErrOrStderr(), e.Incomplete)
	if e.Missing > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s wait for the store and could not be looked at\n", plural(e.Missing, "call"))
	}
	out := cmd.OutOrStdout()
	switch {
	case e.Matched == 0:
		_, err = fmt.Fprintln(out, "no call matches: none is ended")
		return err
	case m.dryRun:
		if err := table(out, e.Calls, time.Now(), false); err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "%s would be ended\n", plural(e.Matched, "call"))
		return err
	}
	if err := m.confirmed(cmd, e.Matched); err != nil {
		return err
	}
	q.Del("dry_run")
	q.Set("at_most", strconv.Itoa(e.Matched))
	sum, want := 0, e.Matched
	b := newBar(cmd.ErrOrStderr(), "ending calls", int64(want), false)
	defer b.done()
	if b != nil { // a second's worth at once, so that it moves
		q.Set("limit", strconv.Itoa(min(m.rate, 1000)))
	}
	for {
		if e, err = ask(); err != nil {
			return fmt.Errorf("%s of %d being ended: %w", plural(sum, "call"), want, err)
		}
		sum += e.Ending
		b.add(int64(e.Ending))
		if e.Left == 0 || sum >= want {
			b.done()
			_, err = fmt.Fprintf(out, "%s being ended\n", plural(sum, "call"))
			return err
		}
		if b == nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d\n", sum, want)
		}
	}
}

// confirmed makes sure that so many calls are meant.
func (m *many) confirmed(cmd *cobra.Command, n int) error {
	if m.confirm > 0 {
		if n > m.confirm {
			return fmt.Errorf("none is ended: %s, more than the %d that are confirmed", plural(n, "call")+" match", m.confirm)
		}
		return nil
	}
	if !terminal(cmd.InOrStdin()) {
		return fmt.Errorf("none is ended: %s match; --confirm %d ends them", plural(n, "call"), n)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s match. Type the number to end them: ", plural(n, "call"))
	line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(line) != strconv.Itoa(n) {
		return errors.New("none is ended: that is not the number")
	}
	return nil
}

// terminal says that somebody may sit at the other end of a stream.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// plural is so many of something.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
