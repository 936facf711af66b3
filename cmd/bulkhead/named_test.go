package main

import (
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// withTables is a configuration in a directory with these tables.
func withTables(t *testing.T, tables map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	const text = `realms: {core: {listen: [udp://127.0.10.1:5060]}}
carriers:
  tc1: {realm: core, gateways: [{address: 127.0.21.1:5060}], rates: rates/tc1.csv}
  tc2: {realm: core, gateways: [{address: 127.0.22.1:5060}], rates: rates/tc2.csv}
  tc3: {realm: core, gateways: [{address: 127.0.23.1:5060}], rates: rates/tc1.csv}
routes:
  - least_cost: {carriers: [{carrier: tc1}, {carrier: tc2}, {carrier: tc3, weight: 2}], max_price: 0.5}
`
	if err := os.Mkdir(filepath.Join(dir, "rates"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, table := range tables {
		if err := os.WriteFile(filepath.Join(dir, "rates", name), []byte(table), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTablesAreReadWithTheConfiguration(t *testing.T) {
	c, _, err := Load(withTables(t, map[string]string{"tc1.csv": "33,0.1\n", "tc2.csv": "33,0.2\n34,0.3\n"}))
	if err != nil {
		t.Fatal(err)
	}
	book, err := c.Book()
	if err != nil {
		t.Fatal(err)
	}
	one, two := book.Carrier("tc1").Rates, book.Carrier("tc2").Rates
	if one.Prefixes() != 1 || two.Prefixes() != 2 || book.Carrier("tc3").Rates != one {
		t.Errorf("%d and %d prefixes; shared %t", one.Prefixes(), two.Prefixes(), book.Carrier("tc3").Rates == one)
	}
	printedAsRead(t, c)
}

// TestFaultsOfTablesComeWithThoseOfTheConfiguration: a table that cannot be used is told
// at its own lines, once, one that is not there where it is named.
func TestFaultsOfTablesComeWithThoseOfTheConfiguration(t *testing.T) {
	file := withTables(t, map[string]string{"tc1.csv": "33,0.1\n34,x\n"})
	_, _, err := Load(file)
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 2 {
		t.Fatal(err)
	}
	dir := filepath.Dir(file)
	for i, want := range []string{
		file + ":4:69: carriers.tc2.rates: open " + dir + "/rates/tc2.csv: no such file or directory",
		dir + `/rates/tc1.csv:2:4: "x" is not a price, such as 0.0125: 9 places at most`,
	} {
		if faults[i].String() != want {
			t.Errorf("got  %s\nwant %s", faults[i], want)
		}
	}
}

// TestAuthoritiesAreReadWithTheConfiguration: a file that is not there, or has no
// certificate in it, is told where it is named.
func TestAuthoritiesAreReadWithTheConfiguration(t *testing.T) {
	file := withTables(t, map[string]string{"tc1.csv": "33,0.1\n", "tc2.csv": "33,0.2\n34,0.3\n"})
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(file)
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	pem := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, data := range map[string][]byte{
		"ca.pem": pem, "empty.pem": nil,
		"config.yaml": append(text, "  - ask: {url: \"https://h/\", ca: ca.pem}\n  - ask: {url: \"https://h/\", ca: empty.pem}\n  - ask: {url: \"https://h/\", ca: none.pem}\n"...),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err = Load(file)
	want := file + ":9:34: routes[2].ask.ca: there is no certificate in " + dir + "/empty.pem\n" +
		file + ":10:34: routes[3].ask.ca: open " + dir + "/none.pem: no such file or directory"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if err := os.WriteFile(file, append(text, "  - ask: {url: \"https://h/\", ca: ca.pem}\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	c, _, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	book, err := c.Book()
	if err != nil || len(book.Asks()) != 1 || book.Asks()[0].CA == nil {
		t.Errorf("%v %+v", err, book.Asks())
	}
	printedAsRead(t, c)
}
