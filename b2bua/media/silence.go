package media

import (
	"net/netip"
	"time"

	"bulkhead/b2bua/media/relay"
)

// flow is a stream that two ends talk in, as it is watched: for silence, and for who was found to
// speak where nobody had said that he would.
type flow struct {
	call  string
	ends  [2]netip.AddrPort
	heard [2]netip.AddrPort
	turns [2]uint64 // how often the numbers of SRTP have got half way round
	due   bool      // somebody should be heard: it is neither refused nor on hold
	since time.Time // of the last description
	told  bool      // of this silence
}

// Watched tells what Watch has found, by the port on the trunk's side.
type Watched struct {
	Silent func(call string, at netip.AddrPort)
	Heard  func(call string, at netip.AddrPort)
}

// due says that somebody should be heard: the stream is neither refused nor on hold.
func (s *Stream) due() bool {
	for _, e := range s.Ends {
		if e.Far.RTP.Port() == 0 || e.Far.Held || e.Far.RTP.Addr().IsUnspecified() {
			return false
		}
	}
	return true
}

// follow watches a stream from its latest description on.
func (r *Relayed) follow(call string, s *Stream) {
	f := &flow{call: call, ends: [2]netip.AddrPort{s.Ends[0].Local, s.Ends[1].Local}, due: s.due(), since: time.Now()}
	for side, e := range s.Ends {
		if f.heard[side] = e.Far.RTP; e.Stats.Heard.IsValid() {
			f.heard[side] = e.Stats.Heard
		}
		f.turns[side] = turns(e.Stats.Rollovers)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flows[f.ends[Trunk]] = f
}

// turns are those of all who have spoken, who count as one each.
func turns(all []relay.Rollover) (n uint64) {
	for _, r := range all {
		if n += 1 + 2*uint64(r.ROC); r.Half {
			n++
		}
	}
	return n
}

// leave ends that.
func (r *Relayed) leave(s *Stream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.flows, s.Ends[Trunk].Local)
}

// quiet is for how long nothing has come from either side; 0: nothing has to.
func (f *flow) quiet(now time.Time, stats [2]relay.Stats) time.Duration {
	if !f.due {
		return 0
	}
	last := f.since
	for _, s := range stats {
		if s.Last.After(last) {
			last = s.Last
		}
	}
	return now.Sub(last)
}

// Silent says that nothing has been heard of an anchor for too long, and that something should
// have been.
func (r *Relayed) Silent(_ string, a *Anchor) bool {
	if r.silence == 0 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now, silent := time.Now(), false
	for i := range a.Streams {
		f := r.flows[a.Streams[i].Ends[Trunk].Local]
		if f == nil || !f.due {
			continue
		}
		if f.quiet(now, r.stats(f)) < r.silence {
			return false
		}
		silent = true
	}
	return silent
}

func (r *Relayed) stats(f *flow) (all [2]relay.Stats) {
	for side, local := range f.ends {
		all[side], _ = r.ports.Stats(local)
	}
	return all
}

// Watch looks at all streams once. Each silence is told once, and so is each place that somebody
// is heard from, and each time that what is stored of SRTP has become old.
func (r *Relayed) Watch(now time.Time, tell Watched) {
	var silent, heard []flow
	r.mu.Lock()
	for _, f := range r.flows {
		stats := r.stats(f)
		is := r.silence > 0 && f.quiet(now, stats) >= r.silence
		if is && !f.told {
			silent = append(silent, *f)
		}
		f.told = is
		moved := false
		for side, s := range stats {
			if s.Heard.IsValid() && s.Heard != f.heard[side] {
				f.heard[side], moved = s.Heard, true
			}
			if n := turns(s.Rollovers); n != f.turns[side] {
				f.turns[side], moved = n, true
			}
		}
		if moved {
			heard = append(heard, *f)
		}
	}
	r.mu.Unlock()
	for _, f := range heard {
		tell.Heard(f.call, f.ends[Trunk])
	}
	for _, f := range silent {
		tell.Silent(f.call, f.ends[Trunk])
	}
}

// WatchEvery is how often that is to be done.
func (r *Relayed) WatchEvery() time.Duration {
	if r.silence == 0 {
		return time.Second
	}
	return min(max(r.silence/10, 50*time.Millisecond), time.Second)
}
