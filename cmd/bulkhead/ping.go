package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bulkhead/dialog"
)

func pingCommand() *cobra.Command {
	wait := 2 * time.Second
	var from string
	c := &cobra.Command{
		Use:   "ping FILE",
		Short: "Ask a running Bulkhead with OPTIONS whether it answers (for health checks)",
		Long: "Send OPTIONS over UDP to the first UDP socket of the configuration and fail if\n" +
			"no 200 comes. A node always answers its own address; --from asks from another\n" +
			"one of this machine, such as a trunk's. A node whose unit another one has does not\n" +
			"answer; it is well while it is heard by the store.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, _, err := Load(args[0])
			if err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), err)
				return errRefused
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), wait)
			defer cancel()
			line, err := config.ping(ctx, from)
			if err != nil {
				if line = config.standsBy(cmd.Context()); line == "" {
					return err
				}
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), line)
			return err
		},
	}
	c.Flags().DurationVar(&wait, "wait", wait, "how long to wait for the answer")
	c.Flags().StringVar(&from, "from", "", "local IP address to ask from; default: the socket's own")
	return c
}

// ping asks the first UDP socket of the configuration and returns the status
// line of its answer.
func (c *Config) ping(ctx context.Context, from string) (string, error) {
	target, err := c.pingTarget()
	if err != nil {
		return "", err
	}
	local := &net.UDPAddr{}
	if from != "" {
		ip, err := netip.ParseAddr(from)
		if err != nil {
			return "", fmt.Errorf("--from: %w", err)
		}
		local.IP = ip.AsSlice()
	} else {
		local.IP = target.Addr().AsSlice()
	}
	conn, err := net.DialUDP("udp", local, net.UDPAddrFromAddrPort(target))
	if err != nil {
		return "", fmt.Errorf("asking %s: %w", target, err)
	}
	defer conn.Close()
	id := make([]byte, 8)
	if _, err := rand.Read(id); err != nil {
		return "", err
	}
	token := hex.EncodeToString(id)
	request := strings.Join([]string{
		"OPTIONS sip:" + target.String() + " SIP/2.0",
		"Via: SIP/2.0/UDP " + conn.LocalAddr().String() + ";branch=" + dialog.Cookie + token + ";rport",
		"Max-Forwards: 1",
		"From: <sip:ping@" + conn.LocalAddr().String() + ">;tag=" + token,
		"To: <sip:" + target.String() + ">",
		"Call-ID: " + token,
		"CSeq: 1 OPTIONS",
		"Content-Length: 0", "", "",
	}, "\r\n")
	buffer := make([]byte, 4096)
	for ctx.Err() == nil {
		if _, err := conn.Write([]byte(request)); err != nil {
			return "", fmt.Errorf("asking %s: %w", target, err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
			return "", err
		}
		n, err := conn.Read(buffer)
		if err == nil {
			line, _, _ := strings.Cut(string(buffer[:n]), "\r\n")
			if !strings.HasPrefix(line, "SIP/2.0 200") {
				return "", fmt.Errorf("%s answers %q", target, line)
			}
			return line, nil
		}
		if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
			return "", fmt.Errorf("asking %s: %w", target, err)
		}
	}
	return "", fmt.Errorf("%s does not answer", target)
}

// standsBy says that this node is alive and another one has the unit; empty: it is
// not so.
func (c *Config) standsBy(ctx context.Context) string {
	if c.State == nil || c.State.Redis == nil {
		return ""
	}
	store, err := c.redis()
	if err != nil {
		return ""
	}
	defer store.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	owner, err := store.Owner(ctx)
	if err != nil || owner.Node == c.Node {
		return ""
	}
	all, err := store.Beat(ctx, "", beatForget)
	if err != nil {
		return ""
	}
	for _, n := range all {
		if n.Name == c.Node && n.Silent <= beatSilent {
			return fmt.Sprintf("standing by: unit %s is with %q", c.unitName(), owner.Node)
		}
	}
	return ""
}

// pingTarget is the first UDP socket, by the names of the realms.
func (c *Config) pingTarget() (netip.AddrPort, error) {
	sockets := c.Sockets()
	for _, realm := range slices.Sorted(maps.Keys(sockets)) {
		for _, s := range sockets[realm] {
			if s.Transport != dialog.UDP {
				continue
			}
			if s.Address.Addr().IsUnspecified() {
				return netip.AddrPortFrom(loopback(s.Address.Addr()), s.Address.Port()), nil
			}
			return s.Address, nil
		}
	}
	return netip.AddrPort{}, errors.New("the configuration has no UDP socket to ask")
}
