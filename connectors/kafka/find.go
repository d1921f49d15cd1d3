package kafka

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"github.com/knutpunkt/knutpunkt/hub"
)

// margin is how much the clocks of the brokers, and of the hub's replicas, may differ.
const margin = 10 * time.Minute

// Find reads the topic from when the delivery was first sent to its end, as it is now, and looks for the
// delivery's Key. All partitions are read, the case's first: there may be more of them since.
//
// Not found is said only where all that has been written since then is still there. Where retention or
// compaction has taken anything away it cannot be told.
func (t *topic) Find(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	client, err := t.connected()
	if err != nil {
		return hub.Receipt{}, t.unavailable(err)
	}
	var found hub.Receipt
	err = t.under(ctx, func() error {
		if err := client.RefreshMetadata(t.name); err != nil {
			return t.unavailable(err)
		}
		found, err = t.search(ctx, client, d)
		return err
	})
	if ctx.Err() != nil && err != nil {
		return hub.Receipt{}, errors.New("given up before the topic was read")
	}
	return found, err
}

func (t *topic) search(ctx context.Context, client sarama.Client, d hub.Delivery) (hub.Receipt, error) {
	first, err := t.partitionOf(client, d.Case)
	if err != nil {
		return hub.Receipt{}, t.unavailable(err)
	}
	all, err := client.Partitions(t.name)
	if err != nil {
		return hub.Receipt{}, t.unavailable(err)
	}
	order := append([]int32{first}, slices.DeleteFunc(slices.Clone(all), func(p int32) bool { return p == first })...)
	complete := true
	for _, partition := range order {
		s := &search{topic: t, client: client, partition: partition, key: string(d.Key)}
		if err := s.run(ctx, d.InDoubt); err != nil {
			return hub.Receipt{}, err
		}
		if s.found {
			return t.receipt(partition, s.offset, s.at), nil
		}
		complete = complete && !s.gaps
	}
	if !complete {
		return hub.Receipt{}, hub.ErrCannotTell
	}
	return hub.Receipt{}, hub.ErrNotFound
}

// A search reads one partition.
type search struct {
	*topic
	client    sarama.Client
	partition int32
	key       string
	next      int64 // the offset to read
	end       int64 // and before which
	gaps      bool  // something that was written is no longer there
	found     bool
	offset    int64
	at        time.Time
}

// run reads from a time on; from the beginning when it is zero.
func (s *search) run(ctx context.Context, since time.Time) error {
	if err := s.bound(ctx, since); err != nil {
		return s.unavailable(err)
	}
	for idle := 0; s.next < s.end && !s.found; {
		before := s.next
		block, err := s.fetch()
		if err != nil {
			return s.unavailable(err)
		}
		if block.Err == sarama.ErrOffsetOutOfRange {
			s.gaps = true // it went while it was being read
			return nil
		}
		s.read(block)
		if idle++; s.next > before {
			idle = 0
		}
		if idle == mostTries {
			return hub.Strange(errors.New("the broker gives nothing of what the topic has"))
		}
	}
	return nil
}

