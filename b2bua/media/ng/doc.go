// Package ng has calls' media carried by rtpengine: it speaks the ng protocol
// over UDP to one or more nodes.
//
//	client, err := ng.New(config)       // pings the nodes until Close
//	result, err := client.Offer(ctx, ng.Exchange{Call: id, From: leg, Body: sdp, Toward: profile})
//	result, err = client.Answer(ctx, ng.Exchange{Node: result.Node, ...})
//	stats, err := client.Delete(ctx, node, id)
//
// The contract. A call's first offer names no node: one is chosen by the call's
// id among those in health, and its name given back; the caller keeps it with the
// call and names it from then on. A call never moves by itself: where its node is
// lost, every request says so (ErrNodeLost), and what then becomes of the call is
// the caller's choice: an offer without a node sets it up elsewhere, with other
// ports on every leg, and so does one that may begin anew (Exchange.Anew). All
// methods may be called from any goroutine and block until the node has answered,
// or for Config.Timeout; Delete may for twice that.
//
// What rtpengine gives back is not yet what may go to a leg: it leaves the far
// side's o= user, id and version in the body, mixes line ends, and falls back from
// IPv6 to IPv4 (which is refused here). The caller's SDP rules are run after it.
//
// Only what was asked for is taken: an answer must come from the node's address,
// carry the cookie of a request that waits, and be bencode to the letter.
// Everything else is dropped and counted by name.
package ng
