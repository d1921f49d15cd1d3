package bus

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/IBM/sarama"

	"github.com/knutpunkt/knutpunkt/hub/brokers"
)

// A topic is what a topic of ours is to be like when it is we who make it. One that is
// there already is left as it is.
type topic struct {
	name       string
	partitions int32
	keep       time.Duration // how long a record can be read
	largest    int           // bytes of a batch of records
}

// wakesTopic is what Wakes are said on: see Brokered. What is an hour old woke nobody.
func wakesTopic(name string) topic {
	return topic{name: name, partitions: 1, keep: time.Hour, largest: 4 << 10}
}

// statusesTopic is what the feed is made known on, for consumers that may share it between
// six processes, and that may be away for a month.
func statusesTopic(name string) topic {
	return topic{name: name, partitions: 6, keep: 30 * 24 * time.Hour, largest: 1 << 20}
}

// settle sees to it that a topic is there, and can be used: it makes one that is not.
func (t topic) settle(a brokers.Access) error {
	client, err := sarama.NewClient(a.Brokers, settings(a))
	if err != nil {
		return fmt.Errorf("find the brokers: %w", err)
	}
	defer client.Close()
	if err = client.RefreshMetadata(t.name); !errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		return wrap("look at the topic", err)
	}
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return fmt.Errorf("find who makes topics: %w", err)
	}
	if err := t.make(admin); err != nil {
		return fmt.Errorf("make the topic: %w", errors.Join(errNoTopic, err))
	}
	return wrap("look at the new topic", client.RefreshMetadata(t.name))
}

// Look tells what is wrong with the brokers, or with topics that are to be there. It makes
// nothing.
func Look(a brokers.Access, topics ...string) error {
	client, err := sarama.NewClient(a.Brokers, settings(a))
	if err == nil {
		defer client.Close()
		err = client.RefreshMetadata(topics...)
	}
	if err != nil {
		return errors.New(causeOf(err))
	}
	return nil
}

func wrap(did string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", did, err)
}

// make makes the topic: each record thrice, on two brokers before it is acknowledged; or as
// the cluster itself has it where there are not that many.
func (t topic) make(admin sarama.ClusterAdmin) error {
	err := admin.CreateTopic(t.name, t.detail(3, map[string]string{"min.insync.replicas": "2"}), false)
	if errors.Is(err, sarama.ErrInvalidReplicationFactor) {
		err = admin.CreateTopic(t.name, t.detail(-1, map[string]string{}), false)
	}
	if errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return nil // another process was first
	}
	return err
}

func (t topic) detail(copies int16, settings map[string]string) *sarama.TopicDetail {
	settings["retention.ms"] = strconv.FormatInt(t.keep.Milliseconds(), 10)
	settings["max.message.bytes"] = strconv.Itoa(t.largest)
	d := &sarama.TopicDetail{NumPartitions: t.partitions, ReplicationFactor: copies, ConfigEntries: map[string]*string{}}
	for name, value := range settings {
		d.ConfigEntries[name] = &value
	}
	return d
}
