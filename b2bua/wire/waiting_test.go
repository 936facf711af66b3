package wire

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// TestWaitingIsWhatNobodyHasRead: datagrams that have come and were not read.
func TestWaitingIsWhatNobodyHasRead(t *testing.T) {
	e := &Edge{realms: map[string]*realm{}}
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	raw, err := udp.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	s := &socket{}
	s.udp.Store(&datagrams{udp, raw})
	e.realms["core"] = &realm{sockets: []*socket{s}}
	if got := e.Waiting(); got != 0 {
		t.Errorf("%v of nothing", got)
	}
	peer, err := net.DialUDP("udp", nil, udp.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	for range 20 {
		if _, err := peer.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	full := e.Waiting()
	if full <= 0 || full > 1 {
		t.Errorf("%v of 20 datagrams", full)
	}
	buffer := make([]byte, 2000)
	if err := udp.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := udp.Read(buffer); err != nil {
			t.Fatal(err)
		}
	}
	if got := e.Waiting(); got >= full {
		t.Errorf("%v when all is read, %v before", got, full)
	}
}
