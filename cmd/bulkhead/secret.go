package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// maxSecret is the longest password, in bytes.
const maxSecret = 1024

// secrets reads the passwords that trunks and carriers have in files of their own. A line
// feed at the end is none of a password's. Of the API's tokens it says whether others can
// read them; what is in them the API says itself.
func (v *validator) secrets() {
	if a := v.config.API; a != nil && a.TokensFile != "" {
		if is, err := os.Stat(string(a.TokensFile)); err == nil && is.Mode().Perm()&0o077 != 0 {
			v.warn("api.tokens_file", fmt.Sprintf("others than its owner can read %s (mode %04o)", a.TokensFile, is.Mode().Perm()))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.config.Trunks)) {
		v.secret("trunks."+name+".auth.password_file", v.config.Trunks[name].Auth)
	}
	for _, name := range slices.Sorted(maps.Keys(v.config.Carriers)) {
		v.secret("carriers."+name+".auth.password_file", v.config.Carriers[name].Auth)
	}
	if c := v.config.CDR; c != nil && c.Webhook != nil { // nothing secret, and read by who is to use it, too
		if _, err := c.Webhook.authorities(); err != nil {
			v.fault("cdr.webhook.ca", "%s", err)
		}
	}
}

func (v *validator) secret(path string, a *carriers.AuthConfig) {
	if a == nil || a.PasswordFile == "" {
		return
	}
	text, all, err := readSecret(string(a.PasswordFile))
	switch {
	case err != nil:
		v.fault(path, "%s", err)
	case len(text) > maxSecret:
		v.fault(path, "%s holds more than a password: %d bytes at most", a.PasswordFile, maxSecret)
	case text == "":
		v.fault(path, "%s is empty", a.PasswordFile)
	case strings.ContainsAny(text, "\r\n\x00"):
		v.fault(path, "%s holds more than one line", a.PasswordFile)
	}
	if all && err == nil {
		v.warn(path, "everybody on this machine can read "+string(a.PasswordFile))
	}
	a.Password = dialog.Password(text)
}

// warn says that what a key names is not as it should be.
func (v *validator) warn(path, message string) {
	at := v.decoder.find(path)
	v.warnings = append(v.warnings, Warning{File: v.decoder.file, Line: at.line, Column: at.column, Path: path, Message: message})
}

// readSecret reads a file that holds one line, and says whether everybody may read it.
func readSecret(name string) (text string, all bool, err error) {
	f, err := os.Open(name)
	if err != nil {
		return "", false, err
	}
	defer f.Close()
	is, err := f.Stat()
	if err != nil {
		return "", false, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+2))
	data, _ = bytes.CutSuffix(data, []byte("\n"))
	data, _ = bytes.CutSuffix(data, []byte("\r"))
	return string(data), is.Mode().Perm()&0o004 != 0, err
}
