package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"github.com/knutpunkt/knutpunkt/hub"
)

// forms is the topic that a platform leaves forms on.
type forms struct{ *cluster }

// Collect takes its share of the topic's partitions, and hands over what lies in them. Several replicas share
// a group, and each record is one's to take; when a replica joins, or is gone, what it had in hand may be
// handed over twice, and is known by its id.
func (f *forms) Collect(ctx context.Context, reading func(), take func(context.Context, hub.Collected) error) error {
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
	member := &member{forms: f, client: client, reading: reading, take: take, behind: make(chan error, 1)}
	ctx, member.giveUp = context.WithCancelCause(ctx)
	defer member.giveUp(nil)
	go member.heed(group.Errors())
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{f.conf.Forms.Topic}, member); err != nil && ctx.Err() == nil {
			return f.unavailable(member.reason(err))
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
	s.Consumer.Retry.Max = 5                           // of a read that fails, each 2 s: who has read for 20 s is taken to have come through
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
	client  sarama.Client
	reading func()
	take    func(context.Context, hub.Collected) error
	giveUp  context.CancelCauseFunc // says why nothing more is read

	ahead  atomic.Int64 // of its partitions, how many it has not come to yet
	behind chan error   // what the library met last before its reading came to an end
}

var (
	errUnpacked  = errors.New("what lies there cannot be unpacked: a batch of records is damaged, or too large when it is opened (64 MiB)")
	errFeed      = errors.New("there is a line of a feed among the forms (statuses), and nothing after it is read: have the two lie on two topics")
	errPartition = errors.New("a partition cannot be read")
)

// heed hears what the library meets while it reads, until there is nothing more to hear. Nearly all of it is
// tried again, and mended by that. What cannot be unpacked never is: the library would read it for ever, and
// say nothing.
func (m *member) heed(met <-chan error) {
	last := errPartition
	for err := range met {
		switch {
		case errors.Is(err, sarama.ErrDecompressedBatchTooLarge), errors.As(err, new(sarama.PacketDecodingError)):
			m.giveUp(hub.Strange(fmt.Errorf("%s: %w", whereMet(err), errUnpacked)))
		case errors.Is(err, errPartition):
			m.behind <- last
		case !errors.Is(err, sarama.ErrConsumerRetriesExhausted):
			last = err
		}
	}
}

// reason gives what is behind an error that only says that reading has come to an end.
func (m *member) reason(err error) error {
	if !errors.Is(err, errPartition) {
		return err
	}
	select {
	case met := <-m.behind:
		return met
	case <-time.After(time.Second): // the library drops what it meets faster than it is heard
		return err
	}
}

// whereMet tells in which partition something was met.
func whereMet(err error) string {
	var in *sarama.ConsumerError
	if errors.As(err, &in) {
		return fmt.Sprintf("%s-%d", in.Topic, in.Partition)
	}
	return "somewhere"
}

// Setup is what the library calls first, when the group knows who has what. Who has nothing to read, since
// there are more replicas than partitions, reads all of it.
func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	share := len(session.Claims()[m.conf.Forms.Topic])
	if m.ahead.Store(int64(share)); share == 0 {
		m.reading()
	}
	return nil
}

// Cleanup is what the library calls last. Where nobody changed who has what, and it is a partition that could
// not be read, that is an error: else the library begins anew at once, many times a second, and tells nobody.
func (m *member) Cleanup(session sarama.ConsumerGroupSession) error {
	if errors.Is(context.Cause(session.Context()), sarama.ErrSessionConsumeClaimExited) {
		return errPartition
	}
	return nil
}

// commitEvery bounds how many records may come twice after a crash.
const commitEvery = 64

// ConsumeClaim is what the library calls for each partition. A record's offset is committed when take has
// returned: it is on disk then.
func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	ctx := session.Context()
	if err := m.tellGone(session, claim); err != nil {
		return nil
	}
	if m.ahead.Add(-1) == 0 {
		m.reading()
	}
	defer session.Commit() // so that who stops in order leaves nothing to be read twice
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case record, more := <-claim.Messages():
			if more && isOfAFeed(record) {
				m.giveUp(hub.Strange(fmt.Errorf("%s: %w", whereLies(record), errFeed)))
				return nil
			}
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

// isOfAFeed reports whether a record is a line of a feed. Were one of our own held, as what is no form is, that
// would be a case, whose line would come to the topic: for ever.
func isOfAFeed(record *sarama.ConsumerMessage) bool {
	if media, _, _ := mime.ParseMediaType(typeOf(record.Headers)); media != structured {
		return false
	}
	var event struct{ Type string }
	return json.Unmarshal(record.Value, &event) == nil && event.Type == hub.StatusEvent
}

// collected makes of a record what the hub takes.
func collected(record *sarama.ConsumerMessage, keeper hub.Municipality) hub.Collected {
	return hub.Collected{
		Place: whereLies(record), Type: typeOf(record.Headers), Body: record.Value, Keeper: keeper,
	}
}

func whereLies(record *sarama.ConsumerMessage) string {
	return fmt.Sprintf("%s-%d-%d", record.Topic, record.Partition, record.Offset)
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
