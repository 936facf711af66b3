//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// inside is where Kamailio's own network begins.
const inside = 31

// registrar starts Kamailio as the first carrier, which knows one customer by this password.
func registrar(b *border, password string) *process {
	b.t.Helper()
	config, err := filepath.Abs(filepath.Join("..", "kamailio", "registrar.cfg"))
	if err != nil {
		b.t.Fatal(err)
	}
	p := start(b.t, b.dir, "kamailio", "/usr/sbin/kamailio", "-DD", "-E", "-f", config, "-Y", b.dir,
		"-P", filepath.Join(b.dir, "kamailio.pid"), "-m", "32", "-M", "4",
		"-A", "LISTEN=udp:"+b.at(tc1), "-A", `INSIDE="sip:`+b.at(inside)+`"`,
		"-A", `CUSTOMER="`+b.ip(peeringSide)+`"`, "-A", `PASSWORD="`+password+`"`)
	p.until("kamailio to listen", 20*time.Second, func() bool { return bound("udp", b.at(tc1)) })
	return p
}

// customer is what the border knows of it.
func customer(t *testing.T) plan {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return plan{tc1: `auth: {username: us, password_file: "` + file + `"}, register: {aor: "sip:us@carrier.example", expires: 10m}`}
}

func (p *process) said(what string) bool { return strings.Contains(p.tail(1<<20), what) }

// A carrier that asks for credentials: a real registrar takes us, a call and its BYE pass,
// and the binding is ended when the border is.
func TestCarrierAsksForCredentials(t *testing.T) {
	t.Parallel()
	b := open(t, 171, customer(t))
	kamailio := registrar(b, "correct horse")
	b.until("the registration", 60*time.Second, func() bool { return b.said(`:"registered"`) })
	if !kamailio.said("registered sip:us@carrier.example as <sip:us@" + b.at(peeringSide) + "> for 600") {
		t.Errorf("kamailio: %s", kamailio.tail(2000))
	}
	called := b.sippAt(inside, "inside", "uas.xml", nil, "-t", "u1", "-m", "1", "-timeout", seconds(patience),
		"-trace_msg", "-message_file", filepath.Join(b.dir, "inside.messages"))
	called.until("SIPp to listen", 10*time.Second, func() bool { return bound("udp", b.at(inside)) })
	call := b.callerTo(number, "uac.xml", nil, "-d", "200")
	call.finish(patience)
	called.finish(patience)
	answered(t, b, "trunk")
	for _, m := range called.trace() {
		// The ACK repeats what its INVITE has shown (RFC 3261 §22.1), and is not asked.
		if m.received && strings.Contains(m.text, "uthorization:") == !strings.HasPrefix(m.line(), "ACK ") {
			t.Errorf("the credentials in\n%s", m.text)
		}
	}
	b.until("a refresh", 30*time.Second, func() bool { return strings.Count(kamailio.tail(1<<20), "registered sip:us@") >= 2 })
	b.terminate(20 * time.Second)
	if !kamailio.said("for 0") {
		t.Errorf("the binding was not ended: %s", kamailio.tail(2000))
	}
}

// With another password no call gets through there: the next carrier is tried, and the log
// and the record say why.
func TestCarrierRefusesCredentials(t *testing.T) {
	t.Parallel()
	b := open(t, 172, customer(t))
	registrar(b, "battery staple")
	b.until("the registration's failure", 60*time.Second, func() bool { return b.said("registration failed") && b.said("credentials refused") })
	second := b.carrierAt(tc2, "uas.xml", nil)
	call := b.callerTo(number, "uac.xml", nil, "-d", "200")
	call.finish(patience)
	second.finish(patience)
	r := b.record()
	if r.Result != "answered" || len(r.Attempts) != 2 || r.Attempts[0].Cause != "unauthorized" || r.tried()["tc1"] != 407 {
		t.Errorf("record: %+v", r)
	}
	if b.said("correct horse") {
		t.Error("the log has the password")
	}
}
