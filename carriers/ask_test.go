package carriers_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// asking is the sample with a route that asks.
func asking() carriers.Config {
	config := sample()
	config.Routes = []carriers.RouteConfig{
		{Match: carriers.MatchConfig{Number: "112"}, Reject: &carriers.RejectConfig{Code: 503}},
		{Ask: &carriers.AskConfig{
			URL: "http://127.0.0.1:80/route", Cache: &carriers.CacheConfig{By: []string{"number", "trunk"}, Keep: time.Minute},
			Fallback: []carriers.TargetConfig{{Carrier: "tc2"}, {Carrier: "tc3", Number: "+1"}},
		}},
	}
	return config
}

func TestAQuestionSaysWhatIsKnownOfTheCall(t *testing.T) {
	b := book(t, asking())
	s := dialog.Setup{Call: dialog.CallID{1}, Trunk: "pbx", Number: "+331", Domain: "sbc.example", Caller: dialog.Party{Display: "A \"B\"", User: "+49"}}
	c := b.Select(time.Time{}, s, nil)
	if c.Ask == nil || c.Route != 1 || len(c.Targets) > 0 {
		t.Fatalf("%+v", c)
	}
	q := c.Ask.Question(time.Date(2026, 3, 1, 1, 30, 0, 0, time.FixedZone("", 3600)), s)
	text, err := json.Marshal(q)
	want := `{"call":"aeaaaaaaaaaaa","trunk":"pbx","number":"+331","domain":"sbc.example","caller":"+49","name":"A \"B\"","at":"2026-03-01T00:30:00Z"}`
	if err != nil || string(text) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, text, want)
	}
	other := q
	other.Call, other.Caller, other.At = "x", "y", time.Time{}
	if c.Ask.Key(q) == "" || c.Ask.Key(q) != c.Ask.Key(other) {
		t.Error("calls that agree in number and trunk have different keys")
	}
	for _, differ := range []func(*carriers.Question){
		func(q *carriers.Question) { q.Number = "+332" },
		func(q *carriers.Question) { q.Trunk = "" },
		func(q *carriers.Question) { q.Number, q.Trunk = `+331""`, "" },
	} {
		other = q
		if differ(&other); c.Ask.Key(q) == c.Ask.Key(other) {
			t.Errorf("%+v has the key of %+v", other, q)
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for _, text := range []string{
		"", "null", "[]", "{}", `{"targets":[]}`, `{"targets":{}}`, `{"targets":[{"carrier":1}]}`, `{"targets":[{"carrier":"tc1"}]} {}`,
		`{"targets":[{"carrier":"tc1"}],"reject":{"code":404}}`, `{"reject":{"code":302}}`, `{"reject":{"code":700}}`, `{"reject":{}}`,
		`{"reject":{"code":404,"reason":"a\r\nb"}}`, `{"reject":{"code":404,"reason":"` + strings.Repeat("x", 129) + `"}}`,
	} {
		if a, err := carriers.ReadAnswer([]byte(text)); err == nil {
			t.Errorf("%s is read as %+v", text, a)
		}
	}
}

func TestAnAnswerIsTakenAsFarAsItCanBe(t *testing.T) {
	b := book(t, asking())
	s := dialog.Setup{Number: "+331"}
	ask := b.Select(time.Time{}, s, nil).Ask
	for name, c := range map[string]struct {
		answer string
		err    error
		judge  carriers.Judge
		want   string // targets, (who is skipped why), or a refusal
	}{
		"in its order":       {`{"targets":[{"carrier":"tc3","number":"+335"},{"carrier":"tc2"}],"more":1}`, nil, nil, "tc3/+335 tc2/+331"},
		"unknown":            {`{"targets":[{"carrier":"tc9"},{"carrier":"tc2"}]}`, nil, nil, "tc2/+331 (tc9 unknown_carrier)"},
		"bad number":         {`{"targets":[{"carrier":"tc2","number":"1 2"},{"carrier":"tc3"}]}`, nil, nil, "tc3/+331 (tc2 bad_number)"},
		"nobody known":       {`{"targets":[{"carrier":"a\nb"}]}`, nil, nil, "tc2/+331 tc3/+1 ( unknown_carrier)"},
		"rejects":            {`{"reject":{"code":603,"reason":"No"}}`, nil, nil, "603 No"},
		"no answer":          {"", errors.New("timeout"), nil, "tc2/+331 tc3/+1"},
		"judged":             {`{"targets":[{"carrier":"tc3"},{"carrier":"tc2"}]}`, nil, judge{"tc3": "down"}, "tc2/+331 (tc3 down)"},
		"all judged":         {`{"targets":[{"carrier":"tc3"}]}`, nil, judge{"tc3": "calls"}, "(tc3 calls) 503 No carrier available"},
		"all unwell":         {`{"targets":[{"carrier":"tc3"}]}`, nil, judge{"tc3": "down"}, "tc3/+331"},
		"fallback is judged": {"", errors.New("timeout"), judge{"tc2": "down"}, "tc3/+1 (tc2 down)"},
	} {
		var a carriers.Answer
		if c.err == nil {
			var err error
			if a, err = carriers.ReadAnswer([]byte(c.answer)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		got := b.Decide(time.Time{}, s, ask, a, c.err, c.judge)
		var words []string
		for _, x := range got.Targets {
			words = append(words, x.Carrier+"/"+x.Number)
		}
		for _, x := range got.Skipped {
			words = append(words, "("+x.Carrier+" "+x.Why+")")
		}
		if len(got.Targets) == 0 {
			words = append(words, strings.TrimSpace(strings.Join([]string{strconv.Itoa(got.Refusal.Code), got.Refusal.Phrase}, " ")))
		}
		if s := strings.Join(words, " "); s != c.want || got.Route != 1 {
			t.Errorf("%s: route %d: %s, want %s", name, got.Route, s, c.want)
		}
	}
}

// TestAnAnswerCannotMakeACallTryMoreThanItMay: of MaxTargets legs, 3 gateways at a time.
func TestAnAnswerCannotMakeACallTryMoreThanItMay(t *testing.T) {
	b := book(t, asking())
	s := dialog.Setup{Number: "+331"}
	many := carriers.Answer{}
	for range 1000 {
		many.Targets = append(many.Targets, carriers.AnsweredTarget{Carrier: "tc1"})
	}
	c := b.Decide(time.Time{}, s, b.Select(time.Time{}, s, nil).Ask, many, nil, nil)
	if len(c.Targets) != 99 || len(c.Skipped) != carriers.MaxTargets || c.Skipped[0].Why != "beyond_limit" {
		t.Errorf("%d targets, %d skipped", len(c.Targets), len(c.Skipped))
	}
}
