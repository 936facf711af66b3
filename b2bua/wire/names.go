package wire

// canonical gives a header field name the spelling of the RFC that defines it
// and expands the compact forms (IANA's registry of SIP header fields), so that
// who reads a message need not. A name that is not known stays as it came.
func canonical(name string) string {
	var low [24]byte
	if len(name) > len(low) {
		return name
	}
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		low[i] = c
	}
	switch string(low[:len(name)]) {
	case "via", "v":
		return "Via"
	case "from", "f":
		return "From"
	case "to", "t":
		return "To"
	case "call-id", "i":
		return "Call-ID"
	case "cseq":
		return "CSeq"
	case "contact", "m":
		return "Contact"
	case "content-length", "l":
		return "Content-Length"
	case "content-type", "c":
		return "Content-Type"
	case "max-forwards":
		return "Max-Forwards"
	case "route":
		return "Route"
	case "record-route":
		return "Record-Route"
	case "supported", "k":
		return "Supported"
	case "require":
		return "Require"
	case "proxy-require":
		return "Proxy-Require"
	case "unsupported":
		return "Unsupported"
	case "allow":
		return "Allow"
	case "accept":
		return "Accept"
	case "session-expires", "x":
		return "Session-Expires"
	case "min-se":
		return "Min-SE"
	case "refer-to", "r":
		return "Refer-To"
	case "referred-by", "b":
		return "Referred-By"
	case "refer-sub":
		return "Refer-Sub"
	case "replaces":
		return "Replaces"
	case "event", "o":
		return "Event"
	case "subscription-state":
		return "Subscription-State"
	case "allow-events", "u":
		return "Allow-Events"
	case "subject", "s":
		return "Subject"
	case "content-encoding", "e":
		return "Content-Encoding"
	case "content-disposition":
		return "Content-Disposition"
	case "content-language":
		return "Content-Language"
	case "mime-version":
		return "MIME-Version"
	case "accept-contact", "a":
		return "Accept-Contact"
	case "reject-contact", "j":
		return "Reject-Contact"
	case "request-disposition", "d":
		return "Request-Disposition"
	case "identity", "y":
		return "Identity"
	case "identity-info", "n":
		return "Identity-Info"
	case "reason":
		return "Reason"
	case "rseq":
		return "RSeq"
	case "rack":
		return "RAck"
	case "expires":
		return "Expires"
	case "min-expires":
		return "Min-Expires"
	case "retry-after":
		return "Retry-After"
	case "timestamp":
		return "Timestamp"
	case "user-agent":
		return "User-Agent"
	case "server":
		return "Server"
	case "warning":
		return "Warning"
	case "date":
		return "Date"
	case "privacy":
		return "Privacy"
	case "diversion":
		return "Diversion"
	case "history-info":
		return "History-Info"
	case "remote-party-id":
		return "Remote-Party-ID"
	case "p-asserted-identity":
		return "P-Asserted-Identity"
	case "p-preferred-identity":
		return "P-Preferred-Identity"
	case "p-early-media":
		return "P-Early-Media"
	case "p-charging-vector":
		return "P-Charging-Vector"
	case "authorization":
		return "Authorization"
	case "proxy-authorization":
		return "Proxy-Authorization"
	case "www-authenticate":
		return "WWW-Authenticate"
	case "proxy-authenticate":
		return "Proxy-Authenticate"
	case "authentication-info":
		return "Authentication-Info"
	}
	return name
}
