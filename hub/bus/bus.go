// Package bus wakes the hub's loops, within one process or across many, over
// Watermill's Publisher and Subscriber, and makes the feed known on a topic of Kafka.
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
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/knutpunkt/knutpunkt/hub"
)

// wakes is the topic that carries every Wake within a process.
const wakes = "knutpunkt.wakes"

// A Bus is a hub.Bus over a Watermill Publisher and Subscriber.
type Bus struct {
	topic   string
	said    chan hub.Wake // one place for each Wake that waits to be said
	ctx     context.Context
	close   context.CancelFunc
	dropped atomic.Uint64
	ignored atomic.Uint64

	mu      sync.Mutex
	pending map[hub.Wake]bool
	ears    []chan hub.Wake
}

// room is how many different Wakes may wait to be said, or to be listened to. What comes
// above that is dropped: the sweeper finds it.
const room = 256

func newBus(topic string) *Bus {
	b := &Bus{topic: topic, said: make(chan hub.Wake, room), pending: map[hub.Wake]bool{}}
	b.ctx, b.close = context.WithCancel(context.Background())
	return b
}

// Memory opens a bus within this process.
func Memory(log *slog.Logger) *Bus {
	b := newBus(wakes)
	ps := gochannel.NewGoChannel(gochannel.Config{OutputChannelBuffer: room}, logger{log})
	messages, err := ps.Subscribe(b.ctx, b.topic)
	if err != nil {
		panic(err) // one that was opened just now is not closed, which is all that could be wrong
	}
	go b.hear(messages, func() {})
	go func() {
		defer ps.Close()
		b.say(b.ctx, ps)
	}()
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
		b.dropped.Add(1)
	}
}

// say says what waits, one at a time, so that nothing piles up behind a slow broker. It
// ends at the first that is not taken, which nobody misses.
func (b *Bus) say(ctx context.Context, pub message.Publisher) error {
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case w := <-b.said:
			b.mu.Lock()
			delete(b.pending, w)
			b.mu.Unlock()
			m := message.NewMessage(strconv.Itoa(n), encode(w)) // who hears it twice looks twice
			if err := pub.Publish(b.topic, m); err != nil {
				b.dropped.Add(1)
				return err
			}
		}
	}
}

// hear gives everybody what is said, until there are no more messages. What is not a Wake
// is counted and passed over: an error here would stop the doorbell.
func (b *Bus) hear(messages <-chan *message.Message, heard func()) {
	for m := range messages {
		m.Ack() // heard is enough: the rows tell what there is to do
		w, ok := decode(m.Payload)
		if !ok {
			b.ignored.Add(1)
			continue
		}
		heard()
		b.tell(w)
	}
}

// tell gives a Wake to all who listen, and waits for nobody.
func (b *Bus) tell(w hub.Wake) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, ear := range b.ears {
		select {
		case ear <- w:
		default:
			b.dropped.Add(1)
		}
	}
}

// Wakes gives what is said on the bus, this process's own Wakes included.
func (b *Bus) Wakes(ctx context.Context) (<-chan hub.Wake, error) {
	ear := make(chan hub.Wake, room)
	b.mu.Lock()
	b.ears = append(b.ears, ear)
	b.mu.Unlock()
	context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.ears = slices.DeleteFunc(b.ears, func(e chan hub.Wake) bool { return e == ear })
		close(ear)
	})
	return ear, nil
}

// Close ends the bus. What was not yet said is not said, and no broker is waited for.
func (b *Bus) Close() error {
	b.close()
	return nil
}

// Dropped tells how many Wakes have been dropped, for want of room or of a broker.
func (b *Bus) Dropped() uint64 { return b.dropped.Load() }

// Ignored tells how much has been heard that no Wake of this version is.
func (b *Bus) Ignored() uint64 { return b.ignored.Load() }

// version begins every Wake, so that one of a later release is not misunderstood.
const version = "1"

// encode writes a Wake as "1 SYSTEM CASE", ids only.
func encode(w hub.Wake) []byte {
	return []byte(version + " " + string(w.System) + " " + string(w.Case))
}

// longest is how many bytes a Wake has at the most.
const longest = 200

// decode reads what encode wrote; ok is false for everything else.
func decode(b []byte) (w hub.Wake, ok bool) {
	if len(b) > longest {
		return hub.Wake{}, false
	}
	parts := strings.Split(string(b), " ")
	if len(parts) != 3 || parts[0] != version {
		return hub.Wake{}, false
	}
	return hub.Wake{System: hub.SystemID(parts[1]), Case: hub.CaseID(parts[2])}, true
}
