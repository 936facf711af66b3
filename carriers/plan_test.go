package carriers_test

import (
	"testing"

	"github.com/nyaruka/phonenumbers"

	"bulkhead/carriers"
)

// The library is what the table of numbering plans was made of: it says how the example numbers
// of every country are dialled there and abroad, and the table has to read and write them so.
func TestPlansAgreeWithTheLibrary(t *testing.T) {
	if len(phonenumbers.GetSupportedRegions()) < 240 {
		t.Fatal("the library knows few countries")
	}
	for country := range phonenumbers.GetSupportedRegions() {
		for _, kind := range []phonenumbers.PhoneNumberType{phonenumbers.FIXED_LINE, phonenumbers.MOBILE} {
			n := phonenumbers.GetExampleNumberForType(country, kind)
			if n == nil {
				continue
			}
			want := phonenumbers.Format(n, phonenumbers.E164)
			national := phonenumbers.GetNationalSignificantNumber(n)
			prefix := phonenumbers.GetNddPrefixForRegion(country, true)
			dialled := prefix + national
			if len(dialled) <= 6 {
				if got := carriers.Global(country, dialled); got != dialled {
					t.Errorf("%s: %s became %s, and may be a short number", country, dialled, got)
				}
				continue
			}
			if got := carriers.Global(country, dialled); got != want {
				t.Errorf("%s: %s became %s, the library says %s", country, dialled, got, want)
			}
			if got := carriers.National(country, want); got != dialled {
				t.Errorf("%s: %s is dialled as %s, the library says %s", country, want, got, dialled)
			}
			abroad := carriers.International(country, want)
			if got := carriers.Global(country, abroad); got != want {
				t.Errorf("%s: %s, which was written of %s, became %s", country, abroad, want, got)
			}
		}
	}
}

func TestNumbersAreReadAsTheyAreDialled(t *testing.T) {
	for _, c := range []struct{ country, dialled, want string }{
		{"FR", "0123456789", "+33123456789"},
		{"FR", "123456789", "+33123456789"}, // nine digits cannot be dialled otherwise
		{"FR", "0033123456789", "+33123456789"},
		{"FR", "004930123456", "+4930123456"},
		{"FR", "+33-1.23(45)6789", "+33123456789"},
		{"FR", "112", "112"},
		{"FR", "3949", "3949"},
		{"FR", "118218", "118218"},
		{"FR", "01234567", "01234567"}, // too short to be one
		{"FR", "01234567890", "01234567890"},
		{"FR", "alice", "alice"},
		{"FR", "*21*0123456789", "*21*0123456789"},
		{"FR", "+", "+"},
		{"FR", "", ""},
		{"DE", "030123456", "+4930123456"},
		{"DE", "12345678", "12345678"}, // a local number
		{"IT", "0612345678", "+390612345678"},
		{"ES", "912345678", "+34912345678"},
		{"US", "12125551234", "+12125551234"},
		{"US", "2125551234", "+12125551234"},
		{"US", "911", "911"},
		{"US", "01133123456789", "+33123456789"},
		{"RU", "89123456789", "+79123456789"},
		{"RU", "81033123456789", "+33123456789"},
	} {
		if got := carriers.Global(c.country, c.dialled); got != c.want {
			t.Errorf("%s: %q became %q, want %q", c.country, c.dialled, got, c.want)
		}
	}
}

func BenchmarkGlobal(b *testing.B) {
	carriers.Global("FR", "0123456789")
	b.Run("table", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			carriers.Global("FR", "0123456789")
		}
	})
	b.Run("library", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n, _ := phonenumbers.Parse("0123456789", "FR")
			phonenumbers.Format(n, phonenumbers.E164)
		}
	})
}
