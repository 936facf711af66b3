package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"bulkhead/b2bua"
	"bulkhead/dialog"
	"bulkhead/storage"
)

func callCommand() *cobra.Command {
	c := &cobra.Command{Use: "call", Short: "Look at one call, or end it"}
	c.AddCommand(showCommand(), ladderCommand(), whyCommand(), hangupCommand(), dumpCommand())
	return c
}

func dumpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "dump FILE CALL",
		Short: "Print a call's record in the store as JSON",
		Long: "Read the record of a call from the store of the configuration, whoever serves it, and\n" +
			"print every field that is set: the legs, their dialogs and transactions with the\n" +
			"messages kept for repeats, the timers as instants. Keys of SRTP are not shown. Of a call that has ended, for\n" +
			"as long as its tombstone stays.",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, _, err := Load(args[0])
			if err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), err)
				return errRefused
			}
			if config.State == nil || config.State.Redis == nil {
				return errors.New("the configuration has no state.redis: its calls are in the process only")
			}
			store, err := config.redis()
			if err != nil {
				return err
			}
			defer store.Close()
			it, err := store.Get(cmd.Context(), args[1])
			if err != nil && !errors.Is(err, storage.ErrEnded) {
				return fmt.Errorf("call %s of unit %s: %w", args[1], config.unitName(), err)
			}
			return dump(cmd.OutOrStdout(), it)
		},
	}
}

// dump writes a record as JSON.
func dump(out io.Writer, it storage.Item) error {
	if len(it.Data) == 0 {
		return fmt.Errorf("call %s: a defect has ended it, and only its name is kept", it.ID)
	}
	call, err := b2bua.Decode(b2bua.MaskedRecord(it.Data), unprofiled{})
	if err != nil {
		return fmt.Errorf("call %s: %w", it.ID, err)
	}
	var b bytes.Buffer
	appendJSON(&b, reflect.ValueOf(call))
	var indented bytes.Buffer
	if err := json.Indent(&indented, b.Bytes(), "", "  "); err != nil {
		return fmt.Errorf("call %s: %w", it.ID, err)
	}
	indented.WriteByte('\n')
	_, err = indented.WriteTo(out)
	return err
}

// unprofiled gives no profiles: they are the configuration's, not the record's.
type unprofiled struct{}

// TrunkPolicy is b2bua.Profiles.
func (unprofiled) TrunkPolicy(string, string) *dialog.Policy { return nil }

// CarrierPolicy is b2bua.Profiles.
func (unprofiled) CarrierPolicy(string, string) *dialog.Policy { return nil }

// Profile is b2bua.Profiles.
func (unprofiled) Profile(string) b2bua.Profile { return nil }

// Contacts is b2bua.Redirects.
func (unprofiled) Contacts(string) int { return 0 }

// Redirect is b2bua.Redirects.
func (unprofiled) Redirect(string, string, string) (b2bua.Target, bool) { return b2bua.Target{}, false }

// appendJSON writes a value with the fields in the order of their declaration, without
// those that are not set: bytes as the text that they are, states by their names.
func appendJSON(b *bytes.Buffer, v reflect.Value) {
	if v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			b.WriteString("null")
			return
		}
		if v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
			v = v.Elem()
		}
	}
	switch x := v.Interface().(type) {
	case time.Time:
		quote(b, x.UTC().Format(time.RFC3339Nano))
		return
	case fmt.Stringer:
		quote(b, x.String())
		return
	case []byte:
		quote(b, string(x))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		b.WriteByte('{')
		first := true
		if tx, ok := v.Addr().Interface().(*dialog.Tx); ok {
			machine, state := tx.At()
			fmt.Fprintf(b, `"machine":%q,"state":%q`, machine, state)
			first = false
		}
		appendFields(b, v, first)
		b.WriteByte('}')
	case reflect.Slice, reflect.Array:
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			appendJSON(b, v.Index(i))
		}
		b.WriteByte(']')
	case reflect.String:
		quote(b, v.String())
	default: // numbers and truth
		text, err := json.Marshal(v.Interface())
		if err != nil {
			text = []byte(`"` + v.Kind().String() + `"`)
		}
		b.Write(text)
	}
}

// appendFields writes the fields of a struct that are set, those of embedded ones as
// its own. It returns whether the next one is the first.
func appendFields(b *bytes.Buffer, v reflect.Value, first bool) bool {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || v.Field(i).IsZero() || f.Name == "Policy" || f.Name == "Reroute" {
			continue
		}
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			first = appendFields(b, v.Field(i), first)
			continue
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		quote(b, snake(f.Name))
		b.WriteByte(':')
		appendJSON(b, v.Field(i))
	}
	return first
}

func quote(b *bytes.Buffer, s string) {
	if !utf8.ValidString(s) {
		s = fmt.Sprintf("%q", s)
	}
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false) // a URI stays readable
	_ = e.Encode(s)        // a string never fails
	b.Truncate(b.Len() - 1)
}

// snake turns RetryAfter into retry_after.
func snake(name string) string {
	var s strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 && !unicode.IsUpper(rune(name[i-1])) {
			s.WriteByte('_')
		}
		s.WriteRune(unicode.ToLower(r))
	}
	return s.String()
}
