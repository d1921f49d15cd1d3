package bus

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/knutpunkt/knutpunkt/hub"
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
	b := Memory(quiet)
	defer b.Close()
	for range 100_000 {
		b.Wake(t.Context(), hub.Wake{System: "karlskrona.diarium"})
	}
	if n := len(b.said); n > room {
		t.Errorf("%d wakes wait to be said, want at most %d", n, room)
	}
}

func TestGarbageIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ps := gochannel.NewGoChannel(gochannel.Config{}, nil)
		b := over(ps, ps, quiet)
		defer b.Close()
		defer cancel()
		wakes, err := b.Wakes(ctx)
		if err != nil {
			t.Fatal(err)
		}
		ps.Publish(topic, message.NewMessage(watermill.NewUUID(), []byte("\x00garbage")))
		b.Wake(ctx, hub.Wake{Case: "01C"})
		if got := <-wakes; got.Case != "01C" {
			t.Errorf("heard %v", got)
		}
	})
}
