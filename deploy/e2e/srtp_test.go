//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pion/rtp"
)

// securePeer is a TLS connection that speaks as little SIP as a peer does.
type securePeer struct {
	*peer
	conn *tls.Conn
	in   chan message
}

// secureTrunk connects to the border's core as the trunk.
func (b *border) secureTrunk() *securePeer {
	b.t.Helper()
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(b.ip(caller))}, Timeout: patience}
	conn, err := tls.DialWithDialer(from, "tcp", b.ip(coreSide)+":5061", &tls.Config{InsecureSkipVerify: true}) // of an authority that nobody knows
	if err != nil {
		b.t.Fatal(err)
	}
	p := &securePeer{&peer{t: b.t, addr: conn.LocalAddr().String()}, conn, make(chan message, 100)}
	b.t.Cleanup(func() { conn.Close() })
	go func() {
		defer close(p.in)
		for lines := bufio.NewReader(conn); ; {
			var m message
			for !strings.HasSuffix(m.text, "\r\n\r\n") {
				line, err := lines.ReadString('\n')
				if err != nil {
					return
				}
				if m.text += line; m.text == "\r\n" { // a keep-alive
					m.text = ""
				}
			}
			body := make([]byte, number64(m.header("Content-Length")))
			if _, err := io.ReadFull(lines, body); err != nil {
				return
			}
			m.text += string(body)
			p.in <- m
		}
	}()
	return p
}

func (p *securePeer) send(text string) {
	p.t.Helper()
	if _, err := p.conn.Write([]byte(strings.Replace(text, "SIP/2.0/UDP", "SIP/2.0/TLS", 1))); err != nil {
		p.t.Fatal(err)
	}
}

func (p *securePeer) find(begin string) message {
	p.t.Helper()
	late := time.After(patience)
	for {
		select {
		case m, ok := <-p.in:
			if !ok {
				p.t.Fatalf("the connection has ended before %s", begin)
			}
			if strings.HasPrefix(m.text, begin) {
				return m
			}
		case <-late:
			p.t.Fatalf("no %s in %v", begin, patience)
		}
	}
}

