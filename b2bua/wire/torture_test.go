package wire_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bulkhead/b2bua/wire"

	"github.com/emiago/sipgo/sip"
)

var update = flag.Bool("update", false, "rewrite testdata/torture.golden")

// decidedByTheCore are messages of RFC 4475 that the tables call invalid for
// what they ask for, not for how they are written: wire lets them through.
var decidedByTheCore = map[string]string{
	"rfc4475/unkscm.dat":  "416: a URI scheme nobody knows",
	"rfc4475/novelsc.dat": "416: a URI scheme that is not SIP's",
	"rfc4475/bext01.dat":  "420: Require and Proxy-Require",
	"rfc4475/invut.dat":   "415 or 488: an unknown body",
}

// takenAsTheyAre are messages of the NIST set that its authors reject and wire
// lets through, with the reason.
var takenAsTheyAre = map[string]string{
	"007.sip": "the URI scheme is the core's to refuse (416)",
	"024.sip": "an unknown method is the core's to refuse (405)",
	"376.sip": "RFC 4475 §3.1.2.12: Date is of no use to us",
	"377.sip": "RFC 4475 §3.1.2.13: Contact is looked at in INVITE only",
	"379.sip": "RFC 4475 §3.1.2.15: a display name may be careless",
}

// outcome says in one line what wire makes of a datagram.
func outcome(raw []byte) string {
	m, fault, err := wire.Parse(raw, wire.Limits{})
	var drop wire.DropError
	switch {
	case errors.As(err, &drop):
		return "drop " + drop.Name
	case fault != nil:
		return fmt.Sprintf("%d %s", fault.Code, fault.Name)
	}
	switch m := m.(type) {
	case *sip.Request:
		return "pass " + string(m.Method)
	case *sip.Response:
		return "pass " + strconv.Itoa(m.StatusCode)
	}
	return "nothing"
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/torture", path))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// rows returns the lines of a table below its first, split at tabs.
func rows(t testing.TB, path string) [][]string {
	t.Helper()
	var all [][]string
	for _, line := range strings.Split(strings.TrimSpace(string(read(t, path))), "\n")[1:] {
		all = append(all, strings.Split(line, "\t"))
	}
	return all
}

func TestRFC4475_RFC5118_Verdicts(t *testing.T) {
	for _, row := range slices.Concat(rows(t, "rfc4475.tsv"), rows(t, "rfc5118.tsv")) {
		file, kind, verdict, reactions := row[0], row[2], row[3], strings.Fields(row[4])
		got := outcome(read(t, file))
		how, _, _ := strings.Cut(got, " ")
		response := strings.HasPrefix(kind, "R ")
		var ok bool
		switch {
		case decidedByTheCore[file] != "":
			ok = how == "pass"
		case response && verdict == "invalid":
			ok = how == "drop"
		case response, verdict == "valid":
			ok = how == "pass"
		case verdict == "either":
			ok = how == "pass" || slices.Contains(reactions, how) ||
				how == "drop" && slices.Contains(reactions, "0")
		case verdict == "invalid":
			ok = slices.Contains(reactions, how) || how == "drop" && slices.Contains(reactions, "0")
		}
		if !ok {
			t.Errorf("%s (%s, %s): %s; acceptable: %s", file, kind, verdict, got, reactions)
		}
	}
}

func TestNISTSet_RejectedIsNotPassed(t *testing.T) {
	for _, row := range rows(t, "jsip/EXPECTED.tsv") {
		got := outcome(read(t, "jsip/"+row[0]))
		passed := strings.HasPrefix(got, "pass")
		if row[1] == "reject" && passed != (takenAsTheyAre[row[0]] != "") {
			t.Errorf("%s: %s; %s", row[0], got, row[2])
		}
	}
}

// TestTortureGolden pins the exact outcome of every message, so that a change of
// mind is seen.
func TestTortureGolden(t *testing.T) {
	var b strings.Builder
	for _, glob := range []string{"rfc4475/*.dat", "rfc5118/*.dat", "jsip/*.sip"} {
		files, err := filepath.Glob("testdata/torture/" + glob)
		if err != nil || len(files) == 0 {
			t.Fatal(glob, err)
		}
		for _, file := range files {
			file, _ = filepath.Rel("testdata/torture", file)
			fmt.Fprintf(&b, "%s\t%s\n", file, outcome(read(t, file)))
		}
	}
	const golden = "testdata/torture.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != b.String() {
		t.Errorf("%s differs; run with -update and read the diff", golden)
	}
}
