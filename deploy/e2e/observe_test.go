//go:build e2e

package e2e

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bulkhead/storage/storagetest"
)

var (
	usedMetric = regexp.MustCompile(`(?:^|[^\w:])((?:bulkhead|process|go)_\w+)(\{[^}]*\})?`)
	usedLabel  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)`)
	shownLine  = regexp.MustCompile(`(?m)^(\w+)(?:\{(.*)\})? \S+$`)
	shownLabel = regexp.MustCompile(`(\w+)="`)
)

// used are the metrics that rules and dashboards ask for, with the labels by which they
// choose, and where each is used.
func used(t *testing.T) (labels map[string]map[string]bool, where map[string]string) {
	t.Helper()
	labels, where = map[string]map[string]bool{}, map[string]string{}
	files, err := filepath.Glob("../grafana/*.json")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, file := range append(files, "../prometheus/bulkhead.rules.yaml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var exprs []string
		for _, line := range strings.Split(strings.ReplaceAll(string(text), `\"`, `'`), "\n") {
			if strings.Contains(line, `"label_values(`) || strings.Contains(line, `"expr":`) || strings.HasSuffix(file, ".yaml") && !strings.Contains(line, "description:") {
				exprs = append(exprs, line)
			}
		}
		for _, m := range usedMetric.FindAllStringSubmatch(strings.Join(exprs, "\n"), -1) {
			where[m[1]] = file
			if labels[m[1]] == nil {
				labels[m[1]] = map[string]bool{}
			}
			for _, l := range usedLabel.FindAllStringSubmatch(m[2], -1) {
				labels[m[1]][l[1]] = true
			}
		}
	}
	return labels, where
}

// TestWhatAlertsAndDashboardsAskForIsThere: a node of a pair that has met a bit of everything
// exports each metric that they use, with the labels that they choose by.
func TestWhatAlertsAndDashboardsAskForIsThere(t *testing.T) {
	t.Parallel()
	redis := storagetest.StartRedis(t)
	b := &pair{border: &border{dir: t.TempDir(), net: 226}, redis: redis}
	ca, key := issue(t, nil, nil, "")
	cert, own := issue(t, ca, key, b.ip(90))
	write(t, filepath.Join(b.dir, "api.pem"), "CERTIFICATE", cert.Raw)
	secret, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(b.dir, "api.key"), "PRIVATE KEY", secret)
	for name, text := range map[string]string{"tokens": "prometheus viewer a-token-that-is-long-enough\n", "password": "secret\n"} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b.plan = plan{
		media: anchoredPorts, cdr: `, webhook: {url: "http://127.0.0.1:9/"}`, // where nobody listens
		trunk: "limits: {calls: 100, cps: 50}",
		tc1: "limits: {calls: 100}, health: {options: 1h, down_after: 3, up_after: 2}, quality: {window: 5m, asr: 0.3, calls: 50, probe: 0.05}, " +
			"auth: {username: x, password_file: ../password}, register: {aor: \"sip:x@tc1.example\", expires: 10m}",
		more: fmt.Sprintf("api: {socket: api.sock, listen: \"%s:8080\", tokens_file: ../tokens, tls: {certificate: ../api.pem, key: ../api.key}}", b.ip(90)),
	}
	node := b.node(t, "a")
	b.border.process = node.process
	b.ready()

	// tc1 cannot be reached, and rests after two calls; tc2 answers.
	second := b.carrierAt(tc2, "uas.xml", nil, "-m", "4")
	call := b.callerTo(number, "uac.xml", nil, "-m", "4", "-d", "100", "-r", "4")
	call.finish(patience)
	second.finish(patience)
	// A caller that says nothing more is told no again and again, and one that asks for
	// what there is not, once.
	quiet := b.peerAt(front)
	to := netip.MustParseAddrPort(b.at(coreSide))
	quiet.send(to, strings.Join([]string{"INVITE sip:" + number + "@" + b.at(coreSide) + " SIP/2.0", "Via: SIP/2.0/UDP " + b.at(front) + ";branch=z9hG4bKquiet",
		"Max-Forwards: 70", "From: <sip:a@" + b.at(front) + ">;tag=q", "To: <sip:" + number + "@" + b.at(coreSide) + ">", "Call-ID: quiet", "CSeq: 1 INVITE",
		"Contact: <sip:a@" + b.at(front) + ">", "Content-Length: 0", "", ""}, "\r\n"))
	for range 3 {
		quiet.find("SIP/2.0 5", patience)
	}
	quiet.send(to, strings.Join([]string{"REGISTER sip:" + b.at(coreSide) + " SIP/2.0", "Via: SIP/2.0/UDP " + b.at(front) + ";branch=z9hG4bKno",
		"Max-Forwards: 70", "From: <sip:a@" + b.at(front) + ">;tag=n", "To: <sip:a@" + b.at(coreSide) + ">", "Call-ID: no", "CSeq: 1 REGISTER", "Content-Length: 0", "", ""}, "\r\n"))
	quiet.find("SIP/2.0 405", patience)

	client := &http.Client{Timeout: patience, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(node.dir, "api.sock"))
	}}}
	defer client.CloseIdleConnections()
	response, err := client.Get("http://bulkhead/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %v", response.Status, err)
	}
	has := map[string]map[string]bool{}
	for _, m := range shownLine.FindAllStringSubmatch(string(text), -1) {
		if has[m[1]] == nil {
			has[m[1]] = map[string]bool{"instance": true, "job": true} // which Prometheus adds
		}
		for _, l := range shownLabel.FindAllStringSubmatch(m[2], -1) {
			has[m[1]][l[1]] = true
		}
	}
	want, where := used(t)
	if len(want) < 50 {
		t.Errorf("%d metrics are asked for", len(want))
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if has[name] == nil {
			t.Errorf("%s asks for %s, which is not there", where[name], name)
			continue
		}
		for label := range want[name] {
			if !has[name][label] {
				t.Errorf("%s asks for %s by %s, and it has %v", where[name], name, label, slices.Sorted(maps.Keys(has[name])))
			}
		}
	}
	t.Logf("%d metrics are asked for, of %d", len(want), len(has))
	if t.Failed() {
		t.Logf("%s", text)
	}
}
