package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Load reads a configuration file. The error, if the file can be read but not
// used, is Faults: all of them.
func Load(name string) (*Config, []Warning, error) {
	return loadShowing(nil, name)
}

// loadShowing is Load that shows on a stream, if that is a terminal, how far it is.
func loadShowing(stream any, name string) (*Config, []Warning, error) {
	f, err := load(name, nil, stream)
	if err != nil {
		return nil, nil, err
	}
	return f.config, f.warnings(), nil
}

// parse is Load of what has been read; host is the name of the node where the file
// names none.
func parse(name string, data []byte, host string) (*Config, []Warning, error) {
	f, err := read(name, data, host, nil, false, nil)
	if err != nil {
		return nil, nil, err
	}
	return f.config, f.warnings(), nil
}

// file is a configuration and where its keys stand.
type file struct {
	config  *Config
	decoder *decoder

	exposed []Warning // secrets
}

// warnings is all that is not as it should be.
func (f *file) warnings() []Warning { return append(f.exposed, f.decoder.warnings()...) }

// fault is something that is wrong with a key.
func (f *file) fault(path string, err error) Fault {
	at := f.decoder.find(path)
	return Fault{f.decoder.file, at.line, at.column, path, err.Error()}
}

// load reads a configuration file, for a node that runs with another one unless
// before is nil: what cannot change while it runs is a fault then. On a terminal it shows
// how far it is with the tables that are named.
func load(name string, before *Config, stream any) (*file, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("asking for the host's name: %w", err)
	}
	return read(name, data, host, before, true, stream)
}

// glance reads as much of a configuration as can be, for who only wants to know how a
// node is reached: it says itself what is wrong with its file.
func glance(name string) (*Config, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("asking for the host's name: %w", err)
	}
	body, fault := tree(data)
	if fault != nil {
		fault.File = name
		return nil, Faults{*fault}
	}
	c := defaults(host)
	newDecoder(name).value(body, reflect.ValueOf(&c).Elem(), nil, position{1, 1}, field{})
	c.complete()
	return &c, nil
}

// read is load of what has been read. Names of files in it are relative to the
// directory of name. Passwords are read, and media has to have its address, only for who is to use them.
func read(name string, data []byte, host string, before *Config, secrets bool, stream any) (*file, error) {
	body, fault := tree(data)
	if fault != nil {
		fault.File = name
		return nil, Faults{*fault}
	}
	c := defaults(host)
	d := newDecoder(name)
	d.stream = stream
	d.value(body, reflect.ValueOf(&c).Elem(), nil, position{1, 1}, field{})
	d.tables(&c)
	d.authorities(&c)
	v := validator{config: &c, decoder: d}
	v.validate()
	if secrets {
		v.addressed()
		v.secrets()
		v.expired(time.Now())
	}
	if before != nil {
		v.keeps(before)
		for file, rates := range c.Tables { // a large one that has not changed is in memory once
			if was := before.Tables[file]; was != nil && reflect.DeepEqual(was, rates) {
				c.Tables[file] = was
			}
		}
	}
	if faults := append(d.faults, v.faults...).sorted(); len(faults) > 0 {
		return nil, faults
	}
	c.complete()
	c.text = data
	return &file{&c, d, v.warnings}, nil
}

// tree is the only document of the file; nil if it is empty.
func tree(data []byte) (ast.Node, *Fault) {
	if at, ok := invalid(data); ok {
		return nil, &Fault{Line: at.line, Column: at.column, Message: "not UTF-8"}
	}
	// Keys that stand twice are found by the decoder, with everything else.
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		f := &Fault{Line: 1, Column: 1, Message: err.Error()}
		if e, ok := errors.AsType[yaml.Error](err); ok {
			f.Message = e.GetMessage()
			if t := e.GetToken(); t != nil && t.Position != nil {
				f.Line, f.Column = within(data, t.Position.Line, t.Position.Column)
			}
		}
		return nil, f
	}
	var body ast.Node
	for _, document := range file.Docs {
		if document.Body == nil {
			continue
		}
		if body != nil {
			at := start(document.Body)
			return nil, &Fault{Line: max(at.line, 1), Column: max(at.column, 1), Message: "a second document in one file"}
		}
		body = document.Body
	}
	return body, nil
}

// within is a place as the parser has it, or the one next to it that the file has: behind bytes
// that are no text the parser may count a line twice.
func within(data []byte, line, column int) (int, int) {
	lines := bytes.Split(bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n")), []byte("\n"))
	line = min(max(line, 1), len(lines))
	return line, min(max(column, 1), len(lines[line-1])+1)
}

// invalid is where data stops being UTF-8, if it does.
func invalid(data []byte) (position, bool) {
	at := position{1, 1}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return at, true
		case r == '\n', r == '\r' && (i+1 == len(data) || data[i+1] != '\n'): // YAML 1.2 §5.4
			at = position{at.line + 1, 1}
		default:
			at.column++
		}
		i += size
	}
	return at, false
}

// warnings lists the keys of the file that do nothing yet.
func (d *decoder) warnings() []Warning {
	var list []Warning
	keys := pending()
	for _, p := range d.places {
		for _, k := range keys {
			if k.covers(p) {
				list = append(list, Warning{File: d.file, Line: p.at.line, Column: p.at.column, Path: p.path.String(), Message: "has no effect yet: " + k.feature})
			}
		}
	}
	return list
}
