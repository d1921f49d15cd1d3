package kafka_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/enginetest"
)

// TestWhatIsNotShownYetIsNotMissing: a record that the leader has, and the others could not take, is shown to
// nobody until they are back. It must not be taken for one that never came.
func TestWhatIsNotShownYetIsNotMissing(t *testing.T) {
	t.Parallel()
	cluster, err := enginetest.StartKafka(t.Context(), t.TempDir(), 3)
	enginetest.Need(t, err)
	t.Cleanup(func() { cluster.Close() })
	outside := outsideOf(t, cluster.Addresses())
	destination := opened(t, configOf(cluster.Addresses(), outside.placed(map[int32][]int32{0: {1, 2, 3}})), nil).Destination
	until(t, func() error { _, err := destination.Deliver(t.Context(), record(`{}`)); return err })
	for _, node := range []int{2, 3} {
		if err := cluster.Kill(node); err != nil {
			t.Fatal(err)
		}
	}
	d := record(`{}`)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	r, err := destination.Deliver(ctx, d)
	if answer, _, _ := hub.AnswerOf(r, err); answer != hub.DontKnow {
		t.Fatalf("with one replica left Deliver says %s: %v", answer, err)
	}
	d.InDoubt = time.Now()
	if _, err := destination.Find(t.Context(), d); err == nil || errors.Is(err, hub.ErrNotFound) || errors.Is(err, hub.ErrCannotTell) {
		t.Errorf("of what nobody is shown Find says %v", err)
	}
	for _, node := range []int{2, 3} {
		if err := cluster.Start(t.Context(), node); err != nil {
			t.Fatal(err)
		}
	}
	for begun := time.Now(); ; {
		if _, err = destination.Find(t.Context(), d); err == nil {
			return
		}
		if errors.Is(err, hub.ErrNotFound) || time.Since(begun) > time.Minute {
			t.Fatalf("when the others are back Find says %v", err)
		}
	}
}
