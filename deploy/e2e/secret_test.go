//go:build e2e

package e2e

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoSecretIsLogged: a node at debug that meets every use of a secret, and every way to get it
// wrong, says none of them: in its log, its records, its metrics, nor by its API.
func TestNoSecretIsLogged(t *testing.T) {
	t.Parallel()
	const ours, theirs, viewer, admin, hook = "our-password-Xq7", "their-password-Zk3", "token-of-the-viewer-Wp9", "token-of-the-admin-Jm5", "token-of-the-hook-Bv1"
	key := strings.Repeat("5eed", 16)
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	p := plan{
		prefix: "127.30",
		trunk:  fmt.Sprintf("auth: {username: them, password_file: %q}", file("theirs", theirs)),
		tc1:    fmt.Sprintf("auth: {username: us, password_file: %q}, register: {aor: \"sip:us@carrier.example\", expires: 10m}", file("ours", ours)),
		cdr:    fmt.Sprintf(", webhook: {url: \"http://127.0.0.1:9/\", token_file: %q}", file("hook", hook)),
		more: fmt.Sprintf("log: {level: debug}\nkey_file: %q\napi: {socket: api.sock, listen: \"127.30.2.90:8080\", tokens_file: %q}",
			file("key", key), file("tokens", "v viewer "+viewer+"\na admin "+admin)),
	}
	b := open(t, 2, p)
	carrier, trunk := b.peerAt(tc1), b.peerAt(front)
	peering, core := netip.MustParseAddrPort(b.at(peeringSide)), netip.MustParseAddrPort(b.at(coreSide))

	// The carrier asks: once with a nonce that is stale, so that it is answered twice; then takes the
	// registration.
	challenge := func(header, nonce string) string {
		return header + `: Digest realm="carrier.example", nonce="` + nonce + `", algorithm=MD5, qop="auth"`
	}
	carrier.send(peering, carrier.find("REGISTER", patience).reply("401 Unauthorized", "c", challenge("WWW-Authenticate", "one")))
	again := carrier.find("REGISTER", patience)
	carrier.send(peering, again.reply("401 Unauthorized", "c", challenge("WWW-Authenticate", "two")+", stale=true"))
	again = carrier.find("REGISTER", patience)
	carrier.send(peering, again.reply("200 OK", "c", "Contact: "+again.header("Contact")+";expires=600"))

	// The trunk says who it is wrongly, and then rightly.
	invite := func(n int, more ...string) message {
		trunk.send(core, trunk.request("INVITE", "sip:"+number+"@"+b.at(coreSide), fmt.Sprint("secret", n), append([]string{
			"From: <sip:a@" + trunk.addr + ">;tag=a", "To: <sip:" + number + "@" + b.at(coreSide) + ">", "Call-ID: secret", fmt.Sprintf("CSeq: %d INVITE", n),
			"Contact: <sip:a@" + trunk.addr + ">"}, more...)...))
		return trunk.find("SIP/2.0 4", patience)
	}
	said := invite(1)
	proof := func(password string) (header string, response string) {
		response = digest(said.header("Proxy-Authenticate"), "them", password, "INVITE", "sip:"+number+"@"+b.at(coreSide))
		_, shown, _ := strings.Cut(response, `response="`)
		return "Proxy-Authorization: " + response, shown[:32]
	}
	wrong, wrongly := proof("no-such-password-Gh2")
	if m := invite(2, wrong); !strings.HasPrefix(m.text, "SIP/2.0 403") {
		t.Fatalf("%s", m.text)
	}
	said = invite(3)
	right, rightly := proof(theirs)
	go func() { // whom the trunk's call goes to
		m := carrier.find("INVITE", patience)
		carrier.send(peering, m.reply("407 Proxy Authentication Required", "d", challenge("Proxy-Authenticate", "three")))
		carrier.send(peering, carrier.find("INVITE", patience).reply("486 Busy Here", "e"))
	}()
	if m := invite(4, right); !strings.HasPrefix(m.text, "SIP/2.0 486") {
		t.Fatalf("%s", m.text)
	}

	// Somebody comes by the API, by each way that there is.
	base := "http://127.30.2.90:8080"
	told := map[string]string{}
	ask := func(method, path, token, body string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		if strings.HasPrefix(path, "/login") {
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		response, err := (&http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		told[method+" "+path] = string(text)
	}
	for _, path := range []string{"/metrics", "/v1/config", "/v1/calls", "/v1/carriers", "/v1/log", "/v1/version", "/debug/pprof/cmdline", "/v1/node"} {
		ask(http.MethodGet, path, admin, "")
	}
	ask(http.MethodPost, "/v1/reload", admin, "")
	ask(http.MethodPost, "/v1/reload", viewer, "")
	ask(http.MethodPost, "/v1/reload", "a-token-that-is-wrong-Lr8", "")
	ask(http.MethodPost, "/login", "", "token="+url.QueryEscape(viewer))
	ask(http.MethodPost, "/login", "", "token=a-token-that-is-wrong-Lr8")
	b.until("the record", patience, func() bool { return len(b.written()) > 0 })
	b.until("the webhook's failure", patience, func() bool { return b.said("records are not posted") })

	told["log"], told["its environment"] = b.tail(10<<20), ""
	for what, name := range map[string]string{"records": filepath.Join(b.dir, "calls.jsonl"), "its environment": fmt.Sprintf("/proc/%d/environ", b.cmd.Process.Pid)} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		told[what] = string(text)
	}
	if n := strings.Count(told["log"], `"head":"INVITE sip:`); n < 3 || !strings.Contains(told["log"], "audit") || len(told["GET /v1/config"]) < 500 {
		t.Errorf("%d INVITEs in the log: it is not at debug\n%s", n, b.tail(3000))
	}
	for name, secret := range map[string]string{
		"our password": ours, "the trunk's password": theirs, "what it took for it": "no-such-password-Gh2", "the viewer's token": viewer, "the admin's token": admin,
		"the webhook's token": hook, "a wrong token": "a-token-that-is-wrong-Lr8", "the key": key, "a digest": rightly, "a wrong digest": wrongly,
	} {
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), url.QueryEscape(secret)} {
			for what, text := range told {
				if strings.Contains(strings.ToLower(text), strings.ToLower(form)) {
					t.Errorf("%s is in %s", name, what)
				}
			}
		}
	}
	if strings.Contains(told["log"], "response=") {
		t.Error("the log has credentials")
	}
}

// digest answers a challenge (RFC 7616), with qop=auth and the first nonce count.
func digest(challenge, user, password, method, uri string) string {
	part := func(name string) string {
		_, rest, _ := strings.Cut(challenge, name+"=")
		rest, _, _ = strings.Cut(strings.TrimPrefix(rest, `"`), ",")
		return strings.Trim(rest, `" `)
	}
	hash := func(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
	if part("algorithm") == "SHA-256" {
		hash = func(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }
	}
	response := hash(strings.Join([]string{hash(user + ":" + part("realm") + ":" + password), part("nonce"), "00000001", "c", "auth", hash(method + ":" + uri)}, ":"))
	return fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", algorithm=%s, qop=auth, cnonce="c", nc=00000001`,
		user, part("realm"), part("nonce"), uri, response, or(part("algorithm"), "MD5"))
}
