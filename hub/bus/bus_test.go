package bus

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/brokers"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func TestWhatIsSaidIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := Memory(quiet)
		defer b.Close()
		defer cancel()
		wakes, err := b.Wakes(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range []hub.Wake{{System: "karlskrona.diarium"}, {Case: "01C"}, {}} {
			b.Wake(ctx, w)
			if got := <-wakes; got != w {
				t.Errorf("said %v, heard %v", w, got)
			}
		}
	})
}

// Nobody listens, or somebody listens slowly: Wake neither blocks nor piles up.
func TestNobodyListens(t *testing.T) {
	for _, c := range []struct {
		name string
		bus  *Bus
	}{
		{"memory", Memory(quiet)},
		{"no broker", brokered(brokers.Access{}, "t", quiet).Bus},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer c.bus.Close()
			wakes, err := c.bus.Wakes(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for n := range 100_000 {
				c.bus.Wake(t.Context(), hub.Wake{Case: hub.CaseID(strings.Repeat("x", n%(2*room)))})
			}
			c.bus.mu.Lock()
			defer c.bus.mu.Unlock()
			if len(c.bus.said) > room || len(wakes) > room || len(c.bus.pending) > room+1 {
				t.Errorf("%d wakes wait to be said and %d to be heard, want at most %d", len(c.bus.said), len(wakes), room)
			}
		})
	}
}

// TestWhoLeavesIsNotTold: what was given to one that listens no more is closed, and the
// others hear on.
func TestWhoLeavesIsNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := Memory(quiet)
		defer b.Close()
		ctx, leave := context.WithCancel(t.Context())
		gone, _ := b.Wakes(ctx)
		stays, _ := b.Wakes(t.Context())
		leave()
		if _, open := <-gone; open {
			t.Error("who has left is told")
		}
		b.Wake(t.Context(), hub.Wake{Case: "01C"})
		if got := <-stays; got.Case != "01C" {
			t.Errorf("heard %v", got)
		}
	})
}

func TestGarbageIsPassedOver(t *testing.T) {
	b := newBus(wakes)
	defer b.Close()
	heard, _ := b.Wakes(t.Context())
	messages := make(chan *message.Message, 10)
	garbage := []string{"", "\x00garbage", "karlskrona.diarium 01C", "2 karlskrona.diarium 01C", "1 a b c", "1 " + strings.Repeat("x", longest)}
	for _, text := range garbage {
		messages <- message.NewMessage("1", []byte(text))
	}
	messages <- message.NewMessage("1", encode(hub.Wake{Case: "01C"}))
	close(messages)
	b.hear(messages, func() {})
	if got := <-heard; got.Case != "01C" || b.Ignored() != uint64(len(garbage)) {
		t.Errorf("heard %v, and passed %d over of %d", got, b.Ignored(), len(garbage))
	}
}

// FuzzDecode: whatever stands on the topic, what is taken for a Wake is written as it was.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"1 karlskrona.diarium ", "1  01C", "1  ", "2 a b", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if w, ok := decode(b); ok && string(encode(w)) != string(b) {
			t.Errorf("%q is taken for %+v", b, w)
		}
	})
}
