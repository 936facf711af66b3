package media

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"

	"bulkhead/b2bua/media/relay"
	"bulkhead/b2bua/media/sdp"
)

// SRTP by the relay, with keys in descriptions (SDES, RFC 4568). Keys are of one leg: what its peer has said, and ours, which
// no other leg has. Where an offer has keys its answer has, whatever the other side talks; an offer of ours has them
// where the stream has some, and in one that begins where the profile of its leg asks for it.

// Key is one of ours toward one side's peer: nobody else has it, and it is of one suite, since suites that
// differ in their tags alone would make the same keystream of it.
type Key struct {
	Suite string
	Shown bool   // it was in what the peer was shown last
	Tag   uint32 // of its line there
	Key   []byte // master key and salt
}

// offered are the suites of our offers, the preferred one first (RFC 4568 §6.2).
var offered = [...]string{"AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"}

// Why there is no SRTP. All of them are ErrUnsupported.
var (
	ErrInsecure = errors.New("keys go by TLS alone, and this leg's signalling does not")
	ErrNoKey    = errors.New("no key that can be used")
	ErrMismatch = errors.New("an answer that does not go with its offer")
)

func keyless(err error, m *sdp.Media, line int) error {
	return fmt.Errorf("%w: stream %d, %s: %w", ErrUnsupported, line+1, m.Proto, err)
}

// unlock reads what is said of keys in an offer, or in an answer to what is told of ends. A stream of an offer whose keys cannot
// be used is one that is refused; the error says why, and is one where that leaves none.
func (d *description) unlock(leg *Leg, offer bool, ends func(i int) *End) (why error) {
	for i := range d.far {
		m := &d.body.Media()[i]
		if m.Refused() || m.Transport != sdp.RTP {
			continue
		}
		crypto, err := d.key(m, leg, offer, ends(i))
		switch {
		case err != nil && (!offer || !m.Secured()):
			return keyless(err, m, i)
		case err != nil:
			if why == nil {
				why = keyless(err, m, i)
			}
			continue
		case crypto == nil:
			continue
		}
		plain := *m
		plain.Proto = sdp.Plain(m.Proto)
		if d.far[i], err = remote(&plain, leg); err != nil {
			return err
		}
		d.far[i].Crypto = crypto
	}
	if d.usable() {
		return nil
	}
	return why
}

// key is that of a stream's sender; nil: it is plain.
func (d *description) key(m *sdp.Media, leg *Leg, offer bool, e *End) (*relay.Crypto, error) {
	shown := e != nil && slices.ContainsFunc(e.Own, func(k Key) bool { return k.Shown })
	switch {
	case !m.Secured() && !offer && shown:
		return nil, fmt.Errorf("%w: it has no keys", ErrMismatch) // nor is it taken down to RTP by whoever can write to it
	case !m.Secured():
		return nil, nil
	case !leg.Secure:
		return nil, ErrInsecure
	case !offer && !shown:
		return nil, fmt.Errorf("%w: it has keys", ErrMismatch)
	}
	err := fmt.Errorf("%w: it has no a=crypto line with one", ErrNoKey)
	for i := range m.Crypto {
		c := &m.Crypto[i]
		if fault := c.Usable(); fault != nil {
			err = fmt.Errorf("%w: %w", ErrNoKey, fault)
			continue
		}
		master, fault := c.Master()
		if n := relay.KeyLength(c.Suite); fault != nil || n != len(master) {
			err = fmt.Errorf("%w: suite %q with %d bytes of key and salt", ErrNoKey, c.Suite, len(master))
			continue
		}
		// RFC 4568 §5.1.3: the answer's line is one of the offer's.
		if !offer && !slices.ContainsFunc(e.Own, func(k Key) bool { return k.Shown && k.Tag == c.Tag && k.Suite == c.Suite }) {
			return nil, fmt.Errorf("%w: a=crypto:%d %s was not offered", ErrMismatch, c.Tag, c.Suite)
		}
		mki, _ := c.Identifier() // of a line that is usable
		return &relay.Crypto{Suite: c.Suite, Tag: c.Tag, Receive: master, MKI: mki}, nil
	}
	return nil, err
}

