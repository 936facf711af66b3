package main

import (
	"path/filepath"
	"strings"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/wire"
	"bulkhead/carriers"
	"bulkhead/carriers/dns"
)

// Config is the whole configuration file. Names of files are absolute or
// relative to the working directory once it is read.
type Config struct {
	Node            string                 `yaml:"node"` // default: the host's name
	Realms          map[string]RealmConfig `yaml:"realms,omitempty"`
	carriers.Config `yaml:",inline"`
	DNS             *DNSConfig      `yaml:"dns,omitempty"`   // nil: the system's servers
	State           *StateConfig    `yaml:"state,omitempty"` // nil: in memory
	Unit            *UnitConfig     `yaml:"unit,omitempty"`
	KeyFile         carriers.File   `yaml:"key_file,omitempty"` // empty: a key that dies with the process
	Media           *MediaConfig    `yaml:"media,omitempty"`
	Timers          TimersConfig    `yaml:"timers"`
	API             *APIConfig      `yaml:"api,omitempty"`
	CDR             *CDRConfig      `yaml:"cdr,omitempty"`
	Trace           *TraceConfig    `yaml:"trace,omitempty"`
	Security        SecurityConfig  `yaml:"security"`
	Log             LogConfig       `yaml:"log"`
	Overload        *OverloadConfig `yaml:"overload,omitempty"`  // nil: nothing is shed
	Emergency       []string        `yaml:"emergency,omitempty"` // numbers that are shed last

	text      []byte           // that it was read from
	names     carriers.Names   // where gateways that are names lead; nil: there are none
	starts    b2bua.Starts     // are told of answered calls; nil: nobody is
	standings *b2bua.Standings // how carriers stand; nil: all are in service
}

// RealmConfig is one side of the border.
type RealmConfig struct {
	Listen    []string   `yaml:"listen"`              // udp://ip:port, tcp://ip:port, tls://ip:port
	Advertise string     `yaml:"advertise,omitempty"` // IP address or name; empty: the listening address
	Media     string     `yaml:"media,omitempty"`     // IP address; empty: Advertise
	TLS       *TLSConfig `yaml:"tls,omitempty"`

	Keepalive time.Duration `yaml:"keepalive,omitempty"` // between two pings on a connection that we opened (RFC 5626); zero: none
}

// TLSConfig names the files of a realm's certificate.
type TLSConfig struct {
	Certificate carriers.File `yaml:"certificate"`
	Key         carriers.File `yaml:"key"`
	ClientCA    carriers.File `yaml:"client_ca,omitempty"` // empty: no certificate is asked of who connects
}

// DNSConfig is who is asked where the names of gateways lead.
type DNSConfig struct {
	Servers []string      `yaml:"servers,omitempty"` // ip or ip:port; empty: those of /etc/resolv.conf
	Stale   time.Duration `yaml:"stale,positive"`    // how long the last answer serves on while none of them answers
}

// StateConfig says where calls survive.
type StateConfig struct {
	Redis *RedisConfig  `yaml:"redis,omitempty"`
	Wait  time.Duration `yaml:"wait"` // longest wait for a durable write before a promise; zero: none
}

// RedisConfig is where Redis is: alone, behind Sentinel, or as a cluster.
type RedisConfig struct {
	Addresses    []string      `yaml:"addresses"`
	Sentinel     string        `yaml:"sentinel,omitempty"` // name of the master
	Cluster      bool          `yaml:"cluster,omitempty"`
	Username     string        `yaml:"username,omitempty"`
	PasswordFile carriers.File `yaml:"password_file,omitempty"`
	TLS          bool          `yaml:"tls,omitempty"`
}

// UnitConfig is what one node of a pair owns.
type UnitConfig struct {
	Name    string   `yaml:"name"`
	Mode    string   `yaml:"mode"` // lease, address
	Address []string `yaml:"address,omitempty"`
}

// MediaConfig is how media is anchored.
type MediaConfig struct {
	Mode      string           `yaml:"mode"` // bypass, relay, rtpengine: where neither trunk nor carrier asks for one
	Relay     *RelayConfig     `yaml:"relay,omitempty"`
	RTPEngine *RTPEngineConfig `yaml:"rtpengine,omitempty"`
}

// RelayConfig is the embedded relay.
type RelayConfig struct {
	Ports   Ports         `yaml:"ports"`
	Latch   string        `yaml:"latch"` // strict, same-ip, any
	Timeout time.Duration `yaml:"timeout,positive"`
}

