package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/brokers"
)

// Statuses is a hub.Publisher: it makes the feed known on a topic of Kafka, for whoever may
// read that. A record is a CloudEvent (1.0, structured JSON, by its Kafka protocol binding)
// that names a case and a Step, and nobody.
//
// A record's key is the case, so that the lines of one case are read in their order. The same
// line has the same id whenever it is told, so that a reader knows what it has read before.
type Statuses struct {
	access   brokers.Access
	topic    string
	producer sarama.SyncProducer // nil while there is none
}

// NewStatuses makes the feed known on a topic, which is made where it is not there and the
// brokers let us. No broker is called before there is something to tell.
func NewStatuses(a brokers.Access, topic string) *Statuses { return &Statuses{access: a, topic: topic} }

// publishing is how long Publish may take.
const publishing = 20 * time.Second

// Publish makes lines known, in their order for each case. When it gives an error, some of
// them may be. It must not be called by two at the same time.
func (s *Statuses) Publish(ctx context.Context, lines []hub.Status) error {
	ctx, cancel := context.WithTimeout(ctx, publishing)
	defer cancel()
	done := make(chan error)
	producer := s.producer
	s.producer = nil
	go func() {
		var err error
		if producer == nil {
			producer, err = s.connect()
		}
		if err == nil {
			err = s.send(ctx, producer, lines)
		}
		select {
		case done <- err:
		case <-ctx.Done(): // nobody waits: the library knows no context, and its brokers may never answer
			end(producer)
		}
	}()
	select {
	case <-ctx.Done():
		return errSlow
	case err := <-done:
		if err != nil {
			go end(producer) // one that has failed once may go on where it was, out of order
			return errors.New(causeOf(err))
		}
		s.producer = producer
		return nil
	}
}

// Close lets go of the brokers.
func (s *Statuses) Close() { end(s.producer) }

func end(p sarama.SyncProducer) {
	if p != nil {
		p.Close()
	}
}

func (s *Statuses) connect() (sarama.SyncProducer, error) {
	if err := statusesTopic(s.topic).settle(s.access); err != nil {
		return nil, err
	}
	return sarama.NewSyncProducer(s.access.Brokers, settings(s.access))
}

// send sends round after round. A line of a case leaves when the one before it is known to
// be there, so that no retry of any library's can turn them round.
func (s *Statuses) send(ctx context.Context, p sarama.SyncProducer, lines []hub.Status) error {
	for len(lines) > 0 && ctx.Err() == nil {
		n := round(lines)
		records := make([]*sarama.ProducerMessage, 0, n)
		for _, line := range lines[:n] {
			r, err := s.record(line)
			if err != nil {
				return err
			}
			records = append(records, r)
		}
		if err := p.SendMessages(records); err != nil {
			return firstOf(err)
		}
		lines = lines[n:]
	}
	return ctx.Err()
}

// round gives how many of the first lines are of as many cases.
func round(lines []hub.Status) int {
	cases := map[hub.CaseID]bool{}
	n := slices.IndexFunc(lines, func(line hub.Status) bool {
		again := cases[line.Case]
		cases[line.Case] = true
		return again
	})
	if n < 0 {
		return len(lines)
	}
	return n
}

// firstOf gives the first of the errors that the library has bound together with the records
// that they are about.
func firstOf(err error) error {
	var all sarama.ProducerErrors
	if errors.As(err, &all) && len(all) > 0 {
		return all[0].Err
	}
	return err
}

// An occurrence is one line of the feed, as schemas/knutpunkt/status-1.json has it.
type occurrence struct {
	SpecVersion string     `json:"specversion"`
	ID          string     `json:"id"`
	Source      string     `json:"source"`
	Type        string     `json:"type"`
	Subject     hub.CaseID `json:"subject"`
	Time        time.Time  `json:"time"`
	ContentType string     `json:"datacontenttype"`
	Data        status     `json:"data"`
}

type status struct {
	Municipality hub.Municipality `json:"municipality"`
	Submission   hub.ID           `json:"submission"`
	Step         hub.Step         `json:"step"`
	Seq          uint64           `json:"seq"`
}

// record writes one line. Its id holds more than its number, since a database that has been
// restored gives the same numbers again, to other lines.
func (s *Statuses) record(line hub.Status) (*sarama.ProducerMessage, error) {
	text, err := json.Marshal(occurrence{
		SpecVersion: "1.0", ID: fmt.Sprintf("%s-%d-%s", line.Case, line.Seq, line.Step),
		Source: "/municipalities/" + string(line.Owner), Type: hub.StatusEvent, Subject: line.Case,
		Time: line.At.UTC(), ContentType: "application/json",
		Data: status{line.Owner, line.Submission, line.Step, line.Seq},
	})
	if err != nil {
		return nil, errors.New("a line of the feed cannot be written")
	}
	return &sarama.ProducerMessage{
		Topic: s.topic, Key: sarama.StringEncoder(line.Case), Value: sarama.ByteEncoder(text),
		Headers: []sarama.RecordHeader{{Key: []byte("content-type"), Value: []byte("application/cloudevents+json; charset=UTF-8")}},
	}, nil
}
