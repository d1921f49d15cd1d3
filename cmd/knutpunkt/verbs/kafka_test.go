package verbs

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/IBM/sarama"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/enginetest"
)

// These tests run the binary beside a real Kafka. On the other side of the topics stand a platform
// that writes and a business system that reads, by a client that knows nothing of Knutpunkt.

// A market is a site with a topic that a platform leaves forms on, and one that a system reads.
type market struct {
	*site
	brokers        []string
	forms, records string
	client         sarama.Client
	platform       sarama.SyncProducer
}

var markets atomic.Int64

// newMarket makes the topics, and a configuration for them.
func newMarket(t *testing.T, brokers []string) *market {
	t.Helper()
	c := sarama.NewConfig()
	c.Version, c.Producer.Return.Successes, c.Producer.MaxMessageBytes = sarama.V2_8_0_0, true, 4_000_000
	client, err := sarama.NewClient(brokers, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	n := markets.Add(1)
	m := &market{site: newSite(t), brokers: brokers, client: client, forms: fmt.Sprintf("formular-%d", n), records: fmt.Sprintf("arenden-%d", n)}
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	largest := "4000000"
	for _, topic := range []string{m.forms, m.records} {
		detail := &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1, ConfigEntries: map[string]*string{"max.message.bytes": &largest}}
		if err := admin.CreateTopic(topic, detail, false); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "topics", func() bool { return client.RefreshMetadata(m.forms, m.records) == nil })
	if m.platform, err = sarama.NewSyncProducerFromClient(client); err != nil {
		t.Fatal(err)
	}
	m.describe()
	return m
}

// describe writes the topics into the configuration, beside what a site has.
func (m *market) describe() {
	m.Helper()
	const systems = "routes/karlskrona/systems.yaml"
	before, err := os.ReadFile(filepath.Join(m.dir, filepath.FromSlash(systems)))
	if err != nil {
		m.Fatal(err)
	}
	m.write(systems, string(before)+fmt.Sprintf(`torg:
  connector: kafka
  brokers: ["kafka://%s"]
  documents: { topic: %s }
  forms: { topic: %s, group: knutpunkt-%s }
`, strings.Join(m.brokers, `", "kafka://`), m.records, m.forms, m.forms))
	m.write("routes/karlskrona/torg.yaml", strings.Replace(route("torg", "  - { to: torg, mapping: torg/arende, step: registrerat, voice: true }\n"), "system: portal", "system: torg", 1))
	m.write("routes/karlskrona/disk.yaml", route("disk", "  - { to: torg, mapping: torg/arende, step: registrerat, voice: true }\n"))
	m.write("mappings/torg/arende.yaml", strings.Replace(siteFiles["mappings/desk/case.yaml"], "operation: case", "operation: record", 1))
	m.write("mappings/torg/arende.test/one/given.json", givenForm)
	m.write("mappings/torg/arende.test/one/want.json", siteFiles["mappings/desk/case.test/one/want.json"])
}

// left has the platform write a record; by names that begin with ce_ it is a CloudEvent.
func (m *market) left(text string, headers ...string) {
	m.Helper()
	record := &sarama.ProducerMessage{Topic: m.forms, Key: sarama.StringEncoder("a"), Value: sarama.StringEncoder(text)}
	for i := 0; i+1 < len(headers); i += 2 {
		record.Headers = append(record.Headers, sarama.RecordHeader{Key: []byte(headers[i]), Value: []byte(headers[i+1])})
	}
	if _, _, err := m.platform.SendMessage(record); err != nil {
		m.Fatal(err)
	}
}

func formOf(id, text string) string {
	return fmt.Sprintf(`{"service":"torg","source":{"id":%q},"applicant":{"personalIdentityNumber":"199409272383"},"answers":{"text":%q}}`, id, text)
}

