// Package kafka writes documents to a topic of Apache Kafka, for a business system that reads it, and takes
// completed forms from one.
//
// A document is one record: its key is the case, so that what concerns one case stays in order, and its
// headers say which delivery it is. A topic does not recognise what comes twice, but it can be read: after a
// lost answer it is read from when the delivery was first sent. A form that is taken is on disk before its
// offset is committed, and what is no form is held for people to see, and never skipped.
//
// In errors and logs there is nothing of what is written or read: of an answer, its code; of a record, where
// it lies.
package kafka

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/brokers"
)

// New is the connector, for connectors.All.
var New = hub.Define("kafka", "Writes documents to a Kafka topic, and takes completed forms from one.", open)

// Config is what systems.yaml says about one cluster.
type Config struct {
	Brokers   []string   `yaml:"brokers" doc:"all brokers, each by the address that it gives itself (advertised.listeners): kafkas://HOST:PORT, which is TLS; kafka://127.0.0.1:PORT on this very machine"`
	User      string     `yaml:"user,omitempty" doc:"the hub's account there (SASL); none is used when left out"`
	Password  hub.Secret `yaml:"password,omitempty" doc:"the password of that account"`
	Login     string     `yaml:"login,omitempty" doc:"how the password is shown: scram-sha-512, which it is when left out, scram-sha-256 or plain"`
	Documents Documents  `yaml:"documents,omitempty" doc:"where documents are written"`
	Forms     Forms      `yaml:"forms,omitempty" doc:"where completed forms lie"`
}

// Documents is the topic that a business system reads.
type Documents struct {
	Topic     string `yaml:"topic" doc:"the topic, which must be there"`
	Protected bool   `yaml:"protected,omitempty" doc:"yes: whoever reads the topic heeds what a document says of protected identity"`
}

// Forms is the topic that a platform leaves forms on.
type Forms struct {
	Topic          string             `yaml:"topic" doc:"the topic"`
	Group          string             `yaml:"group" doc:"the consumer group, which all replicas share and nobody else is in"`
	Municipalities []hub.Municipality `yaml:"municipalities,omitempty" doc:"of a shared system: whose forms may lie there"`
	Keeper         hub.Municipality   `yaml:"keeper,omitempty" doc:"of a shared system: whose people see what is no form, or is another municipality's"`
}

// operationRecord is the one operation that a mapping can name.
const operationRecord = "record"

// visible is how long a record may be on its way: the broker gives a write up after writeWithin, and a minute
// is well beyond that. What its leader has and does not show yet is no matter of time: then Find says not now.
const visible = time.Minute

func open(_ context.Context, env hub.Env, c Config) (hub.System, error) {
	at, err := c.read(env.ID)
	if err != nil {
		return hub.System{}, err // as it is: the key that it begins with tells where it stands
	}
	var s hub.System
	var opened []*cluster
	if c.Documents.Topic != "" {
		t := &topic{cluster: newCluster(env, c, at), name: c.Documents.Topic, lanes: map[int32]*lane{}}
		opened, s.Destination = append(opened, t.cluster), t
		s.Can = hub.Capabilities{operationRecord: {Level: hub.Lookup, Lag: visible, Protected: c.Documents.Protected}}
	}
	if c.Forms.Topic != "" {
		f := &forms{newCluster(env, c, at)}
		opened, s.Source, s.Collector = append(opened, f.cluster), f, f
		for _, broker := range at.brokers {
			s.Collects = append(s.Collects, broker+"/"+c.Forms.Topic)
		}
	}
	s.Close = func() error {
		for _, c := range opened {
			c.close()
		}
		return nil
	}
	return s, nil
}

// A place is where the brokers are.
type place struct {
	brokers []string // HOST:PORT
	secure  bool
}

// read reads what is written about a cluster. Its errors name the key and not the value.
func (c Config) read(id hub.SystemID) (place, error) {
	at, err := brokersAt(c.Brokers)
	switch {
	case err != nil:
		return at, err
	case c.Documents.Topic == "" && c.Forms.Topic == "":
		return at, errors.New("write documents, forms or both: there is no topic")
	case c.Documents.Topic != "" && !isTopic(c.Documents.Topic):
		return at, errors.New("documents.topic: " + topicNames)
	case c.Documents.Topic != "" && c.Documents.Topic == c.Forms.Topic:
		return at, errors.New("forms.topic: is where documents are written, and each of them would come back as a form")
	case (c.User == "") != (c.Password.Reveal() == ""):
		return at, errors.New("user and password belong together: one of them is missing")
	case !brokers.Login(c.Login).Known():
		return at, errors.New("login: is scram-sha-512, scram-sha-256 or plain")
	case c.Forms.Topic != "":
		return at, c.Forms.check(strings.HasPrefix(string(id), "shared."))
	}
	return at, nil
}

func (f Forms) check(shared bool) error {
	switch {
	case !isTopic(f.Topic):
		return errors.New("forms.topic: " + topicNames)
	case f.Group == "":
		return errors.New("forms.group: is missing")
	case !shared && (len(f.Municipalities) > 0 || f.Keeper != ""):
		return errors.New("forms: what stands in a municipality's folder is for that one; municipalities and keeper are for a shared system")
	case shared && !slices.Contains(f.Municipalities, f.Keeper):
		return errors.New("forms.keeper: a shared system has municipalities, and one of them as its keeper")
	}
	for _, m := range f.Municipalities {
		if len(m) != 4 || strings.Trim(string(m), "0123456789") != "" {
			return errors.New("forms.municipalities: a kommunkod is four digits, in quotes")
		}
	}
	return nil
}

const topicNames = "a topic is called by 1 to 180 letters a–z, digits, points, - and _, and neither . nor .. alone"

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,180}$`)

// isTopic reports whether name can be a topic's. Brokers take 249 letters; but what lies there is known by
// TOPIC-PARTITION-OFFSET, which must have room in an id.
func isTopic(name string) bool { return topicName.MatchString(name) && name != "." && name != ".." }

// brokersAt reads the brokers' addresses.
func brokersAt(written []string) (at place, err error) {
	if len(written) == 0 {
		return at, errors.New("brokers: there is none")
	}
	for i, address := range written {
		u, err := url.Parse(address)
		if err != nil || u.Hostname() == "" || u.Scheme != "kafka" && u.Scheme != "kafkas" || strings.Trim(u.Path, "/") != "" {
			return at, errors.New("brokers: not the address of a broker: write kafkas://HOST:PORT")
		}
		secure := u.Scheme == "kafkas"
		if i > 0 && secure != at.secure {
			return at, errors.New("brokers: all are kafkas://, or all kafka://")
		}
		if ip, err := netip.ParseAddr(u.Hostname()); !secure && (err != nil || !ip.IsLoopback()) {
			return at, errors.New("brokers: write kafkas://HOST:PORT; kafka:// only with 127.0.0.1 or [::1] written out, on this very machine")
		}
		port := u.Port()
		if port == "" {
			port = map[bool]string{false: "9092", true: "9093"}[secure]
		}
		at.secure, at.brokers = secure, append(at.brokers, net.JoinHostPort(strings.ToLower(u.Hostname()), port))
	}
	return at, nil
}
