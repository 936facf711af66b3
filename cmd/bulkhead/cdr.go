package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
)

func cdrCommand() *cobra.Command {
	c := &cobra.Command{Use: "cdr", Short: "Read the records of ended calls"}
	c.AddCommand(cdrExportCommand(), cdrWhyCommand(), cdrReconcileCommand(), cdrSchemaCommand())
	return c
}

// longestRecord is more than any record takes, in bytes.
const longestRecord = 4 << 20

// eachRecord reads record files, of cdr.file and those that it was rotated to; "-" is
// standard input. Lines that are no record are told on w by file and line, and left out. If
// w is a terminal, and nothing else is printed there meanwhile, it shows how far that is.
func eachRecord(w io.Writer, quiet bool, names []string, each func(b2bua.Record) error) error {
	bad := 0
	var b *bar
	if quiet {
		b = newBar(w, "reading records", sizeOf(names...), true)
		defer b.done()
	}
	for _, name := range names {
		if err := recordsOf(name, b, each, func(line int, err error) {
			bad++
			b.aside()
			fmt.Fprintf(w, "%s:%d: no record: %s\n", name, line, err)
		}); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d lines are no records", bad)
	}
	return nil
}

func recordsOf(name string, b *bar, each func(b2bua.Record) error, bad func(int, error)) error {
	in := io.Reader(os.Stdin)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("reading records: %w", err)
		}
		defer f.Close()
		in = f
	}
	lines := bufio.NewScanner(io.TeeReader(in, b))
	lines.Buffer(nil, longestRecord)
	n := 0
	for lines.Scan() {
		n++
		if len(lines.Bytes()) == 0 {
			continue
		}
		var r b2bua.Record
		switch err := json.Unmarshal(lines.Bytes(), &r); {
		case err != nil:
			bad(n, err)
		case r.Schema != 1:
			bad(n, fmt.Errorf("schema %d; this version reads 1", r.Schema))
		case r.Call == "" || r.Began.IsZero():
			bad(n, errors.New("call or began is missing"))
		default:
			if err := each(r); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading %s, line %d: %w", name, n+1, err)
	}
	return nil
}

func cdrExportCommand() *cobra.Command {
	attempts := false
	c := &cobra.Command{
		Use:   "export FILE...",
		Short: "Write records as CSV",
		Long: "Write the records of ended calls as CSV (RFC 4180), one row a call, or one an attempt.\n" +
			"Times are UTC (RFC 3339), durations seconds. FILE is what cdr.file names, or what it was\n" +
			"rotated to; - is standard input. Lines that are no record are told on standard error, and\n" +
			"the exit status is then 1.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			w := csv.NewWriter(cmd.OutOrStdout())
			head, rows := callColumns, callRow
			if attempts {
				head, rows = attemptColumns, attemptRows
			}
			_ = w.Write(head) // Error tells
			err := eachRecord(cmd.ErrOrStderr(), !terminal(cmd.OutOrStdout()), args, func(r b2bua.Record) error {
				return w.WriteAll(rows(r))
			})
			w.Flush()
			return errors.Join(err, w.Error())
		},
	}
	c.Flags().BoolVar(&attempts, "attempts", false, "one row an attempt")
	return c
}

var callColumns = []string{
	"call", "trunk", "from", "to", "began", "ringing", "answered", "ended", "duration", "result", "code", "cause",
	"status", "q850", "ended_by", "attempts", "carrier", "gateway", "number", "call_id",
}

// callRow is a call, with its last attempt, which is the one that answered if any did.
func callRow(r b2bua.Record) [][]string {
	row := []string{
		r.Call, r.Trunk, r.From, r.To, utc(r.Began), utc(r.Ringing), utc(r.Answered), utc(r.Ended), seconds(r.Duration),
		r.Result, positive(r.Code), r.Cause, positive(r.Status), positive(r.Q850), r.EndedBy, strconv.Itoa(len(r.Attempts)),
	}
	var a b2bua.Attempt
	if n := len(r.Attempts); n > 0 {
		a = r.Attempts[n-1]
	}
	return [][]string{append(row, a.Carrier, a.Gateway, a.Number, r.CallID)}
}

var attemptColumns = []string{
	"call", "attempt", "carrier", "gateway", "number", "began", "trying", "ringing", "final", "code", "phrase", "q850",
	"cause", "not_sent", "absorbed", "answered_after_cancel", "call_id",
}

func attemptRows(r b2bua.Record) (rows [][]string) {
	for i, a := range r.Attempts {
		rows = append(rows, []string{
			r.Call, strconv.Itoa(i + 1), a.Carrier, a.Gateway, a.Number, utc(a.Began), utc(a.Trying), utc(a.Ringing),
			utc(a.Final), positive(a.Code), a.Phrase, positive(a.Q850), a.Cause, strconv.FormatBool(a.NotSent),
			strconv.Itoa(a.Absorbed), strconv.FormatBool(a.Late), a.CallID,
		})
	}
	return rows
}

// utc is a time to the millisecond; empty: there is none.
func utc(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

func seconds(s float64) string { return strconv.FormatFloat(s, 'f', 3, 64) }

// positive is a number; empty: zero, which stands for none.
func positive(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func cdrWhyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "why CALL FILE...",
		Short: "Say why a call went as it did, from its record",
		Args:  cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			found := false
			var why []string
			err := eachRecord(cmd.ErrOrStderr(), true, slices.Clone(args[1:]), func(r b2bua.Record) error {
				if r.Call != args[0] {
					return nil
				}
				found = true
				why = append(why, ops.Why(r)...)
				return nil
			})
			for _, sentence := range why {
				fmt.Fprintln(cmd.OutOrStdout(), sentence)
			}
			if err == nil && !found {
				return fmt.Errorf("there is no record of call %s", args[0])
			}
			return err
		},
	}
}

func cdrSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print what stands in records, as JSON Schema",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(b2bua.RecordSchema)
			return err
		},
	}
}
