package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Records of three calls of tc1 and one of tc2: answered; given up, and answered all the
// same; refused; answered by tc2 after tc1.
const cdrLines = `{"schema":1,"call":"aaa","trunk":"pbx","call_id":"t1","from":"+41","to":"+33123","began":"2026-11-26T10:00:00Z","answered":"2026-11-26T10:00:05Z","ended":"2026-11-26T10:01:05.4Z","duration":60.4,"result":"answered","code":200,"cause":"hung_up","status":200,"q850":16,"ended_by":"trunk","attempts":[{"carrier":"tc1","gateway":"192.0.2.1:5060","number":"+33123","call_id":"x","began":"2026-11-26T10:00:00Z","final":"2026-11-26T10:00:05Z","code":200,"phrase":"OK","cause":"hung_up","absorbed":0}]}
{"schema":1,"call":"bbb","trunk":"pbx","call_id":"t2","from":"+41","to":"+33777","began":"2026-11-26T11:00:00Z","answered":"2026-11-26T11:00:12Z","ended":"2026-11-26T11:00:42Z","duration":30,"result":"answered","code":200,"cause":"hung_up","status":200,"q850":16,"ended_by":"carrier","attempts":[{"carrier":"tc1","gateway":"192.0.2.1:5060","number":"+33777","call_id":"y","began":"2026-11-26T11:00:00Z","final":"2026-11-26T11:00:10Z","code":200,"cause":"no_answer","absorbed":3,"answered_after_cancel":true},{"carrier":"tc2","gateway":"192.0.2.2:5060","number":"+33888","call_id":"z","began":"2026-11-26T11:00:10Z","final":"2026-11-26T11:00:12Z","code":200,"cause":"hung_up","absorbed":0}]}

{"schema":1,"call":"ccc","trunk":"pbx","call_id":"t3","from":"+41","to":"+33999","began":"2026-11-26T12:00:00Z","ended":"2026-11-26T12:00:01Z","duration":0,"result":"failed","code":486,"cause":"rejected","status":486,"q850":17,"ended_by":"carrier","attempts":[{"carrier":"tc1","gateway":"192.0.2.1:5060","number":"+33999","call_id":"w","began":"2026-11-26T12:00:00Z","final":"2026-11-26T12:00:01Z","code":486,"phrase":"Busy, \"really\"","q850":17,"cause":"rejected","absorbed":0}]}
`

