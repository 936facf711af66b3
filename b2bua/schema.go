package b2bua

import _ "embed"

// RecordSchema describes what stands in cdr.file, and in the file of answered calls, as JSON
// Schema (draft 2020-12). Its version is what Record.Schema says: fields are added without a
// new one; it changes when a field goes or changes its meaning.
//
//go:embed record.schema.json
var RecordSchema []byte