// lock says of each stream which keys of ours a side's peer is to be shown: in an offer all that there are, in an answer the one of
// the line that it has offered. It changes nothing; own are the keys that the side's ends then have.
func (d *description) lock(a *Anchor, legs *Legs, to Side, offer bool, random io.Reader) (own [][]Key, err error) {
	own = make([][]Key, len(a.Streams))
	for i := range a.Streams {
		holds := a.holds(i, to)
		said := holds.Crypto
		own[i] = slices.Clone(a.Streams[i].Ends[to].Own)
		for n := range own[i] {
			own[i][n].Shown = false
		}
		var m *sdp.Media
		if i < len(d.far) && d.far[i].RTP.Port() != 0 && d.body.Media()[i].Transport == sdp.RTP {
			m = &d.body.Media()[i]
		}
		switch {
		case offer && m != nil && (said != nil || legs[to].SRTP && !holds.RTP.IsValid()):
			if !legs[to].Secure {
				return nil, keyless(ErrInsecure, m, i)
			}
			suites := offered[:]
			if said != nil && !slices.Contains(suites, said.Suite) {
				suites = append([]string{said.Suite}, suites...)
			}
			for n, suite := range suites {
				if own[i], err = keyed(own[i], Key{Suite: suite, Shown: true, Tag: uint32(n) + 1}, random); err != nil { // few
					return nil, err
				}
			}
		case !offer && said != nil:
			if m != nil && !legs[to].Secure {
				return nil, keyless(ErrInsecure, m, i)
			}
			// A stream that this one refuses may be one that the next fork does not.
			if own[i], err = keyed(own[i], Key{Suite: said.Suite, Shown: m != nil, Tag: said.Tag}, random); err != nil {
				return nil, err
			}
		}
	}
	return own, nil
}

// keyed is a list of keys with one of a suite, shown as that is.
func keyed(list []Key, k Key, random io.Reader) ([]Key, error) {
	for i := range list {
		if list[i].Suite == k.Suite {
			list[i].Shown, list[i].Tag = k.Shown, k.Tag
			return list, nil
		}
	}
	k.Key = make([]byte, relay.KeyLength(k.Suite))
	if _, err := io.ReadFull(random, k.Key); err != nil {
		return nil, fmt.Errorf("%w: a key: %w", ErrUnavailable, err)
	}
	return append(list, k), nil
}

// holds is what counts of a side's stream once its other side has answered: its offer, or what it has said before that.
func (a *Anchor) holds(i int, s Side) *relay.Remote {
	e := &a.Streams[i].Ends[s]
	if a.Offered&By(s) != 0 {
		return &e.Said
	}
	return &e.Far
}

// lines are the keys that a description is to show, in the order of their tags.
func lines(own []Key) (list []sdp.Crypto) {
	for _, k := range own {
		if k.Shown {
			list = append(list, sdp.Crypto{Tag: k.Tag, Suite: k.Suite, Key: base64.StdEncoding.EncodeToString(k.Key)})
		}
	}
	slices.SortFunc(list, func(x, y sdp.Crypto) int { return int(int64(x.Tag) - int64(y.Tag)) })
	return list
}

// sending is what a peer has said of keys, with the one of ours that goes with it.
func sending(c *relay.Crypto, own []Key, used bool) *relay.Crypto {
	if c == nil {
		return nil
	}
	with := *c
	with.Used = used
	for _, k := range own {
		if k.Suite == c.Suite {
			with.Send = k.Key
		}
	}
	return &with
}

// shows notes which keys a side's peer has been shown.
func (a *Anchor) shows(s Side, own [][]Key) {
	for i := range own {
		a.Streams[i].Ends[s].Own = own[i]
	}
}

// hides puts back what a side's peer was shown, where the offer to it has come to nothing: the line that holds.
func (a *Anchor) hides(s Side) {
	for i := range a.Streams {
		e := &a.Streams[i].Ends[s]
		e.Own = slices.Clone(e.Own)
		for n := range e.Own {
			k := &e.Own[n]
			if k.Shown = e.Far.Crypto != nil && e.Far.Crypto.Suite == k.Suite; k.Shown {
				k.Tag = e.Far.Crypto.Tag
			}
		}
	}
}
