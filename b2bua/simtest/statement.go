package simtest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// statement is one statement of a scenario.
type statement struct {
	line  int
	after time.Duration
	words []string
}

// parse reads a scenario; the error names the line.
func parse(script string) (list []statement, err error) {
	for i, line := range strings.Split(script, "\n") {
		words, err := split(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		st := statement{line: i + 1}
		flush := func() {
			if len(st.words) > 0 {
				list = append(list, st)
			}
			st = statement{line: i + 1}
		}
		for _, w := range words {
			switch {
			case w == ";":
				flush()
			case len(st.words) == 0 && strings.HasPrefix(w, "+"):
				if st.after, err = time.ParseDuration(w[1:]); err != nil {
					return nil, fmt.Errorf("line %d: %w", i+1, err)
				}
			default:
				st.words = append(st.words, w)
			}
		}
		if len(st.words) == 0 && st.after > 0 {
			st.words, st.after = []string{"wait", st.after.String()}, 0
		}
		flush()
	}
	return list, nil
}

// split cuts a line into words; a comment begins with a word of "#".
func split(line string) (words []string, err error) {
	var w strings.Builder
	in, quoted := false, false
	flush := func() {
		if in {
			words = append(words, w.String())
		}
		w.Reset()
		in = false
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quoted && i+1 < len(line):
			i++
			w.WriteByte(line[i])
		case c == '"':
			quoted, in = !quoted, true
		case quoted:
			w.WriteByte(c)
		case c == ' ' || c == '\t':
			flush()
		case c == '#' && !in:
			return words, nil
		default:
			in = true
			w.WriteByte(c)
		}
	}
	if quoted {
		return nil, fmt.Errorf("a quote is not closed: %s", line)
	}
	flush()
	return words, nil
}

// options are the words after a verb.
type options struct {
	values map[string]string
	lists  map[string][]string
	bare   []string
	every  [2]time.Duration // first and longest interval of repeats; 0: once
	span   time.Duration    // how long they go on
	times  int
	till   string // ACK: until it comes
	edits  [][2]string
}

// read sorts the words after a verb.
func readOptions(words []string) (o options, err error) {
	o.values, o.lists = map[string]string{}, map[string][]string{}
	for i := 0; i < len(words); i++ {
		w := words[i]
		next := func() string {
			if i+1 < len(words) {
				i++
				return words[i]
			}
			return ""
		}
		key, value, pair := strings.Cut(w, "=")
		switch {
		case strings.HasPrefix(w, "s/"):
			p := strings.Split(w, "/")
			if len(p) != 4 {
				return o, fmt.Errorf("%q is not s/old/new/", w)
			}
			o.edits = append(o.edits, [2]string{p[1], p[2]})
		case w == "every":
			o.every, err = interval(next())
		case w == "for":
			o.span, err = time.ParseDuration(next())
		case w == "times":
			o.times, err = strconv.Atoi(next())
		case w == "until":
			o.till = next()
		case pair:
			o.values[key] = value
			o.lists[key] = append(o.lists[key], value)
		default:
			o.bare = append(o.bare, w)
		}
		if err != nil {
			return o, err
		}
	}
	if o.till != "" && o.every[0] == 0 {
		o.every, o.span = [2]time.Duration{t1, t2}, 64*t1
	}
	if o.every[0] > 0 && o.span == 0 {
		o.span = 64 * t1
	}
	return o, nil
}

// interval reads "500ms..4s", "t1..t2" or "1s".
func interval(s string) (v [2]time.Duration, err error) {
	first, longest, ok := strings.Cut(s, "..")
	if !ok {
		longest = first
	}
	for i, s := range []string{first, longest} {
		switch s {
		case "t1":
			v[i] = t1
		case "t2":
			v[i] = t2
		default:
			if v[i], err = time.ParseDuration(s); err != nil {
				return v, err
			}
		}
	}
	return v, nil
}

// has says that a bare word was given.
func (o options) has(word string) bool {
	for _, b := range o.bare {
		if b == word {
			return true
		}
	}
	return false
}

// or is an option's value, or another where it is not given.
func (o options) or(key, otherwise string) string {
	if v, ok := o.values[key]; ok {
		return v
	}
	return otherwise
}
