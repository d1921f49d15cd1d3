package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"github.com/knutpunkt/knutpunkt/hub"
)

// forms is the topic that a platform leaves forms on.
type forms struct{ *cluster }

// Collect takes its share of the topic's partitions, and hands over what lies in them. Several replicas share
// a group, and each record is one's to take; when a replica joins, or is gone, what it had in hand may be
// handed over twice, and is known by its id.
func (f *forms) Collect(ctx context.Context, take func(context.Context, hub.Collected) error) error {
	client, err := sarama.NewClient(f.at.brokers, f.consumer())
	if err != nil {
		return f.unavailable(err)
	}
	defer client.Close()
	group, err := sarama.NewConsumerGroupFromClient(f.conf.Forms.Group, client)
	if err != nil {
		return f.unavailable(err)
	}
	defer group.Close()
	member := &member{forms: f, client: client, take: take}
	ctx, member.giveUp = context.WithCancelCause(ctx)
	defer member.giveUp(nil)
	go member.heed(group.Errors())
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{f.conf.Forms.Topic}, member); err != nil && ctx.Err() == nil {
			return f.unavailable(err)
		}
	}
	if err := context.Cause(ctx); !errors.Is(err, ctx.Err()) {
		return err
	}
	return nil
}

// consumer is how the topic is read. What a group has never read it reads from the beginning, and nothing is
// committed but what has been received.
func (f *forms) consumer() *sarama.Config {
	s := f.settings()
	s.Metadata.Retry.Max = 3 // a group finds its coordinator by it
	s.Consumer.Offsets.Initial = sarama.OffsetOldest
	s.Consumer.Offsets.AutoCommit.Enable = false
	s.Consumer.Return.Errors = true
	s.Consumer.MaxProcessingTime = time.Minute         // while the Store cannot receive, a record waits in its place
	s.Consumer.Group.Session.Timeout = 6 * time.Second // the least that brokers allow: who is dead has a partition for no longer
	s.Consumer.Group.Heartbeat.Interval = 2 * time.Second
	s.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategySticky()}
	s.ChannelBufferSize = 16
	return s
}

// A member is this process in its group, between two changes of who has what.
type member struct {
	*forms
	client sarama.Client
	take   func(context.Context, hub.Collected) error
	giveUp context.CancelCauseFunc // says why nothing more is read
}

var errUnpacked = errors.New("what lies on the topic cannot be unpacked: a batch of records is damaged, or too large when it is opened (64 MiB)")

// heed hears what the library meets while it reads, until there is nothing more to hear. Nearly all of it is
// tried again, and mended by that. What cannot be unpacked never is: the library would read it for ever, and
// say nothing.
func (m *member) heed(met <-chan error) {
	for err := range met {
		if errors.Is(err, sarama.ErrDecompressedBatchTooLarge) || errors.As(err, new(sarama.PacketDecodingError)) {
			m.giveUp(hub.Strange(errUnpacked))
		}
	}
}

// Setup is what the library calls first.
func (m *member) Setup(sarama.ConsumerGroupSession) error { return nil }

// Cleanup is what the library calls last.
func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// commitEvery bounds how many records may come twice after a crash.
const commitEvery = 64

// ConsumeClaim is what the library calls for each partition. A record's offset is committed when take has
// returned: it is on disk then.
func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	ctx := session.Context()
	if err := m.tellGone(session, claim); err != nil {
		return nil
	}
	defer session.Commit() // so that who stops in order leaves nothing to be read twice
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case record, more := <-claim.Messages():
			if !more || m.take(ctx, collected(record, m.conf.Forms.Keeper)) != nil {
				return nil // what is not received is read again by whoever has the partition next
			}
			session.MarkMessage(record, "")
			if len(claim.Messages()) == 0 || n%commitEvery == 0 {
				session.Commit()
			}
		}
	}
}

// tellGone has people told of what went from the topic before the group had read it: where it should have lain
// there is something that is no form.
func (m *member) tellGone(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	topic, partition := claim.Topic(), claim.Partition()
	from, err := m.readTo(topic, partition)
	if err != nil {
		m.giveUp(m.unavailable(err))
		return err
	}
	oldest, err := m.client.GetOffset(topic, partition, sarama.OffsetOldest)
	if err != nil {
		m.giveUp(m.unavailable(err))
		return err
	}
	if from < 0 || oldest <= from {
		return nil
	}
	if err := m.take(session.Context(), hub.Collected{
		Place: fmt.Sprintf("%s-%d-%d…%d", topic, partition, from, oldest-1), Type: "text/plain", Keeper: m.conf.Forms.Keeper,
		Broken: &hub.Malformed{Kind: "gone", Detail: "records went from the topic before they were read: its retention is too short"},
	}); err != nil {
		return err
	}
	session.MarkOffset(topic, partition, oldest, "")
	session.Commit()
	return nil
}

// readTo asks the brokers how far the group has read a partition; below 0 where it never has. The library does
// not say: where what comes next is gone it begins with the oldest that is left, as with a topic that is new.
func (m *member) readTo(topic string, partition int32) (int64, error) {
	coordinator, err := m.client.Coordinator(m.conf.Forms.Group)
	if err != nil {
		return 0, err
	}
	request := &sarama.OffsetFetchRequest{Version: 1, ConsumerGroup: m.conf.Forms.Group}
	request.AddPartition(topic, partition)
	answer, err := coordinator.FetchOffset(request)
	if err != nil {
		return 0, err
	}
	block := answer.GetBlock(topic, partition)
	switch {
	case block == nil:
		return 0, sarama.ErrIncompleteResponse
	case block.Err != sarama.ErrNoError:
		return 0, block.Err
	}
	return block.Offset, nil
}

// collected makes of a record what the hub takes.
func collected(record *sarama.ConsumerMessage, keeper hub.Municipality) hub.Collected {
	return hub.Collected{
		Place: fmt.Sprintf("%s-%d-%d", record.Topic, record.Partition, record.Offset),
		Type:  typeOf(record.Headers), Body: record.Value, Keeper: keeper,
	}
}

// typeOf gives a record's media type: that of the form where nothing is said. A CloudEvent in binary mode has
// its attributes in headers that begin with ce_, and its data is the value.
func typeOf(headers []*sarama.RecordHeader) string {
	for _, h := range headers {
		if strings.EqualFold(string(h.Key), headerType) && len(h.Value) > 0 {
			return string(h.Value)
		}
	}
	return "application/json"
}
