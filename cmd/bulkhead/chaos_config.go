package main

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"
)

// chaosConfig names whom chaos may be played against; it is a file of its own, for who
// runs the kit need not run the border.
type chaosConfig struct {
	Targets map[string]chaosTarget `yaml:"targets"`
}

// chaosTarget is a border, and where its trunk and its two carriers are ours.
type chaosTarget struct {
	Address  netip.AddrPort   `yaml:"address"`  // where the border is called
	From     []netip.Addr     `yaml:"from"`     // where else the border speaks from, such as its side of the carriers
	Caller   netip.AddrPort   `yaml:"caller"`   // ours: it takes this address for a trunk
	Carriers []netip.AddrPort `yaml:"carriers"` // ours: it takes these for two carriers, tried in this order
	Number   string           `yaml:"number"`   // +33123*: numbers that it hunts through both; * becomes four digits of ours
	Timers   chaosTimers      `yaml:"timers"`
	Linger   time.Duration    `yaml:"linger"` // how long after Timer D it still ACKs repeats; 0: repeats end before Timer D
}

// chaosTimers are the timers that the border is set to.
type chaosTimers struct {
	T1       time.Duration `yaml:"t1,positive"`
	T2       time.Duration `yaml:"t2,positive"`
	NoAnswer time.Duration `yaml:"no_answer,positive"` // after which it leaves the first carrier
}

// Default is the timers of RFC 3261 §17.1.1.1, and the no_answer of deploy/chaos.yaml.
func (t *chaosTimers) Default() {
	*t = chaosTimers{T1: 500 * time.Millisecond, T2: 4 * time.Second, NoAnswer: 10 * time.Second}
}

// Default has the timers' own: they may be absent as a whole.
func (t *chaosTarget) Default() { t.Timers.Default() }

// chaosTargetOf is the target of a file, by its name or its address. Without a file, and for
// what the file does not name, there is none.
func chaosTargetOf(file, target string) (chaosTarget, error) {
	if file == "" {
		return chaosTarget{}, errors.New("chaos: --config is missing: only targets that a file of yours names are played against, see deploy/chaos.yaml")
	}
	if target == "" {
		return chaosTarget{}, fmt.Errorf("chaos: --target is missing: a name or an address of the targets in %s", file)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return chaosTarget{}, fmt.Errorf("chaos: reading the targets: %w", err)
	}
	c, err := readChaos(file, data)
	if err != nil {
		return chaosTarget{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Targets)) {
		if t := c.Targets[name]; name == target || t.Address.String() == target {
			return t, nil
		}
	}
	names := []string{}
	for _, name := range slices.Sorted(maps.Keys(c.Targets)) {
		names = append(names, fmt.Sprintf("%s (%s)", name, c.Targets[name].Address))
	}
	return chaosTarget{}, fmt.Errorf("chaos: refused: %s does not name the target %q; it names %s: nothing was sent", file, target, strings.Join(names, ", "))
}

// readChaos reads the file; the error, if it is YAML but cannot be used, is Faults: all of them.
func readChaos(name string, data []byte) (*chaosConfig, error) {
	body, fault := tree(data)
	if fault != nil {
		fault.File = name
		return nil, Faults{*fault}
	}
	c, d := chaosConfig{}, newDecoder(name)
	d.value(body, reflect.ValueOf(&c).Elem(), nil, position{1, 1}, field{})
	refuse := func(path, format string, a ...any) {
		if d.decoded(path) {
			d.refuse(d.find(path), keyPath{path}, format, a...)
		}
	}
	if len(c.Targets) == 0 {
		refuse("targets", "no target is named")
	}
	for target, t := range c.Targets {
		at := "targets." + target
		t.validate(func(key, format string, a ...any) { refuse(at+"."+key, format, a...) })
	}
	return &c, d.faults.sorted().orNil()
}

// names says that an address is one of the border's, or one of ours.
func (t chaosTarget) names(a netip.Addr) bool {
	same := func(named netip.AddrPort) bool { return named.Addr() == a.Unmap() }
	return same(t.Address) || same(t.Caller) || slices.Contains(t.From, a.Unmap()) || slices.ContainsFunc(t.Carriers, same)
}

// validate names each key that cannot stand so.
func (t chaosTarget) validate(refuse func(key, format string, a ...any)) {
	seen := map[netip.AddrPort]string{}
	usable := func(key string, a netip.AddrPort) {
		switch before, again := seen[a]; {
		case !a.IsValid():
			refuse(key, "is missing: an address with its port, such as 127.0.11.5:5060")
		case a.Addr().IsUnspecified() || a.Addr().IsMulticast() || a.Port() == 0:
			refuse(key, "%s is not an address that a message can name", a)
		case again:
			refuse(key, "%s is also %s", a, before)
		}
		seen[a] = key
	}
	usable("address", t.Address)
	for i, a := range t.From {
		if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() {
			refuse(fmt.Sprintf("from[%d]", i), "%s is not an address that a message can come from", a)
		}
	}
	usable("caller", t.Caller)
	if len(t.Carriers) != 2 {
		refuse("carriers", "there are %d: name two, TC1 and TC2", len(t.Carriers))
	}
	for i, a := range t.Carriers {
		usable(fmt.Sprintf("carriers[%d]", i), a)
	}
	digits, ok := strings.CutSuffix(t.Number, "*")
	if !ok || digits == "" || strings.Trim(digits, "+0123456789") != "" {
		refuse("number", "%q is not digits with a * at the end, such as +33123*", t.Number)
	}
}
