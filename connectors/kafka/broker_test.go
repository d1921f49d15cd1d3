package kafka_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/kafka"
	"github.com/knutpunkt/knutpunkt/connectors/kafka/kafkasim"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/enginetest"
)

// TestConformanceAtARealBroker is the same exam with Apache Kafka in the simulator's place.
func TestConformanceAtARealBroker(t *testing.T) {
	outside := outsideOf(t, enginetest.Kafka(t))
	name := outside.topic(3, nil)
	var systems atomic.Int64 // that the kit has made: each has keys of its own in the same topic
	s := kafkasim.Subject()
	s.Connector, s.Config, s.Patience = kafka.New, strings.Replace(s.Config, "arenden", name, 1), 30*time.Second
	s.Peer = func() connectortest.Peer {
		systems.Add(1)
		return &kafkasim.Relay{Broker: outside.brokers[0], Written: func() int { return outside.written(name) }}
	}
	s.Vary = func(d hub.Delivery, number int) hub.Delivery {
		d.Key = hub.KeyOf(hub.ID(fmt.Sprintf("01JNCERT%09d%09d", systems.Load(), number)), "arende")
		return d
	}
	connectortest.Run(t, s)
}

// An outsider is a Kafka client that is not ours: what other systems see of the topics.
type outsider struct {
	*testing.T
	brokers []string
	client  sarama.Client
	admin   sarama.ClusterAdmin
}

var topics atomic.Int64

func outsideOf(t *testing.T, brokers []string) *outsider {
	t.Helper()
	c := sarama.NewConfig()
	c.Version = sarama.V2_8_0_0
	c.Producer.Return.Successes = true
	client, err := sarama.NewClient(brokers, c)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close() })
	return &outsider{t, brokers, client, admin}
}

// topic makes one with a name of its own, and waits until the brokers know of it.
func (o *outsider) topic(partitions int32, settings map[string]*string) string {
	o.Helper()
	return o.made(&sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: settings})
}

// placed makes one whose partitions lie at certain brokers.
func (o *outsider) placed(at map[int32][]int32) string {
	o.Helper()
	return o.made(&sarama.TopicDetail{NumPartitions: -1, ReplicationFactor: -1, ReplicaAssignment: at})
}

func (o *outsider) made(detail *sarama.TopicDetail) string {
	o.Helper()
	name := fmt.Sprintf("test-%d", topics.Add(1))
	must(o.T, o.admin.CreateTopic(name, detail, false))
	until(o.T, func() error { return o.client.RefreshMetadata(name) })
	return name
}

