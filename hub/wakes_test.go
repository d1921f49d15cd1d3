package hub_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
)

// babble is a Bus that says everything ten times over, the latest first, and between it what
// was said long ago, or of what is nobody's.
type babble struct {
	mu   sync.Mutex
	said []hub.Wake
	out  chan hub.Wake
}

func (b *babble) Wake(_ context.Context, w hub.Wake) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.said = append(b.said, w)
	again := append(slices.Repeat(b.said[max(0, len(b.said)-20):], 10), hub.Wake{System: "nobodys.system"}, hub.Wake{Case: "nobodys"})
	slices.Reverse(again)
	for _, w := range again {
		select {
		case b.out <- w:
		default:
		}
	}
}

func (b *babble) Wakes(context.Context) (<-chan hub.Wake, error) { return b.out, nil }
func (b *babble) Close() error                                   { return nil }

// TestWakesDecideNothing: repeated, turned round or about nothing, they have nobody do
// anything but look.
func TestWakesDecideNothing(t *testing.T) {
	played(t, func(s *stage) {
		s.tune = func(o *hub.Options) { o.Bus = &babble{out: make(chan hub.Wake, 1000)} }
		s.restart()
		for _, instance := range []string{"1", "2", "3"} {
			s.completed(s.send(instance, "1"))
		}
		if n := s.diarium.seen(); n != 3 {
			t.Errorf("of 3 forms the diarium has been sent %d", n)
		}
	})
}
