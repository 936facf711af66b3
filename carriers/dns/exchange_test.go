package dns_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	lib "github.com/miekg/dns"

	"bulkhead/carriers/dns"
)

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// by is an exchange with several servers.
func by(servers map[string]*zone) dns.Exchange {
	return func(ctx context.Context, m *lib.Msg, server string) (*lib.Msg, error) {
		z := servers[server]
		if z == nil {
			return nil, errors.New("nobody is at " + server)
		}
		return z.exchange(ctx, m, server)
	}
}

// TestARealServer asks by sockets: by UDP, and by TCP where the answer is longer than a
// datagram; a server that is not there and one that says nothing come before it.
func TestARealServer(t *testing.T) {
	var b strings.Builder
	b.WriteString(soa)
	for i := range 40 {
		fmt.Fprintf(&b, "_sip._udp.large.tc.example. 60 IN SRV 10 %d 5060 a-host-of-a-long-name-that-is-number-%d.tc.example.\n", i, i)
		fmt.Fprintf(&b, "a-host-of-a-long-name-that-is-number-%d.tc.example. 60 IN A 127.0.0.%d\n", i, i+1)
	}
	b.WriteString("small.tc.example. 60 IN A 127.0.0.1\n")
	live, silent := newZone(t, b.String()), newZone(t, "")
	silent.set(func(z *zone) { z.silent = true })
	servers := []string{"127.0.0.1:9", serve(t, silent), serve(t, live)}
	small, large, none := name(t, "small.tc.example:5060", ""), name(t, "large.tc.example", "udp"), name(t, "none.tc.example", "")
	r := running(t, dns.Config{Servers: dns.Listed(servers)}, small, large, none)
	ctx, cancel := contextFor(t, 30*time.Second)
	defer cancel()
	r.First(ctx)
	if got := shown(r.Lead(small)); got != "UDP 127.0.0.1:5060" {
		t.Errorf("small: %s", got)
	}
	if got := r.Lead(large); len(got.Addresses) != 32 {
		t.Errorf("large: %d addresses, %s", len(got.Addresses), got.Fault)
	}
	if got := shown(r.Lead(none)); got != "there is no such name (NXDOMAIN)" {
		t.Errorf("none: %s", got)
	}
}

func TestServersOfResolvConf(t *testing.T) {
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("search example\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := dns.System(file)()
	if err != nil || len(got) != 2 || got[0] != "192.0.2.53:53" || got[1] != "[2001:db8::53]:53" {
		t.Error(got, err)
	}
	if _, err := dns.System(file + ".none")(); err == nil {
		t.Error("read a file that is not there")
	}
}
