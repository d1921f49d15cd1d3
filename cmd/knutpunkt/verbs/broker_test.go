package verbs

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/enginetest"
)

// TestTheBrokerIsAway: a hub that is to be woken over Kafka starts, accepts and delivers while
// there is none, and says so in its metrics. When there is one it is used, and all that the
// feed has is on the topic, for anybody who reads it.
func TestTheBrokerIsAway(t *testing.T) {
	t.Parallel()
	starting, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cluster, err := enginetest.StartKafka(starting, t.TempDir(), 1)
	enginetest.Need(t, err)
	t.Cleanup(func() { cluster.Close() })
	if err := cluster.Stop(1); err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	p := s.serve("KNUTPUNKT_BUS=kafka://"+cluster.Addresses()[0], "KNUTPUNKT_STATUSES=karlskrona.statuses")
	form := s.accepted("kept", "form-0001")
	await(t, "delivered", func() bool { return s.isAt(form.ID, hub.Delivered) })
	if !s.measures("knutpunkt_broker_up 0") {
		t.Error("it does not measure that the broker is away")
	}

	if err := cluster.Start(starting, 1); err != nil {
		t.Fatal(err)
	}
	await(t, "up", func() bool { return s.measures("knutpunkt_broker_up 1") })
	await(t, "delivered", func() bool { return s.isAt(s.accepted("asked", "form-0002").ID, hub.Delivered) })
	feed := s.feed()
	told := statusesOn(t, cluster.Addresses(), "karlskrona.statuses", len(feed))
	for _, line := range feed {
		if want := fmt.Sprintf("%s %s %s", line.Case, line.Submission, line.Step); told[line.Seq] != want {
			t.Errorf("line %d is told as %q, and is %q", line.Seq, told[line.Seq], want)
		}
	}
	p.stops(t)
	if errs := p.errs.String(); strings.Count(errs, "the bus does not work") != 1 || strings.Count(errs, "the bus works") != 1 {
		t.Errorf("it says\n%s", errs)
	}
}

// statusesOn reads lines of the feed from a topic, by their numbers, until it has all.
func statusesOn(t *testing.T, brokers []string, topic string, n int) map[uint64]string {
	t.Helper()
	consumer, err := sarama.NewConsumer(brokers, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	records := make(chan []byte)
	var partitions []int32
	await(t, "a topic", func() bool { partitions, err = consumer.Partitions(topic); return err == nil })
	for _, partition := range partitions {
		reader, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
		if err != nil {
			t.Fatal(err)
		}
		defer reader.AsyncClose()
		go func() {
			for r := range reader.Messages() {
				select {
				case records <- r.Value:
				case <-t.Context().Done():
				}
			}
		}()
	}
	told := map[uint64]string{}
	for len(told) < n {
		select {
		case text := <-records:
			var e struct {
				Subject string
				Data    struct {
					Submission, Step string
					Seq              uint64
				}
			}
			if err := json.Unmarshal(text, &e); err != nil || strings.Contains(string(text), "199409272383") {
				t.Fatalf("a record says %s", text)
			}
			told[e.Data.Seq] = e.Subject + " " + e.Data.Submission + " " + e.Data.Step
		case <-time.After(time.Minute):
			t.Fatalf("%d lines of %d are told", len(told), n)
		}
	}
	return told
}

// measures reports whether a line is among what the hub measures.
func (s *site) measures(line string) bool {
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", s.base+1))
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return strings.Contains(string(text), "\n"+line+"\n")
}
