package b2bua_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// TestCarrierZooIsComplete holds the ladders of carrier_zoo_* to the list of bad habits
// that carriers are known to have: each has a ladder in which a carrier really has it.
func TestCarrierZooIsComplete(t *testing.T) {
	habits := []struct {
		habit  string
		ladder string
		sign   string // what of the scenario is the habit
	}{
		{"never sends 100", "never_sends_100", `(?m)^trunk INVITE.*\n\+\S+ tc1 183 `},
		{"changes To-tag while hunting", "to_tag_changes_while_hunting", `tc1 180 tag=a .*tc1 183 tag=b .*tc1 180 tag=c`},
		{"200 with an other To-tag than its 180", "200_with_another_to_tag", `tc1 180 tag=ringing\n.*tc1 200 tag=answered`},
		{"183 every 2 s for a minute", "183_every_2s", `tc1 183 sdp every 2s for 70s`},
		{"Contact with a private address", "private_contact", `tc1 200 .*contact=\S+@192\.168\.`},
		{"Record-Route missing lr", "record_route_without_lr", `tc1 200 .*,sip:198\.51\.100\.11:5070 `},
		{"lower-case header names", "lower_case_names", `(?m)^via: .*\n(.*\n)*cseq: .* INVITE$`},
		{"compact header names", "compact_names", `(?m)^v: .*\nf: .*\nt: .*\ni: (.*\n)*l: `},
		{"folded lines", "folded_lines", `(?m)^Via:\n \S.*\nFrom:\n\t\S`},
		{"spaces before colons", "spaces_before_colons", `(?m)^Via  :(.*\n)*Content-Length :`},
		{"CSeq gaps", "cseq_gaps", `tc1 INFO cseq=4711 (.*\n)*.*tc1 INVITE cseq=90000 `},
		{"BYE before ACK", "bye_before_ack", `(?m)^trunk INVITE \S+\n.*tc1 200 sdp ; tc1 BYE\n.*trunk ACK`},
		{"200 to CANCEL but no 487", "200_to_cancel_but_no_487", `tc1 200 CANCEL\n`},
		{"487 without CANCEL", "487_without_cancel", `tc1 180 ; \+1s tc1 487 every`},
		{"408 to BYE", "408_to_bye", `trunk BYE\n.*tc1 408 BYE`},
		{"Content-Length 0 with a body", "content_length_0_with_a_body", `Content-Length: 0\n\nv=0\n`},
		{"TCP closed after each transaction", "tcp_closed_after_each_transaction", `transport=tcp(.*\n)*.*tc1 200 sdp\ntc1 close`},
		{"answers from another port", "answers_from_another_port", `tc1 100 port=32001 ; tc1 180 port=32002`},
	}
	var known []string
	for _, h := range habits {
		file := "testdata/carrier_zoo_" + h.ladder + ".txtar"
		known = append(known, file)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%s: %v", h.habit, err)
		} else if !regexp.MustCompile(h.sign).Match(text) {
			t.Errorf("%s: no carrier of %s has it", h.habit, file)
		}
	}
	files, err := filepath.Glob("testdata/carrier_zoo_*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !slices.Contains(known, file) {
			t.Errorf("%s is of no habit of the list", file)
		}
	}
}
