package verbs

import (
	"net"
	"testing"

	"github.com/IBM/sarama"

	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/enginetest"
)

func TestTheDoctorLooksAtTheBrokers(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	brokers := enginetest.Kafka(t)
	for _, c := range []struct {
		name, found string
		kafka       *config.Kafka
		grade       grade
	}{
		{"in memory", "", nil, nothing},
		{"nobody there", "no broker answers", &config.Kafka{Brokers: []string{closed.Addr().String()}, Wakes: "wakes"}, wrong},
		{"no topic", "the topic is not there", &config.Kafka{Brokers: brokers, Wakes: "nobody-has-made-it"}, wrong},
		{"no certificate", "knutpunkt.yaml:7: tls: nowhere.pem holds no PEM certificates",
			&config.Kafka{Brokers: brokers, TLS: &config.TLS{CA: "nowhere.pem"}, Line: 7}, wrong},
		{"all is well", "the brokers answer, and have doctors-wakes and doctors-statuses",
			&config.Kafka{Brokers: brokers, Wakes: "doctors-wakes", Statuses: "doctors-statuses"}, fine},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.grade == fine {
				makeTopics(t, c.kafka)
			}
			d := &doctor{settings: &config.Settings{Kafka: c.kafka}}
			d.brokers()
			if c.kafka == nil {
				if len(d.findings) > 0 {
					t.Errorf("it finds %+v", d.findings)
				}
				return
			}
			if d.findings[0].grade != c.grade || d.findings[0].Found != c.found {
				t.Errorf("it finds %+v", d.findings[0])
			}
		})
	}
}

func makeTopics(t *testing.T, k *config.Kafka) {
	t.Helper()
	admin, err := sarama.NewClusterAdmin(k.Brokers, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	for _, name := range []string{k.Wakes, k.Statuses} {
		if err := admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false); err != nil {
			t.Fatal(err)
		}
	}
	client, err := sarama.NewClient(k.Brokers, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	await(t, "topics", func() bool { return client.RefreshMetadata(k.Wakes, k.Statuses) == nil })
}
