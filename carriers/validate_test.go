package carriers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/carriers"
)

func TestSampleHasNoFault(t *testing.T) {
	if faults := sample().Validate(realms(t)); len(faults) > 0 {
		t.Error(faults)
	}
}

func TestEmptyConfigIsABookOfNobody(t *testing.T) {
	b := book(t, carriers.Config{})
	if len(b.Trunks()) != 0 || len(b.Carriers()) != 0 {
		t.Error("somebody in an empty book")
	}
}

// Each case changes the sample and names the path of every fault it then has.
func TestEveryFaultIsNamedAtItsPlace(t *testing.T) {
	trunk := func(change func(*carriers.TrunkConfig)) func(*carriers.Config) {
		return func(c *carriers.Config) {
			x := c.Trunks["pbx"]
			change(&x)
			c.Trunks["pbx"] = x
		}
	}
	carrier := func(change func(*carriers.CarrierConfig)) func(*carriers.Config) {
		return func(c *carriers.Config) {
			x := c.Carriers["tc1"]
			change(&x)
			c.Carriers["tc1"] = x
		}
	}
	from := func(s string) func(*carriers.Config) {
		return trunk(func(x *carriers.TrunkConfig) { x.From = []string{s} })
	}
	gateway := func(g carriers.GatewayConfig) func(*carriers.Config) {
		return carrier(func(x *carriers.CarrierConfig) { x.Gateways = []carriers.GatewayConfig{g} })
	}
	gateways := func(g ...carriers.GatewayConfig) func(*carriers.Config) {
		return carrier(func(x *carriers.CarrierConfig) { x.Gateways = g })
	}
	route := func(r carriers.RouteConfig) func(*carriers.Config) {
		return func(c *carriers.Config) { c.Routes = []carriers.RouteConfig{r} }
	}
	tc1 := []carriers.TargetConfig{{Carrier: "tc1"}}
	for name, c := range map[string]struct {
		change func(*carriers.Config)
		want   string // "path: part of the message", separated by line feeds
	}{
		"trunk without realm":      {trunk(func(x *carriers.TrunkConfig) { x.Realm = "" }), "trunks.pbx.realm: is needed"},
		"trunk in no realm":        {trunk(func(x *carriers.TrunkConfig) { x.Realm = "void" }), `trunks.pbx.realm: no realm "void"`},
		"trunk from nowhere":       {trunk(func(x *carriers.TrunkConfig) { x.From = nil }), "trunks.pbx.from: needs an address"},
		"from a name":              {from("pbx.example"), "trunks.pbx.from[0]: only a gateway's may be a name"},
		"from rubbish":             {from("10.0.0"), "trunks.pbx.from[0]: not an address"},
		"from odd prefix":          {from("127.0.13.1/24"), "trunks.pbx.from[0]: write 127.0.13.0/24 or 127.0.13.1"},
		"from IPv4 in IPv6":        {from("::ffff:127.0.0.1"), "trunks.pbx.from[0]: plain"},
		"from IPv4 prefix in IPv6": {from("::ffff:127.0.0.0/120"), "trunks.pbx.from[0]: as IPv4"},
		"trunks overlap":           {from("127.0.12.0/24"), "trunks.wholesale.from[0]: 127.0.12.3/32 overlaps 127.0.12.0/24 of trunk pbx"},
		"trunks have the same":     {from("127.0.12.3"), "trunks.wholesale.from[0]: overlaps 127.0.12.3/32 of trunk pbx"},
		"contact without port":     {trunk(func(x *carriers.TrunkConfig) { x.Contact = "127.0.11.5" }), "trunks.pbx.contact: needs a port"},
		"contact by no socket":     {trunk(func(x *carriers.TrunkConfig) { x.Contact = "tls://127.0.11.5:5061" }), "trunks.pbx.contact: realm core has no tls listener for IPv4"},
		"contact by bad scheme":    {trunk(func(x *carriers.TrunkConfig) { x.Contact = "sip://127.0.11.5:5061" }), `trunks.pbx.contact: unknown transport "sip"`},
		"negative duration":        {trunk(func(x *carriers.TrunkConfig) { x.MaxDuration = -1 }), "trunks.pbx.max_duration: negative"},
		"negative setup":           {trunk(func(x *carriers.TrunkConfig) { x.MaxSetup = -1 }), "trunks.pbx.max_setup: negative"},
		"country in words":         {trunk(func(x *carriers.TrunkConfig) { x.Country = "france" }), "trunks.pbx.country: ISO 3166-1"},
		"media of another kind":    {trunk(func(x *carriers.TrunkConfig) { x.Media = "proxy" }), `trunks.pbx.media: "proxy" is not one of: bypass, relay, rtpengine`},
		"transfers of some kind":   {trunk(func(x *carriers.TrunkConfig) { x.Refer = "follow" }), `trunks.pbx.refer: "follow" is not one of: refuse, relay`},
		"burst alone":              {trunk(func(x *carriers.TrunkConfig) { x.Limits.Burst = 3 }), "trunks.pbx.limits.burst: needs cps"},
		"auth of nobody":           {trunk(func(x *carriers.TrunkConfig) { x.Auth = &carriers.AuthConfig{} }), "trunks.pbx.auth.password_file: is needed\ntrunks.pbx.auth.username: is needed"},
		"header with a blank":      {trunk(func(x *carriers.TrunkConfig) { x.Headers.Pass = []string{"X Y", ""} }), "trunks.pbx.headers.pass[0]: cannot stand\ntrunks.pbx.headers.pass[1]: is empty"},
		"header that breaks out":   {trunk(func(x *carriers.TrunkConfig) { x.Headers.Add = map[string]string{"X-Y": "a\r\nTo: b"} }), "trunks.pbx.headers.add.X-Y: control"},
		"header of ours passes": {trunk(func(x *carriers.TrunkConfig) {
			x.Headers.Pass = []string{"Via", "contact", "k", "x", "P-Asserted-Identity", "*", "Subject"}
		}), "trunks.pbx.headers.pass[0]: Via is ours\ntrunks.pbx.headers.pass[1]: ours\ntrunks.pbx.headers.pass[2]: k is ours\ntrunks.pbx.headers.pass[3]: x is ours\ntrunks.pbx.headers.pass[4]: does not pass by name"},
		"header of ours is removed": {carrier(func(x *carriers.CarrierConfig) { x.Headers.Remove = []string{"Privacy", "l", "Diversion", "y"} }), "carriers.tc1.headers.remove[0]: ours\ncarriers.tc1.headers.remove[1]: ours"},
		"header of ours is added": {carrier(func(x *carriers.CarrierConfig) {
			x.Headers.Add = map[string]string{"Call-ID": "1", "i": "2", "Diversion": "3", "Subject": "4", "s": "5", "X-*": "6", "X-Y": "{calls} {call}"}
		}), "carriers.tc1.headers.add.Call-ID: ours\ncarriers.tc1.headers.add.Diversion: cannot be added\ncarriers.tc1.headers.add.X-*: '*' cannot\ncarriers.tc1.headers.add.X-Y: {calls} is not one of: {call}\ncarriers.tc1.headers.add.i: ours\ncarriers.tc1.headers.add.i: same as Call-ID\ncarriers.tc1.headers.add.s: same as Subject"},
		"variables of attempts":   {trunk(func(x *carriers.TrunkConfig) { x.Headers.Add = map[string]string{"X-Y": "{attempt}"} }), "trunks.pbx.headers.add.X-Y: {attempt} is not one of: {call}"},
		"header that is too long": {trunk(func(x *carriers.TrunkConfig) { x.Headers.Add = map[string]string{"X-Y": strings.Repeat("x", 1025)} }), "trunks.pbx.headers.add.X-Y: longer"},
		"country that is none":    {trunk(func(x *carriers.TrunkConfig) { x.Country = "QQ" }), "trunks.pbx.country: no numbering plan"},
		"identities beside trust": {trunk(func(x *carriers.TrunkConfig) { x.Trust, x.Identities = true, []string{"+33*", "a b"} }), "trunks.pbx.identities: has trust\ntrunks.pbx.identities[1]: cannot stand"},
		"diversion of a trunk":    {trunk(func(x *carriers.TrunkConfig) { x.Diversion = "diversion" }), "trunks.pbx.diversion: not one of"},
		"diversion of a kind":     {carrier(func(x *carriers.CarrierConfig) { x.Diversion = "yes" }), "carriers.tc1.diversion: not one of"},
		"numbers in a form":       {trunk(func(x *carriers.TrunkConfig) { x.Numbers.Format = "national" }), "trunks.pbx.numbers.format: is of carriers"},
		"national of no country":  {carrier(func(x *carriers.CarrierConfig) { x.Numbers.Format = "national" }), "carriers.tc1.numbers.country: is needed by format: national"},
		"numbers of another kind": {carrier(func(x *carriers.CarrierConfig) {
			x.Numbers = carriers.NumbersConfig{Format: "e123", URI: "sips", TechPrefix: "a#", Strip: " ", Prefix: "x", Replace: []carriers.ReplaceConfig{{"", "*"}, {"*1*", "<"}}}
		}), "carriers.tc1.numbers.format: not one of\ncarriers.tc1.numbers.prefix: 'x' cannot\ncarriers.tc1.numbers.replace[0].match: needed\ncarriers.tc1.numbers.replace[0].with: stands for nothing\ncarriers.tc1.numbers.replace[1].match: one '*'\ncarriers.tc1.numbers.replace[1].with: '<' cannot\ncarriers.tc1.numbers.strip: ' ' cannot\ncarriers.tc1.numbers.tech_prefix: 'a' cannot\ncarriers.tc1.numbers.uri: not one of"},
		"trunk of a bad name": {func(c *carriers.Config) {
			c.Trunks["a b"] = carriers.TrunkConfig{Realm: "core", From: []string{"10.0.0.1"}}
		}, "trunks.a b: cannot stand in a name"},
		"carrier in no realm":       {carrier(func(x *carriers.CarrierConfig) { x.Realm = "void" }), `carriers.tc1.realm: no realm "void"`},
		"carrier without gateways":  {carrier(func(x *carriers.CarrierConfig) { x.Gateways = nil }), "carriers.tc1.gateways: needs a gateway"},
		"gateway is a bad name":     {gateway(carriers.GatewayConfig{Address: "sip..example:5060"}), "carriers.tc1.gateways[0].address: not a host name"},
		"gateway is no address":     {gateway(carriers.GatewayConfig{Address: "sip.tc1.23"}), "carriers.tc1.gateways[0].address: neither an IP address nor"},
		"gateway has a long label":  {gateway(carriers.GatewayConfig{Address: strings.Repeat("a", 64) + ".example"}), "carriers.tc1.gateways[0].address: not a host name"},
		"gateway's name by no way":  {gateway(carriers.GatewayConfig{Address: "sip.tc1.example", Transport: "tcp"}), "carriers.tc1.gateways[0].address: realm peering has no tcp listener"},
		"gateway's name of no kind": {gateway(carriers.GatewayConfig{Address: "sip.tc1.example:0", Transport: "sctp"}), "carriers.tc1.gateways[0].address: port\ncarriers.tc1.gateways[0].transport: sctp"},
		"gateway's name twice": {gateways(carriers.GatewayConfig{Address: "sip.tc1.example:5060"}, carriers.GatewayConfig{Address: "SIP.tc1.example.:5060", Transport: "udp"},
			carriers.GatewayConfig{Address: "sip.tc1.example"}), "carriers.tc1.gateways[1].address: the same as gateways[0]"},
		"gateway without port":      {gateway(carriers.GatewayConfig{Address: "2001:db8::7"}), "carriers.tc1.gateways[0].address: such as [2001:db8::7]:5060"},
		"gateway at port 0":         {gateway(carriers.GatewayConfig{Address: "127.0.21.1:0"}), "carriers.tc1.gateways[0].address: nowhere to send"},
		"gateway at a bad port":     {gateway(carriers.GatewayConfig{Address: "127.0.21.1:70000"}), "carriers.tc1.gateways[0].address: is not an address and a port"},
		"gateway without address":   {gateway(carriers.GatewayConfig{}), "carriers.tc1.gateways[0].address: is not an address and a port"},
		"gateway of other family":   {gateway(carriers.GatewayConfig{Address: "[2001:db8::7]:5060"}), "carriers.tc1.gateways[0].address: realm peering has no udp listener for IPv6"},
		"gateway of no transport":   {gateway(carriers.GatewayConfig{Address: "127.0.0.1", Transport: "sctp"}), "carriers.tc1.gateways[0].address: port\ncarriers.tc1.gateways[0].transport: sctp"},
		"gateway weighs too much":   {gateway(carriers.GatewayConfig{Address: "127.0.21.1:5060", Weight: 70000}), "carriers.tc1.gateways[0].weight: 1 to 65535"},
		"gateway with low priority": {gateway(carriers.GatewayConfig{Address: "127.0.21.1:5060", Priority: -1}), "carriers.tc1.gateways[0].priority: negative"},
		"gateway twice":             {carrier(func(x *carriers.CarrierConfig) { x.Gateways = append(x.Gateways, x.Gateways[1]) }), "carriers.tc1.gateways[3].address: the same as gateways[1]"},
		"negative timers":           {carrier(func(x *carriers.CarrierConfig) { x.Timers = carriers.Timers{-1, -1, -1}; x.Linger = -time.Second }), "carriers.tc1.linger: neg\ncarriers.tc1.timers.no_answer: neg\ncarriers.tc1.timers.no_response: neg\ncarriers.tc1.timers.no_ringing: neg"},
		"codes that are none":       {carrier(func(x *carriers.CarrierConfig) { x.Reroute.Stop = []string{"200", "q850:128", "+486", ""} }), "carriers.tc1.reroute.stop[0]: 200\ncarriers.tc1.reroute.stop[1]: q850:128\ncarriers.tc1.reroute.stop[2]: +486\ncarriers.tc1.reroute.stop[3]: neither"},
		"code in both lists": {carrier(func(x *carriers.CarrierConfig) {
			x.Reroute = carriers.RerouteConfig{Stop: []string{"486"}, Continue: []string{"486"}}
		}), "carriers.tc1.reroute.continue[0]: stands already in stop"},
		"identity of another kind": {carrier(func(x *carriers.CarrierConfig) { x.Identity = "ppi" }), "carriers.tc1.identity: not one of"},
		"transfers of other kind":  {carrier(func(x *carriers.CarrierConfig) { x.Refer = "proxy" }), `carriers.tc1.refer: "proxy" is not one of: refuse, relay, follow`},
		"registers a number":       {carrier(func(x *carriers.CarrierConfig) { x.Register = &carriers.RegisterConfig{AOR: "123"} }), "carriers.tc1.register.aor: not a SIP URI"},
		"session shorter than least": {carrier(func(x *carriers.CarrierConfig) {
			x.SessionTimer = &carriers.SessionTimerConfig{Expires: 1, Min: 2, Refresher: "me"}
		}), "carriers.tc1.session_timer.expires: less\ncarriers.tc1.session_timer.refresher: not one of"},
		"method that is ours":    {trunk(func(x *carriers.TrunkConfig) { x.Methods = []string{"INFO", "UPDATE", "info", "INFO"} }), "trunks.pbx.methods[1]: UPDATE\ntrunks.pbx.methods[2]: these can: INFO\ntrunks.pbx.methods[3]: the same as methods[0]"},
		"method that subscribes": {carrier(func(x *carriers.CarrierConfig) { x.Methods = []string{"SUBSCRIBE"} }), "carriers.tc1.methods[0]: SUBSCRIBE"},
		"early media of a kind":  {carrier(func(x *carriers.CarrierConfig) { x.AfterMedia = "wait" }), "carriers.tc1.after_early_media: not one of: hunt, stop"},
		"audits without a pause": {carrier(func(x *carriers.CarrierConfig) { x.Audit = time.Second }), "carriers.tc1.audit: 1s is less than 5s"},
		"audits backwards":       {trunk(func(x *carriers.TrunkConfig) { x.Audit = -time.Minute }), "trunks.pbx.audit: is less than 5s"},
		"large by pigeon":        {carrier(func(x *carriers.CarrierConfig) { x.Large = "tls" }), `carriers.tc1.large: "tls" is not one of: udp, tcp`},
		"large by no way":        {carrier(func(x *carriers.CarrierConfig) { x.Large = "tcp" }), "carriers.tc1.large: realm peering has no tcp listener"},
		"TLS by halves": {carrier(func(x *carriers.CarrierConfig) { x.TLS = &carriers.PeerTLSConfig{Key: "k", Name: "a b"} }),
			"carriers.tc1.tls.certificate: there is a key\ncarriers.tc1.tls.name: not a host name"},
		"TLS by the other half": {carrier(func(x *carriers.CarrierConfig) {
			x.TLS = &carriers.PeerTLSConfig{Certificate: "c", Name: "*.tc1.example"}
		}), "carriers.tc1.tls.key: there is a certificate"},
		"TLS without a listener": {carrier(func(x *carriers.CarrierConfig) {
			x.Realm, x.TLS = "core", &carriers.PeerTLSConfig{Name: "192.0.2.1"}
		}), "carriers.tc1.tls: realm core has no tls listener"},
		"one place, two certificates": {carrier(func(x *carriers.CarrierConfig) {
			x.Gateways = []carriers.GatewayConfig{{Address: "127.0.22.1:5061", Transport: "tls"}}
			x.TLS = &carriers.PeerTLSConfig{Name: "tc1.example"}
		}), "carriers.tc2.gateways[0].address: carrier tc1's as well"},
		"keepalive that floods": {carrier(func(x *carriers.CarrierConfig) { x.Keepalive = time.Second }), "carriers.tc1.keepalive: 1s is less than 5s"},
		"codecs that are none": {carrier(func(x *carriers.CarrierConfig) {
			x.Codecs.Allow = []string{"PCMA", "G 729", "pcma", "/8000", "opus/", "opus/48k", ""}
		}), "carriers.tc1.codecs.allow[1]: not a codec's name\ncarriers.tc1.codecs.allow[2]: the same as allow[0]\ncarriers.tc1.codecs.allow[3]: not a\ncarriers.tc1.codecs.allow[4]: not a\ncarriers.tc1.codecs.allow[5]: not a\ncarriers.tc1.codecs.allow[6]: not a"},
		"codecs against each other": {trunk(func(x *carriers.TrunkConfig) {
			x.Codecs = carriers.CodecsConfig{Allow: []string{"PCMA", "opus/48000", "L16/8000", "GSM"}, Deny: []string{"OPUS", "L16/44100", "gsm"}, Order: []string{"pcma", "L16", "G729", "GSM"}}
		}), "trunks.pbx.codecs.allow[1]: is denied\ntrunks.pbx.codecs.allow[3]: is denied\ntrunks.pbx.codecs.order[2]: not among those of allow\ntrunks.pbx.codecs.order[3]: is denied"},
		"redirects too far":         {carrier(func(x *carriers.CarrierConfig) { x.Redirect = &carriers.RedirectConfig{Contacts: 21} }), "carriers.tc1.redirect.contacts: 1 to 20"},
		"route to nowhere":          {route(carriers.RouteConfig{}), "routes[0]: needs one of"},
		"route two ways":            {route(carriers.RouteConfig{Targets: tc1, Reject: &carriers.RejectConfig{Code: 404}}), "routes[0]: needs one of"},
		"route of nobody to nobody": {route(carriers.RouteConfig{Match: carriers.MatchConfig{Trunk: "x"}, Targets: []carriers.TargetConfig{{Carrier: "y"}}}), "routes[0].match.trunk: no trunk \"x\"\nroutes[0].targets[0].carrier: no carrier \"y\""},
		"route by a regexp":         {route(carriers.RouteConfig{Match: carriers.MatchConfig{Number: `^33\d+`}, Targets: tc1}), "routes[0].match.number: '^' cannot stand"},
		"dials an asterisk":         {route(carriers.RouteConfig{Targets: []carriers.TargetConfig{{Carrier: "tc1", Number: "+33*"}}}), "routes[0].targets[0].number: no '*'"},
		"spread to nobody, twice":   {route(carriers.RouteConfig{Spread: []carriers.ShareConfig{{"tc1", 1}, {"tc1", -1}, {"y", 1}}, OnFailure: []string{"z"}}), "routes[0].on_failure[0]: \"z\"\nroutes[0].spread[1].carrier: same as spread[0]\nroutes[0].spread[1].weight: not a weight\nroutes[0].spread[2].carrier: \"y\""},
		"on_failure of targets":     {route(carriers.RouteConfig{Targets: tc1, OnFailure: []string{"tc2"}}), "routes[0].on_failure: least_cost only"},
		"rejects with success":      {route(carriers.RouteConfig{Reject: &carriers.RejectConfig{Code: 200, Reason: "a\nb"}}), "routes[0].reject.code: 200\nroutes[0].reject.reason: control"},
		"matches nothing": {route(carriers.RouteConfig{Match: carriers.MatchConfig{Caller: "a b", Domain: "a\n", Percent: 101, Days: []string{"mon", "Tue", "mon", ""}, Hours: []carriers.Hours{{From: 9, To: 9}}, Zone: "Paris"}, Targets: tc1}),
			"routes[0].match.caller: ' ' cannot\nroutes[0].match.days[1]: not one of: sun, mon\nroutes[0].match.days[2]: stands already\nroutes[0].match.days[3]: is empty\nroutes[0].match.domain: control\nroutes[0].match.hours[0]: not a part\nroutes[0].match.percent: 1 to 100\nroutes[0].match.zone: no time zone \"Paris\""},
		"zone of no time":   {route(carriers.RouteConfig{Match: carriers.MatchConfig{Zone: "Europe/Paris"}, Targets: tc1}), "routes[0].match.zone: goes with days"},
		"zone of this node": {route(carriers.RouteConfig{Match: carriers.MatchConfig{Days: []string{"mon"}, Zone: "Local"}, Targets: tc1}), "routes[0].match.zone: no time zone"},
		"table not read":    {carrier(func(x *carriers.CarrierConfig) { x.Rates = "tc1.csv" }), "carriers.tc1.rates: not been read"},
		"costs of nobody":   {route(carriers.RouteConfig{LeastCost: &carriers.LeastCostConfig{MaxPrice: -1}}), "routes[0].least_cost.carriers: a carrier is needed\nroutes[0].least_cost.max_price: negative"},
		"costs without rates": {route(carriers.RouteConfig{LeastCost: &carriers.LeastCostConfig{Carriers: []carriers.ShareConfig{{"tc1", 1}, {"y", 1}, {"tc1", 1}}}}),
			"routes[0].least_cost.carriers[0].carrier: tc1 has no rates\nroutes[0].least_cost.carriers[1].carrier: no carrier \"y\"\nroutes[0].least_cost.carriers[2].carrier: has no rates\nroutes[0].least_cost.carriers[2].carrier: the same as carriers[0]"},
		"asks nowhere": {route(carriers.RouteConfig{Ask: &carriers.AskConfig{Timeout: time.Minute, Concurrent: -1, Cache: &carriers.CacheConfig{Most: -1}, Fallback: []carriers.TargetConfig{{Carrier: "y"}}}}),
			"routes[0].ask.cache.by: is needed\nroutes[0].ask.cache.keep: above zero\nroutes[0].ask.cache.most: negative\nroutes[0].ask.concurrent: negative\nroutes[0].ask.fallback[0].carrier: no carrier \"y\"\nroutes[0].ask.timeout: more than 10s\nroutes[0].ask.url: is needed"},
		"asks somewhere": {route(carriers.RouteConfig{Ask: &carriers.AskConfig{URL: "http://a@b/", CA: "ca.pem", Cache: &carriers.CacheConfig{By: []string{"call", "number", "number"}, Keep: 1}}}),
			"routes[0].ask.ca: not been read\nroutes[0].ask.cache.by[0]: not one of\nroutes[0].ask.cache.by[2]: stands already\nroutes[0].ask.url: is not where"},
		"asks in clear": {route(carriers.RouteConfig{Ask: &carriers.AskConfig{URL: "http://b/", CA: "ca.pem"}}), "routes[0].ask.ca: goes with https\nroutes[0].ask.ca: not been read"},
		"costs in two currencies": {func(c *carriers.Config) {
			*c = costs(t, carriers.LeastCostConfig{})
			c.Tables["tc2.csv"] = rates(t, "33,1,EUR\n")
		}, `routes[0].least_cost.carriers[1].carrier: tc2 are in "EUR", those of tc1 in ""`},
		"leads to a crowd": {route(carriers.RouteConfig{Targets: slices.Repeat(tc1, 34)}), "routes[0]: 102 gateways; a call tries 100"},
	} {
		t.Run(name, func(t *testing.T) {
			config := sample()
			c.change(&config)
			var got []string
			for _, f := range config.Validate(realms(t)) {
				got = append(got, fmt.Sprintf("%s: %s", f.Path, f.Message))
			}
			want := strings.Split(c.want, "\n")
			if !slices.EqualFunc(got, want, func(g, w string) bool {
				path, part, _ := strings.Cut(w, ": ")
				return strings.HasPrefix(g, path+": ") && strings.Contains(g, part)
			}) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), c.want)
			}
			if _, err := carriers.NewBook(config, realms(t)); err == nil || !strings.Contains(err.Error(), got[0]) {
				t.Errorf("a book was made of it: %v", err)
			}
		})
	}
}
