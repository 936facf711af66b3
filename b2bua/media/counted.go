package media

import (
	"context"
	"strconv"

	"bulkhead/b2bua/media/ng"
	"bulkhead/b2bua/media/relay"
)

// Sync is Way.
func (e *Engined) Sync(call string, a *Anchor) {
	if a.Node != "" {
		_ = e.count(call, a, Querying, e.client.Query)
	}
}

// count takes what rtpengine has counted of an anchor, by a query or as it is deleted.
func (e *Engined) count(call string, a *Anchor, doing Doing, ask func(ctx context.Context, node, call string) (ng.Stats, error)) error {
	stats, err := ask(context.Background(), a.Node, name(call, a))
	if e.failed(call, doing, err); len(stats.Legs) > 0 {
		counted(a, &stats)
	}
	return err
}

// counted takes what rtpengine has counted. What it knows of quality it has from the RTCP of
// who hears a source.
func counted(a *Anchor, stats *ng.Stats) {
	carrier := a.Leg
	if a.Renew { // the next leg has none yet
		carrier = a.Was
	}
	for _, leg := range stats.Legs {
		side := Carrier
		if leg.Leg == tag(a, Trunk) {
			side = Trunk
		} else if leg.Leg != strconv.Itoa(int(carrier)) {
			continue
		}
		for _, m := range leg.Media {
			i := m.Index - 1
			if i < 0 || i >= len(a.Streams) {
				continue
			}
			end := &a.Streams[i].Ends[side]
			var now relay.Stats
			for _, s := range m.Streams {
				if s.RTCP {
					now.RTCP = s.Received.Packets
					continue
				}
				now.Packets, now.Octets, now.Dropped = s.Received.Packets, s.Received.Bytes, s.Received.Errors
				now.SSRC, now.Heard = s.SSRC, s.Remote
				if s.Received.Packets > 0 {
					now.Last = s.Last
				}
				for _, q := range stats.Sources {
					if q.SSRC == s.SSRC && s.SSRC != 0 {
						now.Lost, now.Jitter = uint64(max(q.Lost, 0)), q.Jitter // not negative
						now.MaxJitter = max(end.Stats.MaxJitter, q.Jitter)
					}
				}
			}
			end.Stats = added(end.Before, now)
		}
	}
}