// RTPEngineConfig is where rtpengine's ng protocol is spoken.
type RTPEngineConfig struct {
	Nodes []string `yaml:"nodes"` // udp://ip:port
}

// TimersConfig is table 4 of RFC 3261.
type TimersConfig struct {
	T1 time.Duration `yaml:"t1,positive"`
	T2 time.Duration `yaml:"t2,positive"`
	T4 time.Duration `yaml:"t4,positive"`
}

// APIConfig is the HTTP interface.
type APIConfig struct {
	Listen     string        `yaml:"listen,omitempty"`      // ip:port; empty: the socket only
	Socket     carriers.File `yaml:"socket,omitempty"`      // default: /run/bulkhead/NODE.sock
	TokensFile carriers.File `yaml:"tokens_file,omitempty"` // of who may come by listen; read again by a reload
	TLS        *TLSConfig    `yaml:"tls,omitempty"`         // of listen; read again by a reload
	Advertise  string        `yaml:"advertise,omitempty"`   // URL by which other nodes reach listen; default: listen, if it is an address of this node alone
	PeerCA     carriers.File `yaml:"peer_ca,omitempty"`     // who vouches for other nodes' certificates, beside the system's authorities; read again by a reload
}

// CDRConfig is where call records go.
type CDRConfig struct {
	File    carriers.File  `yaml:"file,omitempty"`
	Stream  bool           `yaml:"stream,omitempty"`  // records go to the stream bulkhead:{UNIT}:records in Redis as well, and answered calls with them
	Start   bool           `yaml:"start,omitempty"`   // answered calls are told as well, in starts-NAME beside the file
	Webhook *WebhookConfig `yaml:"webhook,omitempty"` // nil: records are only in the file
}

// WebhookConfig is where records are posted, and answered calls with them.
type WebhookConfig struct {
	URL       string        `yaml:"url"`                  // http or https
	TokenFile carriers.File `yaml:"token_file,omitempty"` // a line: the bearer token; read again where it is refused
	CA        carriers.File `yaml:"ca,omitempty"`         // PEM: who vouches for the server; empty: the system's authorities
	Batch     int           `yaml:"batch,positive,max=1000"`
	Timeout   time.Duration `yaml:"timeout,positive"` // of one POST
	Retry     time.Duration `yaml:"retry,positive"`   // after a failure, twice as long after each, to most
	Most      time.Duration `yaml:"most,positive"`    // longest between two
}

// TraceConfig is what is kept and sent of the messages of a call.
type TraceConfig struct {
	HEP  string        `yaml:"hep,omitempty"` // udp://ip:port
	Keep time.Duration `yaml:"keep"`
}

// SecurityConfig is what is refused before it is read.
type SecurityConfig struct {
	UnknownSources   string `yaml:"unknown_sources"` // drop
	MaxMessage       Size   `yaml:"max_message"`
	MaxRatePerSource int    `yaml:"max_rate_per_source"` // a second, of requests other than ACK, BYE, CANCEL, PRACK, UPDATE, INFO; zero: no bound
}

// OverloadConfig is how much the node takes on before it sheds new calls. Zero: no bound.
type OverloadConfig struct {
	Delay   time.Duration  `yaml:"delay"`            // by which the engine's clock runs late
	Backlog carriers.Ratio `yaml:"backlog"`          // part of a UDP socket's receive buffer that waits to be read
	Setups  int            `yaml:"setups,omitempty"` // calls that are not answered yet
	Memory  Size           `yaml:"memory,omitempty"` // of the process's objects
}

// LogConfig is how much is logged and in which form.
type LogConfig struct {
	Level  string `yaml:"level"`  // debug, info, warn, error
	Format string `yaml:"format"` // json, console

	Redact *RedactConfig `yaml:"redact,omitempty"` // nil: numbers are shown
}

// RedactConfig is what is not shown in the log, and in evidence. What proves who somebody is
// never is.
type RedactConfig struct {
	Numbers string `yaml:"numbers"` // none, last4, all: which digits are not
}

// defaults is what a file starts from; sections that are optional, trunks and
// carriers have theirs in Default methods, which apply where they are written.
func defaults(node string) Config {
	return Config{
		Node:     node,
		Timers:   TimersConfig{T1: 500 * time.Millisecond, T2: 4 * time.Second, T4: 5 * time.Second},
		Security: SecurityConfig{UnknownSources: "drop", MaxMessage: 16 << 10, MaxRatePerSource: 200},
		Log:      LogConfig{Level: "info", Format: "json"},
	}
}

