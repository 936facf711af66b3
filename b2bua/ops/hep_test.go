package ops_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/dialog"
)

// chunks reads a packet back: what each type of chunk says.
func chunks(b []byte) (map[uint16][]byte, error) {
	if len(b) < 6 || string(b[:4]) != "HEP3" || int(binary.BigEndian.Uint16(b[4:])) != len(b) {
		return nil, fmt.Errorf("no HEP packet: %q", b)
	}
	all := map[uint16][]byte{}
	for b = b[6:]; len(b) > 0; {
		if len(b) < 6 {
			return nil, fmt.Errorf("no chunk: %q", b)
		}
		size := int(binary.BigEndian.Uint16(b[4:]))
		if binary.BigEndian.Uint16(b) != 0 || size < 6 || size > len(b) {
			return nil, fmt.Errorf("no chunk: %q", b)
		}
		all[binary.BigEndian.Uint16(b[2:])] = b[6:size]
		b = b[size:]
	}
	return all, nil
}

// mirror is a HEP whose packets a socket takes.
func mirror(t *testing.T) (*ops.HEP, net.PacketConn) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ours := netip.MustParseAddrPort("192.0.2.1:5060")
	h, err := ops.DialHEP(conn.LocalAddr().String(), "sbc-a", func(dialog.Path) netip.AddrPort { return ours })
	if err != nil {
		t.Fatal(err)
	}
	return h, conn
}

func TestHEPNamesTheCallAndItsAddresses(t *testing.T) {
	h, conn := mirror(t)
	at := time.Unix(1_700_000_000, 123_456_000)
	h.Saw(b2bua.Sight{Call: dialog.CallID{7: 9}, At: at, Path: dialog.Path{Remote: netip.MustParseAddrPort("192.0.2.9:5062")}, Data: []byte("BYE")})
	h.Saw(b2bua.Sight{Call: dialog.CallID{7: 9}, In: true, At: at, Path: dialog.Path{
		Transport: dialog.TLS, Local: netip.MustParseAddrPort("[2001:db8::1]:5061"), Remote: netip.MustParseAddrPort("[2001:db8::2]:40000"),
	}, Data: []byte("ACK")})
	h.Saw(b2bua.Sight{Call: dialog.CallID{7: 9}, In: true, Note: dialog.DropAbsorbed}) // no message
	done := make(chan struct{})
	close(done)
	h.Run(done)
	var got []map[uint16][]byte
	for range 2 {
		b := make([]byte, 2000)
		n, _, err := conn.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		all, err := chunks(b[:n])
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, all)
	}
	for i, want := range []map[uint16]string{
		{1: "\x02", 2: "\x11", 3: "\xc0\x00\x02\x01", 4: "\xc0\x00\x02\x09", 7: "\x13\xc4", 8: "\x13\xc6", 9: "\x65\x53\xf1\x00", 10: "\x00\x01\xe2\x40",
			11: "\x01", 12: "\x00\x00\x00\x00", 15: "BYE", 17: dialog.CallID{7: 9}.String(), 19: "sbc-a"},
		{1: "\x0a", 2: "\x06", 5: "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02", 6: "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01",
			7: "\x9c\x40", 8: "\x13\xc5", 9: "\x65\x53\xf1\x00", 10: "\x00\x01\xe2\x40", 11: "\x01", 12: "\x00\x00\x00\x00", 15: "ACK", 17: dialog.CallID{7: 9}.String(), 19: "sbc-a"},
	} {
		if len(got[i]) != len(want) {
			t.Errorf("packet %d: %d chunks, want %d", i, len(got[i]), len(want))
		}
		for kind, value := range want {
			if string(got[i][kind]) != value {
				t.Errorf("packet %d chunk %d: %q, want %q", i, kind, got[i][kind], value)
			}
		}
	}
	if h.Lost() != 0 {
		t.Errorf("%d lost", h.Lost())
	}
}

// TestHEPNeverWaits: while nothing is sent, what is too much is lost and counted.
func TestHEPNeverWaits(t *testing.T) {
	h, _ := mirror(t)
	for range 5000 {
		h.Saw(b2bua.Sight{Data: []byte("OPTIONS"), Path: dialog.Path{Remote: netip.MustParseAddrPort("192.0.2.9:5062")}})
	}
	if h.Lost() != 5000-4096 {
		t.Errorf("%d lost", h.Lost())
	}
}
