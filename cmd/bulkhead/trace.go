package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"bulkhead/b2bua/ops"
)

// meantFlags are which calls a command means.
var meantFlags = [][2]string{
	{"call", "the id of one call"}, {"trunk", "calls of this trunk"}, {"carrier", "calls that are tried at this carrier, whole"},
	{"number", "the number dialled begins so"}, {"from", "the caller's number begins so"},
}

func meant(c *cobra.Command, into url.Values) {
	for _, f := range meantFlags {
		name := f[0]
		c.Flags().Func(name, f[1], func(s string) error { into.Set(name, s); return nil })
	}
}

func traceCommand() *cobra.Command {
	var flags remoteFlags
	var file string
	ask := url.Values{}
	span, size, format := 30*time.Second, Size(100<<20), ops.PcapFormats[0]
	c := &cobra.Command{
		Use:   "trace [FILE]",
		Short: "Write the messages of calls as packets, while they cross the wire",
		Long: "Write every message of the calls that are meant, absorbed and settled ones too, as packets\n" +
			"that Wireshark reads, until --for is over, --bytes are written, or you interrupt it. Calls\n" +
			"that are up are shown from their next message on. Addresses are the real ones; the IP and UDP\n" +
			"headers are made up, so that what went by TCP or TLS is shown as well, in clear. The\n" +
			"messages are whole: treat the file as you treat what is said in the calls.\n\n" +
			"`trace start` has calls captured without somebody listening, for `trace call` and for\n" +
			"`replay`. Otherwise of each message only a line is kept, for `call ladder`.",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, _, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			ask.Set("for", span.String())
			ask.Set("bytes", fmt.Sprint(int64(size)))
			ask.Set("format", format)
			return node.packets(cmd, "/v1/trace?"+ask.Encode(), file)
		},
	}
	flags.add(c, 0)
	meant(c, ask)
	c.Flags().StringVarP(&file, "write", "w", "", "file to write; default: standard output, where that is no terminal")
	c.Flags().DurationVar(&span, "for", span, "how long, 10m at most")
	c.Flags().Var(&sizeFlag{&size}, "bytes", "how large the file may become")
	c.Flags().StringVar(&format, "format", format, "form of the file: "+strings.Join(ops.PcapFormats, ", "))
	c.AddCommand(traceStartCommand(), traceStopCommand(), traceListCommand(), traceCallCommand(), traceCaptureCommand())
	return c
}

// sizeFlag is a Size on a command line.
type sizeFlag struct{ *Size }

// String is pflag.Value.
func (s *sizeFlag) String() string { text, _ := s.MarshalText(); return string(text) }

// Set is pflag.Value.
func (s *sizeFlag) Set(text string) error { return s.UnmarshalText([]byte(text)) }

// Type is pflag.Value.
func (s *sizeFlag) Type() string { return "size" }

// output is where a command writes what is no text.
func output(cmd *cobra.Command, file string) (io.WriteCloser, error) {
	if file != "" {
		return os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	}
	if f, ok := cmd.OutOrStdout().(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return nil, errors.New("packets are no text for a terminal: say -w FILE, or pipe them on, such as into tshark -r -")
		}
	}
	return struct {
		io.Writer
		io.Closer
	}{cmd.OutOrStdout(), io.NopCloser(nil)}, nil
}

