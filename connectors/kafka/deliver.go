package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/knutpunkt/knutpunkt/hub"
)

// What the headers of a record are called.
const (
	headerKey          = "knutpunkt-key" // the delivery's: what a repeat is known by
	headerSubmission   = "knutpunkt-submission"
	headerMunicipality = "knutpunkt-municipality"
	headerType         = "content-type"
)

// A topic is where documents are written.
type topic struct {
	*cluster
	name  string
	mu    sync.Mutex
	lanes map[int32]*lane
}

// A lane is one partition, which one record at a time is written to. The brokers know its records by who
// wrote them and their number, so that one which is sent again because its answer was lost is not there
// twice, as long as it is the same lane.
type lane struct {
	turn   chan struct{}
	known  bool // to the brokers
	id     int64
	epoch  int16
	number int32 // of the next record
}

// Deliver writes the document at the end of its case's partition. Where an earlier attempt may have written it,
// the topic is read first.
func (t *topic) Deliver(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	if !d.InDoubt.IsZero() {
		receipt, err := t.Find(ctx, d)
		if err == nil {
			return receipt, nil
		}
		if !errors.Is(err, hub.ErrNotFound) && !errors.Is(err, hub.ErrCannotTell) {
			return hub.Receipt{}, hub.Later(errors.New("the topic cannot be read, and it may be there"), 0)
		}
	}
	client, err := t.connected()
	if err != nil {
		return hub.Receipt{}, t.unavailable(err)
	}
	var partition int32
	if err := t.under(ctx, func() (err error) { partition, err = t.partitionOf(client, d.Case); return err }); err != nil {
		return hub.Receipt{}, t.unavailable(err)
	}
	l := t.lane(partition)
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return hub.Receipt{}, hub.Later(errGivenUp, 0)
	}
	w := &write{topic: t, lane: l, client: client, partition: partition, batch: t.batchOf(d)}
	if err := t.under(ctx, func() error { return w.insist(ctx) }); err != nil {
		if errors.Is(err, errGivenUp) {
			return hub.Receipt{}, hub.Later(errGivenUp, 0)
		}
		return hub.Receipt{}, err
	}
	return t.receipt(partition, w.offset, w.at), nil
}

// receipt says where a record lies.
func (t *topic) receipt(partition int32, offset int64, at time.Time) hub.Receipt {
	ref := fmt.Sprintf("%d-%d", partition, offset)
	return hub.Receipt{Number: t.name + "-" + ref, Ref: ref, At: at.UTC()}
}

// partitionOf gives the partition that a case's records are written to, for as long as there are so many.
func (t *topic) partitionOf(client sarama.Client, c hub.CaseID) (int32, error) {
	all, err := client.Partitions(t.name)
	if err != nil {
		return 0, err
	}
	return sarama.NewHashPartitioner(t.name).Partition(&sarama.ProducerMessage{Key: sarama.StringEncoder(c)}, int32(len(all)))
}

func (t *topic) lane(partition int32) *lane {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lanes[partition] == nil {
		t.lanes[partition] = &lane{turn: make(chan struct{}, 1)}
	}
	return t.lanes[partition]
}

// batchOf makes a batch of one record.
func (t *topic) batchOf(d hub.Delivery) *sarama.RecordBatch {
	submission, _, _ := strings.Cut(string(d.Key), "-")
	now := t.env.Clock().Truncate(time.Millisecond)
	header := func(name, value string) *sarama.RecordHeader {
		return &sarama.RecordHeader{Key: []byte(name), Value: []byte(value)}
	}
	return &sarama.RecordBatch{
		Version: 2, PartitionLeaderEpoch: -1, FirstTimestamp: now, MaxTimestamp: now,
		Records: []*sarama.Record{{
			Key: []byte(d.Case), Value: d.Document.Reveal(),
			Headers: []*sarama.RecordHeader{
				header(headerKey, string(d.Key)), header(headerSubmission, submission),
				header(headerMunicipality, string(d.Municipality)), header(headerType, d.Document.Type),
			},
		}},
	}
}

// A write is one record on its way to its partition.
type write struct {
	*topic
	*lane
	client    sarama.Client
	partition int32
	batch     *sarama.RecordBatch
	doubt     bool // it may be there
	missed    int  // tries that did not come so far that the record was sent
	offset    int64
	at        time.Time
}

// Tries at one record, and the first wait between two, which then doubles: long enough for a partition to
// get another leader in order. While nothing can be sent there are two, since a connection that nobody has
// used for a while may have been closed; the rest is the hub's patience.
const (
	mostTries    = 5
	mostMissed   = 2
	betweenTries = 50 * time.Millisecond
)

