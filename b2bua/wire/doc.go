// Package wire is the network's edge: realms and their sockets, the filter of
// sources, and the judgement whether what arrived is a SIP message at all.
//
//	edge, err := wire.New(config, receiver, log)
//	err = edge.Listen()
//	err = edge.Serve(ctx) // until ctx ends
//
// The contract. Whoever is not known gets nothing: no answer, no memory, no
// parsing, on TCP not one byte. What reaches Receive has been checked once, as
// Parse says; every datagram or stream that does not is told to Dropped with a
// reason of a fixed set (promise P11). Send never blocks on a peer, and never
// opens a connection to where a peer says: a response goes by the connection
// that the request came by, or to the address that the caller gives as fallback.
//
// What is used of sipgo, and what not. Its message types and its parser of URIs.
// Not its parser of messages: what has to be looked at before it may be trusted
// (line ends, folding, repeated fields) is all the work there is, and two
// readings of one message are two chances to understand it differently; so what
// was judged is what is delivered, and tests hold both readings against each
// other. Not its transports either: the core makes bytes, not messages, and they
// keep an entry for every source for ever, stop for good on the first read
// error, and connect to the Via that a sender chose.
//
// One goroutine reads a UDP socket; it hands its packets on in the order of
// arrival. More sockets on one address (SO_REUSEPORT) would each be one more
// socket value of the realm.
package wire
