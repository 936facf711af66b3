package simtest

import (
	"fmt"
	"strings"

	"bulkhead/carriers"
)

// profiled reads what trunks and carriers have in common of numbers and header fields;
// false: the key is none of it.
func profiled(key string, o options, h *carriers.HeadersConfig, n *carriers.NumbersConfig) (bool, error) {
	value := o.values[key]
	switch key {
	case "pass":
		h.Pass = strings.Split(value, ",")
	case "remove":
		h.Remove = strings.Split(value, ",")
	case "add":
		h.Add = map[string]string{}
		for _, one := range o.lists[key] {
			name, text, ok := strings.Cut(one, ":")
			if !ok {
				return true, fmt.Errorf("%q is no header field", one)
			}
			h.Add[name] = strings.TrimSpace(text)
		}
	case "format":
		n.Format = value
	case "plan":
		n.Country = value
	case "uri":
		n.URI = value
	case "tech_prefix":
		n.TechPrefix = value
	case "strip":
		n.Strip = value
	case "prefix":
		n.Prefix = value
	case "replace":
		for _, one := range o.lists[key] {
			match, with, _ := strings.Cut(one, "/")
			n.Replace = append(n.Replace, carriers.ReplaceConfig{Match: match, With: with})
		}
	default:
		return false, nil
	}
	return true, nil
}
