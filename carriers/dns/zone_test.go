package dns_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	lib "github.com/miekg/dns"

	"bulkhead/carriers"
	"bulkhead/carriers/dns"
)

// zone is a name server's knowledge, that a test changes while it is asked.
type zone struct {
	mu      sync.Mutex
	records map[lib.Question][]lib.RR
	exists  map[string]bool
	rcode   int           // of every answer; 0: by the records
	silent  bool          // no answer
	delay   time.Duration // before each, in virtual time
	asked   int
	older   bool // knows no EDNS
}

// newZone reads records as a zone file has them.
func newZone(t testing.TB, text string) *zone {
	z := &zone{}
	z.load(t, text)
	return z
}

func (z *zone) load(t testing.TB, text string) {
	t.Helper()
	records, exists := map[lib.Question][]lib.RR{}, map[string]bool{}
	p := lib.NewZoneParser(strings.NewReader(text), ".", "")
	for r, ok := p.Next(); ok; r, ok = p.Next() {
		h := r.Header()
		q := lib.Question{Name: strings.ToLower(h.Name), Qtype: h.Rrtype, Qclass: lib.ClassINET}
		records[q] = append(records[q], r)
		exists[q.Name] = true
	}
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
	z.mu.Lock()
	z.records, z.exists = records, exists
	z.mu.Unlock()
}

func (z *zone) set(f func(*zone)) {
	z.mu.Lock()
	defer z.mu.Unlock()
	f(z)
}

func (z *zone) questions() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked
}

// answer is what the server says, with the aliases that it knows; nil: nothing.
func (z *zone) answer(m *lib.Msg) *lib.Msg {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked++
	if z.silent {
		return nil
	}
	reply := (&lib.Msg{}).SetReply(m)
	reply.RecursionAvailable = true
	if z.older && m.IsEdns0() != nil {
		reply.Rcode = lib.RcodeFormatError
		return reply
	}
	if z.rcode != 0 {
		reply.Rcode = z.rcode
		return reply
	}
	name := strings.ToLower(m.Question[0].Name)
	for range 10 {
		found := z.records[lib.Question{Name: name, Qtype: m.Question[0].Qtype, Qclass: lib.ClassINET}]
		reply.Answer = append(reply.Answer, found...)
		alias := z.records[lib.Question{Name: name, Qtype: lib.TypeCNAME, Qclass: lib.ClassINET}]
		if len(found) > 0 || len(alias) == 0 {
			break
		}
		reply.Answer = append(reply.Answer, alias[0])
		name = strings.ToLower(alias[0].(*lib.CNAME).Target)
	}
	if len(reply.Answer) == 0 {
		if !z.exists[name] {
			reply.Rcode = lib.RcodeNameError
		}
		reply.Ns = append(reply.Ns, z.records[lib.Question{Name: "example.", Qtype: lib.TypeSOA, Qclass: lib.ClassINET}]...)
	}
	return reply
}

// exchange asks the zone without a network, for virtual time.
func (z *zone) exchange(ctx context.Context, m *lib.Msg, _ string) (*lib.Msg, error) {
	z.mu.Lock()
	delay := z.delay
	z.mu.Unlock()
	reply := z.answer(m)
	wait := make(<-chan time.Time)
	if reply != nil {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		wait = timer.C
	}
	select {
	case <-wait:
		return reply, nil
	case <-ctx.Done():
		return nil, errors.New("i/o timeout")
	}
}

// serve serves the zone by UDP and TCP on one port of loopback.
func serve(t testing.TB, z *zone) (server string) {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	handler := lib.HandlerFunc(func(w lib.ResponseWriter, m *lib.Msg) {
		reply := z.answer(m)
		if reply == nil {
			return
		}
		if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
			size := lib.MinMsgSize
			if opt := m.IsEdns0(); opt != nil {
				size = int(opt.UDPSize())
			}
			reply.Truncate(size)
		}
		_ = w.WriteMsg(reply)
	})
	for _, s := range []*lib.Server{{PacketConn: pc, Handler: handler}, {Listener: l, Handler: handler}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() { _ = s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return pc.LocalAddr().String()
}

// name is a gateway's address as a realm with udp, tcp and tls over IPv4 asks for it.
func name(t testing.TB, address, transport string) carriers.Name {
	t.Helper()
	var realm []carriers.Socket
	for _, s := range []string{"udp://127.0.0.1:5060", "tcp://127.0.0.1:5060", "tls://127.0.0.1:5061"} {
		socket, err := carriers.ParseSocket(s)
		if err != nil {
			t.Fatal(err)
		}
		realm = append(realm, socket)
	}
	return nameOf(t, address, transport, realm)
}

func nameOf(t testing.TB, address, transport string, realm []carriers.Socket) carriers.Name {
	t.Helper()
	b, err := carriers.NewBook(carriers.Config{Carriers: map[string]carriers.CarrierConfig{
		"tc": {Realm: "core", Gateways: []carriers.GatewayConfig{{Address: address, Transport: transport}}},
	}}, carriers.Realms{"core": realm})
	if err != nil {
		t.Fatal(err)
	}
	return b.Names()[0]
}

// running is a resolver that follows names until the test ends.
func running(t testing.TB, c dns.Config, names ...carriers.Name) *dns.Resolver {
	t.Helper()
	if c.Servers == nil {
		c.Servers = dns.Listed([]string{"192.0.2.53"})
	}
	r := dns.New(c)
	r.Follow(names)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		r.Run(ctx)
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return r
}

// shown is an answer as a text: "UDP 192.0.2.1:5060 10/60, ...", or its fault.
func shown(a carriers.Lead) string {
	if a.Fault != "" {
		return a.Fault
	}
	var list []string
	for _, at := range a.Addresses {
		s := at.Transport.String() + " " + at.Remote.String()
		if at.Target != "" {
			s += " " + strconv.Itoa(at.Priority) + "/" + strconv.Itoa(at.Weight)
		}
		list = append(list, s)
	}
	return strings.Join(list, ", ")
}
