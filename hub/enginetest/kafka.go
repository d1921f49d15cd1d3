package enginetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Cluster is one Kafka broker or several.
type Cluster struct {
	nodes     []node
	authority []byte
}

// A node is broker and controller in one, as KRaft has it.
type node struct {
	id                      int
	client, secure, control int // ports; secure is 0 where nobody asked for it
	process                 process
}

// A Setting says how a cluster is to be otherwise than usual.
type Setting func(*settings)

type settings struct {
	properties     []string
	user, password string
}

// With sets a property of the brokers, as in server.properties.
func With(name, value string) Setting {
	return func(s *settings) { s.properties = append(s.properties, name+"="+value) }
}

// CreateTopics lets the brokers make a topic when somebody writes to one that there is not.
func CreateTopics() Setting { return With("auto.create.topics.enable", "true") }

// Secured adds a second listener to each broker, over TLS, where the user and the password
// are asked for by SASL: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512. See SecureAddresses.
func Secured(user, password string) Setting {
	return func(s *settings) { s.user, s.password = user, password }
}

// StartKafka starts so many nodes on 127.0.0.1, with what they have in dir, and waits
// until each of them knows of all; ctx bounds the start. With three nodes or more a topic
// has three replicas, of which two must have a record before it is acknowledged. No topic
// comes into being by itself. The nodes end with this process at the latest.
func StartKafka(ctx context.Context, dir string, nodes int, with ...Setting) (*Cluster, error) {
	var s settings
	for _, setting := range with {
		setting(&s)
	}
	c := &Cluster{nodes: make([]node, nodes)}
	for i := range c.nodes {
		if err := c.nodes[i].settle(i+1, s.user != ""); err != nil {
			return nil, err
		}
	}
	properties := append(c.properties(), s.properties...)
	if s.user != "" {
		secured, err := c.secure(s.user, s.password)
		if err != nil {
			return nil, err
		}
		properties = append(properties, secured...)
	}
	if err := c.make(ctx, dir, properties, s.credentials()); err != nil {
		return nil, err
	}
	each := func(n *node) error { return n.process.start(ctx) }
	if err := c.all(each); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if err := c.ready(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Addresses gives where the brokers are, without TLS and for everybody.
func (c *Cluster) Addresses() []string {
	return c.addresses(func(n node) int { return n.client })
}

// SecureAddresses gives where the brokers are for those that come as Secured says.
func (c *Cluster) SecureAddresses() []string {
	return c.addresses(func(n node) int { return n.secure })
}

func (c *Cluster) addresses(port func(node) int) (all []string) {
	for _, n := range c.nodes {
		all = append(all, address(port(n)))
	}
	return all
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Authority gives the certificate, in PEM, by which SecureAddresses are known to be ours.
func (c *Cluster) Authority() []byte { return c.authority }

// Stop ends a node in order; it hands over what it leads first. Nodes count from 1.
func (c *Cluster) Stop(node int) error { return c.nodes[node-1].process.end(syscall.SIGTERM) }

// Kill ends a node at once.
func (c *Cluster) Kill(node int) error { return c.nodes[node-1].process.end(syscall.SIGKILL) }

// Start starts a node that was stopped or killed, with what it had, and waits until it
// and all the others know of each other, as many as run.
func (c *Cluster) Start(ctx context.Context, node int) error {
	if err := c.nodes[node-1].process.start(ctx); err != nil {
		return err
	}
	return c.ready(ctx)
}

// Close ends all nodes for good. What children had in their folder stays there.
func (c *Cluster) Close() error {
	return c.all(func(n *node) error { return errors.Join(n.process.end(syscall.SIGKILL), n.process.remove()) })
}

// all does the same with every node at once.
func (c *Cluster) all(do func(*node) error) error {
	errs := make([]error, len(c.nodes))
	var done sync.WaitGroup
	for i := range c.nodes {
		done.Go(func() { errs[i] = do(&c.nodes[i]) })
	}
	done.Wait()
	return errors.Join(errs...)
}

func (n *node) settle(id int, secure bool) (err error) {
	n.id = id
	for _, port := range []*int{&n.client, &n.control, &n.secure} {
		if port == &n.secure && !secure {
			break
		}
		if *port, err = freePort(); err != nil {
			return err
		}
	}
	return nil
}

// properties are those that all nodes share.
func (c *Cluster) properties() []string {
	replicas, inSync := min(3, len(c.nodes)), min(2, len(c.nodes))
	var voters []string
	for _, n := range c.nodes {
		voters = append(voters, fmt.Sprintf("%d@%s", n.id, address(n.control)))
	}
	return []string{
		"process.roles=broker,controller",
		"controller.quorum.voters=" + strings.Join(voters, ","),
		"controller.listener.names=CONTROLLER",
		"inter.broker.listener.name=CLIENT",
		"auto.create.topics.enable=false",
		"broker.session.timeout.ms=3000", // how long one that was killed is waited for
		"broker.heartbeat.interval.ms=500",
		"group.initial.rebalance.delay.ms=0",
		fmt.Sprintf("default.replication.factor=%d", replicas),
		fmt.Sprintf("min.insync.replicas=%d", inSync),
		fmt.Sprintf("offsets.topic.replication.factor=%d", replicas),
		"offsets.topic.num.partitions=4", // a few: each costs files, and time at the start
		fmt.Sprintf("transaction.state.log.replication.factor=%d", replicas),
		fmt.Sprintf("transaction.state.log.min.isr=%d", inSync),
		"transaction.state.log.num.partitions=4",
	}
}

// own are the properties of one node.
func (n *node) own(logs string) []string {
	listeners := fmt.Sprintf("CLIENT://%s,CONTROLLER://%s", address(n.client), address(n.control))
	protocols := "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT"
	if n.secure != 0 {
		listeners += ",SECURE://" + address(n.secure)
		protocols += ",SECURE:SASL_SSL"
	}
	return []string{
		fmt.Sprintf("node.id=%d", n.id), "listeners=" + listeners,
		"listener.security.protocol.map=" + protocols, "log.dirs=" + logs,
	}
}

// make prepares the nodes, each with an empty log of its own.
func (c *Cluster) make(ctx context.Context, dir string, properties, credentials []string) error {
	format := append([]string{"-t", "a251dHB1bmt0LS10ZXN0cw"}, credentials...) // the cluster's id, 16 bytes in base64
	if pool := docker(); pool != nil {
		for i := range c.nodes {
			n := &c.nodes[i]
			n.process = kafkaContainer(pool, document(append(n.own("/tmp/kafka"), properties...)), format)
		}
		return nil
	}
	jars, err := Jars(ctx)
	if err != nil {
		return err
	}
	java, err := java()
	if err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if err := c.all(func(n *node) error { return n.child(ctx, dir, java, jars, properties, format) }); err != nil {
		return err
	}
	return guard(dir, leaveFolder)
}

// child makes the node a child of ours.
func (n *node) child(ctx context.Context, dir, java, jars string, properties, format []string) error {
	name := fmt.Sprintf("kafka-%d", n.id)
	file := filepath.Join(dir, name+".properties")
	own := n.own(filepath.Join(dir, name))
	if err := os.WriteFile(file, []byte(document(append(own, properties...))), 0o600); err != nil {
		return fmt.Errorf("write a broker's properties: %w", err)
	}
	jvm := []string{"-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", // quick to start, small, one of many
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", filepath.Join(jars, "*")}
	c := &child{name: name, dir: dir, bin: filepath.Dir(java), orphan: syscall.SIGKILL}
	c.command = func() []string { return slices.Concat([]string{java}, jvm, []string{"kafka.Kafka", file}) }
	n.process = c
	_, err := c.run(ctx, filepath.Base(java), slices.Concat(jvm, []string{"kafka.tools.StorageTool", "format", "-c", file}, format)...)
	return err
}

// document writes properties as Java reads them.
func document(properties []string) string {
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	var b strings.Builder
	for _, p := range properties {
		b.WriteString(escape.Replace(p))
		b.WriteByte('\n')
	}
	return b.String()
}

// ready waits until every node that runs knows of all that run.
func (c *Cluster) ready(ctx context.Context) error {
	for i := range c.nodes {
		for !c.nodes[i].stopped() && c.nodes[i].knows(ctx) < c.running() {
			select {
			case <-c.nodes[i].process.gone():
				return fmt.Errorf("start Kafka: node %d ended by itself: %s", c.nodes[i].id, c.nodes[i].said())
			case <-ctx.Done():
				return fmt.Errorf("start Kafka: node %d does not answer: %w: %s", c.nodes[i].id, ctx.Err(), c.nodes[i].said())
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}

func (c *Cluster) running() (count int) {
	for i := range c.nodes {
		if !c.nodes[i].stopped() {
			count++
		}
	}
	return count
}

func (n *node) stopped() bool {
	select {
	case <-n.process.gone():
		return true
	default:
		return false
	}
}

func (n *node) said() string {
	if c, ok := n.process.(*child); ok {
		return tail(c.log())
	}
	return "see the container's log"
}

// metadata asks a broker for all brokers and no topics: an empty client id, then version 4
// of Metadata (https://kafka.apache.org/protocol#The_Messages_Metadata).
var metadata = []byte{
	0, 0, 0, 15, // length of what follows
	0, 3, 0, 4, // Metadata, version 4
	0, 0, 0, 1, // correlation id
	0, 0, // client id
	0, 0, 0, 0, // no topics
	0, // create none
}

// knows gives how many brokers the node knows of, 0 when it does not answer.
func (n *node) knows(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address(n.client))
	if err != nil {
		return 0
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	if _, err := conn.Write(metadata); err != nil {
		return 0
	}
	var answer [16]byte // length, correlation id, throttle time, number of brokers
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return 0
	}
	return int(binary.BigEndian.Uint32(answer[12:]))
}