// TestSRTPOutlivesItsNode is a trunk over TLS that talks SRTP with a carrier that does not. Its numbers have begun again when the node is
// killed: the other one goes on by the keys and the counter of the record. What is forged or repeated is counted, and no key is
// in any file.
func TestSRTPOutlivesItsNode(t *testing.T) {
	t.Parallel()
	b := openPair(t, 0, nil, plan{prefix: "127.27", secure: true, build: "plain", media: "{relay: {ports: 31000-31199}}", more: "trace: {keep: 1m}"})
	trunk, gateway := b.secureTrunk(), b.peerAt(tc1)
	far, near := talk(t, b.ip(tc1), 0x2222, 8, 0x55), talk(t, b.ip(caller), 0x1111, 8, alaw)
	key := []byte("a key and salt, thirty bytes..")
	uri := "sip:" + b.ip(coreSide) + ":5061;transport=tls"
	headers := []string{"From: <sip:a@e2e.invalid>;tag=srtp", "To: <" + uri + ">", "Call-ID: srtp", "Contact: <sip:" + trunk.addr + ";transport=tls>"}
	crypto := "a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:" + base64.StdEncoding.EncodeToString(key) + "|2^31|1:4"
	trunk.send(withBody(trunk.request("INVITE", strings.Replace(uri, "sip:", "sip:"+number+"@", 1), "invite", append(headers, "CSeq: 1 INVITE")...), string(near.describe("RTP/SAVP", "8", crypto))))
	invite := gateway.find("INVITE ", patience)
	_, offer, _ := strings.Cut(invite.text, "\r\n\r\n")
	if strings.Contains(offer, "SAVP") || strings.Contains(offer, "crypto") {
		t.Errorf("the carrier is offered\n%s", offer)
	}
	far.aim([]byte(offer))
	gateway.send(invite.from, withBody(invite.reply("200 OK", "callee", "Contact: <sip:"+gateway.addr+">"), string(far.describe("RTP/AVP", "8"))))
	gateway.find("ACK ", patience)
	ok := trunk.find("SIP/2.0 200 ")
	headers[1] = "To: " + ok.header("To")
	trunk.send(trunk.request("ACK", uri, "ack", append(headers, "CSeq: 1 ACK")...))
	_, answer, _ := strings.Cut(ok.text, "\r\n\r\n")
	line := cryptoLine.FindStringSubmatch(answer)
	if line == nil || line[1] != "4" || line[2] != "AES_CM_128_HMAC_SHA1_80" || !strings.Contains(answer, " RTP/SAVP 8") {
		t.Fatalf("the trunk is answered\n%s", answer)
	}
	near.mu.Lock()
	near.in, near.out = secured(t, line, key, 0, 0, 0, 1)
	near.seq = 65_480
	near.mu.Unlock()
	near.aim([]byte(answer))
	turned := false
	far.hears(100, func(p rtp.Packet) bool { turned = turned || p.SequenceNumber < 1000; return near.says(p) })
	near.hears(50, far.says)
	if !turned {
		t.Fatal("its numbers have not begun again")
	}
	// The record says that the numbers have begun again a second later at most.
	b.nodes[0].until("the second half of it to be stored", patience, func() bool {
		text, err := b.tool("call", "dump", filepath.Join(b.dir, "a", "bulkhead.yaml"), b.calls()[0])
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if strings.Contains(text, line[3]) || strings.Contains(text, base64.StdEncoding.EncodeToString(key)) {
			t.Fatal("there is a key in what is dumped")
		}
		return strings.Contains(text, `"roc": 1`)
	})

	b.nodes[0].signal(syscall.SIGKILL)
	b.nodes[1].took()
	far.heard()
	far.hears(50, near.says)
	near.heard()
	ssrc := map[uint32]bool{}
	near.hears(50, func(p rtp.Packet) bool {
		ssrc[p.SSRC] = true
		return p.Payload[0] == far.sample && p.Payload[159] == far.sample
	})
	if ssrc[far.ssrc] || len(ssrc) != 1 {
		t.Errorf("the trunk hears the SSRCs %v, and %d is the one whose keystream has been used", ssrc, far.ssrc)
	}
	// What has been said before is not said again, nor what nobody has said.
	near.mu.Lock()
	repeat, to := near.last, near.to
	near.mu.Unlock()
	forged := slices.Clone(repeat)
	binary.BigEndian.PutUint16(forged[2:], binary.BigEndian.Uint16(repeat[2:])+50) // of a packet that has not been
	forged[20] ^= 1
	for _, packet := range [][]byte{repeat, repeat, forged, forged, forged} {
		if _, err := near.udp.WriteToUDPAddrPort(packet, to); err != nil {
			t.Fatal(err)
		}
	}
	far.hears(20, near.says)
	again := b.secureTrunk()
	again.send(again.request("BYE", uri, "bye", append(headers, "CSeq: 2 BYE")...))
	bye := gateway.find("BYE ", patience)
	gateway.send(bye.from, bye.reply("200 OK", ""))
	again.find("SIP/2.0 200 ")
	r := b.settled(b.nodes[1], 1)[0]
	m := r.Attempts[0].Media.Streams[0]
	if m.Trunk.SRTP != "AES_CM_128_HMAC_SHA1_80" || m.Trunk.Unkeyed < 3 || m.Trunk.Replayed < 2 || m.Trunk.MOS < 3 || m.Trunk.Packets < 100 || m.Carrier.SRTP != "" || m.Carrier.Packets < 100 {
		t.Errorf("record: %+v", m)
	}
	t.Logf("%+v", m)
	for _, secret := range [][]byte{key, nil} {
		text := base64.StdEncoding.EncodeToString(secret)
		if secret == nil {
			text = line[3]
		}
		if err := filepath.WalkDir(b.dir, func(at string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || d.Type()&fs.ModeSocket != 0 {
				return err
			}
			data, err := os.ReadFile(at)
			if bytes.Contains(data, []byte(text)) || bytes.Contains(data, key) {
				err = fmt.Errorf("there is a key in %s", at)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
}
