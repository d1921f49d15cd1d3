package bus

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/brokers"
	"github.com/knutpunkt/knutpunkt/hub/enginetest"
)

// TestConformance holds the Publisher and the Subscriber that Wakes go over against
// Watermill's own suite. That reads what was said before it listened, so here who listens
// begins at the topic's beginning.
func TestConformance(t *testing.T) {
	t.Parallel()
	a := brokers.Access{Brokers: enginetest.Kafka(t)}
	tests.TestPubSub(t, tests.Features{
		GuaranteedOrder: true, Persistent: true, NewSubscriberReceivesOldMessages: true, ForceShort: true,
	}, func(t *testing.T) (message.Publisher, message.Subscriber) {
		l, err := lineTo(a, sarama.OffsetOldest, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return l.pub, settling{l.sub, a}
	}, nil)
}

// settling makes the topics that the suite is to listen to, as a bus makes its own: again, where
// a busy machine's broker does not answer.
type settling struct {
	message.Subscriber
	access brokers.Access
}

func (s settling) SubscribeInitialize(topic string) (err error) {
	for range 10 {
		if err = wakesTopic(topic).settle(s.access); err == nil {
			break
		}
	}
	return err
}

// TestEachHearsAll: what one process says is heard by every one.
func TestEachHearsAll(t *testing.T) {
	t.Parallel()
	a, name := brokers.Access{Brokers: enginetest.Kafka(t)}, named("wakes")
	var all []*opened
	for range 3 {
		b := open(t, a, name)
		b.comesUp()
		all = append(all, b)
	}
	for i, who := range all {
		for _, b := range all {
			b.hears(hub.CaseID(strconv.Itoa(i)), who)
		}
	}
}

// TestWhatOthersWrite: on a topic that somebody else has made, and where everybody writes what
// they like, a bus hears what is for it.
func TestWhatOthersWrite(t *testing.T) {
	t.Parallel()
	a, name := brokers.Access{Brokers: enginetest.Kafka(t)}, named("wakes")
	c := settings(a)
	c.Producer.MaxMessageBytes = 200 << 20
	c.Producer.Partitioner = sarama.NewManualPartitioner
	admin, err := sarama.NewClusterAdmin(a.Brokers, sarama.NewConfig())
	must(t, err)
	defer admin.Close()
	large := "10000000"
	must(t, admin.CreateTopic(name, &sarama.TopicDetail{
		NumPartitions: 3, ReplicationFactor: 1, ConfigEntries: map[string]*string{"max.message.bytes": &large},
	}, false))
	b := open(t, a, name)
	b.comesUp()

	write := func(c *sarama.Config, value []byte) {
		t.Helper()
		p, err := sarama.NewSyncProducer(a.Brokers, c)
		must(t, err)
		defer p.Close()
		_, _, err = p.SendMessage(&sarama.ProducerMessage{
			Topic: name, Value: sarama.ByteEncoder(value), Headers: []sarama.RecordHeader{{Key: []byte(kafka.UUIDHeaderKey)}},
		})
		must(t, err)
	}
	garbage := [][]byte{nil, []byte("\xff\x00"), []byte("2 karlskrona.diarium 01C"), bytes.Repeat([]byte("1 "), 4_000_000)}
	for i, value := range garbage {
		before, after := b.Ignored(), hub.CaseID(strconv.Itoa(i))
		for tries := 0; b.Ignored() == before; tries++ { // not counted by a line that breaks just then
			if tries == 10 {
				t.Fatalf("the %d:th record was not counted as garbage", i)
			}
			write(c, value)
			b.hears(after, b)
		}
	}

	bomb := *c
	bomb.Producer.Compression = sarama.CompressionGZIP
	write(&bomb, make([]byte, sarama.MaxDecompressedBatchSize+1))
	b.comesUp() // over another line
	b.hears("after-the-bomb", b)
}

// TestTheTopicIsTakenAway: it is made again, and wakes are heard.
func TestTheTopicIsTakenAway(t *testing.T) {
	t.Parallel()
	a, name := brokers.Access{Brokers: enginetest.Kafka(t)}, named("wakes")
	b := open(t, a, name)
	b.comesUp()
	admin, err := sarama.NewClusterAdmin(a.Brokers, sarama.NewConfig())
	must(t, err)
	defer admin.Close()
	must(t, admin.DeleteTopic(name))
	b.comesUp()
	b.hears("01C", b)
}

// TestBrokersThatComeAndGo: one bus works when the broker is killed, and another is opened
// while it is away; both work as soon as it is back, and say each turn once. Meanwhile they
// hold no more than they have room for. Only who has the password may come in, over TLS.
func TestBrokersThatComeAndGo(t *testing.T) {
	t.Parallel()
	starting, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cluster, err := enginetest.StartKafka(starting, t.TempDir(), 1, enginetest.Secured("knutpunkt", password))
	enginetest.Need(t, err)
	t.Cleanup(func() { cluster.Close() })
	ours := x509.NewCertPool()
	ours.AppendCertsFromPEM(cluster.Authority())
	a := brokers.Access{
		Brokers: cluster.SecureAddresses(), User: "knutpunkt", Password: hub.NewSecret(password),
		Login: brokers.Scram512, TLS: &tls.Config{RootCAs: ours},
	}
	t.Run("who comes in", func(t *testing.T) { comeIn(t, a) })

	wakes, topic := named("wakes"), NewStatuses(a, named("statuses"))
	defer topic.Close()
	before := open(t, a, wakes)
	before.comesUp()
	must(t, topic.Publish(t.Context(), feed(3)))
	must(t, cluster.Kill(1))
	before.expect("no broker answers")
	meanwhile := open(t, a, wakes)
	meanwhile.expect("no broker answers")
	for n := range 10_000 {
		before.Wake(t.Context(), hub.Wake{Case: hub.CaseID(strconv.Itoa(n))})
	}
	if before.Up() || meanwhile.Up() || len(before.said) > room || before.Dropped() == 0 {
		t.Errorf("they are up, or %d wakes wait and %d have been dropped", len(before.said), before.Dropped())
	}
	if err := topic.Publish(t.Context(), feed(6)); err == nil || strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("the topic says %v", err)
	}

	must(t, cluster.Start(starting, 1))
	before.expect(worksAgain)
	meanwhile.expect(worksAgain)
	before.hears("again", before)
	meanwhile.hears("again", before)
	must(t, topic.Publish(t.Context(), feed(6)))
}

