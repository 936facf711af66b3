package ng

import (
	"context"
	"errors"
	"fmt"
)

// Delete ends the call's media and gives back what was counted of it, as Query does.
// ErrUnknownCall: it was gone already.
func (c *Client) Delete(ctx context.Context, node, call string) (Stats, error) {
	n, err := c.named(node)
	if err != nil {
		return Stats{}, err
	}
	// Deleting a whole call answers "ok" and no more.
	stats, err := n.query(ctx, call)
	if errors.Is(err, ErrUnknownCall) || errors.Is(err, ErrNodeLost) {
		return Stats{}, err
	}
	return stats, errors.Join(err, n.delete(ctx, Exchange{Call: call})) // its ports go whatever it has counted
}

// Release ends one attempt's media: ports of the leg To, or of the branch if it never
// answered. x.From is the leg that offered. Whoever goes on with another attempt must
// offer that first: a call whose last attempt is released is gone, and the ports that
// the offering leg was told with it.
func (c *Client) Release(ctx context.Context, x Exchange) error {
	n, err := c.named(x.Node)
	if err != nil {
		return err
	}
	return n.delete(ctx, x)
}

func (n *node) delete(ctx context.Context, x Exchange) error {
	r := newRequest()
	defer r.release()
	b := append(r.out, 'd')
	b = appendText(append(b, "7:call-id"...), x.Call)
	b = append(b, "7:command6:delete"...)
	b = append(b, "12:delete-delayi0e"...) // SIP is at its end: nothing comes any more
	if x.From != "" {
		b = appendText(append(b, "8:from-tag"...), x.From)
	}
	if x.To != "" {
		b = appendText(append(b, "6:to-tag"...), x.To)
	}
	if x.Branch != "" {
		b = appendText(append(b, "10:via-branch"...), x.Branch)
	}
	r.out = append(b, 'e')
	answer, err := n.command(ctx, "delete", r, n.client.config.Timeout)
	if err != nil {
		return err
	}
	// rtpengine calls it ok.
	if warning := string(answer.get("warning").bytes()); meanings[warning] != nil {
		return &Error{n.name, "delete", warning, meanings[warning]}
	}
	return nil
}

// Query asks what has been counted of a call. ErrUnknownCall: it has no media.
func (c *Client) Query(ctx context.Context, node, call string) (Stats, error) {
	n, err := c.named(node)
	if err != nil {
		return Stats{}, err
	}
	return n.query(ctx, call)
}

func (n *node) query(ctx context.Context, call string) (Stats, error) {
	r := newRequest()
	defer r.release()
	answer, err := n.askOf(ctx, r, call)
	if err != nil {
		return Stats{}, err
	}
	stats, err := statsOf(answer)
	if err != nil {
		return Stats{}, fmt.Errorf("query by rtpengine %s: %w: %w", n.name, ErrGarbled, err)
	}
	return stats, nil
}

func (n *node) askOf(ctx context.Context, r *request, call string) (value, error) {
	b := appendText(append(r.out, "d7:call-id"...), call)
	r.out = append(b, "7:command5:querye"...)
	return n.command(ctx, "query", r, n.client.config.Timeout)
}