// came gives what lies on the topic of documents: what the business system reads, from the beginning.
func (m *market) came() (all []*sarama.ConsumerMessage) {
	m.Helper()
	consumer, err := sarama.NewConsumerFromClient(m.client)
	if err != nil {
		m.Fatal(err)
	}
	defer consumer.Close()
	partitions, err := m.client.Partitions(m.records)
	if err != nil {
		m.Fatal(err)
	}
	for _, p := range partitions {
		end, err := m.client.GetOffset(m.records, p, sarama.OffsetNewest)
		if err != nil {
			m.Fatal(err)
		}
		if end == 0 {
			continue
		}
		reading, err := consumer.ConsumePartition(m.records, p, sarama.OffsetOldest)
		if err != nil {
			m.Fatal(err)
		}
		for record := range reading.Messages() {
			all = append(all, record)
			if record.Offset == end-1 {
				break
			}
		}
		reading.Close()
	}
	return all
}

// texts are what the forms say that have come out.
func (m *market) texts() (said []string) {
	for _, record := range m.came() {
		var document struct{ Text string }
		if err := json.Unmarshal(record.Value, &document); err != nil {
			m.Fatal(err)
		}
		said = append(said, document.Text)
	}
	slices.Sort(said)
	return said
}

// lines are the forms that have been received.
func (m *market) lines() []hub.Line {
	m.Helper()
	store, leave := m.beside()
	defer leave()
	lines, err := store.List(m.Context(), hub.AsHub(), hub.Filter{})
	if err != nil {
		m.Fatal(err)
	}
	return lines
}

// TestAFormFromATopicComesOutAsARecord: a platform leaves forms in each of the ways that it may, and another
// system reads what came of them.
func TestAFormFromATopicComesOutAsARecord(t *testing.T) {
	t.Parallel()
	m := newMarket(t, enginetest.Kafka(t))
	m.left(formOf("1", "plain"))
	m.left(`{"specversion":"1.0","id":"e1","source":"/portal","type":"form","data":`+formOf("2", "structured")+`}`, "content-type", "application/cloudevents+json; charset=utf-8")
	m.left(formOf("3", "binary"), "ce_specversion", "1.0", "ce_id", "e2", "ce_source", "/portal", "ce_type", "form", "content-type", "application/json")
	m.left(formOf("1", "plain")) // the platform does not know whether it came
	p := m.serve()
	m.accepted("disk", "form-0001")
	want := []string{"binary", "hej form-0001", "plain", "structured"}
	await(t, "come out", func() bool { return len(m.came()) >= len(want) })
	if got := m.texts(); !slices.Equal(got, want) {
		t.Errorf("came out: %q", got)
	}
	cases := map[string]bool{}
	for _, record := range m.came() {
		headers := map[string]string{}
		for _, h := range record.Headers {
			headers[string(h.Key)] = string(h.Value)
		}
		cases[string(record.Key)] = true
		if key := headers["knutpunkt-key"]; key != headers["knutpunkt-submission"]+"-torg" || len(record.Key) != 26 ||
			headers["knutpunkt-municipality"] != "1080" || !strings.HasPrefix(headers["content-type"], "application/json") {
			t.Errorf("a record is told of by %v, under %s", headers, record.Key)
		}
	}
	if len(cases) != len(want) || len(m.lines()) != len(want) {
		t.Errorf("%d forms are received, and come out as %d cases", len(m.lines()), len(cases))
	}
	for _, line := range m.lines() {
		await(t, "delivered", func() bool { return m.isAt(line.Submission.Submission, hub.Delivered) })
		if r := m.look(line.Submission.Submission).Deliveries[0].Receipt; !strings.HasPrefix(r.Number, m.records+"-") {
			t.Errorf("the receipt is %+v", r)
		}
	}
	p.stops(t)
}

// TestKilledBetweenATopicAndTheDisk: what was received when the process died, and not committed, is read
// again, and is the same form; what was written and not answered is asked about, and is the same record.
func TestKilledBetweenATopicAndTheDisk(t *testing.T) {
	for _, c := range []struct{ name, at string }{
		{"before it is received", "before-receive:1:kill"},
		{"received and not committed", "after-receive:1:kill"},
		{"written and not known to be", "before-apply-Answered:1:kill"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newMarket(t, enginetest.Kafka(t))
			m.left(formOf("1", "one"))
			m.serve("KNUTPUNKT_FAILPOINT=" + c.at).killed(t)
			m.left(formOf("2", "two"))
			p := m.serve()
			m.eventually("come out", func() bool { return len(m.came()) >= 2 })
			m.eventually("settled", func() bool {
				lines := m.lines()
				return len(lines) == 2 && m.isAt(lines[0].Submission.Submission, hub.Delivered) && m.isAt(lines[1].Submission.Submission, hub.Delivered)
			})
			if got := m.texts(); !slices.Equal(got, []string{"one", "two"}) {
				t.Errorf("came out: %q", got)
			}
			p.stops(t)
		})
	}
}