var errUnanswered = errors.New("the record was sent, and no answer came")

// insist sends the record until it is known what became of it, or there is no use. Sent again in the same
// lane it is the same record to the brokers. What an unanswered try may have done, no later refusal takes back.
func (w *write) insist(ctx context.Context) (err error) {
	for n := range mostTries {
		var again bool
		if again, err = w.try(); err == nil {
			return nil
		}
		if !again || ctx.Err() != nil {
			break
		}
		if pause(ctx, betweenTries<<n); ctx.Err() != nil {
			break
		}
	}
	if w.doubt {
		w.known = false // what comes next in this lane must not be taken for this record
		return errUnanswered
	}
	return err
}

// try sends the record once.
func (w *write) try() (again bool, err error) {
	leader, err := w.client.Leader(w.name, w.partition)
	if err == nil {
		_, err = leader.Connected()
	}
	if err == nil && !w.known {
		err = w.introduce(leader)
	}
	if err != nil {
		return w.miss(), w.unavailable(err)
	}
	w.batch.ProducerID, w.batch.ProducerEpoch, w.batch.FirstSequence = w.id, w.epoch, w.number
	request := &sarama.ProduceRequest{RequiredAcks: sarama.WaitForAll, Timeout: int32(writeWithin.Milliseconds()), Version: 7}
	request.AddBatch(w.name, w.partition, w.batch)
	response, err := leader.Produce(request)
	if errors.Is(err, sarama.ErrNotConnected) {
		return w.miss(), w.unavailable(err)
	}
	if err != nil {
		w.doubt = true
		leader.Close()
		w.look()
		return true, errUnanswered
	}
	return w.hear(response.GetBlock(w.name, w.partition))
}

// introduce has the brokers give the lane a name, under which its records are numbered from 0.
func (w *write) introduce(leader *sarama.Broker) error {
	given, err := leader.InitProducerID(&sarama.InitProducerIDRequest{TransactionTimeout: writeWithin})
	if err != nil {
		leader.Close()
		return err
	}
	if given.Err != sarama.ErrNoError {
		return given.Err
	}
	w.id, w.epoch, w.number, w.known = given.ProducerID, given.ProducerEpoch, 0, true
	return nil
}

// miss counts a try at which nothing was sent, and reports whether there is to be another.
func (w *write) miss() (again bool) {
	w.look()
	w.missed++
	return w.doubt || w.missed < mostMissed
}

// look finds out which broker leads the partition now.
func (w *write) look() { w.client.RefreshMetadata(w.name) }

// hear reads what a broker says became of the record.
func (w *write) hear(block *sarama.ProduceResponseBlock) (again bool, err error) {
	if block == nil {
		w.doubt = true
		return true, hub.Strange(errors.New("the answer is about another topic"))
	}
	code := fmt.Errorf("the broker answers with error %d", int16(block.Err))
	switch block.Err {
	case sarama.ErrNoError:
		w.number++
		w.offset, w.at = block.Offset, block.Timestamp
		if w.at.IsZero() || w.at.Unix() <= 0 {
			w.at = w.batch.FirstTimestamp
		}
		return false, nil
	case sarama.ErrMessageSizeTooLarge, sarama.ErrMessageSetSizeTooLarge:
		return false, hub.Reject(errors.New("the document is larger than the topic takes (max.message.bytes)"))
	case sarama.ErrInvalidRecord, sarama.ErrPolicyViolation:
		return false, hub.Reject(fmt.Errorf("the topic does not take it: %w", code))
	case sarama.ErrNotLeaderForPartition, sarama.ErrLeaderNotAvailable, sarama.ErrUnknownLeaderEpoch, sarama.ErrFencedLeaderEpoch:
		w.look()
		return true, hub.Later(code, 0)
	case sarama.ErrNotEnoughReplicas, sarama.ErrThrottlingQuotaExceeded, sarama.ErrInvalidTimestamp:
		return false, hub.Unavailable(code, hub.Busy)
	case sarama.ErrUnknownTopicOrPartition, sarama.ErrInvalidTopic,
		sarama.ErrTopicAuthorizationFailed, sarama.ErrClusterAuthorizationFailed:
		return false, w.unavailable(block.Err)
	case sarama.ErrOutOfOrderSequenceNumber, sarama.ErrUnknownProducerID, sarama.ErrInvalidProducerEpoch:
		w.known = false // they have forgotten the lane, and have not taken the record
		return !w.doubt, hub.Later(code, 0)
	}
	w.doubt = true // also where too few replicas had it in time: it is there, or will not be
	return true, code
}

// pause waits, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
