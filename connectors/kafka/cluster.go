package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/brokers"
)

// How long a broker may take: to be connected to, to say something, and to have a record written.
const (
	connectWithin = 5 * time.Second
	answerWithin  = 20 * time.Second
	writeWithin   = 10 * time.Second
)

// A cluster is the brokers, as one side of the connector talks with them.
type cluster struct {
	env  hub.Env
	conf Config
	at   place

	mu     sync.Mutex
	client sarama.Client // nil before anything is asked of it
	open   map[*wire]bool
}

func newCluster(env hub.Env, c Config, at place) *cluster {
	return &cluster{env: env, conf: c, at: at, open: map[*wire]bool{}}
}

// connected gives the client, which finds the brokers when it is asked something.
func (c *cluster) connected() (sarama.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil && !c.client.Closed() {
		return c.client, nil
	}
	client, err := sarama.NewClient(c.at.brokers, c.settings())
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	c.client = client
	return client, nil
}

func (c *cluster) close() {
	c.mu.Lock()
	client := c.client
	c.client = nil
	c.mu.Unlock()
	if client != nil {
		client.Close()
	}
	c.hangUp()
}

// settings are the library's. It tries nothing again by itself: what is tried again is the hub's to decide,
// and the hub's to remember.
func (c *cluster) settings() *sarama.Config {
	s := c.access().Settings()
	s.Net.Proxy.Enable, s.Net.Proxy.Dialer = true, door{c}
	s.Net.ReadTimeout, s.Net.WriteTimeout, s.Net.MaxOpenRequests = answerWithin, answerWithin, 1
	s.Metadata.Full, s.Metadata.AllowAutoTopicCreation, s.Metadata.Retry.Max = false, false, 0
	return s
}

// access is what systems.yaml says of how the brokers are reached.
func (c *cluster) access() brokers.Access {
	a := brokers.Access{Brokers: c.at.brokers, User: c.conf.User, Password: c.conf.Password, Login: brokers.Login(c.conf.Login)}
	if c.at.secure {
		a.TLS = c.tlsConfig()
	}
	return a
}

func (c *cluster) tlsConfig() *tls.Config {
	t := &tls.Config{}
	if c.env.TLS != nil {
		t = c.env.TLS.Clone()
	}
	t.MinVersion = max(t.MinVersion, tls.VersionTLS12)
	return t
}

// under runs f, which the library knows no way to break off, and hangs up on all brokers when ctx ends.
func (c *cluster) under(ctx context.Context, f func() error) error {
	if ctx.Err() != nil {
		return errGivenUp
	}
	stay := context.AfterFunc(ctx, c.hangUp)
	defer stay()
	return f()
}

var errGivenUp = errors.New("given up before anything was said")

// hangUp breaks off whatever is being said.
func (c *cluster) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.open {
		w.cut()
	}
}

// A door is the way out to the brokers that are written in systems.yaml, and to no others, whatever the
// brokers say of each other.
type door struct{ *cluster }

var errStranger = errors.New("a broker gives itself an address that is not among brokers")

// Dial is what the library calls.
func (d door) Dial(network, address string) (net.Conn, error) {
	if !slices.Contains(d.at.brokers, strings.ToLower(address)) {
		return nil, errStranger
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectWithin)
	defer cancel()
	conn, err := d.env.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w := &wire{conn, d.cluster}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open[w] = true
	return w, nil
}

// A wire is one connection. When it is closed, what has not left never does: a record that is given up must
// not come to its broker minutes later, when it has been asked about and sent again.
type wire struct {
	net.Conn
	of *cluster
}

func (w *wire) cut() error {
	if tcp, ok := w.Conn.(interface{ SetLinger(seconds int) error }); ok {
		tcp.SetLinger(0)
	}
	return w.Conn.Close()
}

// Close is what the library calls.
func (w *wire) Close() error {
	w.of.mu.Lock()
	delete(w.of.open, w)
	w.of.mu.Unlock()
	return w.cut()
}

// unavailable says why nothing could be done with the cluster. What is wrong with the connection, the account
// or the topic is no fault of a document's.
func (c *cluster) unavailable(err error) error {
	var untrusted *tls.CertificateVerificationError
	var alert tls.AlertError
	var said sarama.KError
	is := func(of ...error) bool {
		return slices.ContainsFunc(of, func(e error) bool { return errors.Is(err, e) })
	}
	switch {
	case errors.Is(err, errGivenUp):
		return hub.Later(errGivenUp, 0)
	case errors.Is(err, errUnshown):
		return hub.Later(errUnshown, 0)
	case errors.Is(err, errStranger):
		return hub.Unavailable(errStranger, hub.AddressChanged)
	case errors.As(err, &untrusted), errors.As(err, &alert), strings.Contains(err.Error(), "remote error: tls:"):
		return hub.Unavailable(errors.New("a certificate is not accepted, theirs here or ours there"), hub.Credentials)
	case is(sarama.ErrSASLAuthenticationFailed, sarama.ErrUnsupportedSASLMechanism, sarama.ErrIllegalSASLState):
		return hub.Unavailable(errors.New("the brokers do not let us in"), hub.Credentials)
	case is(brokers.ErrPassword):
		return hub.Unavailable(brokers.ErrPassword, hub.Credentials)
	case is(sarama.ErrTopicAuthorizationFailed, sarama.ErrGroupAuthorizationFailed, sarama.ErrClusterAuthorizationFailed):
		return hub.Unavailable(errors.New("we may not use the topic, or the group"), hub.Credentials)
	case is(sarama.ErrUnknownTopicOrPartition, sarama.ErrInvalidTopic):
		return hub.Unavailable(errors.New("there is no such topic"), hub.AddressChanged)
	case is(sarama.ErrLeaderNotAvailable, sarama.ErrNotLeaderForPartition, sarama.ErrReplicaNotAvailable):
		return hub.Later(errors.New("the partition has no leader at present"), 0)
	case errors.As(err, &said):
		return hub.Unavailable(fmt.Errorf("the brokers answer with error %d", int16(said)), hub.Down)
	}
	return hub.Unavailable(errors.New("no broker answers"), hub.Down)
}
