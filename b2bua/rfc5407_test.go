package b2bua_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// races are the sections of RFC 5407 that have figures, and its appendices, each with the
// ladders that play it: testdata/rfc5407_<prefix>*.txtar.
var races = []struct{ section, prefix, what string }{
	{"3.1.1", "3_1_1_", "Callee receives initial INVITE retransmission (preparative) while in moratorium"},
	{"3.1.2", "3_1_2_", "Callee receives CANCEL (early) while in moratorium"},
	{"3.1.3", "3_1_3_", "Callee receives BYE (early) while in moratorium"},
	{"3.1.4", "3_1_4_", "Callee receives re-INVITE (established) while in moratorium, case 1"},
	{"3.1.5", "3_1_5_", "Callee receives re-INVITE (established) while in moratorium, case 2"},
	{"3.1.6", "3_1_6_", "Callee receives BYE (established) while in moratorium"},
	{"3.2.1", "3_2_1_", "UA receives BYE (established) while in mortal state"},
	{"3.2.2", "3_2_2_", "UA receives re-INVITE (established) while in mortal state"},
	{"3.2.3", "3_2_3_", "UA receives 200 for re-INVITE (established) while in mortal state"},
	{"3.2.4", "3_2_4_", "Callee receives ACK (moratorium) while in mortal state"},
	{"3.3.1", "3_3_1_", "UA receives re-INVITE while in established state: both"},
	{"3.3.2", "3_3_2_", "UA receives UPDATE (established) while in established state"},
	{"3.3.3", "3_3_3_", "UA receives REFER (established) while in mortal state"},
	{"A", "a_", "BYE in the early dialog"},
	{"B", "b_", "BYE overlapping re-INVITE"},
	{"C", "c_", "Behaviour for CANCEL"},
	{"D", "d_", "Requests in the mortal state"},
	{"E", "e_", "Forking and new To-tags"},
}

// TestRFC5407 holds that every race is played, and that every ladder is of a race.
func TestRFC5407(t *testing.T) {
	const folder = "testdata/rfc5407_"
	files, err := filepath.Glob(folder + "*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	played := map[string]int{}
	for _, file := range files {
		name, of := strings.TrimPrefix(filepath.ToSlash(file), folder), ""
		for _, r := range races {
			if strings.HasPrefix(name, r.prefix) {
				of = r.section
			}
		}
		if played[of]++; of == "" {
			t.Errorf("%s is of no section", file)
		}
	}
	for _, r := range races {
		if played[r.section] == 0 {
			t.Errorf("§%s, %s, is not played", r.section, r.what)
		}
	}
}
