package b2bua_test

import (
	"strings"
	"testing"

	"bulkhead/b2bua"
)

func TestWhatIsNoCapture(t *testing.T) {
	head := `{"bulkhead":"capture","version":1,"call":"aaaaaaaaaaaaa"}` + "\n"
	for text, want := range map[string]string{
		"":                                   "no step",
		"{}":                                 "line 1: this is no capture",
		"INVITE sip:a@b SIP/2.0\r\n":         "line 1: this is no capture",
		head:                                 "no step",
		head + "{":                           "line 2:",
		head + `{"at":"yesterday"}`:          "line 2:",
		strings.Replace(head, ":1", ":9", 1): "version 9 of the file; this Bulkhead reads 1",
	} {
		if _, err := b2bua.ReadCaptured(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
