package main

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
)

// What a shell is offered while somebody types: by the names that arguments have in Use, with
// what a running node knows. A node that cannot be asked offers nothing.

const (
	completeWithin = time.Second // nobody waits longer for a word
	completeMost   = 200         // calls that are offered
)

// completes gives all commands below one what their arguments and flags can be.
func completes(c *cobra.Command) {
	for _, sub := range c.Commands() {
		completes(sub)
	}
	if c.ValidArgsFunction == nil {
		c.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			return argument(cmd, args, typed)
		}
	}
	for flag, offers := range map[string]func(*cobra.Command, []string, string) []string{
		"state":   func(_ *cobra.Command, _ []string, typed string) []string { return commaed(b2bua.CallStates[:], typed) },
		"trunk":   func(_ *cobra.Command, args []string, _ string) []string { return trunks(args) },
		"carrier": func(cmd *cobra.Command, args []string, _ string) []string { return carrierNames(cmd, args) },
		"output":  func(cmd *cobra.Command, _ []string, _ string) []string { return outputs(cmd) },
	} {
		if c.Flags().Lookup(flag) == nil {
			continue
		}
		_ = c.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			return begin(offers(cmd, args, typed), typed), cobra.ShellCompDirectiveNoFileComp
		}) // which fails only if there is one already
	}
}

// argument offers what the next argument can be.
func argument(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	names := strings.Fields(cmd.Use)[1:]
	if socket, err := cmd.Flags().GetString("socket"); err == nil && socket != "" && len(names) > 0 && names[0] == "[FILE]" {
		names = names[1:]
	}
	if len(args) >= len(names) {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	switch names[len(args)] {
	case "[FILE]", "FILE", "NEW":
		return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
	case "CALL":
		return begin(callIDs(cmd, args, typed), typed), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	case "CARRIER":
		return begin(carrierNames(cmd, args), typed), cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveDefault
}

// begin are the words that begin with what is typed.
func begin(words []string, typed string) []string {
	return slices.DeleteFunc(words, func(w string) bool { return !strings.HasPrefix(w, typed) })
}

// offered asks the node that a command is for.
func offered(cmd *cobra.Command, args []string, path string, into any) bool {
	socket, err := cmd.Flags().GetString("socket")
	if err == nil && socket == "" {
		if len(args) == 0 {
			return false
		}
		c, err := glance(args[0])
		if err != nil || c.API == nil {
			return false
		}
		socket = string(c.API.Socket)
	}
	ctx, cancel := context.WithTimeout(context.Background(), completeWithin)
	defer cancel()
	return socket != "" && newRemote(socket).ask(ctx, http.MethodGet, path, into) == nil
}

// callIDs are calls, the newest first, with what tells one from another.
func callIDs(cmd *cobra.Command, args []string, _ string) (list []string) {
	q := url.Values{"limit": {strconv.Itoa(completeMost)}, "fields": {"id,state,from,to,carrier"}}
	var l ops.Calls
	if !offered(cmd, args, "/v1/calls?"+q.Encode(), &l) {
		return nil
	}
	for _, c := range l.Calls {
		list = append(list, c.ID+"\t"+strings.TrimSpace(c.State+" "+c.From+" to "+c.To+" "+c.Carrier))
	}
	return list
}

// carrierNames are those that the node has or, where it cannot be asked, its configuration.
func carrierNames(cmd *cobra.Command, args []string) (list []string) {
	var all []struct{ Name string }
	if offered(cmd, args, "/v1/carriers", &all) {
		for _, c := range all {
			list = append(list, c.Name)
		}
		return list
	}
	if len(args) > 0 {
		if c, err := glance(args[0]); err == nil {
			return slices.Sorted(maps.Keys(c.Carriers))
		}
	}
	return nil
}

// trunks are those of the configuration.
func trunks(args []string) []string {
	if len(args) == 0 {
		return nil
	}
	c, err := glance(args[0])
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(c.Trunks))
}

// outputs are the formats that the flag names.
func outputs(cmd *cobra.Command) []string {
	_, names, _ := strings.Cut(cmd.Flags().Lookup("output").Usage, ": ")
	return strings.Split(names, ", ")
}

// commaed are words for a flag that takes several with commas.
func commaed(words []string, typed string) (list []string) {
	before := typed[:strings.LastIndex(typed, ",")+1]
	for _, w := range words {
		if !slices.Contains(strings.Split(before, ","), w) {
			list = append(list, before+w)
		}
	}
	return list
}
