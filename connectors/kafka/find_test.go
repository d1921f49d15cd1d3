package kafka

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// TestWhatIsSaidOfAnUnavailableCluster: a broker that answers is not said to be silent.
func TestWhatIsSaidOfAnUnavailableCluster(t *testing.T) {
	for _, c := range []struct {
		err  error
		said string
	}{
		{fmt.Errorf("connect: %w", io.EOF), "no broker answers"},
		{fmt.Errorf("look: %w", sarama.ErrOffsetsLoadInProgress), "error 14"},
		{sarama.ErrUnknownTopicOrPartition, "no such topic"},
		{errUnshown, "shown to nobody"},
	} {
		if err := (&cluster{}).unavailable(c.err); !strings.Contains(err.Error(), c.said) {
			t.Errorf("%v is told as %v", c.err, err)
		}
	}
}

// TestWhereTheSearchBegins: so that it comes over the hole where the first that was young enough has been taken
// away, and sees where there is nothing to tell whether that was so.
func TestWhereTheSearchBegins(t *testing.T) {
	for _, c := range []struct {
		name          string
		oldest, young int64
		next          int64
		gaps          bool
	}{
		{"from the very first", 0, 0, 0, false},
		{"older ones are there", 0, 5, 4, false},
		{"one older is there", 3, 4, 3, false},
		{"no older one is left", 3, 3, 3, true},
		{"nothing is so young", 3, -1, 8, false},
		{"nothing is left", 9, -1, 9, true},
	} {
		s := &search{end: 9}
		s.begin(c.oldest, c.young)
		if s.next != c.next || s.gaps != c.gaps {
			t.Errorf("%s: it begins at %d, gaps %t", c.name, s.next, s.gaps)
		}
	}
	s := &search{key: "\a", end: 9}
	s.begin(0, 5)
	s.read(&sarama.FetchResponseBlock{RecordsSet: []*sarama.Records{{RecordBatch: &sarama.RecordBatch{
		Version: 2, FirstOffset: 5, Records: []*sarama.Record{{}},
	}}}})
	if !s.gaps {
		t.Error("the hole before the first that is left is not seen")
	}
}

// TestWhatCompactionLeaves: offsets that are missing were records that have been taken away, but for those by
// which transactions are told of.
func TestWhatCompactionLeaves(t *testing.T) {
	batch := func(first int64, span int32, control bool, at ...int64) *sarama.Records {
		b := &sarama.RecordBatch{Version: 2, FirstOffset: first, LastOffsetDelta: span - 1, Control: control, FirstTimestamp: time.Unix(1, 0)}
		for _, offset := range at {
			b.Records = append(b.Records, &sarama.Record{OffsetDelta: offset - first, Headers: []*sarama.RecordHeader{{Key: []byte(headerKey), Value: []byte{byte(offset)}}}})
		}
		return &sarama.Records{RecordBatch: b}
	}
	for _, c := range []struct {
		name  string
		sets  []*sarama.Records
		gaps  bool
		found bool
		next  int64
	}{
		{"whole", []*sarama.Records{batch(0, 2, false, 0, 1), batch(2, 1, false, 2)}, false, false, 3},
		{"there", []*sarama.Records{batch(0, 9, false, 0, 1, 7)}, true, true, 0},
		{"begun before", []*sarama.Records{batch(-2, 4, false, -2, -1, 0, 1)}, false, false, 2},
		{"with the end of a transaction", []*sarama.Records{batch(0, 1, false, 0), batch(1, 1, true, 1), batch(2, 1, false, 2)}, false, false, 3},
		{"without one in a batch", []*sarama.Records{batch(0, 3, false, 0, 2)}, true, false, 3},
		{"without a batch", []*sarama.Records{batch(0, 1, false, 0), batch(2, 1, false, 2)}, true, false, 3},
		{"without the first", []*sarama.Records{batch(1, 1, false, 1)}, true, false, 2},
		{"of an older format", []*sarama.Records{{MsgSet: &sarama.MessageSet{}}}, true, false, 9},
	} {
		s := &search{key: "\a", end: 9}
		s.read(&sarama.FetchResponseBlock{RecordsSet: c.sets})
		if s.gaps != c.gaps || s.found != c.found || s.next != c.next {
			t.Errorf("%s: gaps %t, found %t, then %d", c.name, s.gaps, s.found, s.next)
		}
	}
}