// Default sets what holds where the section says nothing: of one to three days (RFC 8767
// §5) the shortest, since what is behind an address may change hands.
func (d *DNSConfig) Default() { d.Stale = dns.DefaultStale }

// Default sets what holds where the section says nothing.
func (s *StateConfig) Default() { s.Wait = 50 * time.Millisecond }

// Default sets what holds where the section says nothing.
func (o *OverloadConfig) Default() { o.Delay, o.Backlog = 100*time.Millisecond, 0.25 }

// Default sets what holds where the section says nothing.
func (w *WebhookConfig) Default() {
	w.Batch, w.Timeout, w.Retry, w.Most = 100, 5*time.Second, time.Second, time.Minute
}

// Default sets what holds where the section says nothing.
func (u *UnitConfig) Default() { u.Mode = "lease" }

// Default sets what holds where the section says nothing.
func (r *RelayConfig) Default() {
	r.Ports, r.Latch, r.Timeout = Ports{First: 30000, Last: 39999}, "same-ip", time.Minute
}

// Default sets what holds where the section says nothing.
func (m *MediaConfig) Default() { m.Mode = "relay" }

// Default sets what holds where the section says nothing.
func (r *RedactConfig) Default() { r.Numbers = "none" }

// Default sets what holds where the section says nothing.
func (t *TraceConfig) Default() { t.Keep = 10 * time.Minute }

// keep is how long a call that has ended stays readable.
func (c *Config) keep() time.Duration {
	t := c.Trace
	if t == nil {
		t = &TraceConfig{}
		t.Default()
	}
	return t.Keep
}

// complete fills in what follows from other keys. Each realm whose listeners
// share one address advertises it; where they differ, each listener advertises
// its own.
func (c *Config) complete() {
	c.Config.Complete()
	if c.API != nil && c.API.Socket == "" {
		c.API.Socket = defaultSocket(c.Node)
	}
	for name, r := range c.Realms {
		sockets := r.sockets()
		if r.Advertise == "" && len(sockets) > 0 {
			r.Advertise = sockets[0].Address.Addr().String()
			for _, s := range sockets {
				if s.Address.Addr() != sockets[0].Address.Addr() {
					r.Advertise = ""
				}
			}
		}
		if r.Media == "" && isAddress(r.Advertise) {
			r.Media = r.Advertise
		}
		c.Realms[name] = r
	}
}

// defaultSocket is where a node is operated unless its configuration says otherwise.
func defaultSocket(node string) carriers.File {
	return carriers.File(filepath.Join("/run/bulkhead", node+".sock"))
}

// certificates are those of all realms.
func (c *Config) certificates() map[string]wire.Certificates {
	all := map[string]wire.Certificates{}
	for name, r := range c.Realms {
		if r.TLS != nil {
			all[name] = wire.Certificates{Certificate: string(r.TLS.Certificate), Key: string(r.TLS.Key), ClientCA: string(r.TLS.ClientCA)}
		}
	}
	for name, k := range c.Carriers {
		if t := k.TLS; t != nil && (t.Certificate != "" || t.CA != "") {
			files := all[k.Realm] // hold where the carrier's say nothing
			if t.Certificate != "" {
				files.Certificate, files.Key = string(t.Certificate), string(t.Key)
			}
			if t.CA != "" {
				files.ClientCA = string(t.CA)
			}
			all[b2bua.KeysOf(name)] = files
		}
	}
	return all
}

// whose is the key whose certificates have that name among certificates.
func whose(name string) string {
	if carrier, ok := strings.CutPrefix(name, b2bua.KeysOf("")); ok {
		return "carriers." + carrier + ".tls"
	}
	return "realms." + name + ".tls"
}

// Sockets says what each realm listens on.
func (c *Config) Sockets() carriers.Realms {
	realms := make(carriers.Realms, len(c.Realms))
	for name, r := range c.Realms {
		realms[name] = r.sockets()
	}
	return realms
}

// sockets leaves out what cannot be read; validate speaks of it.
func (r RealmConfig) sockets() []carriers.Socket {
	var list []carriers.Socket
	for _, s := range r.Listen {
		if socket, err := carriers.ParseSocket(s); err == nil {
			list = append(list, socket)
		}
	}
	return list
}

// Book makes the book of the trunks, carriers and routes.
func (c *Config) Book() (*carriers.Book, error) {
	b, err := carriers.NewBook(c.Config, c.Sockets())
	if err == nil && c.names != nil {
		b.Resolve(c.names)
	}
	return b, err
}