// until has f done again until it gives no error, for a minute.
func until(t *testing.T, f func() error) {
	t.Helper()
	err := f()
	for begun := time.Now(); err != nil && time.Since(begun) < time.Minute; {
		err = f()
	}
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// written is how many records a topic has.
func (o *outsider) written(topic string) (n int) {
	o.Helper()
	partitions, err := o.client.Partitions(topic)
	if err != nil {
		o.Fatal(err)
	}
	for _, p := range partitions {
		end, err := o.client.GetOffset(topic, p, sarama.OffsetNewest)
		if err != nil {
			o.Fatal(err)
		}
		n += int(end)
	}
	return n
}

// opened is a connector for a topic of documents, as systems.yaml would have it.
func opened(t *testing.T, config string, settings *tls.Config) hub.System {
	t.Helper()
	env := hub.Env{
		ID: "karlskrona.kafka", Dial: new(net.Dialer).DialContext, TLS: settings, Clock: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	s, err := kafka.New.Open(t.Context(), env, connectortest.Decode(t, kafka.New)(config))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func configOf(brokers []string, topic string, more ...string) string {
	return fmt.Sprintf("brokers: [\"kafka://%s\"]\ndocuments: { topic: %s }\n%s", strings.Join(brokers, `", "kafka://`), topic, strings.Join(more, ""))
}

var keys atomic.Int64

// record is a delivery that nobody has made before.
func record(text string) hub.Delivery {
	id := fmt.Sprintf("01JNREC%019d", keys.Add(1))
	return hub.Delivery{
		Key: hub.KeyOf(hub.ID(id), "arende"), Case: hub.CaseID(id), Municipality: "1080", Operation: "record",
		Document: hub.NewDocument("application/json", []byte(text)),
	}
}

// TestWhatABrokerAnswers gives each of the four answers that a real broker can.
func TestWhatABrokerAnswers(t *testing.T) {
	outside := outsideOf(t, enginetest.Kafka(t))
	small := "100"
	for _, c := range []struct {
		name, why, topic, text string
		answer                 hub.Answer
		cause                  hub.Cause
	}{
		{"taken", "", outside.topic(2, nil), `{"a":1}`, hub.Yes, ""},
		{"too large", "this document will never be taken", outside.topic(1, map[string]*string{"max.message.bytes": &small}), strings.Repeat("x", 1000), hub.No, ""},
		{"no such topic", "it is the address that is wrong", "nowhere", `{}`, hub.NotNow, hub.AddressChanged},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := opened(t, configOf(outside.brokers, c.topic), nil).Destination.Deliver(t.Context(), record(c.text))
			answer, _, cause := hub.AnswerOf(r, err)
			if answer != c.answer || cause != c.cause {
				t.Errorf("it is %s, %s: %v: %s", answer, cause, err, c.why)
			}
		})
	}
}

// TestTheSameIsFoundAmongMorePartitions: a topic may get more of them while an answer is missing, and then a
// case has another.
func TestTheSameIsFoundAmongMorePartitions(t *testing.T) {
	outside := outsideOf(t, enginetest.Kafka(t))
	topic := outside.topic(1, nil)
	d := record(`{"a":1}`)
	first, err := opened(t, configOf(outside.brokers, topic), nil).Destination.Deliver(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if err := outside.admin.CreatePartitions(topic, 7, nil, false); err != nil {
		t.Fatal(err)
	}
	d.InDoubt = first.At
	destination := opened(t, configOf(outside.brokers, topic), nil).Destination
	found, err := destination.Find(t.Context(), d)
	for begun := time.Now(); err != nil && !errors.Is(err, hub.ErrNotFound) && time.Since(begun) < 30*time.Second; {
		found, err = destination.Find(t.Context(), d) // a partition that has just been made has no leader
	}
	if err != nil || found.Ref != first.Ref || found.Number != first.Number {
		t.Errorf("found is %+v (%v), and it is %+v", found, err, first)
	}
}

// TestWhatIsGoneCannotBeToldOf: once records have gone that may have been it, not found is no answer.
func TestWhatIsGoneCannotBeToldOf(t *testing.T) {
	outside := outsideOf(t, enginetest.Kafka(t))
	topic := outside.topic(1, nil)
	destination := opened(t, configOf(outside.brokers, topic), nil).Destination
	missing := record(`{}`)
	missing.InDoubt = time.Now()
	if _, err := destination.Find(t.Context(), missing); !errors.Is(err, hub.ErrNotFound) {
		t.Errorf("of an empty topic Find says %v", err)
	}
	for range 3 {
		if _, err := destination.Deliver(t.Context(), record(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	if err := outside.admin.DeleteRecords(topic, map[int32]int64{0: 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := destination.Find(t.Context(), missing); !errors.Is(err, hub.ErrCannotTell) {
		t.Errorf("when records of that time are gone Find says %v", err)
	}
	later := missing
	later.InDoubt = time.Now().Add(time.Hour)
	if _, err := destination.Find(t.Context(), later); !errors.Is(err, hub.ErrNotFound) {
		t.Errorf("when what is gone is older than that time Find says %v", err)
	}
	if err := outside.admin.DeleteRecords(topic, map[int32]int64{0: 3}); err != nil {
		t.Fatal(err)
	}
	if _, err := destination.Find(t.Context(), later); !errors.Is(err, hub.ErrCannotTell) {
		t.Errorf("when nothing is left that tells how old it was Find says %v", err)
	}
}

// TestLargeTopics: a topic with much in it is read to its end, however much is given at a time.
func TestLargeTopics(t *testing.T) {
	outside := outsideOf(t, enginetest.Kafka(t))
	topic := outside.topic(1, nil)
	destination := opened(t, configOf(outside.brokers, topic), nil).Destination
	var last hub.Delivery
	for range 12 {
		last = record(strings.Repeat("x", 900_000))
		if _, err := destination.Deliver(t.Context(), last); err != nil {
			t.Fatal(err)
		}
	}
	r, err := destination.Find(t.Context(), last)
	if err != nil || r.Ref != "0-11" {
		t.Errorf("the last of much is %+v: %v", r, err)
	}
}

// TestSecured comes in over TLS with each way of showing a password, and is told apart from what is not let
// in; and then the broker is away for a while.
func TestSecured(t *testing.T) {
	const user, password = "knutpunkt", "hemligt-nog"
	cluster, err := enginetest.StartKafka(t.Context(), t.TempDir(), 1, enginetest.Secured(user, password))
	enginetest.Need(t, err)
	t.Cleanup(func() { cluster.Close() })
	outside := outsideOf(t, cluster.Addresses())
	topic := outside.topic(1, nil)
	trusting := &tls.Config{RootCAs: x509.NewCertPool()}
	trusting.RootCAs.AppendCertsFromPEM(cluster.Authority())
	t.Setenv("RIGHT", password)
	t.Setenv("WRONG", "fel")
	for _, c := range []struct {
		name, why, login, secret string
		settings                 *tls.Config
		answer                   hub.Answer
		cause                    hub.Cause
	}{
		{"scram 512", "", "scram-sha-512", "RIGHT", trusting, hub.Yes, ""},
		{"scram 256", "", "scram-sha-256", "RIGHT", trusting, hub.Yes, ""},
		{"plain", "", "plain", "RIGHT", trusting, hub.Yes, ""},
		{"wrong password", "nobody's document is at fault", "scram-sha-512", "WRONG", trusting, hub.NotNow, hub.Credentials},
		{"wrong password, plain", "nobody's document is at fault", "plain", "WRONG", trusting, hub.NotNow, hub.Credentials},
		{"unknown authority", "they may be anybody", "plain", "RIGHT", &tls.Config{RootCAs: x509.NewCertPool()}, hub.NotNow, hub.Credentials},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := fmt.Sprintf("brokers: [\"kafkas://%s\"]\nuser: %s\npassword: env:%s\nlogin: %s\ndocuments: { topic: %s }\n",
				cluster.SecureAddresses()[0], user, c.secret, c.login, topic)
			r, err := opened(t, config, c.settings).Destination.Deliver(t.Context(), record(`{}`))
			if answer, _, cause := hub.AnswerOf(r, err); answer != c.answer || cause != c.cause {
				t.Errorf("it is %s, %s: %v: %s", answer, cause, err, c.why)
			}
		})
	}
	t.Run("away for a while", func(t *testing.T) { outage(t, cluster, topic) })
}

// outage delivers before the broker is stopped, while it is, and after.
func outage(t *testing.T, cluster *enginetest.Cluster, topic string) {
	destination := opened(t, configOf(cluster.Addresses(), topic), nil).Destination
	if _, err := destination.Deliver(t.Context(), record(`{}`)); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Kill(1); err != nil {
		t.Fatal(err)
	}
	d := record(`{}`)
	r, err := destination.Deliver(t.Context(), d)
	if answer, _, cause := hub.AnswerOf(r, err); answer != hub.NotNow && answer != hub.DontKnow || answer == hub.NotNow && cause != hub.Down {
		t.Errorf("to a broker that is dead Deliver says %s, %s: %v", answer, cause, err)
	}
	if _, err := destination.Find(t.Context(), d); err == nil || errors.Is(err, hub.ErrNotFound) {
		t.Errorf("to a broker that is dead Find says %v", err)
	}
	if err := cluster.Start(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := destination.Find(t.Context(), d); !errors.Is(err, hub.ErrNotFound) {
		t.Errorf("when it is back Find says %v", err)
	}
	// A broker that is just back may have its own notes to read first; the hub would come again.
	for answer, late := hub.NotNow, time.Now().Add(30*time.Second); answer != hub.Yes; {
		r, err := destination.Deliver(t.Context(), d)
		if answer, _, _ = hub.AnswerOf(r, err); answer != hub.Yes && answer != hub.NotNow || time.Now().After(late) {
			t.Fatalf("when it is back Deliver says %s: %v", answer, err)
		}
	}
}
