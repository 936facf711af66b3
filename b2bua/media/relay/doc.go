// Package relay carries the media of anchored calls: RTP, RTCP and UDPTL (T.38),
// from the one side of a stream to the other, without changing a byte of it; with
// SRTP (Crypto) toward either side, without changing one but an SSRC that could make
// a keystream go out twice.
//
//	r, err := relay.New(relay.Config{First: 30000, Last: 39999})
//	a, err := r.Open(trunkSide) // a pair of ports at one of our addresses: an end
//	b, err := r.Open(carrierSide)
//	err = r.Aim(a, relay.Remote{RTP: offered, Source: trunk})
//	err = r.Aim(b, relay.Remote{RTP: answered, Source: gateway})
//	err = r.Join(a, b)
//	stats := r.Close(a)
//
// An end is what one m-line of one leg needs: RTP's even port and RTCP's above
// it. Its name is its local address and port, so what is stored with a call is
// enough to go on elsewhere (Restore). Each leg has its own, so nothing of one
// reaches another that it is not joined to. The package knows neither SDP nor
// calls. Nothing here waits for the network: all methods answer at once, from any
// goroutine. After Close, not one packet of the end goes out.
//
// Who may speak. A packet counts only if its sender is who the SDP of that leg
// has named (Remote, Latch); where several would do, the better rank wins, and
// one once found is left for an equal one only after new SDP, or after two
// seconds of silence for the same address and SSRC (UDPTL has none). What is not
// accepted is not forwarded and draws nothing to its sender: all media goes to
// where the SDP says until its own far end has spoken.
//
// What is dropped has a name (Reason) and a counter. After Close the kernel
// answers what still comes (ICMP port unreachable) and counts it (UdpNoPorts). On
// Linux all sockets of some 800 streams are read by one thread (epoll);
// elsewhere, and with the build tag goroutines, each has a goroutine.
package relay
