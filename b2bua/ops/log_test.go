package ops_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/b2bua/simtest"
)

// noisily plays a scenario with the log at a level, and gives what it says.
func noisily(t *testing.T, level zapcore.Level, r ops.Redact, script string) string {
	t.Helper()
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&out), level))
		s := simtest.Open(t, nil)
		defer s.Close()
		s.Log = log
		s.Watch = b2bua.Observers{&ops.Messages{Log: log, Redact: func() ops.Redact { return r }}}
		s.Do(script)
	})
	return out.String()
}

// Calls in which we and the trunk prove who we are.
const (
	ofOurs = `
carrier tc1 auth=us:sentinel-of-the-carrier
route * tc1
trunk INVITE +33123456789 sdp h="Proxy-Authorization: Digest username=\"pbx\", realm=\"x\", nonce=\"y\", uri=\"z\", response=\"5e7713e15e7713e15e7713e15e7713e1\"" h="Authorization: Basic c2VudGluZWw6c2VudGluZWw="
tc1 401 h="WWW-Authenticate: Digest realm=\"tc1.example\", nonce=\"sentinel-nonce\", qop=\"auth\", opaque=\"sentinel-opaque\""
tc1 486
trunk ACK
settle
`
	ofTheTrunks = `
trunk auth=pbx:sentinel-of-the-trunk
carrier tc1
route * tc1
trunk INVITE +33123456789 sdp
trunk ACK
trunk INVITE +33123456789 sdp h="Proxy-Authorization: Digest username=\"pbx\", realm=\"trunk\", nonce=\"y\", uri=\"z\", response=\"5e7713e15e7713e15e7713e15e7713e1\""
trunk ACK
settle
`
)

// TestNoSecretIsLogged: at debug, with every message shown, nothing that proves who somebody
// is.
func TestNoSecretIsLogged(t *testing.T) {
	said := noisily(t, zapcore.DebugLevel, ops.Redact{}, ofOurs)
	if !strings.Contains(said, "Proxy-Authorization: (not shown)") || !strings.Contains(said, "WWW-Authenticate: (not shown)") || strings.Count(said, "Authorization: (not shown)") < 3 {
		t.Fatalf("the scenario shows nothing:\n%s", said)
	}
	for _, secret := range []string{"sentinel", "5e7713e1", "c2VudGluZWw", "response=", "nonce=", "cnonce"} {
		if at := strings.Index(said, secret); at >= 0 {
			t.Errorf("%q is logged: %s", secret, said[max(0, at-200):min(len(said), at+100)])
		}
	}
	said = noisily(t, zapcore.DebugLevel, ops.Redact{}, ofTheTrunks)
	for _, secret := range []string{"sentinel", "5e7713e1", "response=", "nonce="} {
		if strings.Contains(said, secret) {
			t.Errorf("%q is logged where the trunk is challenged", secret)
		}
	}
}

// TestNoNumberIsLogged with them redacted: not in URIs, names, nor other header fields.
func TestNoNumberIsLogged(t *testing.T) {
	const script = `
carrier tc1 identity=pai
route * tc1
trunk INVITE +33123456789 sdp h="P-Asserted-Identity: <tel:+33612345678>" h="Diversion: <sip:+33998877665@192.0.2.10>;reason=unknown"
tc1 100 ; +1s tc1 200 sdp
trunk ACK
trunk BYE
tc1 200 BYE
settle`
	shown := noisily(t, zapcore.DebugLevel, ops.Redact{}, script)
	for _, number := range []string{"+33123456789", "+33612345678", "+33998877665"} {
		if !strings.Contains(shown, "head") || !strings.Contains(shown, number) {
			t.Fatalf("the scenario does not show %s", number)
		}
	}
	for how, hidden := range map[string][]string{
		"last4": {"456789", "345678", "877665"},
		"all":   {"+331", "+336", "+339", "Alice"},
	} {
		for line := range strings.Lines(noisily(t, zapcore.DebugLevel, ops.Redact{Numbers: how}, script)) {
			if strings.Contains(line, `"msg":"call ended"`) {
				continue // the gate of the log does that
			}
			for _, number := range hidden {
				if strings.Contains(line, number) {
					t.Errorf("%s: %s in %s", how, number, line)
				}
			}
		}
	}
}

// Above debug there is no line for a message.
func TestNothingPerMessageAboveDebug(t *testing.T) {
	said := noisily(t, zapcore.InfoLevel, ops.Redact{}, ofOurs)
	if n := strings.Count(said, "\n"); n > 3 || strings.Contains(said, `"msg":"message"`) {
		t.Errorf("%d lines:\n%s", n, said)
	}
}

func TestLogByTheAPI(t *testing.T) {
	s := serve(t)
	if a := s.ask("viewer", http.MethodGet, "/v1/log"); a.StatusCode != 200 || !strings.Contains(a.text, `"level":"info"`) {
		t.Errorf("%s %s", a.Status, a.text)
	}
	for _, c := range []struct {
		role, method, path, body string
		code                     int
		text                     string
	}{
		{"viewer", "PUT", "/v1/log/level", `{"level":"debug"}`, 403, "operator"},
		{"operator", "PUT", "/v1/log/level", `{"level":"loud"}`, 422, "body.level"},
		{"operator", "PUT", "/v1/log/level", `{"level":"debug"}`, 200, `"level":"debug"`},
		{"viewer", "POST", "/v1/log/debug", `{"call":"aaaaaaaaaaaaa","for":"1m"}`, 403, "operator"},
		{"operator", "POST", "/v1/log/debug", `{"for":"1m"}`, 422, "want one of call, trunk"},
		{"operator", "POST", "/v1/log/debug", `{"call":"x","for":"1m"}`, 422, "body.call"},
		{"operator", "POST", "/v1/log/debug", `{"trunk":"pbx","for":"25h"}`, 422, "body.for"},
		{"operator", "POST", "/v1/log/debug", `{"trunk":"pbx","for":"1m"}`, 200, `"trunk":"pbx"`},
		{"viewer", "GET", "/v1/log", ``, 200, `"by":"operator-name"`},
		{"operator", "DELETE", "/v1/log/debug/c9", ``, 404, "c9"},
		{"operator", "DELETE", "/v1/log/debug/c1", ``, 200, `"debug":[]`},
		{"operator", "POST", "/v1/captures", `{"for":"25h"}`, 422, "body.for"},
		{"viewer", "POST", "/v1/captures", `{"for":"1h"}`, 403, "operator"},
		{"operator", "POST", "/v1/captures", `{"for":"1h","carrier":"tc1"}`, 200, `"most":100`},
		{"operator", "DELETE", "/v1/captures/c2", ``, 200, `"carrier":"tc1"`},
	} {
		if a := s.send(c.role, c.method, c.path, c.body); a.StatusCode != c.code || !strings.Contains(a.text, c.text) {
			t.Errorf("%s %s %s %s: %s %s", c.role, c.method, c.path, c.body, a.Status, a.text)
		}
	}
	if l := s.node.level.Level(); l != zapcore.DebugLevel {
		t.Errorf("the level is %s", l)
	}
}

// send is ask with a body of JSON.
func (s *served) send(as, method, path, body string) says {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.Addr()+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+strings.ReplaceAll(token(as), " ", "-"))
	request.Header.Set("Content-Type", "application/json")
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return says{response, string(text)}
}