// TestALongOutageLeavesNothingBehind: however often brokers hang up, nothing is left of the
// tries.
func TestALongOutageLeavesNothingBehind(t *testing.T) {
	a := brokers.Access{Brokers: []string{answering(t, func(c net.Conn) { c.Close() })}}
	b := brokered(a, "wakes", quiet)
	defer b.Close()
	before := runtime.NumGoroutine()
	var tries sync.WaitGroup
	for range 100 {
		tries.Go(func() {
			if err := b.hold(); causeOf(err) != "no broker answers" {
				t.Errorf("it breaks with %v", err)
			}
		})
	}
	tries.Wait()
	tick, late := time.NewTicker(10*time.Millisecond), time.After(10*time.Second)
	defer tick.Stop()
	for runtime.NumGoroutine() > before+10 {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("there were %d goroutines, and are %d", before, runtime.NumGoroutine())
		}
	}
}

// TestWhoNeverAnswersIsNotWaitedFor: a clean stop does not wait for brokers.
func TestWhoNeverAnswersIsNotWaitedFor(t *testing.T) {
	called := make(chan net.Conn, 10)
	a := brokers.Access{Brokers: []string{answering(t, func(c net.Conn) { called <- c })}}
	ctx, stop := context.WithCancel(t.Context())
	said := make(chan error)
	topic := NewStatuses(a, "statuses")
	go func() { said <- topic.Publish(ctx, feed(1)) }()
	(<-called).SetDeadline(time.Time{}) // it is being waited for now
	stop()
	select {
	case err := <-said:
		if err == nil {
			t.Error("what nobody has taken is said to be known")
		}
	case <-time.After(patience / 2):
		t.Error("it is waited for")
	}
	topic.Close()
}

