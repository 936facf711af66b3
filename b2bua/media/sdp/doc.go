// Package sdp reads the descriptions that peers send (RFC 8866) and writes those that the
// other side is shown: with our addresses and ports, without what is not its business.
//
// Parse reads a body, Media says what each of its m= lines offers, Check refuses what media
// must not go to, Rewrite gives the body for the other side. A Body never changes.
//
// It is liberal with what comes. The model is pion/sdp, which reads a copy that holds only
// the lines that somebody here looks at (o= c= a= m=), in the order and with the names that
// pion knows; what pion would read wrongly is refused. So a missing line, T.38, a bare LF or
// a strange b= is no reason to refuse a call.
//
// It is strict with what goes. The lines that came are written, not the model: in their
// order, byte for byte where they are not ours to change, each ended by CRLF. The lines that
// RFC 8866 §5 asks for are added where they are missing. The number and the order of m=
// lines never change, nor do payload types: which codecs may pass is the business of the leg.
//
// It is pure: bytes in, bytes out. What cannot be read is a Fault with a name that counters
// have; nothing is dropped that is not listed in Rules, Keep and Rewrite.
package sdp
