package carriers

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// TableFault is something that cannot stand in a table of prices. Lines and columns
// count from 1, columns in bytes.
type TableFault struct {
	Line, Column int
	Message      string
}

// TableFaults is why a table is refused: all that is wrong with it, in the order of its
// lines, up to mostTableFaults.
type TableFaults []TableFault

// Error is a line for each fault.
func (f TableFaults) Error() string {
	lines := make([]string, 0, len(f))
	for _, x := range f {
		lines = append(lines, fmt.Sprintf("%d:%d: %s", x.Line, x.Column, x.Message))
	}
	return strings.Join(lines, "\n")
}

// mostTableFaults is how many faults of a table are named: a table that is something
// else has one in every line.
const mostTableFaults = 50

// mostPrefixes bounds what a table takes of the memory.
const mostPrefixes = 4_000_000

// tableColumns are those that a table may have, in their order where it does not name
// them in its first line.
var tableColumns = []string{"prefix", "price", "currency", "from", "until", "destination"}

// ReadRates reads a table of prices as CSV (RFC 4180): a line each prefix, with its
// price for a minute, and if it likes a currency, from when and until when that price
// holds (2026-01-31, or with a time as RFC 3339 has it; a day begins in UTC), and a
// destination, which is for people. The first line may name the columns, in any order;
// a line that begins with # is a comment. All prices are of one currency. The error, if
// the table can be read but not used, is TableFaults.
func ReadRates(r io.Reader) (*Rates, error) {
	b := bufio.NewReader(r)
	if mark, _ := b.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) { // as spreadsheets begin
		_, _ = b.Discard(len(mark))
	}
	t := table{csv: csv.NewReader(b)}
	t.csv.Comment, t.csv.FieldsPerRecord, t.csv.ReuseRecord, t.csv.TrimLeadingSpace = '#', -1, true, true
	for len(t.faults) < mostTableFaults && !t.lost {
		record, err := t.csv.Read()
		if err == io.EOF {
			break
		}
		if wrong, ok := errors.AsType[*csv.ParseError](err); ok {
			t.faults = append(t.faults, TableFault{wrong.Line, wrong.Column, wrong.Err.Error()})
			continue
		}
		if err != nil {
			return nil, err
		}
		t.line(record)
	}
	rates := newRates(t.rows, t.currency, func(row, before rate) {
		t.faults = append(t.faults, TableFault{int(row.line), 1, fmt.Sprintf("prefix %s stands already in line %d", row.key, before.line)})
	})
	if len(t.faults) > 0 {
		slices.SortStableFunc(t.faults, func(a, b TableFault) int { return a.Line - b.Line })
		return nil, t.faults[:min(len(t.faults), mostTableFaults)]
	}
	return rates, nil
}

// table is one that is being read.
type table struct {
	csv      *csv.Reader
	columns  []string
	rows     []rate
	currency string
	priced   bool // a row has told the currency, or that it has none
	faults   TableFaults
	column   int  // of the record at hand
	lost     bool // the columns are not known
}

// fault names what is wrong with a column of the record at hand.
func (t *table) fault(format string, args ...any) {
	line, column := t.csv.FieldPos(t.column)
	t.faults = append(t.faults, TableFault{line, column, fmt.Sprintf(format, args...)})
}

// line reads a record: the names of the columns, or a prefix.
func (t *table) line(record []string) {
	if t.columns == nil {
		if _, number := digitsOf(strings.TrimSpace(record[0])); !number {
			t.head(record)
			return
		}
		t.columns = tableColumns
	}
	if len(t.rows) == mostPrefixes {
		t.column = 0
		t.fault("the table has more than %d prefixes", mostPrefixes)
		t.rows = t.rows[:0] // and is refused
	}
	line, _ := t.csv.FieldPos(0)
	row, before := rate{validity: always, line: uint32(line)}, len(t.faults)
	currency, priced := "", false
	for i, value := range record {
		value = strings.TrimSpace(value)
		t.column = i
		if i >= len(t.columns) {
			t.fault("there are %d columns", len(t.columns))
			break
		}
		switch t.columns[i] {
		case "prefix":
			row.key = t.prefix(value)
		case "price":
			priced = true
			if err := row.price.UnmarshalText([]byte(value)); err != nil {
				t.fault("%s", err)
			}
		case "currency":
			currency = strings.Clone(value)
		case "from":
			row.from = t.instant(value, always.from)
		case "until":
			row.until = t.instant(value, always.until)
		}
	}
	t.column = 0
	switch {
	case len(t.faults) > before:
		return
	case !priced:
		t.fault("the price is missing")
	case row.key == 0:
		t.fault("the prefix is missing")
	case row.from >= row.until:
		t.fault("the price ends before it begins")
	case t.priced && currency != t.currency:
		t.fault("the currency is %q, and %q in the lines before", currency, t.currency)
	default:
		t.currency, t.priced = currency, true
		t.rows = append(t.rows, row)
	}
}

// head reads the names of the columns.
func (t *table) head(record []string) {
	for i, name := range record {
		name = strings.ToLower(strings.TrimSpace(name))
		t.column = i
		switch {
		case !slices.Contains(tableColumns, name):
			t.fault("unknown column %q; known here: %s", name, strings.Join(tableColumns, ", "))
		case slices.Contains(t.columns, name):
			t.fault("column %q stands already", name)
		}
		t.columns = append(t.columns, name)
	}
	t.column = 0
	for _, name := range tableColumns[:2] {
		if !slices.Contains(t.columns, name) {
			t.fault("there is no column %q", name)
		}
	}
	t.lost = len(t.faults) > 0
}

// prefix reads what a number begins with: its digits, with or without a plus.
func (t *table) prefix(s string) dialled {
	digits := strings.TrimPrefix(s, "+")
	switch {
	case digits == "" || strings.Trim(digits, "0123456789") != "":
		t.fault("%q is not the beginning of a number: digits, with or without a plus", s)
		return 0
	case len(digits) > maxPrefix:
		t.fault("%q has more than %d digits", s, maxPrefix)
		return 0
	}
	d, _ := digitsOf(digits)
	return d
}

// instant reads from when or until when; nothing is otherwise.
func (t *table) instant(s string, otherwise uint32) uint32 {
	if s == "" {
		return otherwise
	}
	at, err := time.Parse(time.DateOnly, s)
	if err != nil {
		at, err = time.Parse(time.RFC3339, s)
	}
	if err != nil || at.Unix() < 0 || at.Unix() >= int64(always.until) {
		t.fault("%q is not a day, such as 2026-01-31, or a time, such as 2026-01-31T08:00:00Z", s)
		return otherwise
	}
	return uint32(at.Unix())
}
