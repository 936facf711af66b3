package storage_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/storage"
	"bulkhead/storage/storagetest"
)

func startReplica(t *testing.T, master *storagetest.Server) *storagetest.Server {
	t.Helper()
	replica := storagetest.StartRedis(t, "--replicaof", "127.0.0.1", master.Port)
	storagetest.Eventually(t, "the replica is in step", func() bool {
		return strings.Contains(master.Do("INFO", "replication"), "state=online")
	})
	return replica
}

// What counts as written with a replica in WAIT is on the replica when the master dies.
func TestPromotedReplicaHasWhatWasConfirmed(t *testing.T) {
	t.Parallel()
	master := storagetest.StartRedis(t)
	replica := startReplica(t, master)
	o := at(master)
	o.Unit, o.Replicas, o.ReplicaWait = "u", 1, 2*time.Second
	r := connect(t, o)
	w := storage.NewWriter(r, storage.WriterOptions{Node: "a", Epoch: own(t, r, "a"), Wait: 10 * time.Second})
	var mu sync.Mutex
	confirmed := 0
	calls := map[string]bool{}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for n := 0; ; n++ {
				id := fmt.Sprint(i, "-", n)
				if w.Save(call(id, 1, 500)) != nil {
					return
				}
				mu.Lock()
				calls[id] = true
				confirmed++
				mu.Unlock()
			}
		})
	}
	storagetest.Eventually(t, "500 calls are confirmed", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return confirmed >= 500
	})
	master.Kill()
	group.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = w.Close(ctx) // there is nobody to write to

	replica.Do("REPLICAOF", "NO", "ONE")
	p := connect(t, storage.RedisOptions{Addresses: []string{replica.Address}, Unit: "u"})
	own(t, p, "b")
	stored := scan(t, p)
	for id := range calls {
		if stored[id].Version != 1 {
			t.Errorf("call %s was confirmed, and is gone", id)
		}
	}
	t.Logf("%d calls confirmed, %d on the replica", len(calls), len(stored))
}

// A master without its replica is not waited for, until the replica is there again.
func TestLostReplica(t *testing.T) {
	t.Parallel()
	master := storagetest.StartRedis(t)
	replica := startReplica(t, master)
	o := at(master)
	o.Replicas, o.ReplicaWait = 1, 500*time.Millisecond
	r := connect(t, o)
	e := own(t, r, "a")
	n := uint64(0)
	put := func() bool {
		n++
		write(t, r, e, storage.Batch{Puts: []storage.Item{call("x", n, 10)}})
		return r.Replicated()
	}
	storagetest.Eventually(t, "the replica has it", put)
	replica.Kill()
	storagetest.Eventually(t, "the replica is missed", func() bool { return !put() })
	replica.Start()
	storagetest.Eventually(t, "the replica has it again", put)
}

// A switch by Sentinel, under load.
func TestSentinelSwitch(t *testing.T) {
	t.Parallel()
	master := storagetest.StartRedis(t)
	replica := startReplica(t, master)
	sentinel := storagetest.StartSentinel(t, "calls", master)
	storagetest.Eventually(t, "the sentinel knows the replica", func() bool {
		return strings.Contains(sentinel.Do("SENTINEL", "REPLICAS", "calls"), replica.Port)
	})
	r := connect(t, storage.RedisOptions{Addresses: []string{sentinel.Address}, Sentinel: "calls", Unit: "u"})
	tr := newTraffic(t, r, "a", 50*time.Millisecond)
	tr.start()
	tr.some(100)
	master.Kill()
	start := time.Now()
	storagetest.Eventually(t, "it is felt", tr.w.Degraded)
	storagetest.Eventually(t, "switched", func() bool {
		role, err := replica.Try("ROLE") // it drops all connections when it is promoted
		return err == nil && strings.Contains(role, "master")
	})
	switched := time.Now()
	storagetest.Eventually(t, "whole again", func() bool { return !tr.w.Degraded() })
	t.Logf("switched after %v, whole again %v later, seeded again %d times",
		switched.Sub(start).Round(time.Millisecond), time.Since(switched).Round(time.Millisecond), tr.lost.Load())
	tr.some(100)
	tr.halt()
	tr.whole()
}

