package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bulkhead/b2bua/ops"
)

// remote is a running node, by the Unix socket of its API.
type remote struct {
	socket string
	client *http.Client
}

// answersWithin is how long a node may take for what it is asked.
const answersWithin = 30 * time.Second

func newRemote(socket string) *remote {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &remote{socket, &http.Client{Timeout: answersWithin, Transport: &http.Transport{DialContext: dial}}}
}

// remoteFlags are what a command that asks a running node has: it is found by its
// configuration, or by its socket.
type remoteFlags struct{ socket, url, token, ca string }

// add adds them to a command that has so many arguments after FILE.
func (r *remoteFlags) add(c *cobra.Command, more int) {
	c.Flags().StringVar(&r.socket, "socket", "", "socket of the node's API, instead of FILE")
	c.Flags().StringVar(&r.url, "url", "", "where the node's API listens, instead of FILE, such as https://node-a:8080; with --token-file")
	c.Flags().StringVar(&r.token, "token-file", "", "file with the token for --url")
	c.Flags().StringVar(&r.ca, "ca", "", "certificates that vouch for --url; default: the system's")
	c.MarkFlagsMutuallyExclusive("socket", "url")
	c.MarkFlagsRequiredTogether("url", "token-file")
	c.Args = func(c *cobra.Command, args []string) error {
		file := 1
		if r.socket != "" || r.url != "" {
			file = 0
		}
		if len(args) != file+more {
			return fmt.Errorf("want %s, with the node's configuration file, --socket or --url", c.Use)
		}
		for _, arg := range args {
			if trimmed := strings.TrimSpace(arg); trimmed == "" || trimmed == "." || trimmed == ".." { // a path with it would be another one
				return fmt.Errorf("%q names nothing: want %s", arg, c.Use)
			}
		}
		return nil
	}
}

// find is the node that a command is for, and the arguments after FILE.
func (r *remoteFlags) find(cmd *cobra.Command, args []string) (node *remote, rest []string, err error) {
	if r.socket != "" {
		return newRemote(r.socket), args, nil
	}
	if r.url != "" {
		node, err = newRemoteAt(r.url, r.token, r.ca)
		return node, args, err
	}
	c, err := glance(args[0])
	if err != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), err)
		return nil, nil, errRefused
	}
	if c.API == nil {
		return nil, nil, fmt.Errorf("%s has no api: the node cannot be asked (SIGHUP reloads it all the same)", args[0])
	}
	return newRemote(string(c.API.Socket)), args[1:], nil
}

// ask sends a request and reads the answer into a value. What the node refuses is a
// *ops.Problem.
func (r *remote) ask(ctx context.Context, method, path string, into any) error {
	text, err := r.said(ctx, method, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("reading what the node at %s says: %w", r.socket, err)
	}
	return nil
}

// send is ask with a body, as JSON.
func (r *remote) send(ctx context.Context, method, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://bulkhead"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	_, err = r.into(request, into)
	return err
}

// post sends a configuration, made for the one that has a tag, and reads the answer.
func (r *remote) post(ctx context.Context, path, tag string, text []byte, into any) (newTag string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://bulkhead"+path, bytes.NewReader(text))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/yaml")
	if tag != "" {
		request.Header.Set("If-Match", tag)
	}
	return r.into(request, into)
}

// tagged is ask for something that has a tag.
func (r *remote) tagged(ctx context.Context, path string, into any) (tag string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://bulkhead"+path, nil)
	if err != nil {
		return "", err
	}
	return r.into(request, into)
}

// into reads the answer to a request into a value, and says its tag.
func (r *remote) into(request *http.Request, into any) (tag string, err error) {
	text, head, err := r.do(request)
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return "", fmt.Errorf("reading what the node at %s says: %w", r.socket, err)
	}
	return head.Get("ETag"), nil
}

// said is the answer to a request as it came.
func (r *remote) said(ctx context.Context, method, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://bulkhead"+path, nil)
	if err != nil {
		return nil, err
	}
	text, _, err := r.do(request)
	return text, err
}

// do does what a request says.
func (r *remote) do(request *http.Request) ([]byte, http.Header, error) {
	response, err := r.client.Do(request)
	if err != nil {
		return nil, nil, fmt.Errorf("asking the node at %s: %w", r.socket, errors.Unwrap(err))
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, nil, fmt.Errorf("reading what the node at %s says: %w", r.socket, err)
	}
	if response.StatusCode >= 400 {
		p := &ops.Problem{}
		if json.Unmarshal(text, p) != nil || p.Status == 0 {
			return nil, nil, fmt.Errorf("the node at %s says %s: %s", r.socket, response.Status, bytes.TrimSpace(text))
		}
		return nil, nil, p
	}
	return text, response.Header, nil
}

// told prints the parts of a problem, a line each, and leaves the problem as a whole as
// the error of the command.
func told(cmd *cobra.Command, err error) error {
	p, ok := errors.AsType[*ops.Problem](err)
	if !ok {
		return err
	}
	for _, e := range p.Errors {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", e.Location, e.Message)
	}
	return errors.New(p.Detail)
}
