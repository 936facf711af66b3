package ops

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bulkhead/b2bua"
	"bulkhead/carriers"
)

// Controls changes what a node does.
type Controls interface {
	Configured

	// Standings are how carriers stand.
	Standings() *b2bua.Standings

	// Order has an order hold from now on. shared says that the other nodes of the unit,
	// and the next process, have it too: false where calls are kept nowhere else, and
	// while the store does not answer.
	Order(ctx context.Context, o carriers.Order) (shared bool)

	// Now is what the node does.
	Now() NodeState

	// Drain takes the node out of service, or with nil puts it into service again. It is
	// ErrConflict where the process is about to end.
	Drain(d *Drain) error

	// Handover has the unit handed over, to a node or to any, and waits until another one
	// owns it. It is ErrConflict where nobody can take it.
	Handover(ctx context.Context, to string) (Handover, error)
}

// Stand is how a carrier stands, and by whom.
type Stand struct {
	Standing carriers.Standing `json:"standing" enum:"in_service,deprioritised,quarantined,drained" doc:"Deprioritised: tried after all others. Quarantined: tried where a call has nobody else. Drained: no new attempts; calls that are there go on."`
	By       string            `json:"by,omitempty" example:"operator alice" doc:"Who has ordered it, or scorecard."`
	Reason   string            `json:"reason,omitempty"`
	Since    time.Time         `json:"since,omitzero"`
	Until    time.Time         `json:"until,omitzero" doc:"Absent: nobody has said."`
}

func newStand(s b2bua.Stand) Stand {
	return Stand{Standing: s.Standing, By: s.By, Reason: s.Reason, Since: utc(s.Since), Until: utc(s.Until)}
}

// Ordered is what has come of an order.
type Ordered struct {
	Carrier string `json:"carrier"`
	Stand
	Shared bool `json:"shared" doc:"The other nodes of the unit have it too, and so has this one after a restart. False: it holds here, for as long as the process runs or until the store answers again."`
}

// Wish is what an operator says of an order.
type Wish struct {
	For    string `json:"for,omitempty" example:"1h" doc:"How long it holds: 90s, 1h30m. Absent: until another order."`
	Reason string `json:"reason,omitempty" maxLength:"200" doc:"Stands in logs, and in the records and stories of calls that it concerns."`

	lasts time.Duration
}

// Resolve reads what is not a plain value.
func (w *Wish) Resolve(huma.Context) (faults []error) {
	if w.For != "" {
		var err error
		if w.lasts, err = time.ParseDuration(w.For); err != nil || w.lasts <= 0 {
			faults = append(faults, &huma.ErrorDetail{Message: "want a duration above zero, such as 90s or 1h30m", Location: "body.for", Value: w.For})
		}
	}
	for _, r := range w.Reason {
		if r < ' ' {
			return append(faults, &huma.ErrorDetail{Message: "want one line of text", Location: "body.reason", Value: w.Reason})
		}
	}
	return faults
}

// Wished is an order as it comes.
type Wished struct {
	Name string `path:"name"`
	Body *Wish  `required:"false"`
}

// whoKey is where a request says who makes it.
type whoKey struct{}

// orders are the operations that keep calls from carriers.
func (s *Server) orders(api huma.API) {
	for _, o := range []struct {
		id, summary, more string
		to                carriers.Standing
	}{
		{"drain", "Take a carrier out of service", "No call is tried there any more, whoever else is left; the calls that it has go on.", carriers.Drained},
		{"quarantine", "Have a carrier tried only where a call has nobody else", "", carriers.Quarantined},
		{"resume", "Put a carrier into service again", "Its scorecard may still keep it back.", carriers.InService},
	} {
		register(api, Operator, huma.Operation{
			OperationID: o.id + "-carrier", Method: http.MethodPost, Path: "/v1/carriers/{name}/" + o.id, Tags: []string{"carriers"}, Summary: o.summary,
			Description: o.more + " It outlives reloads and, where calls are kept in a store, takeovers and restarts; all nodes of the unit have it within a second.",
			Errors:      []int{http.StatusNotFound},
		}, func(ctx context.Context, in *Wished) (*body[Ordered], error) {
			if !slices.Contains(s.node.Carriers(), in.Name) {
				return nil, huma.Error404NotFound(fmt.Sprintf("there is no carrier %q", in.Name))
			}
			now := time.Now()
			who, _ := ctx.Value(whoKey{}).(caller)
			order := carriers.Order{Carrier: in.Name, Standing: o.to, By: who.Name[:min(len(who.Name), carriers.MaxOrderText)], Since: now}
			if in.Body != nil {
				order.Reason = in.Body.Reason
				if in.Body.lasts > 0 {
					order.Until = now.Add(in.Body.lasts)
				}
			}
			shared := s.node.Order(ctx, order)
			return &body[Ordered]{Ordered{Carrier: in.Name, Stand: newStand(s.node.Standings().Of(now, in.Name)), Shared: shared}}, nil
		})
	}
}

// CarrierStands says that a carrier stands otherwise than before.
type CarrierStands struct {
	At      time.Time `json:"at"`
	Node    string    `json:"node,omitempty" doc:"Where it does."`
	Carrier string    `json:"carrier"`
	Stand
}

// Stands tells those who listen that a carrier stands otherwise.
func (f *Feed) Stands(now time.Time, carrier string, s b2bua.Stand) {
	event := CarrierStands{At: now.UTC(), Carrier: carrier, Stand: newStand(s)}
	f.mu.RLock()
	defer f.mu.RUnlock()
	for l := range f.listeners {
		if l.one {
			continue
		}
		l.give(event)
	}
}
