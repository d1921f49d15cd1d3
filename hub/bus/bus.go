// Package bus wakes the hub's loops, within one process or across many, over
// Watermill's Publisher and Subscriber.
//
// It is a doorbell and nothing more: the Store holds everything that must not be
// lost. So a Wake is coalesced with one that is still on its way, dropped when it
// cannot be said at once, and acknowledged as soon as it is heard. Watermill's
// Router, Retry and PoisonQueue are not used: they would be a second engine beside
// the Store's, with another idea of what has happened (docs/decisions/003).
package bus

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/knutpunkt/knutpunkt/hub"
)

// topic carries every Wake.
const topic = "knutpunkt.wakes"

// A Bus is a hub.Bus over a Watermill Publisher and Subscriber.
type Bus struct {
	pub  message.Publisher
	sub  message.Subscriber
	log  *slog.Logger
	said chan hub.Wake // one place for each Wake that waits to be said
	stop chan struct{}
	once sync.Once
	done sync.WaitGroup

	mu      sync.Mutex
	pending map[hub.Wake]bool
}

// Memory opens a bus within this process.
func Memory(log *slog.Logger) *Bus {
	ps := gochannel.NewGoChannel(gochannel.Config{OutputChannelBuffer: room}, logger{log})
	return over(ps, ps, log)
}

// room is how many different Wakes may wait to be said or to be heard. What comes
// above that is dropped: the sweeper finds it.
const room = 256

func over(pub message.Publisher, sub message.Subscriber, log *slog.Logger) *Bus {
	b := &Bus{
		pub: pub, sub: sub, log: log, said: make(chan hub.Wake, room),
		stop: make(chan struct{}), pending: map[hub.Wake]bool{},
	}
	b.done.Go(b.publish)
	return b
}

// Wake says w, unless the same is about to be said anyway.
func (b *Bus) Wake(_ context.Context, w hub.Wake) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pending[w] {
		return
	}
	select {
	case b.said <- w:
		b.pending[w] = true
	default:
	}
}

// publish says what waits, one at a time, so that nothing piles up behind a slow
// broker.
func (b *Bus) publish() {
	for n := 0; ; n++ {
		select {
		case <-b.stop:
			return
		case w := <-b.said:
			b.mu.Lock()
			delete(b.pending, w)
			b.mu.Unlock()
			m := message.NewMessage(strconv.Itoa(n), encode(w)) // who hears it twice looks twice
			if err := b.pub.Publish(topic, m); err != nil {
				b.log.Warn("bus does not take wakes")
			}
		}
	}
}

// Wakes gives what is said on the bus, this process's own Wakes included.
func (b *Bus) Wakes(ctx context.Context) (<-chan hub.Wake, error) {
	messages, err := b.sub.Subscribe(ctx, topic)
	if err != nil {
		return nil, err
	}
	wakes := make(chan hub.Wake)
	go func() {
		defer close(wakes)
		for m := range messages {
			m.Ack() // heard is enough: the rows tell what there is to do
			w, ok := decode(m.Payload)
			if !ok {
				continue
			}
			select {
			case wakes <- w:
			case <-ctx.Done():
				return
			}
		}
	}()
	return wakes, nil
}

// Close ends the bus. What was not yet said is not said.
func (b *Bus) Close() error {
	b.once.Do(func() { close(b.stop) })
	b.done.Wait()
	return b.pub.Close()
}

// encode writes a Wake as "SYSTEM CASE", ids only.
func encode(w hub.Wake) []byte { return []byte(string(w.System) + " " + string(w.Case)) }

// decode reads what encode wrote. What it cannot read is not ours, and is passed
// over: an error here would stop the doorbell.
func decode(b []byte) (hub.Wake, bool) {
	system, c, ok := strings.Cut(string(b), " ")
	if !ok || len(b) > 200 {
		return hub.Wake{}, false
	}
	return hub.Wake{System: hub.SystemID(system), Case: hub.CaseID(c)}, true
}
