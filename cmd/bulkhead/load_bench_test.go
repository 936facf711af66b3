package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// crowd is a configuration of 10,000 trunks, 1,000 carriers of two gateways and 10,000
// routes, one in ten of them with more to ask than trunk and number.
func crowd() string {
	var b strings.Builder
	b.WriteString("realms:\n  core: {listen: [udp://127.0.10.1:5060]}\n  peering: {listen: [udp://127.0.20.1:5060]}\ntrunks:\n")
	for i := range 10_000 {
		fmt.Fprintf(&b, "  trunk%04d:\n    realm: core\n    from: [10.%d.%d.0/24]\n    max_duration: 4h\n", i, i/256, i%256)
	}
	b.WriteString("carriers:\n")
	for i := range 1_000 {
		fmt.Fprintf(&b, "  carrier%03d:\n    realm: peering\n    gateways:\n      - {address: 172.16.%d.%d:5060, weight: 60}\n      - {address: 172.17.%d.%d:5060, weight: 40}\n    timers: {no_response: 2s}\n",
			i, i/256, i%256, i/256, i%256)
	}
	b.WriteString("routes:\n")
	for i := range 10_000 {
		more := ""
		if i%10 == 0 {
			more = ", days: [mon, fri], hours: [08:00-18:00], zone: Europe/Paris"
		}
		fmt.Fprintf(&b, "  - match: {trunk: trunk%04d, number: \"+33%04d*\"%s}\n    targets: [{carrier: carrier%03d}, {carrier: carrier%03d}]\n", i, i, more, i%1000, (i+1)%1000)
	}
	return b.String()
}

// BenchmarkLoad reads a file and makes the book of it.
func BenchmarkLoad(b *testing.B) {
	name := filepath.Join(b.TempDir(), "config.yaml")
	if err := os.WriteFile(name, []byte(crowd()), 0o644); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		c, _, err := Load(name)
		if err != nil {
			b.Fatal(err)
		}
		book, err := c.Book()
		if err != nil || len(book.Trunks()) != 10_000 {
			b.Fatal(err)
		}
	}
}
