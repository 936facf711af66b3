package dialog

import "hash/fnv"

// Afterwards writes what a response to an INVITE of ours is due when its call is
// gone: an ACK, and after a 2xx a BYE with the route set of the response. All
// that is known is the response, so a repeat of it makes the same bytes; and they
// go back to where it came from, since nothing else vouches for what it names.
func Afterwards(m *Message, from Path, a Address, seal *Seal, local string) []Send {
	p := &Policy{Seal: seal}
	p.Local[from.Transport] = local
	l := &Leg{
		ID: a.ID, Side: Out, Policy: p, Path: from, CallID: m.CallID, Tag: m.FromTag,
		URI: addressURI(m.To), Seq: a.Seq, CSeq: m.CSeq,
	}
	l.Self = withoutTag(m.From)
	s := &step{Leg: l}
	if m.Code >= 300 {
		ack := s.ackRefusal(&Tx{Seq: a.Seq, CSeq: m.CSeq, Path: from}, m)
		return []Send{{Path: from, Data: ack, Method: "ACK"}}
	}
	d := &Dialog{Tag: m.ToTag}
	s.establish(d, m)
	// Of each dialog another branch, and never one that a leg uses.
	h := fnv.New32a()
	h.Write([]byte(m.ToTag))
	seq := afterwards | uint16(h.Sum32())<<1
	ack := s.toward(from, d, "ACK", m.CSeq, seq, nil, Body{})
	bye := s.toward(from, d, "BYE", m.CSeq+1, seq|1, nil, Body{})
	return []Send{{Path: from, Data: ack, Method: "ACK"}, {Path: from, Data: bye, Method: "BYE"}}
}

// afterwards is where the transaction numbers begin of what is written without a
// leg; those of legs end before.
const afterwards = 1 << 15

// withoutTag is a From or To up to its header parameters.
func withoutTag(value string) string {
	return value[:len(value)-len(afterAddress(value))]
}
