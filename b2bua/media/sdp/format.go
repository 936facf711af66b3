package sdp

import (
	"strconv"
	"strings"

	pion "github.com/pion/sdp/v3"
)

// formats lists what the line names.
func (m *Media) formats(d *pion.MediaDescription) {
	m.Formats = make([]Format, len(d.MediaName.Formats))
	for i, t := range d.MediaName.Formats {
		m.Formats[i] = Format{Type: t, Channels: 1}
		if m.Transport == RTP {
			m.Formats[i].Name, m.Formats[i].Rate = static(t)
		}
	}
}

func (m *Media) format(number string) *Format {
	for i := range m.Formats {
		if m.Formats[i].Type == number {
			return &m.Formats[i]
		}
	}
	return nil
}

// rtpmap reads "8 PCMA/8000/1" (RFC 8866 §6.6). What a static payload type means it does not
// change; the first one counts.
func (m *Media) rtpmap(value string) {
	number, coding, _ := strings.Cut(value, " ")
	f := m.format(number)
	if f == nil || f.Name != "" || m.Transport != RTP {
		return
	}
	name, rest, _ := strings.Cut(strings.TrimSpace(coding), "/")
	rate, channels, _ := strings.Cut(rest, "/")
	f.Name = strings.TrimSpace(name)
	if n, err := strconv.ParseUint(strings.TrimSpace(rate), 10, 31); err == nil {
		f.Rate = int(n)
	}
	if channels != "" {
		if n, err := strconv.ParseUint(strings.TrimSpace(channels), 10, 8); err == nil && n > 0 {
			f.Channels = int(n)
		}
	}
}

// static is what a payload type of audio means without an rtpmap, and those of video that
// telephones still offer (RFC 3551 §6, tables 4 and 5).
func static(number string) (name string, rate int) {
	switch number {
	case "0":
		return "PCMU", 8000
	case "3":
		return "GSM", 8000
	case "4":
		return "G723", 8000
	case "5":
		return "DVI4", 8000
	case "6":
		return "DVI4", 16000
	case "7":
		return "LPC", 8000
	case "8":
		return "PCMA", 8000
	case "9":
		return "G722", 8000 // the clock of RTP, not of the samples (RFC 3551 §4.5.2)
	case "10", "11":
		return "L16", 44100
	case "12":
		return "QCELP", 8000
	case "13", "19":
		return "CN", 8000
	case "14":
		return "MPA", 90000
	case "15":
		return "G728", 8000
	case "16":
		return "DVI4", 11025
	case "17":
		return "DVI4", 22050
	case "18":
		return "G729", 8000
	case "26":
		return "JPEG", 90000
	case "31":
		return "H261", 90000
	case "32":
		return "MPV", 90000
	case "33":
		return "MP2T", 90000
	case "34":
		return "H263", 90000
	}
	return "", 0
}
