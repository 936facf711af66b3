//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

const number = "+33123456"

// answered checks a call that went through at the first carrier.
func answered(t *testing.T, b *border, endedBy string) {
	t.Helper()
	r := b.record()
	if r.Result != "answered" || r.Trunk != "pbx" || r.EndedBy != endedBy || len(r.Attempts) != 1 || r.tried()["tc1"] != 200 {
		t.Errorf("record: %+v", r)
	}
}

// through makes one whole call and looks at its record.
func through(t *testing.T, network int, p plan) {
	t.Helper()
	b := open(t, network, p)
	carrier := b.carrierAt(tc1, "uas.xml", nil)
	call := b.callerTo(number, "uac.xml", nil, "-d", "200")
	call.finish(patience)
	carrier.finish(patience)
	answered(t, b, "trunk")
}

func TestCallerHangsUp(t *testing.T) {
	t.Parallel()
	through(t, 101, plan{})
}

func TestCarrierHangsUp(t *testing.T) {
	t.Parallel()
	b := open(t, 102, plan{})
	carrier := b.carrierAt(tc1, "uas_bye.xml", nil, "-d", "200")
	call := b.callerTo(number, "uac_hungup.xml", nil)
	call.finish(patience)
	carrier.finish(patience)
	answered(t, b, "carrier")
}

func TestCallerCancelsWhileRinging(t *testing.T) {
	t.Parallel()
	b := open(t, 103, plan{})
	carrier := b.carrierAt(tc1, "uas_ring.xml", nil)
	call := b.callerTo(number, "uac_cancel.xml", nil)
	call.finish(patience)
	carrier.finish(patience)
	r := b.record()
	if r.Result != "cancelled" || r.EndedBy != "trunk" || r.Code != 487 || len(r.Attempts) != 1 || r.tried()["tc1"] != 487 {
		t.Errorf("record: %+v", r)
	}
}

func TestCallOverTCP(t *testing.T) {
	t.Parallel()
	through(t, 104, plan{caller: "tcp", carrier: "tcp"})
}

func TestCallFromUDPToTCP(t *testing.T) {
	t.Parallel()
	through(t, 105, plan{carrier: "tcp"})
}

func TestCallFromTCPToUDP(t *testing.T) {
	t.Parallel()
	through(t, 106, plan{caller: "tcp"})
}

// The loopback has one IPv6 address only: the parties are told apart by ports.
func TestCallOverIPv6(t *testing.T) {
	t.Parallel()
	through(t, 107, plan{ipv6: true})
}

// Nothing of one side may be seen on the other (R26).
func TestNothingOfOneSideIsSeenOnTheOther(t *testing.T) {
	t.Parallel()
	b := open(t, 108, plan{})
	carrier := b.carrierAt(tc1, "uas.xml", nil)
	call := b.callerTo(number, "uac.xml", nil)
	call.finish(patience)
	carrier.finish(patience)
	for _, look := range []struct {
		who     *sipp
		foreign []string
	}{
		{carrier, []string{b.ip(caller), b.ip(coreSide), callID(call)}},
		{call, []string{b.ip(tc1) + ":", b.ip(peeringSide), callID(carrier)}},
	} {
		for _, m := range look.who.trace() {
			if !m.received {
				continue
			}
			// With media past us, the c= line alone may name the other side.
			head, body, _ := strings.Cut(m.text, "\r\n\r\n")
			for line := range strings.Lines(body) {
				if strings.HasPrefix(line, "o=") {
					head += "\n" + line
				}
			}
			for _, f := range look.foreign {
				// The address with what follows it: .2 is not the beginning of .21.
				for _, end := range []string{":", ";", ">", " ", "\r", "\n"} {
					if strings.Contains(head+"\n", strings.TrimSuffix(f, ":")+end) {
						t.Errorf("%s is seen by %s in\n%s", f, look.who.name, head)
					}
				}
			}
		}
	}
}

// callID is the Call-ID of the first message of a trace.
func callID(s *sipp) string {
	for _, m := range s.trace() {
		for line := range strings.Lines(m.text) {
			if id, ok := strings.CutPrefix(line, "Call-ID:"); ok {
				return strings.TrimSpace(id)
			}
		}
	}
	return "(no Call-ID)"
}
