package storage

import (
	"context"
	"crypto/sha1"
	_ "embed" // the scripts
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// What the scripts answer first.
const (
	replyDone   = 0
	replyFenced = 1 // of acquire.lua: held
	replyLost   = 2
)

//go:embed acquire.lua
var acquireText string

//go:embed reclaim.lua
var reclaimText string

//go:embed lease.lua
var leaseText string

//go:embed put.lua
var putText string

//go:embed end.lua
var endText string

//go:embed beat.lua
var beatText string

// script is a Lua script, by its text and by the name that Redis gives it.
type script struct{ text, sha string }

func newScript(text string) script {
	sum := sha1.Sum([]byte(text))
	return script{text, hex.EncodeToString(sum[:])}
}

// step is one run of a script.
type step struct {
	script
	keys []string
	args []any
}

// run runs the steps in one pipeline, in their order, and returns the answer of
// each. A Redis that does not know a script (a new one, a promoted replica) is sent
// its text with the steps that failed for it, and only those.
func (r *Redis) run(ctx context.Context, steps ...step) ([][]any, error) {
	node, err := r.node(ctx)
	if err != nil {
		return nil, err
	}
	cmds := make([]*redis.Cmd, len(steps))
	todo := make([]int, len(steps))
	for i := range todo {
		todo[i] = i
	}
	for try := 0; len(todo) > 0; try++ {
		pipe := node.Pipeline()
		sent := map[string]bool{}
		for _, i := range todo {
			s := steps[i]
			if try > 0 && !sent[s.sha] {
				sent[s.sha] = true // EVAL keeps it for those behind
				cmds[i] = pipe.Eval(ctx, s.text, s.keys, s.args...)
			} else {
				cmds[i] = pipe.EvalSha(ctx, s.sha, s.keys, s.args...)
			}
		}
		heard := r.followers.ask(ctx, pipe)
		_, err := pipe.Exec(ctx)
		heard()
		var again []int
		for _, i := range todo {
			e := cmds[i].Err()
			if e == nil && cmds[i].Val() == nil {
				e = err // no connection, so no command got as far as an error of its own
			}
			if try == 0 && redis.HasErrorPrefix(e, "NOSCRIPT") {
				again = append(again, i)
			} else if e != nil {
				return nil, r.failed(ctx, e)
			}
		}
		todo = again
	}
	replies := make([][]any, len(steps))
	for i, cmd := range cmds {
		if replies[i], err = cmd.Slice(); err != nil {
			return nil, fmt.Errorf("storage: answer of Redis: %w", err)
		}
		if len(replies[i]) == 0 {
			return nil, errors.New("storage: empty answer of Redis")
		}
	}
	return replies, nil
}

// code is the first element of a script's answer.
func code(reply []any) int64 {
	n, _ := reply[0].(int64)
	return n
}

// number is the element of an answer as a number, zero if it is none.
func number(reply []any, i int) int64 {
	if i >= len(reply) {
		return 0
	}
	switch v := reply[i].(type) {
	case int64:
		return v
	case string:
		n, _ := strconv.ParseInt(v, 10, 64)
		return n
	}
	return 0
}

// text is the element of an answer as a string.
func text(reply []any, i int) string {
	if i >= len(reply) {
		return ""
	}
	s, _ := reply[i].(string)
	return s
}

// ttl is a time to live as Redis wants it: whole milliseconds, at least one; zero is
// for ever.
func ttl(expires, now time.Time) string {
	if expires.IsZero() {
		return "0"
	}
	return strconv.FormatInt(max(expires.Sub(now).Milliseconds(), 1), 10)
}