// TestWhatIsNoFormOnATopicIsHeld, and what comes after it goes on, also when the hub begins anew.
func TestWhatIsNoFormOnATopicIsHeld(t *testing.T) {
	t.Parallel()
	m := newMarket(t, enginetest.Kafka(t))
	for _, poison := range []string{
		"no JSON", "", `{"service":"torg"}`, `{"municipality":"1285",` + formOf("1", "another's")[1:], formOf("2", strings.Repeat("x", 3_000_000)),
	} {
		m.left(poison)
	}
	m.left(formOf("3", "first"))
	m.left(formOf("3", "second")) // under the same id
	m.left(formOf("4", "after"))
	for range 2 {
		p := m.serve()
		await(t, "come out", func() bool { return len(m.came()) == 2 })
		await(t, "held", func() bool { return len(m.unread()) == 6 })
		p.stops(t)
	}
	if got := m.texts(); !slices.Equal(got, []string{"after", "first"}) {
		t.Errorf("came out: %q", got)
	}
	for _, line := range m.unread() {
		if p := line.Submission; p.Reason != hub.ReasonUnreadable || !strings.Contains(p.Note, m.forms+"-") || strings.Contains(p.Note, "another's") {
			t.Errorf("it rests as %s: %s", p.Reason, p.Note)
		}
	}
}

// unread gives what was no form, and rests.
func (m *market) unread() []hub.Line {
	return slices.DeleteFunc(m.lines(), func(l hub.Line) bool { return l.Case.Service != hub.Unread || l.Submission.State != hub.Held })
}

// TestTheBrokerOfATopicIsAway: what is posted meanwhile waits, that no forms can be fetched is told, and what
// is left on the topic afterwards is taken; nothing rests with a person for that.
func TestTheBrokerOfATopicIsAway(t *testing.T) {
	t.Parallel()
	cluster, err := enginetest.StartKafka(t.Context(), t.TempDir(), 1)
	enginetest.Need(t, err)
	t.Cleanup(func() { cluster.Close() })
	m := newMarket(t, cluster.Addresses())
	p := m.serve()
	m.left(formOf("1", "before"))
	await(t, "come out", func() bool { return len(m.came()) == 1 })
	if err := cluster.Kill(1); err != nil {
		t.Fatal(err)
	}
	form := m.accepted("disk", "form-0002")
	await(t, "tried", func() bool { return m.isAt(form.ID, hub.RetryWait, hub.Unknown, hub.Reconciling) })
	m.eventually("uncollected", func() bool { return m.measures(`knutpunkt_uncollected{system="karlskrona.torg"} 1`) })
	if said := squeezed(runs(t, 1, "doctor", "--config", m.dir)); !strings.Contains(said, "WRONG karlskrona.torg the forms that lie there cannot be fetched") {
		t.Errorf("doctor says\n%s", said)
	}
	if err := cluster.Start(context.WithoutCancel(t.Context()), 1); err != nil {
		t.Fatal(err)
	}
	await(t, "writable", func() bool {
		_, _, err := m.platform.SendMessage(&sarama.ProducerMessage{Topic: m.forms, Value: sarama.StringEncoder(formOf("3", "after"))})
		return err == nil
	})
	m.eventually("delivered", func() bool { return m.isAt(form.ID, hub.Delivered) && len(m.came()) == 3 })
	if got := m.texts(); !slices.Equal(got, []string{"after", "before", "hej form-0002"}) {
		t.Errorf("came out: %q", got)
	}
	m.eventually("collected", func() bool { return m.measures(`knutpunkt_uncollected{system="karlskrona.torg"} 0`) })
	p.end(syscall.SIGTERM)
}
