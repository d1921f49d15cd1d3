package bus

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/brokers"
)

// Brokered is a Bus between processes, over Kafka. The brokers may be away when it is
// opened, and may come and go: meanwhile Wakes are dropped and the sweepers find what is
// due. It says once that they are gone, and once that they are back.
//
// Every process must hear every Wake. So none of them has a consumer group: there are no
// offsets to keep, no rebalances, and nothing on the brokers that a dead process leaves
// behind. Who listens begins at the topic's end, since whoever was not there then has
// looked at the rows since.
//
// The topic has one partition. Wakes need no order and are few, and one partition is
// proved to work by one Wake.
type Brokered struct {
	*Bus
	access brokers.Access
	log    *slog.Logger
	up     atomic.Bool
	told   map[string]bool // what this outage has been said to be
}

// beat is how often the way over the brokers is tried, there and back.
const beat = 5 * time.Second

// Kafka opens a bus over the brokers of a, on a topic, which is made where it is not there
// and the brokers let us.
func Kafka(a brokers.Access, topic string, log *slog.Logger) *Brokered {
	b := brokered(a, topic, log)
	go b.keep()
	return b
}

func brokered(a brokers.Access, topic string, log *slog.Logger) *Brokered {
	return &Brokered{Bus: newBus(topic), access: a, log: log, told: map[string]bool{}}
}

// Up reports whether Wakes are said over the brokers, and heard.
func (b *Brokered) Up() bool { return b.up.Load() }

// keep has a line over the brokers as long as the bus is open: when one breaks, it tries to
// get another. Where nothing is heard any more, that tells why.
func (b *Brokered) keep() {
	deaf := false
	for {
		err := b.hold()
		b.up.Store(false)
		if b.ctx.Err() != nil {
			return
		}
		if deaf = errors.Is(err, errDeaf) && !deaf; deaf {
			continue
		}
		b.broke(err)
		select {
		case <-b.ctx.Done():
		case <-time.After(beat):
		}
	}
}

// hold says and hears Wakes over one line, until it breaks.
func (b *Brokered) hold() error {
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	l, err := b.connect()
	if err != nil {
		return err
	}
	messages, err := l.sub.Subscribe(ctx, b.topic)
	if err != nil {
		go l.end()
		return err
	}
	broken, heard := make(chan error, 1), make(chan struct{}, 1)
	go func() {
		broken <- b.say(ctx, l.pub)
		l.end() // when nothing is being said: a publisher does not heed that it is being closed
	}()
	go b.hear(messages, func() { poke(heard) })
	return b.listenTo(ctx, heard, broken)
}

// listenTo has a Wake said at each beat, and takes the line to be broken when none has been
// heard since the one before: also where everything seems to be well.
func (b *Brokered) listenTo(ctx context.Context, heard <-chan struct{}, broken <-chan error) error {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	b.Wake(ctx, hub.Wake{}) // somebody may have been woken in vain meanwhile
	alive := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-broken:
			return err
		case <-heard:
			alive = true
			b.works()
		case <-tick.C:
			if !alive {
				return errDeaf
			}
			alive = false
			b.Wake(ctx, hub.Wake{})
		}
	}
}

func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// A line is what Wakes go over until it breaks.
type line struct {
	pub message.Publisher
	sub message.Subscriber
}

// connect gets a line, over a topic that is there.
func (b *Brokered) connect() (line, error) {
	if err := wakesTopic(b.topic).settle(b.access); err != nil {
		return line{}, err
	}
	return lineTo(b.access, sarama.OffsetNewest, 2*beat)
}

// lineTo opens both ends of a line, of which one hears what is said from an offset on. Neither
// logs: they would say the same again and again, and may quote what they carry.
//
// One that has lost its topic connects again after a while, and leaves a connection open each
// time that it is not there. So the while is longer than a line lives that hears nothing.
func lineTo(a brokers.Access, from int64, while time.Duration) (l line, err error) {
	c := settings(a)
	c.Consumer.Offsets.Initial = from
	c.Producer.Partitioner = sarama.NewManualPartitioner // always the first
	c.Producer.Retry.Max = 3                             // an old Wake is worth nothing
	if l.pub, err = kafka.NewPublisher(kafka.PublisherConfig{
		Brokers: a.Brokers, Marshaler: kafka.DefaultMarshaler{}, OverwriteSaramaConfig: c,
	}, watermill.NopLogger{}); err != nil {
		return line{}, err
	}
	if l.sub, err = kafka.NewSubscriber(kafka.SubscriberConfig{
		Brokers: a.Brokers, Unmarshaler: kafka.DefaultMarshaler{}, OverwriteSaramaConfig: c, ReconnectRetrySleep: while,
	}, watermill.NopLogger{}); err != nil {
		return line{}, errors.Join(err, l.pub.Close())
	}
	return l, nil
}

// end lets go of a line. It may take as long as brokers are slow.
func (l line) end() {
	l.pub.Close()
	l.sub.Close()
}

// works notes that Wakes are heard, and says so where they were not.
func (b *Brokered) works() {
	if !b.up.Swap(true) {
		b.log.Info("the bus works: Wakes are said and heard over the brokers", "topic", b.topic)
		clear(b.told)
	}
}

// broke notes that a line could not be had, or has broken, and says so once for each cause
// in an outage.
func (b *Brokered) broke(err error) {
	if cause := causeOf(err); !b.told[cause] {
		b.told[cause] = true
		b.log.Warn("the bus does not work: what is due is found by looking for it, which takes longer",
			"topic", b.topic, "cause", cause)
	}
}
