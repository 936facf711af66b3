package b2bua_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// TestRecordSchema: the schema that is handed out is what the types and their comments say,
// and each field has one; -update writes it anew.
func TestRecordSchema(t *testing.T) {
	said := comments(t, "cdr.go", "start.go", "media_record.go")
	s := schema{t: t, said: said, defs: map[string]any{}}
	record, start := s.of(reflect.TypeFor[b2bua.Record]()), s.of(reflect.TypeFor[b2bua.Start]())
	all := map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "Bulkhead's call records", "description": "A line of cdr.file is a Record, one a call; a line of starts-NAME beside it is a Start, one an answered call at most. Version 1.",
		"anyOf": []any{record, start}, "$defs": s.defs,
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if *update {
		if err := os.WriteFile("record.schema.json", text, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(text, b2bua.RecordSchema) {
		t.Errorf("record.schema.json is not what the types say: go test ./b2bua -run TestRecordSchema -update")
	}
}

// comments are those of the fields of structs in files, by type and field, and of the types.
func comments(t *testing.T, files ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			g, ok := n.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				return true
			}
			for _, spec := range g.Specs {
				typed := spec.(*ast.TypeSpec)
				is, ok := typed.Type.(*ast.StructType)
				if !ok {
					continue
				}
				all[typed.Name.Name] = strings.Join(strings.Fields(g.Doc.Text()), " ")
				for _, field := range is.Fields.List {
					for _, id := range field.Names {
						all[typed.Name.Name+"."+id.Name] = strings.TrimSpace(field.Comment.Text())
					}
				}
			}
			return true
		})
	}
	return all
}

// schema makes definitions of types.
type schema struct {
	t    *testing.T
	said map[string]string
	defs map[string]any
}

func (s *schema) of(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t.Kind() == reflect.Pointer:
		return s.of(t.Elem())
	case t.Kind() == reflect.Slice:
		return map[string]any{"type": "array", "items": s.of(t.Elem())}
	case t.Kind() == reflect.Struct:
		s.define(t)
		return map[string]any{"$ref": "#/$defs/" + t.Name()}
	}
	kind, ok := map[reflect.Kind]string{reflect.String: "string", reflect.Int: "integer", reflect.Uint64: "integer", reflect.Float64: "number", reflect.Bool: "boolean"}[t.Kind()]
	if !ok {
		s.t.Fatalf("a record has a %s", t)
	}
	return map[string]any{"type": kind}
}

func (s *schema) define(t reflect.Type) {
	if s.defs[t.Name()] != nil {
		return
	}
	properties, required := map[string]any{}, []string{}
	s.defs[t.Name()] = map[string]any{"type": "object", "description": s.said[t.Name()], "properties": properties, "required": &required}
	if s.said[t.Name()] == "" {
		s.t.Errorf("%s is not documented", t.Name())
	}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			s.t.Errorf("%s.%s has no name in JSON", t.Name(), f.Name)
			continue
		}
		p := s.of(f.Type)
		p["description"] = s.said[t.Name()+"."+f.Name]
		if p["description"] == "" {
			s.t.Errorf("%s.%s is not documented", t.Name(), f.Name)
		}
		switch name {
		case "schema":
			p["const"] = 1
		case "kind":
			if t == reflect.TypeFor[b2bua.Start]() {
				p["const"] = "start"
			}
		case "cause":
			p["examples"] = causes()
		}
		properties[name] = p
		if options == "" {
			required = append(required, name)
		}
	}
}

// causes are the words for why a call or an attempt ended; the last is for those of a newer version.
func causes() (words []string) {
	for w := dialog.Why(0); ; w++ {
		word := w.String()
		words = append(words, word)
		if word == "other" {
			return words
		}
	}
}
