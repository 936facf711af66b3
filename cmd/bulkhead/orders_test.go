package main

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bulkhead/b2bua/ops"
	"bulkhead/carriers"
	"bulkhead/storage"
)

// deaf is a store that answers nothing about orders while it is told so.
type deaf struct {
	*storage.Memory
	is atomic.Bool
}

func (d *deaf) Order(ctx context.Context, name string, text []byte) error {
	if d.is.Load() {
		return errors.New("no answer")
	}
	return d.Memory.Order(ctx, name, text)
}

func (d *deaf) Ordered(ctx context.Context) (map[string][]byte, error) {
	if d.is.Load() {
		return nil, errors.New("no answer")
	}
	return d.Memory.Ordered(ctx)
}

// sharing is a process with orders in a store.
func sharing(t *testing.T, store storage.Orders) *reloading {
	r := reloads(t, true)
	r.ordersIn.Store(&store)
	return r
}

func (r *reloading) share() {
	r.t.Helper()
	if err := r.shareOrders(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *reloading) stands(carrier string) carriers.Standing {
	return r.standings.Of(time.Now(), carrier).Standing
}

// TestOrdersGoRoundTheUnit: they hold on the other node, in a new process, and again in a
// store that has lost them; of two nodes the later order holds.
func TestOrdersGoRoundTheUnit(t *testing.T) {
	store := &deaf{Memory: storage.NewMemory(time.Now)}
	a, b := sharing(t, store), sharing(t, store)
	order := func(r *reloading, to carriers.Standing) bool {
		return r.Order(t.Context(), carriers.Order{Carrier: "tc1", Standing: to, By: "alice", Since: time.Now()})
	}
	if !order(a, carriers.Drained) {
		t.Error("the store answers, and it is not shared")
	}
	b.share()
	if b.stands("tc1") != carriers.Drained || len(b.logs.FilterMessage("carrier").All()) != 1 {
		t.Fatalf("the other node says %s", b.stands("tc1"))
	}
	b.share()
	if n := len(b.logs.FilterMessage("carrier").All()); n != 1 {
		t.Errorf("told %d times", n)
	}
	store.is.Store(true)
	if order(b, carriers.Quarantined) || b.stands("tc1") != carriers.Quarantined {
		t.Error("without the store it holds here, and here alone")
	}
	store.is.Store(false)
	a.share()
	if a.stands("tc1") != carriers.Drained {
		t.Error("nobody has told the store")
	}
	b.share()
	a.share()
	if a.stands("tc1") != carriers.Quarantined {
		t.Errorf("the other node says %s", a.stands("tc1"))
	}
	order(a, carriers.InService)
	b.share()
	if b.stands("tc1") != carriers.InService {
		t.Error("not resumed on the other node")
	}
	order(a, carriers.Drained)
	lost := &deaf{Memory: storage.NewMemory(time.Now)}
	var empty storage.Orders = lost
	a.ordersIn.Store(&empty)
	a.share()
	next := sharing(t, lost)
	next.share()
	if a.stands("tc1") != carriers.Drained || next.stands("tc1") != carriers.Drained {
		t.Error("lost with the store")
	}
}

// TestAnOrderTakesThePlaceOfOneFromTheFuture: the clock of another node goes before ours.
func TestAnOrderTakesThePlaceOfOneFromTheFuture(t *testing.T) {
	r := reloads(t, true)
	r.standings.Order(carriers.Order{Carrier: "tc1", Standing: carriers.Drained, By: "bob", Since: time.Now().Add(time.Minute)})
	r.Order(t.Context(), carriers.Order{Carrier: "tc1", Standing: carriers.InService, By: "alice", Since: time.Now()})
	if r.stands("tc1") != carriers.InService {
		t.Error("resumed, and drained still")
	}
}

// TestOrdersOutliveAReload and a hand-over of the unit, whose next border asks the same.
func TestOrdersOutliveAReload(t *testing.T) {
	r := reloads(t, false)
	out, problems, err := ran(carrierCommand(), "drain", r.file, "tc1", "--for", "1h", "--reason", "new trunk")
	if err != nil || !strings.HasPrefix(out, "tc1: drained by operator uid ") || !strings.HasSuffix(out, ": new trunk\n") || !strings.Contains(problems, "this node alone") {
		t.Fatalf("%v %q %q", err, out, problems)
	}
	r.changed("level: info", "level: debug")
	if _, _, err := commanded(r.file); err != nil {
		t.Fatal(err)
	}
	out, _, err = ran(carriersCommand(), r.file)
	if err != nil || !strings.Contains(out, "tc1      drained") || !strings.Contains(out, "\ntc1: drained by operator uid ") {
		t.Errorf("%v\n%s", err, out)
	}
	if r.figureOf("bulkhead_carrier_standing", "drained") != 1 || r.figureOf("bulkhead_carrier_standing", "in_service") != 0 {
		t.Error("the metrics do not say so")
	}
	if out, _, err := ran(carrierCommand(), "resume", r.file, "tc1"); err != nil || out != "tc1: in_service\n" {
		t.Errorf("%v %q", err, out)
	}
	if _, _, err := ran(carrierCommand(), "drain", r.file, "tc9"); err == nil || err.Error() != `there is no carrier "tc9"` {
		t.Errorf("%v", err)
	}
	if s := r.standings.Of(time.Now(), "tc1"); s.Standing != carriers.InService {
		t.Errorf("%+v", s)
	}
	var _ ops.Controls = r.process
}

// figureOf is a gauge with a label of this value.
func (r *reloading) figureOf(name, label string) float64 {
	r.t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetValue() == label {
					return m.GetGauge().GetValue()
				}
			}
		}
	}
	r.t.Errorf("no metric %s of %s", name, label)
	return 0
}