// A cluster of three masters of which one dies: its unit degrades, the others do not
// notice.
func TestClusterLosesANode(t *testing.T) {
	var nodes []*storagetest.Server
	var addresses []string
	for range 3 {
		n := storagetest.StartRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000",
			"--cluster-require-full-coverage", "no")
		nodes = append(nodes, n)
		addresses = append(addresses, n.Address)
	}
	nodes[0].Do(append(append([]string{"--cluster", "create"}, addresses...), "--cluster-yes")...)
	storagetest.Eventually(t, "the cluster is whole", func() bool {
		for _, n := range nodes {
			info := n.Do("CLUSTER", "INFO")
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:3") {
				return false
			}
		}
		return true
	})
	// A unit for each node: slots are dealt out in order.
	units := map[int]string{}
	for i := 0; len(units) < 3; i++ {
		unit := fmt.Sprint("u", i)
		var slot int
		if _, err := fmt.Sscan(nodes[0].Do("CLUSTER", "KEYSLOT", "{"+unit+"}"), &slot); err != nil {
			t.Fatal(err)
		}
		units[min(slot/5461, 2)] = unit
	}
	traffics := make([]*traffic, 3)
	for i := range traffics {
		r := connect(t, storage.RedisOptions{Addresses: addresses, Cluster: true, Unit: units[i], Timeout: time.Second})
		traffics[i] = newTraffic(t, r, "a", 500*time.Millisecond)
		traffics[i].start()
		traffics[i].some(20)
	}
	nodes[2].Kill()
	storagetest.Eventually(t, "its unit degrades", traffics[2].w.Degraded)
	for range 5 {
		for i, tr := range traffics {
			tr.some(20)
			if is := tr.w.Degraded(); is != (i == 2) {
				t.Fatalf("unit of node %d: degraded is %v", i, is)
			}
		}
	}
	nodes[2].Start()
	storagetest.Eventually(t, "whole again", func() bool { return !traffics[2].w.Degraded() })
	for i, tr := range traffics {
		tr.halt()
		tr.whole()
		if lost := tr.lost.Load(); lost != 0 && i != 2 {
			t.Errorf("unit of node %d was seeded again %d times", i, lost)
		}
	}
}

// allow makes a user who may what the store needs, and is the only one.
func allow(t *testing.T, server *storagetest.Server) {
	t.Helper()
	server.Do(append([]string{"ACL", "SETUSER", "bulkhead", "on", ">secret", "resetkeys", "~bulkhead:*"},
		strings.Fields(storage.RedisCommands)...)...)
	server.Do("ACL", "SETUSER", "default", "off")
}

// What a user of a shared Redis must be allowed, and no more.
func TestACL(t *testing.T) {
	server := storagetest.StartRedis(t)
	allow(t, server)
	o := at(server)
	o.Username, o.Password = "bulkhead", "secret"
	storagetest.Suite(t, func(t *testing.T) (storage.Store, storagetest.Clock) {
		o := o
		o.Unit, o.Replicas, o.ReplicaWait = rand.Text(), 1, time.Millisecond
		r := connect(t, o)
		if _, err := r.Inspect(context.Background()); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Beat(context.Background(), "a", time.Minute); err != nil {
			t.Fatal(err)
		}
		return r, wall{}
	})
	o.Password = "wrong"
	if _, err := connect(t, o).Own(context.Background(), "a"); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		t.Fatalf("Own with a wrong password: %v", err)
	}
}

// certificates writes a certificate of an authority of its own and returns the files.
func certificates(t *testing.T) (ca, cert, key string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	save := func(name, kind string, der []byte) string {
		file := filepath.Join(dir, name)
		must(os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return file
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caDER, err := x509.CreateCertificate(rand.Reader, authority, authority, caKey.Public(), caKey)
	must(err)
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, authority, leafKey.Public(), caKey)
	must(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	must(err)
	return save("ca.pem", "CERTIFICATE", caDER), save("cert.pem", "CERTIFICATE", leafDER), save("key.pem", "PRIVATE KEY", keyDER)
}

func TestTLS(t *testing.T) {
	ca, cert, key := certificates(t)
	server := storagetest.StartRedisTLS(t, ca, cert, key)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	o := at(server)
	o.TLS = &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}
	storagetest.Suite(t, func(t *testing.T) (storage.Store, storagetest.Clock) { return connect(t, o), wall{} })
	o.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	if _, err := connect(t, o).Own(context.Background(), "a"); err == nil {
		t.Fatal("a certificate of nobody was accepted")
	}
}