// cdr runs the command on files of the given texts.
func cdr(t *testing.T, files map[string]string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.WriteFile(filepath.Base(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, problems bytes.Buffer
	c := cdrCommand()
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(&problems)
	c.SilenceErrors, c.SilenceUsage = true, true
	err = c.Execute()
	return out.String(), problems.String(), err
}

func TestRecordsAsCSV(t *testing.T) {
	got, _, err := cdr(t, map[string]string{"calls.jsonl": cdrLines}, "export", "calls.jsonl")
	want := `call,trunk,from,to,began,ringing,answered,ended,duration,result,code,cause,status,q850,ended_by,attempts,carrier,gateway,number,call_id
aaa,pbx,+41,+33123,2026-11-26T10:00:00.000Z,,2026-11-26T10:00:05.000Z,2026-11-26T10:01:05.400Z,60.400,answered,200,hung_up,200,16,trunk,1,tc1,192.0.2.1:5060,+33123,t1
bbb,pbx,+41,+33777,2026-11-26T11:00:00.000Z,,2026-11-26T11:00:12.000Z,2026-11-26T11:00:42.000Z,30.000,answered,200,hung_up,200,16,carrier,2,tc2,192.0.2.2:5060,+33888,t2
ccc,pbx,+41,+33999,2026-11-26T12:00:00.000Z,,,2026-11-26T12:00:01.000Z,0.000,failed,486,rejected,486,17,carrier,1,tc1,192.0.2.1:5060,+33999,t3
`
	if err != nil || got != want {
		t.Errorf("%v, got\n%s", err, got)
	}
	got, _, err = cdr(t, map[string]string{"calls.jsonl": cdrLines}, "export", "--attempts", "calls.jsonl")
	rows := strings.Split(got, "\n")
	if want := `ccc,1,tc1,192.0.2.1:5060,+33999,2026-11-26T12:00:00.000Z,,,2026-11-26T12:00:01.000Z,486,"Busy, ""really""",17,rejected,false,0,false,w`; err != nil || len(rows) != 6 || rows[4] != want {
		t.Errorf("%v, got\n%s", err, got)
	}
}

// TestLinesThatAreNoRecords are named, and what is around them is not lost.
func TestLinesThatAreNoRecords(t *testing.T) {
	text := "{\"schema\":1,\n" + cdrLines + `{"schema":7,"call":"x"}` + "\n" + `{"schema":1}` + "\n"
	got, problems, err := cdr(t, map[string]string{"calls.jsonl": text}, "export", "calls.jsonl")
	if err == nil || strings.Count(got, "\n") != 4 {
		t.Errorf("%v, got\n%s", err, got)
	}
	for _, want := range []string{"calls.jsonl:1: no record: unexpected end of JSON", "calls.jsonl:6: no record: schema 7", "calls.jsonl:7: no record: call or began"} {
		if !strings.Contains(problems, want) {
			t.Errorf("%q is not in\n%s", want, problems)
		}
	}
}

func TestWhyOfARecord(t *testing.T) {
	got, _, err := cdr(t, map[string]string{"calls.jsonl": cdrLines}, "why", "ccc", "calls.jsonl")
	if err != nil || !strings.HasPrefix(got, "tc1 refused the call with 486") {
		t.Errorf("%v, got %s", err, got)
	}
	if _, _, err = cdr(t, map[string]string{"calls.jsonl": cdrLines}, "why", "ddd", "calls.jsonl"); err == nil {
		t.Error("a call that is in no record has a why")
	}
}

func TestABillThatAgrees(t *testing.T) {
	bill := "\ufeffbegan,Number,duration\n2026-11-26 11:00:07,0033 123,61\n" // an hour east, two seconds off, rounded up
	got, _, err := cdr(t, map[string]string{"bill.csv": bill, "calls.jsonl": cdrLines}, "reconcile", "--carrier", "tc1", "--zone", "Europe/Zurich", "bill.csv", "calls.jsonl")
	if err != nil || !strings.Contains(got, "1 lines with 61.000 s are billed, 2 calls with 60.400 s are ours") {
		t.Errorf("%v, got\n%s", err, got)
	}
}

func TestABillThatDiffers(t *testing.T) {
	bill := `number,began,duration
+33123,2026-11-26T10:00:05Z,90
+33777,2026-11-26T11:00:10Z,30
+33123,2026-11-26T10:00:06Z,60
+33555,2026-11-26T13:00:00Z,10
`
	got, _, err := cdr(t, map[string]string{"bill.csv": bill, "calls.jsonl": cdrLines}, "reconcile", "--carrier", "tc1", "bill.csv", "calls.jsonl")
	want := `WHAT                    LINE  CALL  NUMBER  TIME                      BILLED  OURS
billed, not ours        4           33123   2026-11-26T10:00:06.000Z  60.000  
billed, not ours        5           33555   2026-11-26T13:00:00.000Z  10.000  
billed, given up before  3    bbb   33777   2026-11-26T11:00:10.000Z  30.000  0.000
duration differs        2     aaa   33123   2026-11-26T10:00:05.000Z  90.000  60.400
`
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	if err == nil || !strings.HasPrefix(squeeze(got), squeeze(want)) {
		t.Errorf("%v, got\n%s", err, got)
	}
	got, _, err = cdr(t, map[string]string{"bill.csv": "number,began,duration\n", "calls.jsonl": cdrLines}, "reconcile", "--carrier", "tc2", "bill.csv", "calls.jsonl")
	if err == nil || !strings.Contains(squeeze(got), "ours, not billed bbb 33888 2026-11-26T11:00:12.000Z 30.000") {
		t.Errorf("%v, got\n%s", err, got)
	}
}

func TestABillThatCannotBeRead(t *testing.T) {
	for name, c := range map[string]struct{ bill, want string }{
		"no such column": {"started,number,duration\n", `bill.csv:1: there is no column "began"; there are: started, number, duration`},
		"bad cells":      {"began,number,duration\nyesterday,+33,x\n2026-11-26T10:00:05Z,+33,-4\n", "bill.csv:2: \"yesterday\" is no time, such as 2026-11-26 20:49:07 or 2026-11-26T20:49:07Z\nbill.csv:2: \"x\" is no number of seconds\nbill.csv:3: \"-4\" is no number of seconds"},
		"empty":          {"", "bill.csv: no head line: EOF"},
		"ragged":         {"began,number,duration\n1,2\n", "bill.csv: record on line 2: wrong number of fields"},
	} {
		_, _, err := cdr(t, map[string]string{"bill.csv": c.bill, "calls.jsonl": cdrLines}, "reconcile", "--carrier", "tc1", "bill.csv", "calls.jsonl")
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
