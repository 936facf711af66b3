package dialog

import (
	"slices"
	"strings"
	"testing"
)

// The table of RFC 3398 §8.2.6.1, and what is in none.
func TestRFC3398_8_2_6_1_StatusToCause(t *testing.T) {
	for code, want := range map[int]int{
		400: 41, 401: 21, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 407: 21, 408: 102, 410: 22, 413: 127, 414: 127,
		415: 79, 416: 127, 420: 127, 421: 127, 423: 127, 480: 18, 481: 41, 482: 25, 483: 25, 484: 28, 485: 1, 486: 17,
		487: 0, 488: 0, 500: 41, 501: 79, 502: 38, 503: 41, 504: 102, 505: 127, 513: 127, 600: 17, 604: 1, 606: 0,
		603: 0, 607: 0, 608: 0, // not touched
		433: 41, 499: 41, 580: 41, // x00 of the class
		0: 0, 200: 0, 302: 0, 699: 0, 700: 0,
	} {
		if got := CauseOf(code); got != want {
			t.Errorf("%d: cause %d, want %d", code, got, want)
		}
	}
}

// The table of RFC 3398 §7.2.4.1; a cause that is in none is its class's unspecified one.
func TestRFC3398_7_2_4_1_CauseToStatus(t *testing.T) {
	listed := map[int]int{
		1: 404, 2: 404, 3: 404, 16: 0, 17: 486, 18: 408, 19: 480, 20: 480, 21: 403, 22: 410, 23: 410, 26: 404, 27: 502,
		28: 484, 29: 501, 31: 480, 34: 503, 38: 503, 41: 503, 42: 503, 47: 503, 55: 403, 57: 403, 58: 503, 65: 488,
		70: 488, 79: 501, 87: 403, 88: 503, 102: 504, 111: 500, 127: 500,
	}
	classes := []int{480, 480, 503, 503, 501, 500, 500, 500} // of sixteen causes each, as their unspecified ones
	for cause := 1; cause < 128; cause++ {
		want, ok := listed[cause]
		if !ok {
			want = classes[cause/16]
		}
		if got := StatusOf(cause); got != want {
			t.Errorf("cause %d: %d, want %d", cause, got, want)
		}
	}
	for _, none := range []int{-1, 0, 128, 1000} {
		if got := StatusOf(none); got != 0 {
			t.Errorf("cause %d: %d", none, got)
		}
	}
}

// What a cause says to the other side: what its peer said, and a cause of Q.850 where it
// said none.
func TestRFC6432_CauseIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		cause Cause
		want  []string
	}{
		"refused":                {Cause{Code: 486}, []string{"Q.850;cause=17"}},
		"refused with a reason":  {Cause{Code: 500, Q850: 34, Reasons: []string{"Q.850;cause=34"}}, []string{"Q.850;cause=34"}},
		"refused with a SIP one": {Cause{Code: 480, Reasons: []string{"SIP;cause=486"}}, []string{"SIP;cause=486", "Q.850;cause=18"}},
		"declined":               {Cause{Code: 603}, nil},
		"unwanted":               {Cause{Code: 607, Reasons: []string{"X;cause=1"}}, []string{"X;cause=1"}},
		"our own":                {Cause{Why: NoAnswer, Code: 480, Q850: 19}, []string{"Q.850;cause=19"}},
		"hung up":                {Cause{Why: HungUp, Code: 480}, []string{"Q.850;cause=16"}},
		"hung up for a SIP one":  {Cause{Why: HungUp, Code: 480, Reasons: []string{"SIP;cause=503"}}, []string{"SIP;cause=503", "Q.850;cause=41"}},
		"cancelled":              {Cause{Why: Cancelled, Code: 487}, []string{"Q.850;cause=16"}},
		"answered elsewhere":     {Cause{Why: Cancelled, Code: 487, Reasons: []string{"SIP;cause=200"}}, []string{"SIP;cause=200", "Q.850;cause=26"}},
		"hung up for nothing":    {Cause{Why: HungUp, Reasons: []string{"SIP;cause=487"}}, []string{"SIP;cause=487", "Q.850;cause=16"}},
		"redirected":             {Cause{Code: 302}, nil},
	} {
		var got []string
		for _, h := range reasons(c.cause) {
			got = append(got, h.Value)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// What is a Reason (RFC 3326 §2), and which values stand beside each other.
func TestRFC3326_2_WhatIsAReason(t *testing.T) {
	for value, want := range map[string]struct {
		list   []string
		others int
	}{
		`SIP;cause=200;text="Call completed elsewhere", Q.850 ; cause = 26`: {[]string{`SIP;cause=200;text="Call completed elsewhere"`, "Q.850 ; cause = 26"}, 0},
		`Q.850;cause=16;text="a, b; c \"d\" \\"`:                            {[]string{`Q.850;cause=16;text="a, b; c \"d\" \\"`}, 0},
		`Q.850;cause=16, q.850;cause=17`:                                    {[]string{"Q.850;cause=16"}, 1},
		`STIR;cause=436, STIR;cause=438`:                                    {[]string{"STIR;cause=436", "STIR;cause=438"}, 0}, // RFC 9366
		`Q.850`:                                                             {nil, 1},
		`SIP`:                                                               {[]string{"SIP"}, 0},
		`Q.850;cause=300, Q.850;cause=127`:                                  {[]string{"Q.850;cause=127"}, 1},
		`Q.850;location=LN;cause=16`:                                        {[]string{"Q.850;location=LN;cause=16"}, 0}, // RFC 8606
		`Preemption;cause=1;text=bare`:                                      {[]string{"Preemption;cause=1;text=bare"}, 0},
		`Q.850;cause=sixteen`:                                               {nil, 1},
		`Q.850;cause=`:                                                      {nil, 1},
		`Q.850;cause=-1`:                                                    {nil, 1},
		`Q.850;cause=16;text="open`:                                         {nil, 1},
		`Q.850;cause=16;text=two words`:                                     {nil, 1},
		`Q.850;cause=16;text="a"b"`:                                         {nil, 1},
		`;cause=16`:                                                         {nil, 1},
		`Q 850;cause=16, SIP;cause=487`:                                     {[]string{"SIP;cause=487"}, 1},
		`<Q.850>;cause=16`:                                                  {nil, 1},
		`Q.850;cause=16;=x`:                                                 {nil, 1},
		`A,B,C,D,E,F,G,H,I,SIP`:                                             {[]string{"A", "B", "C", "D", "E", "F", "G", "H"}, 2},
		strings.Repeat("A", 1000) + ",B;cause=123456789012345678901234,SIP": {[]string{strings.Repeat("A", 1000), "SIP"}, 1},
		"": {nil, 0},
	} {
		list, others := wellFormed(nil, value)
		if !slices.Equal(list, want.list) || others != want.others {
			t.Errorf("%s: %q and %d others, want %q and %d", value, list, others, want.list, want.others)
		}
	}
}