// packets copies a stream of packets, and says at its end what it was.
func (r *remote) packets(cmd *cobra.Command, path, file string) error {
	out, err := output(cmd, file)
	if err != nil {
		return err
	}
	defer out.Close()
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
	defer stop()
	response, err := r.stream(ctx, path)
	if err != nil {
		return told(cmd, err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(out, response.Body); err != nil && ctx.Err() == nil {
		return fmt.Errorf("reading what the node at %s says: %w", r.socket, err)
	}
	if t := response.Trailer; t.Get(ops.TrailerEnd) != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s messages, %s missed: %s\n", t.Get(ops.TrailerMessages), t.Get(ops.TrailerMissed), t.Get(ops.TrailerEnd))
	} else {
		fmt.Fprintln(cmd.ErrOrStderr(), "interrupted: the file ends with the last message that was written")
	}
	return out.Close()
}

// stream asks for an answer that may take as long as it likes.
func (r *remote) stream(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://bulkhead"+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := (&http.Client{Transport: r.client.Transport}).Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking the node at %s: %w", r.socket, errors.Unwrap(err))
	}
	if response.StatusCode < 400 {
		return response, nil
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	p := &ops.Problem{}
	if json.Unmarshal(text, p) != nil || p.Status == 0 {
		return nil, fmt.Errorf("the node at %s says %s: %s", r.socket, response.Status, bytes.TrimSpace(text))
	}
	return nil, p
}

func traceStartCommand() *cobra.Command {
	var flags remoteFlags
	ask := url.Values{}
	span, most := 10*time.Minute, 100
	c := &cobra.Command{
		Use:   "start [FILE]",
		Short: "Have calls captured: every message with its bytes, for trace call and replay",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, _, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			var f ops.CaptureFilter
			if err := node.send(cmd.Context(), http.MethodPost, "/v1/captures", ops.CaptureAsked{Meant: meantBy(ask), For: span.String(), Calls: most}, &f); err != nil {
				return told(cmd, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: captures %d calls at most that begin until %s\n", f.Name, f.Most, instant(f.Until))
			return err
		},
	}
	flags.add(c, 0)
	meant(c, ask)
	c.Flags().DurationVar(&span, "for", span, "for how long calls begin to be captured, 24h at most")
	c.Flags().IntVar(&most, "calls", most, "how many calls at most")
	return c
}

func traceStopCommand() *cobra.Command {
	var flags remoteFlags
	c := &cobra.Command{
		Use:   "stop [FILE] NAME",
		Short: "Have no more calls captured",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, rest, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			if _, err := node.said(cmd.Context(), http.MethodDelete, "/v1/captures/"+url.PathEscape(rest[0])); err != nil {
				return told(cmd, err)
			}
			return nil
		},
	}
	flags.add(c, 1)
	return c
}

func traceListCommand() *cobra.Command {
	var flags remoteFlags
	c := &cobra.Command{
		Use:   "list [FILE]",
		Short: "Print which calls are captured",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, _, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			var l ops.CaptureList
			if err := node.ask(cmd.Context(), http.MethodGet, "/v1/captures", &l); err != nil {
				return told(cmd, err)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tUNTIL\tCALLS\tMOST\tBY\tWHICH") // Flush has the error
			for _, f := range l.Filters {
				fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\n", f.Name, instant(f.Until), f.Calls, f.Most, f.By, strings.Join(which(f.Meant), " "))
			}
			if err := w.Flush(); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d calls are captured, %d bytes\n", l.Calls, l.Bytes)
			return err
		},
	}
	flags.add(c, 0)
	return c
}

func traceCallCommand() *cobra.Command {
	var flags remoteFlags
	var file string
	format := ops.PcapFormats[0]
	c := &cobra.Command{
		Use:   "call [FILE] CALL",
		Short: "Write what has been captured of a call as packets",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, rest, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			return node.packets(cmd, "/v1/calls/"+url.PathEscape(rest[0])+"/pcap?format="+url.QueryEscape(format), file)
		},
	}
	flags.add(c, 1)
	c.Flags().StringVarP(&file, "write", "w", "", "file to write; default: standard output, where that is no terminal")
	c.Flags().StringVar(&format, "format", format, "form of the file: "+strings.Join(ops.PcapFormats, ", "))
	return c
}

func traceCaptureCommand() *cobra.Command {
	var flags remoteFlags
	c := &cobra.Command{
		Use:   "capture [FILE] CALL",
		Short: "Print the capture of a call, for bulkhead replay",
		RunE: func(cmd *cobra.Command, args []string) error {
			node, rest, err := flags.find(cmd, args)
			if err != nil {
				return err
			}
			response, err := node.stream(cmd.Context(), "/v1/calls/"+url.PathEscape(rest[0])+"/capture")
			if err != nil {
				return told(cmd, err)
			}
			defer response.Body.Close()
			_, err = io.Copy(cmd.OutOrStdout(), response.Body)
			return err
		},
	}
	flags.add(c, 1)
	return c
}
