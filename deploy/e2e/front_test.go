//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The trunk is a proxy that record-routes: what we send within the dialog goes
// along its route set, and so does what the caller sends.
func TestCallThroughKamailioInFront(t *testing.T) {
	t.Parallel()
	for i, c := range []struct{ name, caller, carrier, endedBy string }{
		{"caller hangs up", "uac.xml", "uas.xml", "trunk"},
		{"carrier hangs up", "uac_hungup.xml", "uas_bye.xml", "carrier"},
		{"caller cancels", "uac_cancel.xml", "uas_ring.xml", "trunk"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := open(t, 141+i, plan{})
			proxy := kamailio(b)
			carrier := b.carrierAt(tc1, c.carrier, nil, "-d", "200")
			call := b.sippAt(caller, "caller", c.caller, nil, b.at(front), "-s", number, "-m", "1", "-d", "200",
				"-timeout", seconds(patience), "-trace_msg", "-message_file", filepath.Join(b.dir, "caller.messages"))
			call.finish(patience)
			carrier.finish(patience)
			if r := b.record(); r.EndedBy != c.endedBy || len(r.Attempts) != 1 {
				t.Errorf("record: %+v", r)
			}
			proxy.terminate(10 * time.Second)
		})
	}
}

// kamailio starts the proxy at the front host, and returns when it listens.
func kamailio(b *border) *process {
	b.t.Helper()
	config, err := filepath.Abs(filepath.Join("..", "kamailio", "kamailio.cfg"))
	if err != nil {
		b.t.Fatal(err)
	}
	p := start(b.t, b.dir, "kamailio", "/usr/sbin/kamailio", "-DD", "-E", "-f", config, "-Y", b.dir,
		"-P", filepath.Join(b.dir, "kamailio.pid"), "-m", "32", "-M", "4",
		"-A", "LISTEN=udp:"+b.at(front), "-A", `BORDER="sip:`+b.at(coreSide)+`"`)
	p.until("kamailio to listen", 20*time.Second, func() bool { return bound("udp", b.at(front)) })
	return p
}

// A phone with a stack of its own calls, talks and is hung up on.
func TestCallFromBaresip(t *testing.T) {
	t.Parallel()
	b := open(t, 144, plan{})
	home := filepath.Join(b.dir, "baresip")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name string, lines ...string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(home, name), []byte(strings.Join(append(lines, ""), "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("config",
		"sip_listen "+b.at(front),
		"audio_player aubridge,e2e", "audio_source aubridge,e2e", "audio_alert aubridge,e2e",
		"module_path /usr/lib/baresip/modules",
		"module g711.so", "module aubridge.so",
		"module_app account.so", "module_app menu.so")
	write("accounts", fmt.Sprintf("<sip:phone@%s>;regint=0;outbound=\"sip:%s\"", b.ip(front), b.at(coreSide)))
	write("contacts")

	carrier := b.carrierAt(tc1, "uas_bye.xml", nil, "-d", "500")
	start(t, b.dir, "phone", "baresip", "-f", home, "-e", fmt.Sprintf("/dial sip:%s@%s", number, b.at(coreSide)))
	carrier.finish(patience)
	answered(t, b, "carrier")
	got := carrier.received()
	if count(got, "ACK ") != 1 || count(got, "SIP/2.0 200 ") != 1 {
		t.Errorf("the carrier was sent %q", got)
	}
}
