package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestACertificateThatIsOverIsSaid when the configuration is read, where it stands.
func TestACertificateThatIsOverIsSaid(t *testing.T) {
	r := reloads(t, true)
	certifyUntil(t, filepath.Dir(r.file), "peering", 2, time.Now().Add(-time.Hour))
	_, warnings, err := Load(r.file)
	if err != nil || len(warnings) != 1 {
		t.Fatal(err, warnings)
	}
	if w := warnings[0].String(); !strings.HasPrefix(w, r.file+":4:") || !strings.Contains(w, ": realms.peering.tls.certificate: ") || !strings.Contains(w, "peering.pem is not valid since "+time.Now().UTC().Format("2006-01-")) {
		t.Error(w)
	}
}
