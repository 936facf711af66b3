package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"bulkhead/carriers"
)

// tables reads the tables of prices that carriers name, each once. What is wrong with
// one is told at its own lines and columns.
func (d *decoder) tables(c *Config) {
	c.Tables = map[carriers.File]*carriers.Rates{}
	for _, name := range slices.Sorted(maps.Keys(c.Carriers)) {
		file, path := c.Carriers[name].Rates, keyPath{"carriers", name, "rates"}
		if file == "" || !d.decoded(path.String()) {
			continue
		}
		rates, again := c.Tables[file]
		if !again {
			rates = d.table(file, path)
			c.Tables[file] = rates
		}
		if rates == nil {
			d.broken[path.String()] = true // told where it was read
		}
	}
}

// authorities reads the certificates that routes name, each file once.
func (d *decoder) authorities(c *Config) {
	c.Authorities = map[carriers.File]*x509.CertPool{}
	for i, r := range c.Routes {
		if r.Ask == nil || r.Ask.CA == "" {
			continue
		}
		path := keyPath{"routes"}.item(i).with("ask").with("ca")
		if !d.decoded(path.String()) || c.Authorities[r.Ask.CA] != nil {
			continue
		}
		pem, err := os.ReadFile(string(r.Ask.CA))
		pool := x509.NewCertPool()
		switch {
		case err != nil:
			d.fault(d.find(path.String()), path, "%s", err)
		case !pool.AppendCertsFromPEM(pem):
			d.fault(d.find(path.String()), path, "there is no certificate in %s", r.Ask.CA)
		default:
			c.Authorities[r.Ask.CA] = pool
		}
	}
}

// table reads one table; nil: it is told why not.
func (d *decoder) table(file carriers.File, path keyPath) *carriers.Rates {
	f, err := os.Open(string(file))
	if err != nil {
		d.fault(d.find(path.String()), path, "%s", err)
		return nil
	}
	defer f.Close()
	b := newBar(d.stream, "reading "+string(file), sizeOf(string(file)), true)
	rates, err := carriers.ReadRates(io.TeeReader(f, b))
	b.done()
	if faults, ok := errors.AsType[carriers.TableFaults](err); ok {
		for _, x := range faults {
			d.faults = append(d.faults, Fault{File: string(file), Line: x.Line, Column: x.Column, Message: x.Message})
		}
		return nil
	}
	if err != nil {
		d.fault(d.find(path.String()), path, "%s", fmt.Errorf("reading the table: %w", err))
		return nil
	}
	return rates
}
