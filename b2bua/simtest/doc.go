// Package simtest plays calls as texts: a scripted trunk and scripted carriers
// around the real engine, parser and routes, on a simulated network in virtual
// time. Only tests import it.
//
// Everything runs in a bubble of testing/synctest: Open is called inside one,
// and a scenario of ten minutes takes milliseconds. Bytes go both ways: what a
// peer says is parsed by wire.Parse as if it had come by a socket, and what
// Bulkhead says must be free of every fault that wire.Parse knows.
//
// # The language
//
// A scenario is lines; a line is statements separated by " ; "; "#" begins a
// comment. "+200ms" before a statement waits as long first. Words are separated
// by blanks, "..." keeps blanks in a word.
//
// First, who there is:
//
//	carrier NAME [no_response=4s] [no_ringing=0] [no_answer=3m] [linger=3m]
//	             [transport=tcp] [gateways=2] [name=sip.tc1.example:5060] [stop=486,503] [continue=486,q850:34]
//	             [audit=5m] [redirect=3] [p_early_media=true] [after_early_media=stop]
//	             [relay=INFO,MESSAGE] [session_timer=30m,90s,them] [refer=relay]
//	             [identity=pai] [trust=true] [diversion=history] [format=national] [plan=FR] [uri=tel]
//	trunk [max_duration=1h] [max_setup=5m] [audit=5m] [p_early_media=true] [transport=tcp] [contact=udp://192.0.2.10:5060]
//	      [relay=INFO,MESSAGE] [session_timer=30m,90s,them] [refer=relay]
//	      [country=FR] [trust=true] [identities=+331,+332*] [diversion=history]
//	either: [pass=X-*,Subject] [remove=Identity] [add="X-Call: {call}"] [replace=+33800*/+33*]
//	        [tech_prefix=9871] [strip=+] [prefix=0]
//	media relay [ports=2] [timeout=60s]
//	                                media is anchored, at ports from 30000 on that nobody speaks to
//	stranger                        an address that nobody knows
//	route PATTERN TARGET...         TARGET: carrier or carrier/number
//	reject PATTERN CODE ["phrase"]
//	ask PATTERN [CARRIER...] [timeout=500ms] [keep=30s]
//	                                somebody decides; the carriers are the fallback
//
// Then what happens. A peer is trunk, a carrier or stranger, and does nothing
// that it is not told:
//
//	PEER INVITE NUMBER [OPTIONS]    a new call; the trunk only
//	PEER METHOD [OPTIONS]           a request within the dialog; CANCEL and ACK
//	                                are those of the last INVITE sent
//	PEER METHOD new [OPTIONS]       a request outside any dialog
//	PEER CODE [METHOD] [OPTIONS]    a response to the last METHOD received; INVITE
//	PEER repeat WHAT [OPTIONS]      the bytes sent before: "repeat INVITE",
//	                                "repeat 200", "repeat 200 BYE"
//	PEER auto ACK                   ACK every final response to an INVITE
//	PEER auto PRACK                 PRACK every reliable provisional once
//	PEER auto CODE METHOD           answer that method so from now on
//	PEER auto 487                   CANCEL gets its 200, the INVITE its 487
//	PEER raw SECTION [of=METHOD]    the bytes of another section of the file, in which
//	                                {via} {from} {to} {cseq} are those of the last METHOD
//	                                received (INVITE), {self} {other} {target} {call-id} those
//	                                of the dialog, {branch} a new one, {length} the body's
//	PEER close                      its stream connection breaks
//	wait 10s
//	net to|from PEER [loss=20%] [dup=10%] [delay=10ms..80ms] [lose=2]
//	net to PEER refuse|alert|unsendable  what is sent there comes back: by ICMP or a reset,
//	                                by an alert of TLS, or it never leaves
//	dns NAME none|IP:PORT...        where a name leads from now on; a carrier with a name
//	                                has its gateways' addresses there at first
//	seed 7                          of the network's dice
//	decider TARGET... [after=300ms] what is decided from now on; TARGET as of a
//	                                route, {number} is that of the question
//	decider reject=603 | status=500 | silent
//	hangup ; drain 10s              what an operator can do
//	settle                          wait until the engine keeps nothing
//	detail NAME...                  what the ladder tells of each message: uri,
//	                                to-tag, from-tag, branch, o, or a header
//	unfold                          the ladder shows every repeat
//
// Options: sdp, sdp=2, sdp=hold (a body; the number makes it another one) ·
// tag= (the peer's own; none) · totag= (ours; none) · branch= · cseq= ·
// contact= · callid= · uri= · rr=A,B (Record-Route) · via= (one more, below
// ours) · rel=1 (a reliable provisional with that RSeq) · rack= (of a PRACK) · maxfwd= · reason= · phrase= · h="Name: value" · del=Name ·
// referto=URI (Refer-To) · replaces=2 (within it: the peer's second call, or trunk.2) ·
// body="type|text" · s/old/new/ · norport · call=2 (the peer's second call) ·
// from=IP, PEER or IP:PORT (source) · port= (source) · every 500ms..4s for 90s,
// every 1s for 10s, until ACK (64·T1 at most), times 3.
//
// # What is checked of every scenario
//
// See promise.go: the promises of the design as a peer on the outside can see
// them, after every scenario, whatever its ladder says.
package simtest