// answering listens as a broker would, and has f see to each call.
func answering(t *testing.T, f func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f(c)
		}
	}()
	return l.Addr().String()
}

// password is nobody's, and must be seen nowhere.
const password = "en-hemlighet-i-drift"

// comeIn has those that may come in do so, and all others told why not.
func comeIn(t *testing.T, a brokers.Access) {
	for _, c := range []struct {
		name, says string
		change     func(*brokers.Access)
	}{
		{"SCRAM-SHA-512", worksAgain, func(*brokers.Access) {}},
		{"SCRAM-SHA-256", worksAgain, func(a *brokers.Access) { a.Login = brokers.Scram256 }},
		{"PLAIN", worksAgain, func(a *brokers.Access) { a.Login = brokers.Plain }},
		{"another password", "password", func(a *brokers.Access) { a.Password = hub.NewSecret("en-annan-hemlighet") }},
		{"no password", "no broker answers", func(a *brokers.Access) { a.User = "" }},
		{"another issuer", "certificate", func(a *brokers.Access) { a.TLS = &tls.Config{RootCAs: x509.NewCertPool()} }},
		{"an old certificate", "certificate", func(a *brokers.Access) {
			a.TLS = a.TLS.Clone()
			a.TLS.Time = func() time.Time { return time.Now().AddDate(100, 0, 0) }
		}},
		{"in the clear", "no broker answers", func(a *brokers.Access) { a.TLS = nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := a
			c.change(&a)
			b := open(t, a, named("wakes"))
			b.comesTo(c.says)
		})
	}
}

// An opened bus is one whose turns, and whose Wakes, can be waited for.
type opened struct {
	*Brokered
	t     *testing.T
	heard <-chan hub.Wake
	told  chan string
}

// open opens a bus whose turns can be waited for from the first one on.
func open(t *testing.T, a brokers.Access, topic string) *opened {
	t.Helper()
	told := make(chan string, 100)
	b := brokered(a, topic, slog.New(listener{slog.DiscardHandler, told}))
	t.Cleanup(func() { b.Close() })
	heard, _ := b.Wakes(t.Context())
	go b.keep()
	return &opened{b, t, heard, told}
}

const worksAgain = "the bus works: Wakes are said and heard over the brokers"

// expect waits for the next that is said of the bus, and that no more was said before.
func (b *opened) expect(what string) {
	b.t.Helper()
	if said := b.turn(); !strings.Contains(said, what) {
		b.t.Fatalf("it is said that %q, and not %q", said, what)
	}
}

// comesUp waits until the bus works. It may be said first what a topic lacks that is being
// made, or taken away.
func (b *opened) comesUp() { b.t.Helper(); b.comesTo(worksAgain) }

// comesTo waits until something is said of the bus, whatever is said before: a busy machine's
// broker may at first not answer.
func (b *opened) comesTo(what string) {
	b.t.Helper()
	for !strings.Contains(b.turn(), what) {
	}
}

func (b *opened) turn() string {
	b.t.Helper()
	select {
	case said := <-b.told:
		if strings.Contains(said, password) || strings.Contains(said, "127.0.0.1") {
			b.t.Errorf("it is said that %q", said)
		}
		return said
	case <-time.After(time.Minute):
		b.t.Fatal("nothing is said")
		return ""
	}
}

// hears waits until a case that somebody says is heard of, and the bus calls itself up. It is
// said again whenever something else is heard: what is said just as a line breaks is not.
func (b *opened) hears(c hub.CaseID, who *opened) {
	b.t.Helper()
	late := time.After(time.Minute)
	for {
		who.Wake(b.t.Context(), hub.Wake{Case: c})
		select {
		case w := <-b.heard:
			if w.Case == c && b.Up() {
				return
			}
		case <-late:
			b.t.Fatalf("%s is not heard of", c)
		}
	}
}

// A listener hears what is logged.
type listener struct {
	slog.Handler
	told chan<- string
}

func (l listener) Enabled(context.Context, slog.Level) bool { return true }

func (l listener) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "cause" {
			text = a.Value.String()
		}
		return true
	})
	l.told <- text
	return nil
}

func named(what string) string { return what + "-" + rand.Text() }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
