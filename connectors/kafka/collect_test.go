package kafka_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/brokers"
	"github.com/knutpunkt/knutpunkt/hub/bus"
	"github.com/knutpunkt/knutpunkt/hub/enginetest"
)

// leave has a platform write forms on a topic.
func (o *outsider) leave(topic string, compression sarama.CompressionCodec, forms ...string) {
	o.Helper()
	c := sarama.NewConfig()
	c.Version, c.Producer.Return.Successes, c.Producer.Compression, c.Producer.MaxMessageBytes = sarama.V2_8_0_0, true, compression, 90<<20
	p, err := sarama.NewSyncProducer(o.brokers, c)
	if err != nil {
		o.Fatal(err)
	}
	defer p.Close()
	for _, form := range forms {
		if _, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(form)}); err != nil {
			o.Fatal(err)
		}
	}
}

// collector is one for a topic of forms.
func (o *outsider) collector(topic string) hub.Collector {
	o.Helper()
	config := fmt.Sprintf("brokers: [\"kafka://%s\"]\nforms: { topic: %s, group: readers-of-%s }\n", strings.Join(o.brokers, `", "kafka://`), topic, topic)
	return opened(o.T, config, nil).Collector
}

// found gives what is collected from a topic, until there are n or it ends by itself, and with what error.
func (o *outsider) found(topic string, n int) (all []hub.Collected, err error) {
	o.Helper()
	ctx, cancel := context.WithTimeout(o.Context(), time.Minute)
	defer cancel()
	err = o.collector(topic).Collect(ctx, func() {}, func(_ context.Context, f hub.Collected) error {
		if len(all) == n {
			cancel()
			return context.Canceled
		}
		all = append(all, f)
		return nil
	})
	return all, err
}

// TestWhatWentUnreadIsToldOf: what retention takes from a topic before it has been read is no silent loss, and
// is told of once.
func TestWhatWentUnreadIsToldOf(t *testing.T) {
	outside := outsideOf(t, enginetest.Kafka(t))
	topic := outside.topic(1, nil)
	outside.leave(topic, sarama.CompressionNone, "0", "1", "2")
	if all, err := outside.found(topic, 2); len(all) != 2 {
		t.Fatalf("%d are found: %v", len(all), err)
	}
	outside.leave(topic, sarama.CompressionNone, "3", "4", "5", "6")
	if err := outside.admin.DeleteRecords(topic, map[int32]int64{0: 4}); err != nil {
		t.Fatal(err)
	}
	all, err := outside.found(topic, 2)
	if len(all) != 2 || all[0].Broken == nil || all[0].Broken.Kind != "gone" || !strings.HasSuffix(all[0].Place, "-0-2…3") || string(all[1].Body) != "4" {
		t.Fatalf("after two have gone there are %+v: %v", all, err)
	}
	if all, err = outside.found(topic, 1); len(all) != 1 || all[0].Broken != nil {
		t.Errorf("it is told of again: %+v: %v", all, err)
	}
}

// TestWhatCannotBeUnpackedStopsTheReading, and says so: small on its way, it would fill the memory.
func TestWhatCannotBeUnpackedStopsTheReading(t *testing.T) {
	outside := outsideOf(t, enginetest.Kafka(t))
	topic := outside.topic(1, nil)
	outside.leave(topic, sarama.CompressionGZIP, strings.Repeat("x", 70<<20))
	all, err := outside.found(topic, 1)
	if answer, _, _ := hub.AnswerOf(hub.Receipt{}, err); len(all) > 0 || err == nil || answer != hub.DontKnow || !strings.HasPrefix(err.Error(), topic+"-0: ") || !strings.Contains(err.Error(), "unpacked") {
		t.Errorf("%d are found, and the reading ends with %v", len(all), err)
	}
}

// TestAFeedIsNoForms: who has forms and the feed lie on one topic would have each line of it become a case, and
// each case a line. It is told instead, and nothing is let go of.
func TestAFeedIsNoForms(t *testing.T) {
	outside := outsideOf(t, enginetest.Kafka(t))
	topic := outside.topic(1, nil)
	outside.leave(topic, sarama.CompressionNone, "0")
	feed := bus.NewStatuses(brokers.Access{Brokers: outside.brokers}, topic)
	defer feed.Close()
	if err := feed.Publish(t.Context(), []hub.Status{{Seq: 1, Case: "01CASE00000000000000000000", Step: hub.Inkommet, Owner: "1080"}}); err != nil {
		t.Fatal(err)
	}
	outside.leave(topic, sarama.CompressionNone, "2")
	for want := 1; want >= 0; want-- {
		all, err := outside.found(topic, 3)
		if answer, _, cause := hub.AnswerOf(hub.Receipt{}, err); len(all) != want || answer != hub.DontKnow || cause == "" || !strings.HasPrefix(err.Error(), topic+"-0-1: ") || !strings.Contains(err.Error(), "feed") {
			t.Errorf("%d are found, and the reading ends with %v", len(all), err)
		}
	}
}

// TestWhatCannotBeReadIsTold: who is let into the group, and then cannot read its partitions, has not come to
// where forms lie. The library would try for ever, and tell nobody.
func TestWhatCannotBeReadIsTold(t *testing.T) {
	t.Parallel()
	cluster, err := enginetest.StartKafka(t.Context(), t.TempDir(), 2)
	enginetest.Need(t, err)
	t.Cleanup(func() { cluster.Close() })
	for _, c := range []struct {
		name, why  string
		partitions map[int32][]int32 // where they lie
		brokers    []string          // that are written
		breaks     func(*outsider, string) error
		causes     []hub.Cause
	}{
		{"a broker that is not written", "nobody else is called", map[int32][]int32{0: {1}, 1: {2}}, cluster.Addresses()[:1], nil, []hub.Cause{hub.AddressChanged}},
		{"the topic is deleted", "the brokers say so, again and again", map[int32][]int32{0: {1}}, cluster.Addresses(),
			func(o *outsider, topic string) error { return o.admin.DeleteTopic(topic) }, []hub.Cause{hub.AddressChanged}},
		{"the leader dies", "and nobody has a copy: it does not answer, or has been found to be gone", map[int32][]int32{0: {1}, 1: {2}}, cluster.Addresses(),
			func(*outsider, string) error { return cluster.Kill(2) }, []hub.Cause{hub.Down, ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			outside := outsideOf(t, cluster.Addresses())
			topic := outside.placed(c.partitions)
			outside.brokers = c.brokers
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			read, broken := false, make(chan error, 1)
			err := outside.collector(topic).Collect(ctx, func() {
				if read = true; c.breaks != nil {
					go func() { broken <- c.breaks(outside, topic) }()
				}
			}, func(context.Context, hub.Collected) error { return nil })
			if read {
				must(t, <-broken)
			}
			if _, _, cause := hub.AnswerOf(hub.Receipt{}, err); ctx.Err() != nil || err == nil || !slices.Contains(c.causes, cause) {
				t.Errorf("it ends with %q, %v: %s", cause, err, c.why)
			}
			if read != (c.breaks != nil) {
				t.Errorf("it is said to have come to the forms: %t", read)
			}
		})
	}
}
