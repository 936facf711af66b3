package simtest

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// act is what a peer does.
func (s *Stage) act(p *Peer, words []string) error {
	switch verb := words[0]; {
	case verb == "auto":
		return p.automate(words[1:])
	case verb == "close":
		s.Net.broken[p.conn] = true
		return nil
	case verb == "raw":
		return s.blurt(p, words[1:])
	case verb == "repeat":
		return s.repeat(p, words[1:])
	case isCode(verb):
		return s.respond(p, words)
	case verb == strings.ToUpper(verb):
		return s.ask(p, words)
	}
	return fmt.Errorf("%s cannot %s", p.Name, words[0])
}

func isCode(s string) bool {
	return len(s) == 3 && s[0] >= '1' && s[0] <= '9' && strings.Trim(s, "0123456789") == ""
}

// ask sends a request.
func (s *Stage) ask(p *Peer, words []string) error {
	method, rest, number := words[0], words[1:], ""
	if method == "INVITE" && len(rest) > 0 && strings.ContainsRune("+0123456789", rune(rest[0][0])) {
		number, rest = rest[0], rest[1:]
	}
	o, err := readOptions(rest)
	if err != nil {
		return err
	}
	if err := s.replacing(p, o); err != nil {
		return err
	}
	t, m, err := p.request(method, number, o)
	if err != nil {
		return err
	}
	t.sent[method] = m.bytes()
	if method == "ACK" && t.final.code() < 300 {
		t.acks[t.final.first("CSeq")+t.final.toTag()] = m.bytes()
	}
	return s.send(p, t, m.bytes(), m.cseq(), o)
}

// replacing adds a Replaces to what a REFER asks for: "2" or "PEER.2", a call as that
// peer knows it.
func (s *Stage) replacing(p *Peer, o options) error {
	text := o.or("replaces", "")
	if text == "" {
		return nil
	}
	if name, rest, found := strings.Cut(text, "."); found {
		p, text = s.peers[name], rest
	}
	n, err := strconv.Atoi(text)
	if err != nil || p == nil || n < 1 || n > len(p.talks) {
		return fmt.Errorf("replaces=%s is no call", o.or("replaces", ""))
	}
	t := p.talks[n-1]
	o.values["referto"] += "?Replaces=" + url.QueryEscape(t.id+";to-tag="+t.otherTag+";from-tag="+t.tag)
	return nil
}

// respond sends a response.
func (s *Stage) respond(p *Peer, words []string) error {
	code, method, rest := words[0], "INVITE", words[1:]
	if len(rest) > 0 && rest[0] == strings.ToUpper(rest[0]) && strings.Trim(rest[0], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
		method, rest = rest[0], rest[1:]
	}
	o, err := readOptions(rest)
	if err != nil {
		return err
	}
	t, m, err := p.response(code, method, o)
	if err != nil {
		return err
	}
	t.sent[code+" "+method] = m.bytes()
	return s.send(p, t, m.bytes(), m.cseq(), o)
}

// repeat sends again what was sent.
func (s *Stage) repeat(p *Peer, words []string) error {
	what, rest := words[0], words[1:]
	if isCode(what) {
		method := "INVITE"
		if len(rest) > 0 && rest[0] == strings.ToUpper(rest[0]) && strings.Trim(rest[0], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
			method, rest = rest[0], rest[1:]
		}
		what += " " + method
	}
	o, err := readOptions(rest)
	if err != nil {
		return err
	}
	t, err := p.pick(o)
	if err != nil {
		return err
	}
	data, ok := t.sent[what]
	if !ok {
		return fmt.Errorf("%s has sent no %s", p.Name, what)
	}
	return s.send(p, t, data, read(data).cseq(), o)
}

// blurt sends a text of the scenario as it stands, its variables filled in.
func (s *Stage) blurt(p *Peer, words []string) error {
	text, ok := s.raw[words[0]]
	if !ok {
		return fmt.Errorf("there is no section %q", words[0])
	}
	o, err := readOptions(words[1:])
	if err != nil {
		return err
	}
	source, err := s.source(p.addresses[0], o)
	if err != nil {
		return err
	}
	text = strings.ReplaceAll(text, "\n", "\r\n")
	if strings.Contains(text, "{") {
		if text, err = p.fill(text, o); err != nil {
			return err
		}
	}
	s.Net.say(p, source, []byte(text))
	return nil
}

