package ng

import "math"

// score ranks a node for a call (rendezvous hashing: the highest of those in health
// gets it). Where a node goes, its calls spread over all others and no other call
// would be chosen differently; and every instance of us chooses alike.
func score(call, node string) uint64 {
	h := uint64(14695981039346656037) // FNV-1a, 64 bits
	for i := range len(call) {
		h = (h ^ uint64(call[i])) * 1099511628211
	}
	h *= 1099511628211 // a byte of 0 between: "a"+"bc" is not "ab"+"c"
	for i := range len(node) {
		h = (h ^ uint64(node[i])) * 1099511628211
	}
	// FNV's high bits know little of the last bytes, and it is they that decide here.
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// Choose is the node that a new call goes to first: for a caller that must know it
// before the offer. It is that of an Offer which names none.
func (c *Client) Choose(call string) (node string, err error) {
	n, _ := c.best(call, noRank, "")
	if n == nil {
		return "", ErrNoNode
	}
	return n.name, nil
}

// Alive says whether asking the node of a call is not known to be in vain.
func (c *Client) Alive(node string) bool {
	n, err := c.named(node)
	return err == nil && !n.lost()
}

// best is the node in health that ranks highest below a rank, and its own rank; one of that name is left out.
func (c *Client) best(call string, below uint64, without string) (chosen *node, rank uint64) {
	for _, n := range c.nodes {
		if s := score(call, n.name); s < below && (chosen == nil || s > rank) && n.name != without && n.inHealth() {
			chosen, rank = n, s
		}
	}
	return chosen, rank
}

const noRank = math.MaxUint64
