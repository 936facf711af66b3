package dialog

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"
)

// Coder writes or reads a record: fields without names, in one order, in blocks
// that know their length. One method lists the fields of a type for both
// directions, so they cannot drift apart. A newer writer adds fields at the end
// of a block; an older reader keeps what it does not know in the block's tail and
// writes it again; fields that an older writer did not have are zero.
//
// Integers are varints, times are nanoseconds after Base, strings and bytes are
// preceded by their length.
type Coder struct {
	Base    time.Time // what times are counted from: the same for writer and reader
	data    []byte    // written so far, or still to be read
	text    string    // all that is read, once: the strings read are parts of it
	end     int       // where data ends in text
	reading bool
	err     error
}

// ErrRecord says that a record cannot be read: it is cut short or garbled.
var ErrRecord = errors.New("dialog: a record that cannot be read")

// NewWriter writes a record behind what is in b.
func NewWriter(b []byte) *Coder { return &Coder{data: b} }

// NewReader reads a record. What is read of it holds on to a copy of the whole:
// a hundred small strings of a call are dearer.
func NewReader(b []byte) *Coder {
	return &Coder{data: b, text: string(b), end: len(b), reading: true}
}

// Reading says in which direction the coder works.
func (c *Coder) Reading() bool { return c.reading }

// Err is the first fault met in reading.
func (c *Coder) Err() error { return c.err }

// Data is what has been written, or what is left to read.
func (c *Coder) Data() []byte { return c.data }

// Fail notes that what was read makes no sense.
func (c *Coder) Fail() {
	c.data = nil
	if c.err == nil {
		c.err = ErrRecord
	}
}

// Uint is an unsigned integer.
func (c *Coder) Uint(v *uint64) {
	if !c.reading {
		c.data = binary.AppendUvarint(c.data, *v)
		return
	}
	if len(c.data) == 0 {
		*v = 0 // a field that the writer did not have
		return
	}
	n, size := binary.Uvarint(c.data)
	if size <= 0 {
		c.Fail()
		return
	}
	*v, c.data = n, c.data[size:]
}

// Int is a signed integer of any kind.
func Int[T ~int | ~int64 | ~uint8 | ~uint16 | ~uint32](c *Coder, v *T) {
	u := uint64(*v)<<1 ^ uint64(int64(*v)>>63)
	c.Uint(&u)
	if c.reading {
		n := int64(u>>1) ^ -int64(u&1)
		if *v = T(n); int64(*v) != n {
			c.Fail()
		}
	}
}

// Flag is true or false.
func (c *Coder) Flag(v *bool) {
	var u uint64
	if *v {
		u = 1
	}
	c.Uint(&u)
	if c.reading {
		*v = u == 1
	}
}

// Time is an instant; the zero time is kept as such.
func (c *Coder) Time(v *time.Time) {
	var u uint64
	if !v.IsZero() {
		n := v.Sub(c.Base).Nanoseconds()
		u = (uint64(n)<<1 ^ uint64(n>>63)) + 1
	}
	c.Uint(&u)
	if c.reading {
		*v = time.Time{}
		if u > 0 {
			u--
			*v = c.Base.Add(time.Duration(int64(u>>1) ^ -int64(u&1)))
		}
	}
}

// String is a text.
func (c *Coder) String(v *string) {
	if !c.reading {
		c.data = append(binary.AppendUvarint(c.data, uint64(len(*v))), *v...)
		return
	}
	at, n := c.skip()
	*v = c.text[at : at+n]
}

// Bytes are kept as nil where there are none.
func (c *Coder) Bytes(v *[]byte) {
	if !c.reading {
		c.data = append(binary.AppendUvarint(c.data, uint64(len(*v))), *v...)
		return
	}
	at, n := c.skip()
	*v = append([]byte(nil), c.text[at:at+n]...)
}

// skip reads a length and goes past as many bytes; it returns where in text they
// are.
func (c *Coder) skip() (at, n int) {
	var size uint64
	c.Uint(&size)
	if size > uint64(len(c.data)) {
		c.Fail()
		return 0, 0
	}
	at, n = c.end-len(c.data), int(size)
	c.data = c.data[n:]
	return at, n
}

// Block is a group of fields with its length before it; tail keeps what a newer
// writer has added.
func (c *Coder) Block(tail *[]byte, fields func()) {
	if !c.reading {
		start := len(c.data)
		fields()
		c.data = append(c.data, *tail...)
		size := len(c.data) - start
		var prefix [binary.MaxVarintLen64]byte
		n := binary.PutUvarint(prefix[:], uint64(size))
		c.data = append(c.data, prefix[:n]...)
		copy(c.data[start+n:], c.data[start:start+size])
		copy(c.data[start:], prefix[:n])
		return
	}
	block := c.data
	at, n := c.skip()
	rest, end := c.data, c.end
	c.data, c.end = block[len(block)-len(rest)-n:len(block)-len(rest)], at+n
	fields()
	if c.err != nil {
		return
	}
	*tail = append([]byte(nil), c.data...)
	c.data, c.end = rest, end
}

// List is a list of items.
func List[T any](c *Coder, list *[]T, item func(*T)) {
	n := uint64(len(*list))
	c.Uint(&n)
	if c.reading {
		*list = nil
		if n > uint64(len(c.data)) { // an item takes a byte at least
			c.Fail()
			return
		}
		if n > 0 {
			*list = make([]T, n)
		}
	}
	for i := range *list {
		if item(&(*list)[i]); c.err != nil {
			return
		}
	}
}

// Maybe is a group of fields that most records lack: one byte says so.
func (c *Coder) Maybe(is bool, fields func()) {
	if c.Flag(&is); is {
		fields()
	}
}

// Strings is a list of texts.
func (c *Coder) Strings(list *[]string) { List(c, list, c.String) }

// AddrPort is an address, as netip writes it with its length before it; the zero
// one is kept as such.
func (c *Coder) AddrPort(v *netip.AddrPort) {
	if !c.reading {
		switch a := v.Addr(); {
		case !v.IsValid():
			c.data = append(c.data, 0)
			return
		case a.Is4():
			c.data = append(c.data, 4+2)
		default:
			c.data = binary.AppendUvarint(c.data, uint64(16+len(a.Zone())+2))
		}
		c.data, _ = v.AppendBinary(c.data) // never fails
		return
	}
	b := c.data
	at, n := c.skip()
	*v = netip.AddrPort{}
	if n > 0 && v.UnmarshalBinary(b[at-(c.end-len(b)):][:n]) != nil {
		c.Fail()
	}
}
