package main

import (
	"embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// chaosTexts are the suites. A suite is scenarios; a scenario begins with
//
//	== NAME: what happens (RFC and section)
//
// and is lines of statements separated by " ; ". "#" begins a comment. The language is that of
// the ladders in b2bua/testdata, as far as peers on sockets can play it: "+200ms" or "+2t1"
// before a statement waits as long first; a statement waits for what it needs.
//
//	PEER METHOD [OPTIONS]           a request: caller's INVITE begins the call; CANCEL and ACK
//	                                are those of its last INVITE, others are in the dialog
//	PEER CODE [METHOD] [OPTIONS]    a response to the last METHOD (INVITE) received, waited for
//	PEER gets WHAT                  waits for a METHOD [uri=], or a CODE [METHOD]
//	wait 10s | wait repeats         time passes; all that is repeated has been
//
// PEER: caller, tc1, tc2. Options: sdp, sdp=2 · tag= (the peer's own) · cseq= (of an ACK: whose) ·
// contact= · rr= (Record-Route; in it and in uri= self is the peer's address) · h="Name: value" · port=other (the source)
// · style=compact|folded|lower|spaced|unmeasured|empty (without Content-Length; with one of 0)
// · every t1..t2 for deaf, every 2s for 20s. Times: 200ms, 4t1, deaf (near Timer D, or beyond it
// where the target lingers).
//
//go:embed chaos/*.txt
var chaosTexts embed.FS

// scenario is one call that is played.
type scenario struct {
	name, about, section string
	steps                []statement
}

// statement is what one peer does, or what is waited for.
type statement struct {
	line    int
	after   string // a time
	who     string // empty: wait
	words   []string
	options map[string]string
	headers []string
	every   [2]string // from, to
	during  string
}

var chaosPeers = []string{"caller", "tc1", "tc2"}

func chaosSuites() []string { return []string{"founding", "carrier-zoo", "rfc5407"} }

// chaosSuite reads a suite.
func chaosSuite(name string) ([]scenario, error) {
	if !slices.Contains(chaosSuites(), name) {
		return nil, fmt.Errorf("chaos: no suite %q; there are %s", name, strings.Join(chaosSuites(), ", "))
	}
	text, err := chaosTexts.ReadFile("chaos/" + name + ".txt")
	if err != nil {
		return nil, err
	}
	list, err := readScenarios(string(text))
	if err != nil {
		return nil, fmt.Errorf("chaos/%s.txt:%w", name, err)
	}
	return list, nil
}

var scenarioHead = regexp.MustCompile(`^== ([a-z0-9-]+): (.+) \((RFC [^)]+)\)$`)

func readScenarios(text string) ([]scenario, error) {
	var list []scenario
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "== ") {
			m := scenarioHead.FindStringSubmatch(line)
			if m == nil {
				return nil, fmt.Errorf("%d: not a head: %s", n, line)
			}
			list = append(list, scenario{name: m[1], about: m[2], section: m[3]})
			continue
		}
		line, _, _ = strings.Cut(" "+line, " #")
		if strings.TrimSpace(line) == "" {
			continue
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("%d: a statement before the first head", n)
		}
		for part := range strings.SplitSeq(line, " ; ") {
			s, err := readStatement(part)
			if err != nil {
				return nil, fmt.Errorf("%d: %q: %w", n, strings.TrimSpace(part), err)
			}
			s.line = n
			last := &list[len(list)-1]
			last.steps = append(last.steps, s)
		}
	}
	return list, nil
}

var (
	scriptWord = regexp.MustCompile(`[^\s"]*"[^"]*"|\S+`)
	scriptTime = regexp.MustCompile(`^(deaf|t1|t2|\d+t1|\d+t2|\d+ms|\d+s)$`)
)

func readStatement(part string) (statement, error) {
	s := statement{options: map[string]string{}}
	words := scriptWord.FindAllString(part, -1)
	if len(words) > 0 && strings.HasPrefix(words[0], "+") {
		s.after, words = words[0][1:], words[1:]
	}
	times := []string{s.after}
	if len(words) == 2 && words[0] == "wait" {
		s.words = words[1:]
		if words[1] != "repeats" {
			times = append(times, words[1])
		}
		return s, knownTimes(times)
	}
	if len(words) < 2 || !slices.Contains(chaosPeers, words[0]) {
		return s, errors.New("neither wait nor what a peer does")
	}
	s.who, words = words[0], words[1:]
	for i := 0; i < len(words); i++ {
		name, value, valued := strings.Cut(words[i], "=")
		switch {
		case words[i] == "every" && i+3 < len(words) && words[i+2] == "for":
			from, to, ok := strings.Cut(words[i+1], "..")
			if !ok {
				to = from
			}
			s.every, s.during = [2]string{from, to}, words[i+3]
			times = append(times, from, to, s.during)
			i += 3
		case words[i] == "sdp":
			s.options["sdp"] = "1"
		case valued && name == "h":
			s.headers = append(s.headers, strings.Trim(value, `"`))
		case valued && slices.Contains([]string{"sdp", "tag", "cseq", "contact", "rr", "style", "port", "uri"}, name):
			s.options[name] = strings.Trim(value, `"`)
		case strings.ToUpper(words[i]) == words[i] || i == 0 && words[i] == "gets":
			s.words = append(s.words, words[i])
		default:
			return s, fmt.Errorf("%q is not known", words[i])
		}
	}
	if len(s.words) == 0 {
		return s, errors.New("it does nothing")
	}
	return s, knownTimes(times)
}

func knownTimes(times []string) error {
	for _, t := range times {
		if t != "" && !scriptTime.MatchString(t) {
			return fmt.Errorf("%q is not a time", t)
		}
	}
	return nil
}

// time is a time of a text, as the target's timers have it.
func (t chaosTarget) time(text string) time.Duration {
	if text == "deaf" { // Timer D is 64·T1 with us, 32 s at least by RFC 3261 §17.1.1.2
		return 56*t.Timers.T1 + min(t.Linger, 40*t.Timers.T1)
	}
	for unit, d := range map[string]time.Duration{"t1": t.Timers.T1, "t2": t.Timers.T2} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			if n, err := strconv.Atoi(number); err == nil {
				return time.Duration(n) * d
			}
			return d
		}
	}
	d, _ := time.ParseDuration(text) // of a known form, see knownTimes
	return d
}
