package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Peer is a node of a cluster: of this unit or of another one in the same Redis.
type Peer struct {
	Node   string
	Unit   string        // whose calls it serves, or may serve
	URL    string        // of its API; empty: it has none that others reach
	Silent time.Duration // since it was announced last
}

// peer is how one is kept.
type peer struct {
	Unit string `json:"unit"`
	URL  string `json:"url,omitempty"`
	At   int64  `json:"at"` // ms, by Redis' clock
}

// peersStay is how long nothing is forgotten of nodes that are silent: longer than their
// calls stay.
const peersStay = 7 * 24 * time.Hour

func (r *Redis) peers(cluster string) string { return r.prefix + "peers:" + cluster }

// Announce notes where a node is reached, and returns all nodes of the cluster, by their
// names. Nodes are of one cluster if they call it the same, whatever unit they serve. Who
// is no node, "", only asks.
func (r *Redis) Announce(ctx context.Context, cluster string, self Peer) ([]Peer, error) {
	key := r.peers(cluster)
	client, err := r.master(ctx, key)
	if err != nil {
		return nil, err
	}
	clock, err := client.Time(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("storage: the nodes of the cluster: %w", r.failed(ctx, err))
	}
	now := clock.UnixMilli()
	pipe := client.Pipeline()
	if self.Node != "" {
		text, err := json.Marshal(peer{self.Unit, self.URL, now})
		if err != nil {
			return nil, fmt.Errorf("storage: announcing node %s: %w", self.Node, err)
		}
		pipe.HSet(ctx, key, self.Node, text)
		pipe.PExpire(ctx, key, peersStay)
	}
	said := pipe.HGetAll(ctx, key)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("storage: the nodes of the cluster: %w", r.failed(ctx, err))
	}
	var all []Peer
	for node, text := range said.Val() {
		var p peer
		silent := peersStay + 1 // what cannot be read says nothing
		if json.Unmarshal([]byte(text), &p) == nil {
			silent = time.Duration(max(now-p.At, 0)) * time.Millisecond
		}
		if silent > peersStay {
			if err := client.HDel(ctx, key, node).Err(); err != nil {
				return nil, fmt.Errorf("storage: forgetting node %s: %w", node, r.failed(ctx, err))
			}
			continue
		}
		all = append(all, Peer{node, p.Unit, p.URL, silent})
	}
	slices.SortFunc(all, func(a, b Peer) int { return strings.Compare(a.Node, b.Node) })
	return all, nil
}

// Depart takes a node out of a cluster: what it leaves behind is another node's.
func (r *Redis) Depart(ctx context.Context, cluster, node string) error {
	client, err := r.master(ctx, r.peers(cluster))
	if err == nil {
		err = client.HDel(ctx, r.peers(cluster), node).Err()
	}
	if err != nil {
		return fmt.Errorf("storage: taking leave of the cluster: %w", r.failed(ctx, err))
	}
	return nil
}

// Beside is the same Redis for another unit, to look at its calls. It is closed with this
// one.
func (r *Redis) Beside(unit string) *Redis {
	return newRedis(r.client, RedisOptions{Unit: unit, Prefix: r.prefix, Node: r.exporter, Now: r.now})
}
