package kafka_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/knutpunkt/knutpunkt/hub"
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

// found gives what is collected from a topic, until there are n or it ends by itself, and with what error.
func (o *outsider) found(topic string, n int) (all []hub.Collected, err error) {
	o.Helper()
	config := fmt.Sprintf("brokers: [\"kafka://%s\"]\nforms: { topic: %s, group: readers-of-%s }\n", strings.Join(o.brokers, `", "kafka://`), topic, topic)
	ctx, cancel := context.WithTimeout(o.Context(), time.Minute)
	defer cancel()
	err = opened(o.T, config, nil).Collector.Collect(ctx, func(_ context.Context, f hub.Collected) error {
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
	if answer, _, _ := hub.AnswerOf(hub.Receipt{}, err); len(all) > 0 || err == nil || answer != hub.DontKnow || !strings.Contains(err.Error(), "unpacked") {
		t.Errorf("%d are found, and the reading ends with %v", len(all), err)
	}
}
