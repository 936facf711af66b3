// Package dns finds out where the host names of gateways lead (RFC 3263), ahead of
// the calls: a Resolver asks in the background, before an answer's time to live is
// over, and what it tells is what it knows at that instant (carriers.Names).
//
// The contract. Lead and At wait for nothing. While no server answers, the last
// answer serves on, for at most Config.Stale, and Watch is told. That a name does not
// exist is an answer: it has no addresses from then on. An address that is in no
// answer any more is still told by At and as Former for Config.Keep, since calls may
// last there.
//
// What is kept is bounded, whatever a server says: records of an answer, questions of
// one name, addresses of one name. What is used of github.com/miekg/dns are messages
// and transports; its successor, codeberg.org/miekg/dns, has no stable version yet.
package dns
