package main

import (
	"encoding"
	"fmt"
	"iter"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"bulkhead/carriers"
)

// decoder fills Go values from a YAML tree and names everything that does not
// fit, each at its place, without stopping at the first. (The decoder of the
// YAML library stops.)
//
// It knows structs with yaml tags (",inline", and of its own ",positive" and
// ",max=N"), maps by name, lists, pointers, texts, numbers from zero up,
// booleans, durations, names of files, and whatever reads itself from a text.
type decoder struct {
	file   string // name of the configuration file
	stream any    // on which it shows how far it is with large files, if it is a terminal
	faults Faults
	places []place         // of every key and item, in the order of the file
	index  map[string]int  // of places, by path
	broken map[string]bool // paths whose value could not be decoded
	known  map[reflect.Type][]field
}

// place is where a key or item of a list stands.
type place struct {
	path  keyPath
	at    position
	text  string   // of a scalar
	value position // of a scalar: where its value stands
}

// field is a key that a struct has.
type field struct {
	name     string
	index    []int
	positive bool
	max      int64 // zero: no bound
}

func newDecoder(file string) *decoder {
	return &decoder{file: file, index: map[string]int{}, broken: map[string]bool{}, known: map[reflect.Type][]field{}}
}

// fault names what could not be decoded.
func (d *decoder) fault(at position, path keyPath, format string, args ...any) {
	d.broken[path.String()] = true
	d.refuse(at, path, format, args...)
}

func (d *decoder) refuse(at position, path keyPath, format string, args ...any) {
	d.faults = append(d.faults, Fault{d.file, at.line, at.column, path.String(), fmt.Sprintf(format, args...)})
}

// value decodes a node. The path is where it stands, at the place to speak of.
func (d *decoder) value(n ast.Node, v reflect.Value, path keyPath, at position, f field) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if section, ok := v.Addr().Interface().(interface{ Default() }); ok {
		section.Default()
	}
	_, reads := v.Addr().Interface().(encoding.TextUnmarshaler)
	switch {
	case reads:
		d.scalar(n, v, path, f)
	case v.Kind() == reflect.Struct:
		d.mapping(n, path, at, func(key string, at position, value ast.Node) { d.key(v, path, key, at, value) })
	case v.Kind() == reflect.Map:
		d.mapping(n, path, at, func(key string, at position, value ast.Node) {
			if v.IsNil() { // empty and absent are the same
				v.Set(reflect.MakeMap(v.Type()))
			}
			item := reflect.New(v.Type().Elem()).Elem()
			d.value(value, item, path.with(key), at, field{})
			v.SetMapIndex(reflect.ValueOf(key), item)
		})
	case v.Kind() == reflect.Slice:
		d.list(n, v, path, at)
	default:
		d.scalar(n, v, path, f)
	}
}

// key decodes the value of one key of a struct.
func (d *decoder) key(v reflect.Value, path keyPath, key string, at position, value ast.Node) {
	known := d.fields(v.Type())
	i := slices.IndexFunc(known, func(f field) bool { return f.name == key })
	if i < 0 {
		names := make([]string, 0, len(known))
		for _, f := range known {
			names = append(names, f.name)
		}
		d.fault(at, path.with(key), "unknown key; known here: %s", strings.Join(names, ", "))
		return
	}
	d.value(value, v.FieldByIndex(known[i].index), path.with(key), at, known[i])
}

// fields are the keys of a struct; looking them up by reflection is what takes time.
func (d *decoder) fields(t reflect.Type) []field {
	list, ok := d.known[t]
	if !ok {
		list = fields(t)
		d.known[t] = list
	}
	return list
}

// fields lists the keys of a struct in the order of its fields.
func fields(t reflect.Type) []field {
	var list []field
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		f := field{name: name, index: []int{i}}
		for option := range strings.SplitSeq(options, ",") {
			switch {
			case option == "inline":
				for _, inner := range fields(t.Field(i).Type) {
					inner.index = append([]int{i}, inner.index...)
					list = append(list, inner)
				}
			case option == "positive":
				f.positive = true
			case strings.HasPrefix(option, "max="):
				f.max, _ = strconv.ParseInt(option[len("max="):], 10, 64)
			}
		}
		if name != "" && name != "-" {
			list = append(list, f)
		}
	}
	return list
}