// bound finds where to begin and where to end.
func (s *search) bound(ctx context.Context, since time.Time) (err error) {
	oldest, err := s.client.GetOffset(s.name, s.partition, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	if s.end, err = s.shown(ctx); err != nil {
		return err
	}
	young := oldest
	if !since.IsZero() {
		if young, err = s.client.GetOffset(s.name, s.partition, since.Add(-margin).UnixMilli()); err != nil {
			return err
		}
	}
	s.begin(oldest, young)
	return nil
}

// begin begins one offset before the first record that is left of those young enough, which lies at young (-1:
// there is none): where compaction has taken away others in front of it, the hole is read too. Where no older
// record is left, what has gone may have been young enough as well.
func (s *search) begin(oldest, young int64) {
	if young < 0 {
		young = s.end
	}
	s.gaps = oldest > 0 && young <= oldest
	s.next = max(oldest, young-1)
}

var errUnshown = errors.New("the topic has records that are shown to nobody yet: too few of its replicas are up")

// shown gives the end of what those who read are shown, once that is all that had been written when it was asked.
// What too few replicas have is not shown for as long as that lasts, and may be what is looked for.
func (s *search) shown(ctx context.Context) (int64, error) {
	written, err := s.written()
	if err != nil {
		return 0, err
	}
	for n := range mostTries {
		end, err := s.client.GetOffset(s.name, s.partition, sarama.OffsetNewest)
		if err != nil || end >= written {
			return end, err
		}
		pause(ctx, betweenTries<<n)
	}
	return 0, errUnshown
}

// debugging is what a replica calls itself that is none, and is told of all that the leader has.
const debugging = -2

// written gives the end of what the partition's leader has.
func (s *search) written() (int64, error) {
	leader, err := s.client.Leader(s.name, s.partition)
	if err != nil {
		return 0, err
	}
	request := sarama.NewOffsetRequest(s.client.Config().Version)
	request.SetReplicaID(debugging)
	request.AddBlock(s.name, s.partition, sarama.OffsetNewest, 1)
	answer, err := leader.GetAvailableOffsets(request)
	if err != nil {
		leader.Close()
		return 0, err
	}
	block := answer.GetBlock(s.name, s.partition)
	switch {
	case block == nil || block.Err == sarama.ErrNoError && len(block.Offsets) != 1:
		return 0, sarama.ErrIncompleteResponse
	case block.Err != sarama.ErrNoError:
		return 0, block.Err
	}
	return block.Offsets[0], nil
}

// atATime is how many bytes are asked for; a broker gives one batch of records at the least.
const atATime = 4 << 20

func (s *search) fetch() (*sarama.FetchResponseBlock, error) {
	leader, err := s.client.Leader(s.name, s.partition)
	if err != nil {
		return nil, err
	}
	request := &sarama.FetchRequest{Version: 4, MaxWaitTime: 100, MinBytes: 1, MaxBytes: atATime, Isolation: sarama.ReadUncommitted}
	request.AddBlock(s.name, s.partition, s.next, atATime, -1)
	response, err := leader.Fetch(request)
	if err != nil {
		leader.Close()
		return nil, err
	}
	block := response.GetBlock(s.name, s.partition)
	switch {
	case block == nil:
		return nil, sarama.ErrIncompleteResponse
	case block.Err != sarama.ErrNoError && block.Err != sarama.ErrOffsetOutOfRange:
		return nil, block.Err
	}
	return block, nil
}

// read looks through what was fetched. The offsets of a partition have no gaps, but where compaction has made
// them: it leaves one record of each case.
func (s *search) read(block *sarama.FetchResponseBlock) {
	for _, records := range block.RecordsSet {
		batch := records.RecordBatch
		if batch == nil { // of a format that has no headers
			s.gaps, s.next = true, s.end
			return
		}
		if batch.PartialTrailingRecord {
			continue
		}
		kept := int32(len(batch.Records)) == batch.LastOffsetDelta+1
		s.gaps = s.gaps || batch.FirstOffset > s.next || !batch.Control && !kept
		for _, r := range batch.Records {
			if !batch.Control && headerOf(r.Headers, headerKey) == s.key {
				s.found, s.offset = true, batch.FirstOffset+r.OffsetDelta
				s.at = batch.FirstTimestamp.Add(r.TimestampDelta)
				if batch.LogAppendTime {
					s.at = batch.MaxTimestamp
				}
				return
			}
		}
		s.next = max(s.next, batch.LastOffset()+1)
	}
}

// headerOf gives the value of a record's last header with a name; "" where there is none.
func headerOf(headers []*sarama.RecordHeader, name string) (value string) {
	for _, h := range headers {
		if string(h.Key) == name {
			value = string(h.Value)
		}
	}
	return value
}