// fill writes into a text what only the call itself knows.
func (p *Peer) fill(text string, o options) (string, error) {
	t, err := p.pick(o)
	if err != nil {
		return "", err
	}
	r, ok := t.requests[o.or("of", "INVITE")]
	if !ok && o.or("of", "") != "" {
		return "", fmt.Errorf("%s has received no %s", p.Name, o.or("of", ""))
	}
	p.branches++
	_, body, _ := strings.Cut(text, "\r\n\r\n")
	return strings.NewReplacer(
		"{via}", r.first("Via"), "{from}", r.first("From"), "{to}", r.first("To"), "{cseq}", strconv.Itoa(r.cseq()),
		"{call-id}", t.id, "{self}", tagged(t.self, t.tag), "{other}", tagged(t.other, t.otherTag), "{target}", t.target,
		"{branch}", fmt.Sprintf("z9hG4bK-%s-%d", p.Name, p.branches), "{length}", strconv.Itoa(len(body)),
	).Replace(text), nil
}

// send puts bytes on the network, once or again and again.
func (s *Stage) send(p *Peer, t *talk, data []byte, cseq int, o options) error {
	source, err := s.source(t.at, o)
	if err != nil {
		return err
	}
	if o.every[0] == 0 {
		for range max(1, o.times) {
			s.Net.say(p, source, data)
		}
		return nil
	}
	delete(t.acked, cseq)
	begin, wait, n := time.Now(), o.every[0], 0
	var once func()
	once = func() {
		if o.till == "ACK" && t.acked[cseq] {
			return
		}
		s.Net.say(p, source, data)
		n++
		if time.Since(begin)+wait > o.span || o.times > 0 && n >= o.times {
			return
		}
		s.Net.later(wait, once)
		wait = min(2*wait, o.every[1])
	}
	once()
	return nil
}

// automate reads what a peer is to do by itself from now on.
func (p *Peer) automate(words []string) error {
	switch {
	case len(words) == 1 && words[0] == "ACK":
		p.autoACK = true
	case len(words) >= 1 && words[0] == "PRACK":
		p.autoPRACK = true
	case len(words) == 1 && words[0] == "487":
		p.auto487 = true
	case len(words) >= 2 && isCode(words[0]):
		p.auto = append(p.auto, automatic{words[0], words[1], words})
	default:
		return fmt.Errorf("auto ACK, auto PRACK, auto 487 or auto CODE METHOD")
	}
	return nil
}

// hear is what a peer does about a message by itself.
func (s *Stage) hear(p *Peer, m message, to netip.AddrPort) {
	t := p.hear(m, to)
	if m.code() >= 200 && m.method() == "INVITE" && p.autoACK {
		s.autoACK(p, t, m)
	}
	if rseq := m.first("RSeq"); rseq != "" && p.autoPRACK && t.pracked != rseq {
		t.pracked = rseq
		if err := s.ask(p, []string{"PRACK", fmt.Sprintf("call=%d", t.n)}); err != nil {
			s.t.Errorf("%s auto PRACK: %v", p.Name, err)
		}
	}
	if m.code() != 0 {
		return
	}
	if m.method() == "CANCEL" && p.auto487 {
		s.auto(p, t, []string{"200", "CANCEL"})
		if !t.quit {
			t.quit = true
			s.auto(p, t, []string{"487", "INVITE"})
		}
	}
	for _, a := range p.auto {
		if a.method == m.method() {
			s.auto(p, t, a.words)
		}
	}
}

// autoACK acknowledges every copy; of a 2xx with the bytes of the first time.
func (s *Stage) autoACK(p *Peer, t *talk, m message) {
	key := m.first("CSeq") + m.toTag()
	data := t.acks[key]
	if data == nil {
		o, _ := readOptions(nil)
		ack, err := p.acknowledging(t, o)
		if err != nil {
			s.t.Error(err)
			return
		}
		data = ack.bytes()
		if m.code() < 300 {
			t.acks[key] = data
		}
	}
	t.sent["ACK"] = data
	s.Net.say(p, t.at, data)
}

// auto answers within the talk that was heard.
func (s *Stage) auto(p *Peer, t *talk, words []string) {
	words = append(words[:len(words):len(words)], fmt.Sprintf("call=%d", t.n))
	if err := s.respond(p, words); err != nil {
		s.t.Errorf("%s auto %s: %v", p.Name, strings.Join(words, " "), err)
	}
}
