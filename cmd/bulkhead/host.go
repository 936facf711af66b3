package main

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// isAddress says that s is an IP address that can be written into a message.
func isAddress(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Zone() == "" && !a.IsUnspecified()
}

// isHost says that s is a host's name (RFC 3261 §25.1, hostname): labels of
// letters, digits and inner hyphens, the last of them beginning with a letter.
func isHost(s string) bool {
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			switch {
			case '0' <= r && r <= '9', 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', r == '-':
			default:
				return false
			}
		}
	}
	first := labels[len(labels)-1][0]
	return len(s) <= 253 && (first < '0' || first > '9')
}

func cutPort(s string) (host string, port uint16, ok bool) {
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, false
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return host, uint16(n), err == nil
}
