package bus

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/brokers"
	"github.com/knutpunkt/knutpunkt/hub/document"
	"github.com/knutpunkt/knutpunkt/hub/enginetest"
)

// TestWhoeverReadsTheTopic reads it as anybody would, with the protocol alone: each record is
// what the schema says, the lines of a case come in their order, and what is told again has
// the same id.
func TestWhoeverReadsTheTopic(t *testing.T) {
	t.Parallel()
	a, name := brokers.Access{Brokers: enginetest.Kafka(t)}, named("statuses")
	topic := NewStatuses(a, name)
	defer topic.Close()
	lines := feed(300)
	must(t, topic.Publish(t.Context(), lines[:200]))
	must(t, topic.Publish(t.Context(), lines[100:])) // as after a takeover

	read := readTopic(t, a.Brokers, name, 400)
	schema, err := document.CompileJSONSchema(os.DirFS("../../schemas"), "knutpunkt/status-1.json")
	must(t, err)
	last, ids := map[string]uint64{}, map[string]string{}
	for _, r := range read {
		e := valid(t, schema, r.Value)
		if e.Subject != hub.CaseID(r.Key) || string(r.Headers[0].Key) != "content-type" ||
			string(r.Headers[0].Value) != "application/cloudevents+json; charset=UTF-8" || len(r.Headers) != 1 {
			t.Fatalf("the record of %s has the key %s and the headers %v", e.Subject, r.Key, r.Headers)
		}
		if before, again := ids[e.ID]; again {
			if before != string(r.Value) {
				t.Errorf("%s is told otherwise: %s and %s", e.ID, before, r.Value)
			}
			continue
		}
		ids[e.ID] = string(r.Value)
		if e.Data.Seq <= last[string(r.Key)] {
			t.Errorf("of %s %d comes after %d", r.Key, e.Data.Seq, last[string(r.Key)])
		}
		last[string(r.Key)] = e.Data.Seq
	}
	if len(ids) != len(lines) || len(last) != 40 {
		t.Errorf("%d lines of %d cases are read", len(ids), len(last))
	}
}

// feed makes up lines of 40 cases, in which there is more than may be told.
func feed(n int) []hub.Status {
	lines := make([]hub.Status, n)
	for i := range lines {
		lines[i] = hub.Status{
			Seq: uint64(i + 1), Case: hub.CaseID(fmt.Sprintf("01CASE%020d", i%40)), Submission: hub.ID(fmt.Sprintf("01FORM%020d", i)),
			Step: hub.Steps[i/40], At: time.Date(2026, 3, 2, 10, 0, i, 0, hub.Stockholm),
			Expect: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), Ref: "SBF 2026-000117", Ball: hub.Council, Owner: "0180",
		}
	}
	return lines
}

// valid reads a record strictly, by the schema.
func valid(t *testing.T, schema document.Validator, text []byte) (e occurrence) {
	t.Helper()
	if err := schema.Validate(text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if strings.Contains(string(text), "2026-000117") || strings.Contains(string(text), "2027") {
		t.Errorf("it tells too much: %s", text)
	}
	must(t, json.Unmarshal(text, &e))
	return e
}

// readTopic reads so many records, from the beginning, partition after partition as they come.
func readTopic(t *testing.T, addresses []string, topic string, n int) (read []*sarama.ConsumerMessage) {
	t.Helper()
	consumer, err := sarama.NewConsumer(addresses, sarama.NewConfig())
	must(t, err)
	defer consumer.Close()
	partitions, err := consumer.Partitions(topic)
	must(t, err)
	all := make(chan *sarama.ConsumerMessage)
	for _, partition := range partitions {
		pc, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
		must(t, err)
		defer pc.AsyncClose()
		go func() {
			for r := range pc.Messages() {
				select {
				case all <- r:
				case <-t.Context().Done():
				}
			}
		}()
	}
	for len(read) < n {
		select {
		case r := <-all:
			read = append(read, r)
		case <-time.After(time.Minute):
			t.Fatalf("%d records of %d are there", len(read), n)
		}
	}
	return read
}
