package storage

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const manyDials = 1 << 13

// RedisOptions say where Redis is and whose calls are kept there. Zero values of what
// is optional are good.
type RedisOptions struct {
	Addresses []string // host:port; of the sentinels, if there is one; some nodes, of a cluster
	Sentinel  string   // name of the master that the sentinels watch
	Cluster   bool
	Database  int // not in a cluster

	Username, Password                 string
	SentinelUsername, SentinelPassword string
	TLS                                *tls.Config // nil: none

	Unit   string // its name is the hash tag of all its keys: no braces
	Prefix string // of all keys; bulkhead: if empty
	Node   string // who takes details: what was handed out to it, only it gets again

	// Timeout of connecting, and of each answer. 300 ms if zero. Behind it a
	// writer has its own budget; this is how soon a dead connection is left.
	Timeout time.Duration

	// Replicas that shall have each batch before it counts as written (WAIT),
	// for at most ReplicaWait, 20 ms if zero. Fewer replicas are no
	// failure (Replicated tells).
	Replicas    int
	ReplicaWait time.Duration

	Now func() time.Time // time.Now if nil; only differences to Item.Expires count
}

// NewRedis makes a store. It connects when it is first used.
func NewRedis(o RedisOptions) (*Redis, error) {
	if len(o.Addresses) == 0 {
		return nil, errors.New("storage: no address of Redis")
	}
	if o.Unit == "" || strings.ContainsAny(o.Unit, "{}") {
		return nil, fmt.Errorf("storage: unit %q: a name without braces is needed", o.Unit)
	}
	if o.Cluster && o.Sentinel != "" {
		return nil, errors.New("storage: Redis is a cluster or behind sentinels, not both")
	}
	if o.Prefix == "" {
		o.Prefix = "bulkhead:"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Node == "" {
		o.Node = "exporter"
	}
	if o.Timeout == 0 {
		o.Timeout = 300 * time.Millisecond
	}
	if o.ReplicaWait == 0 {
		o.ReplicaWait = 20 * time.Millisecond
	}
	return newRedis(redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs: o.Addresses, MasterName: o.Sentinel, IsClusterMode: o.Cluster, DB: o.Database,
		Username: o.Username, Password: o.Password, Dialer: dialer(o.Timeout, o.TLS),
		SentinelUsername: o.SentinelUsername, SentinelPassword: o.SentinelPassword,
		DialTimeout: o.Timeout, ReadTimeout: o.Timeout, WriteTimeout: o.Timeout, PoolTimeout: o.Timeout,
		ContextTimeoutEnabled: true,
		// A retry behind our back would outlast every budget: who calls repeats.
		MaxRetries: -1, DialerRetries: 1,
		// After as many failed dials as the pool is large, over its whole life,
		// the client tries only once a second, which is too late for us. What
		// bounds the connections is the last one.
		PoolSize: manyDials, PipelinePoolSize: manyDials, MaxConcurrentDials: 8, MaxActiveConns: 64,
		Protocol: 2, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}), o), nil
}

// newRedis is a store by a client; the options are complete.
func newRedis(client redis.UniversalClient, o RedisOptions) *Redis {
	return &Redis{
		client: client, prefix: o.Prefix,
		unit: o.Unit, exporter: o.Node, keys: keysOf(o.Prefix, o.Unit), now: o.Now,
		followers: followers{want: o.Replicas, wait: o.ReplicaWait, now: o.Now, short: true},
		acquire:   newScript(acquireText), reclaim: newScript(reclaimText), lease: newScript(leaseText),
		put: newScript(putText), end: newScript(endText), beat: newScript(beatText),
	}
}

// RedisCommands is what the user of a Redis with access control needs, beside its keys.
const RedisCommands = "+auth +hello +ping +client|setname +evalsha +eval +wait +info +time" +
	" +get +getdel +mget +getrange +set +del +exists +incr +pexpire" +
	" +hset +hdel +hmget +hgetall +zadd +zrem +zrange +zremrangebyscore" +
	" +xadd +xreadgroup +xgroup|create +xack +xdel"

// LogRedis gives the lines that the Redis client would print to a function, nil for
// nobody. It holds for the whole process: the client has one log.
func LogRedis(line func(string)) { redis.SetLogger(lines(line)) }

type lines func(string)

func (l lines) Printf(_ context.Context, format string, v ...any) {
	if l != nil {
		l(fmt.Sprintf(format, v...))
	}
}

// node is the client of the node that has the unit. In a cluster that is one node, so
// that the death of another is not felt.
func (r *Redis) node(ctx context.Context) (*redis.Client, error) { return r.master(ctx, r.keys.epoch) }

// master is the client of the node that has a key.
func (r *Redis) master(ctx context.Context, key string) (*redis.Client, error) {
	switch c := r.client.(type) {
	case *redis.Client:
		return c, nil
	case *redis.ClusterClient:
		node, err := c.MasterForKey(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("storage: finding the cluster node of unit %s: %w", r.unit, err)
		}
		return node, nil
	}
	return nil, fmt.Errorf("storage: a client of type %T", r.client)
}

// failed looks at an error of a node: in a cluster the unit may have moved.
func (r *Redis) failed(ctx context.Context, err error) error {
	if c, ok := r.client.(*redis.ClusterClient); ok {
		var said redis.Error
		if !errors.As(err, &said) || redis.HasErrorPrefix(err, "MOVED") || redis.HasErrorPrefix(err, "ASK") ||
			redis.HasErrorPrefix(err, "CLUSTERDOWN") || redis.HasErrorPrefix(err, "READONLY") {
			c.ReloadState(ctx)
		}
	}
	return err
}

// Server is what a Redis says of itself.
type Server struct {
	Version      string // of Redis; Valkey says here which one it is compatible with
	Policy       string // maxmemory-policy
	Memory, Most int64  // bytes used; bytes allowed, 0: no limit
	Replicas     int
	AppendOnly   bool
}

// Inspect asks the node that has the unit what it is.
func (r *Redis) Inspect(ctx context.Context) (Server, error) {
	node, err := r.node(ctx)
	if err != nil {
		return Server{}, err
	}
	info, err := node.Info(ctx).Result()
	if err != nil {
		return Server{}, fmt.Errorf("storage: asking Redis what it is: %w", r.failed(ctx, err))
	}
	var s Server
	for line := range strings.Lines(info) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		number, _ := strconv.ParseInt(value, 10, 64)
		switch key {
		case "redis_version":
			s.Version = value
		case "maxmemory_policy":
			s.Policy = value
		case "used_memory":
			s.Memory = number
		case "maxmemory":
			s.Most = number
		case "connected_slaves":
			s.Replicas = int(number)
		case "aof_enabled":
			s.AppendOnly = value == "1"
		}
	}
	return s, nil
}

// Faults are the reasons for which calls are not safe in this Redis, for the log.
func (s Server) Faults() (faults []string) {
	if s.Policy != "" && s.Policy != "noeviction" {
		faults = append(faults, "maxmemory-policy is "+s.Policy+
			": Redis will throw calls away when it is full; set it to noeviction")
	}
	var major, minor int
	if _, err := fmt.Sscanf(s.Version, "%d.%d", &major, &minor); err != nil || major < 6 || major == 6 && minor < 2 {
		faults = append(faults, fmt.Sprintf("version %q: at least Redis 6.2 is needed", s.Version))
	}
	return faults
}