// mapping calls f for every key of a mapping, and names those that stand twice.
// Nothing where a mapping is expected is an empty one.
func (d *decoder) mapping(n ast.Node, path keyPath, at position, f func(string, position, ast.Node)) {
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		d.fault(at, path, "expected a mapping (key: value), found %s", kind(n))
		return
	}
	first := map[string]position{}
	for _, pair := range pairs {
		at := place{at: start(pair)}
		key, ok := text(pair.Key)
		if !ok {
			d.fault(at.at, path, "expected a name as key, found %s", kind(pair.Key))
			continue
		}
		at.path = path.with(key)
		if before, again := first[key]; again {
			d.refuse(at.at, at.path, "stands already in line %d", before.line)
			continue
		}
		first[key] = at.at
		d.visit(at, pair.Value)
		f(key, at.at, pair.Value)
	}
}

func (d *decoder) visit(p place, value ast.Node) {
	p.value = p.at
	if s, ok := text(value); ok {
		p.text, p.value = s, start(value)
	}
	d.index[p.path.String()] = len(d.places)
	d.places = append(d.places, p)
}

func (d *decoder) list(n ast.Node, v reflect.Value, path keyPath, at position) {
	switch n := n.(type) {
	case nil, *ast.NullNode:
	case *ast.SequenceNode:
		if len(n.Values) == 0 { // empty and absent are the same, but where there is a default
			v.SetZero()
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(n.Values), len(n.Values)))
		for i, item := range n.Values {
			p := place{path: path.item(i), at: start(item)}
			if p.at == (position{}) { // nothing after the hyphen
				p.at = at
				if i < len(n.Entries) {
					p.at = tokenStart(n.Entries[i].Start)
				}
			}
			d.visit(p, item)
			d.value(item, v.Index(i), p.path, p.at, field{})
		}
	default:
		d.fault(at, path, "expected a list, found %s", kind(n))
	}
}

// scalar decodes a single value. Where a text is expected, a number is taken as
// it is written: +33123 and 0800 are numbers to YAML, but not to a telephone.
func (d *decoder) scalar(n ast.Node, v reflect.Value, path keyPath, f field) {
	at := start(n)
	if at == (position{}) {
		at = d.find(path.String())
	}
	s, ok := text(n)
	wrong := func(expected string) { d.fault(at, path, "expected %s, found %s", expected, kind(n)) }
	switch target := v.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		if !ok {
			wrong("a text")
		} else if err := target.UnmarshalText([]byte(s)); err != nil {
			d.fault(at, path, "%s", err)
		}
	case *time.Duration:
		duration, err := time.ParseDuration(s)
		switch {
		case !ok || err != nil:
			wrong("a duration, such as 10s, 500ms or 1h30m")
		default:
			*target = duration
			d.bounds(at, path, int64(duration), f)
		}
	case *int:
		value, isNumber := integer(n)
		if !isNumber {
			wrong("a whole number")
			return
		}
		*target = int(value)
		d.bounds(at, path, value, f)
	case *bool:
		b, isBool := n.(*ast.BoolNode)
		if !isBool {
			wrong("true or false")
			return
		}
		*target = b.Value
	case *carriers.File:
		if !ok {
			wrong("the name of a file")
			return
		}
		if s == "" {
			d.fault(at, path, "the name of a file is empty")
			return
		}
		*target = carriers.File(filepath.Join(filepath.Dir(d.file), s))
		if filepath.IsAbs(s) {
			*target = carriers.File(filepath.Clean(s))
		}
	case *string:
		if !ok {
			wrong("a text")
			return
		}
		*target = s
	default:
		panic(fmt.Sprintf("a configuration cannot hold a %T", target))
	}
}

func (d *decoder) bounds(at position, path keyPath, n int64, f field) {
	switch {
	case n < 0:
		d.fault(at, path, "must not be negative")
	case f.positive && n == 0:
		d.fault(at, path, "must be above zero")
	case f.max > 0 && n > f.max:
		d.fault(at, path, "must be %d at most", f.max)
	}
}

// find is where the path stands in the file, or the closest key around it.
func (d *decoder) find(path string) position {
	for around := range ways(path) {
		i, ok := d.index[around]
		if ok && around == path {
			return d.places[i].value
		}
		if ok {
			return d.places[i].at
		}
	}
	return position{1, 1}
}

// decoded says that the value of the path and all around it could be decoded.
func (d *decoder) decoded(path string) bool {
	for around := range ways(path) {
		if d.broken[around] {
			return false
		}
	}
	return true
}

// ways gives the path and every path that it leads through, up to the top of the
// file: a.b[0], a.b, a and the empty one.
func ways(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for yield(path) && path != "" {
			path = path[:max(strings.LastIndexAny(path, ".["), 0)]
		}
	}
}
