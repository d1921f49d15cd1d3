package enginetest

import (
	"context"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"
)

// TestPostgresKeepsWhatItHas stops a server in order and otherwise.
func TestPostgresKeepsWhatItHas(t *testing.T) {
	s, err := StartPostgres(within(t, time.Minute), t.TempDir())
	Need(t, err)
	defer s.Close()
	for _, statement := range []string{"CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (1)"} {
		if _, err := s.SQL(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for name, end := range map[string]func() error{"stop": s.Stop, "kill": s.Kill} {
		if err := end(); err != nil {
			t.Fatal(name, err)
		}
		if _, err := s.SQL(t.Context(), "SELECT 1"); err == nil {
			t.Errorf("%s: it still answers", name)
		}
		if err := s.Start(within(t, time.Minute)); err != nil {
			t.Fatal(name, err)
		}
		if got, err := s.SQL(t.Context(), "SELECT count(*), max(n) FROM kept"); got != "1|1" || err != nil {
			t.Errorf("%s: it kept %q, %v", name, got, err)
		}
	}
	if dump, err := s.Dump(t.Context(), "postgres"); err != nil || !strings.Contains(string(dump), "CREATE TABLE public.kept") {
		t.Errorf("dump: %v, %.200s", err, dump)
	}
}

// TestPostgresGivesEachItsOwn database, which is empty.
func TestPostgresGivesEachItsOwn(t *testing.T) {
	if one, other := Postgres(t), Postgres(t); one == other {
		t.Errorf("both got %s", one)
	}
}

// TestKafkaCarriesARecord through the shared broker, and makes no topic that nobody asked for.
func TestKafkaCarriesARecord(t *testing.T) {
	addresses := Kafka(t)
	makeTopic(t, addresses, plain(), "carried", 1)
	carry(t, addresses, plain(), "carried")
	producer, err := sarama.NewSyncProducer(addresses, plain())
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: "unasked"}); err == nil {
		t.Error("a topic came into being by itself")
	}
}

// TestKafkaStandsWithoutOneNode of three, and takes it back.
func TestKafkaStandsWithoutOneNode(t *testing.T) {
	c, err := StartKafka(within(t, 2*time.Minute), t.TempDir(), 3)
	Need(t, err)
	defer c.Close()
	makeTopic(t, c.Addresses(), plain(), "carried", 3)
	carry(t, c.Addresses(), plain(), "carried")
	for name, end := range map[string]func(int) error{"kill": c.Kill, "stop": c.Stop} {
		if err := end(2); err != nil {
			t.Fatal(name, err)
		}
		carry(t, c.Addresses(), plain(), "carried")
		if err := c.Start(within(t, time.Minute), 2); err != nil {
			t.Fatal(name, err)
		}
	}
}

// TestKafkaAsksWhoComes at its second listener.
func TestKafkaAsksWhoComes(t *testing.T) {
	c, err := StartKafka(within(t, time.Minute), t.TempDir(), 1, Secured("reader", "secret-1"))
	Need(t, err)
	defer c.Close()
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(c.Authority())
	with := func(mechanism sarama.SASLMechanism, password string) *sarama.Config {
		config := plain()
		config.Net.TLS.Enable, config.Net.TLS.Config = true, &tls.Config{RootCAs: trusted}
		config.Net.SASL.Enable, config.Net.SASL.Mechanism = true, mechanism
		config.Net.SASL.User, config.Net.SASL.Password = "reader", password
		config.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &conversation{} }
		config.Metadata.Retry.Max = 0
		return config
	}
	makeTopic(t, c.SecureAddresses(), with(sarama.SASLTypePlaintext, "secret-1"), "carried", 1)
	for _, mechanism := range []sarama.SASLMechanism{sarama.SASLTypePlaintext, sarama.SASLTypeSCRAMSHA512} {
		carry(t, c.SecureAddresses(), with(mechanism, "secret-1"), "carried")
		if client, err := sarama.NewClient(c.SecureAddresses(), with(mechanism, "secret-2")); err == nil {
			client.Close()
			t.Errorf("%s: it let in the wrong password", mechanism)
		}
	}
}

// TestNothingIsLeft of a process that is killed while its servers run: neither servers
// nor folders.
func TestNothingIsLeft(t *testing.T) {
	if dir := os.Getenv("ENGINETEST_ORPHANS"); dir != "" {
		Postgres(t)
		Kafka(t)
		if err := os.WriteFile(filepath.Join(dir, "up"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		select {} // until it is killed
	}
	Postgres(t)
	Kafka(t)
	dir := t.TempDir()
	tmp := filepath.Join(dir, "tmp")
	for folder, do := range map[string]func(string, os.FileMode) error{filepath.Dir(dir): os.Chmod, tmp: os.Mkdir} {
		if err := do(folder, 0o755); err != nil {
			t.Fatal(err) // the other process's PostgreSQL must reach its folder
		}
	}
	other := exec.Command(os.Args[0], "-test.run", "^TestNothingIsLeft$")
	other.Env = append(os.Environ(), "ENGINETEST_ORPHANS="+dir, "TMPDIR="+tmp)
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Process.Kill()
	eventually(t, "the other process's servers run", func() bool { return there(filepath.Join(dir, "up")) })
	other.Process.Kill()
	other.Wait()
	eventually(t, "nothing is left", func() bool {
		left, err := filepath.Glob(filepath.Join(tmp, "*"))
		return err == nil && len(left) == 0
	})
}

// eventually waits for another process, which has no way to tell us.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx := within(t, 2*time.Minute)
	for !is() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within two minutes: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// plain speaks with the broker as Knutpunkt does, by the newest protocol that both know.
func plain() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V4_1_0_0
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	return config
}

func makeTopic(t *testing.T, addresses []string, config *sarama.Config, topic string, replicas int16) {
	t.Helper()
	admin, err := sarama.NewClusterAdmin(addresses, config)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: replicas}, false); err != nil {
		t.Fatal(err)
	}
}

// carry writes a record and reads it again, as soon as those that are left have seen who is gone.
func carry(t *testing.T, addresses []string, config *sarama.Config, topic string) {
	t.Helper()
	producer, err := sarama.NewSyncProducer(addresses, config)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	var partition int32
	var offset int64
	eventually(t, "it is written", func() bool {
		partition, offset, err = producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("hej")})
		return err == nil
	})
	client, err := sarama.NewClient(addresses, config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	var records sarama.PartitionConsumer
	eventually(t, "it can be read", func() bool {
		records, err = consumer.ConsumePartition(topic, partition, offset)
		if err != nil {
			client.RefreshMetadata(topic)
		}
		return err == nil
	})
	defer records.Close()
	select {
	case r := <-records.Messages():
		if string(r.Value) != "hej" {
			t.Errorf("it came back as %q", r.Value)
		}
	case <-within(t, 30*time.Second).Done():
		t.Error("it did not come back")
	}
}

// A conversation is the client's side of SCRAM.
type conversation struct{ *scram.ClientConversation }

func (c *conversation) Begin(user, password, authz string) error {
	client, err := scram.HashGeneratorFcn(sha512.New).NewClient(user, password, authz)
	if err == nil {
		c.ClientConversation = client.NewConversation()
	}
	return err
}

// TestDocumentIsWhatJavaReads of values that hold its own signs.
func TestDocumentIsWhatJavaReads(t *testing.T) {
	if got, want := document([]string{"a=1\n2", `b=\`}), "a=1\\n2\nb=\\\\\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
