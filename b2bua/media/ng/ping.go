package ng

import (
	"fmt"
	"time"
)

// ping asks after the node's health until Close. A ping is not repeated: it is the
// next one's turn.
func (n *node) ping() {
	every := time.NewTicker(n.client.config.Ping)
	defer every.Stop()
	for {
		began := time.Now()
		r := newRequest()
		r.out = append(r.out, "d7:command4:pinge"...)
		answer, err := n.ask(n.client.ctx, r, n.client.config.Ping, n.client.config.Ping)
		// Any answer shows that it lives; what it answers is not a matter of health.
		if err == nil && string(answer.get("result").bytes()) == "pong" {
			n.pong(time.Since(began))
		} else if n.client.ctx.Err() == nil {
			n.missed(1)
		}
		r.release()
		select {
		case <-every.C:
		case <-n.client.ctx.Done():
			return
		}
	}
}

func (n *node) pong(took time.Duration) {
	n.mu.Lock()
	n.roundTrip = took
	changed := n.health.pong(time.Now(), n.client.config.UpAfter)
	n.mu.Unlock()
	if changed {
		n.tell(true)
	}
}

// missed counts pings without answer, and gives up all requests to a node that goes
// down of it.
func (n *node) missed(pings int) {
	n.mu.Lock()
	changed := false
	for range pings {
		changed = n.health.miss(time.Now(), n.client.config.DownAfter) || changed
	}
	n.mu.Unlock()
	if changed {
		n.abandon(fmt.Errorf("rtpengine %s went down: %w", n.name, ErrNodeLost))
		n.tell(false)
	}
}

// refused is the host's word that the node is gone: as good as all pings missed.
func (n *node) refused() {
	n.abandon(fmt.Errorf("rtpengine %s: nobody listens at its port: %w", n.name, ErrNodeLost))
	n.missed(n.client.config.DownAfter)
}

func (n *node) tell(up bool) {
	if n.client.config.Changed != nil {
		n.client.config.Changed(n.name, up)
	}
}
