package dialog_test

import (
	"testing"

	"bulkhead/dialog"
)

// TestPartyOf: whoever a From names, or nobody; nothing that it holds is a reason to fail.
func TestPartyOf(t *testing.T) {
	for value, want := range map[string]dialog.Party{
		`"Alice" <sip:+331@192.0.2.1:5060;user=phone>;tag=1`: {Display: "Alice", User: "+331"},
		`sip:+331@192.0.2.1;tag=1`:                           {User: "+331"},
		`<sip:alice:secret@192.0.2.1>`:                       {User: "alice"},
		`<tel:+331;phone-context=+1>`:                        {User: "+331"},
		`<sip:192.0.2.1:5060>;tag=1`:                         {},
		`<sip:192.0.2.1>;tag=1`:                              {},
		`sip:192.0.2.1:5060`:                                 {},
		`<sip:[2001:db8::1]:5060>`:                           {},
		`<sip:example.com;transport=tcp>`:                    {},
		`"Anonymous" <sip:anonymous@anonymous.invalid:5060>`: {},
		`<sip:@example.com>`:                                 {},
		`<sip:>`:                                             {},
		``:                                                   {},
		`<`:                                                  {},
		`<mailto:a@b>`:                                       {},
		`<sip:a b@192.0.2.1>`:                                {},
	} {
		if got := dialog.PartyOf(value); got != want {
			t.Errorf("%q: %+v, want %+v", value, got, want)
		}
	}
}
