// Package kafkasim is one Kafka broker with its topics in memory: as much of the protocol as a producer needs
// that looks before it writes (https://kafka.apache.org/protocol). It numbers what it takes, holds each record
// against its checksum, and knows a producer's record that comes again by the producer's id and its number.
//
// It is for the exam, where no broker can be had. That it does as brokers do is for the same exam to show
// against a real one.
package kafkasim

import (
	"encoding/binary"
	"hash/crc32"
	"net"
	"strconv"
	"sync"
)

// A Sim is one broker. It is safe for concurrent use.
type Sim struct {
	partitions int32

	mu        sync.Mutex
	topics    map[string][]*partition
	producers int64
	refuse    int16 // the error that it answers every record with; 0 for none
}

// New makes a broker on which every topic that is asked for is there, with so many partitions.
func New(partitions int32) *Sim {
	return &Sim{partitions: partitions, topics: map[string][]*partition{}}
}

// Records is how many records it has, in all topics.
func (s *Sim) Records() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.topics {
		for _, p := range t {
			n += int(p.end)
		}
	}
	return n
}

// Error codes of the protocol.
const (
	Unsupported       int16 = 35
	Corrupt           int16 = 2
	UnknownTopic      int16 = 3
	TooLarge          int16 = 10
	NotEnoughReplicas int16 = 19
	OutOfOrder        int16 = 45
)

// Refuse has it answer every record with an error from now on; 0 for none.
func (s *Sim) Refuse(code int16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = code
}

// A partition is one log of records, in the batches that they came in.
type partition struct {
	batches []batch
	end     int64
	last    map[int64]batch // by producer: what it sent last
}

// A batch is records as their producer wrote them, but for where they lie.
type batch struct {
	text     []byte
	first    int64 // offset
	count    int32
	stamp    int64 // ms since 1970
	sequence int32
}

// Serve talks with one caller until either hangs up.
func (s *Sim) Serve(conn net.Conn) {
	defer conn.Close()
	host, port, _ := net.SplitHostPort(conn.LocalAddr().String())
	at, _ := strconv.Atoi(port)
	for {
		text, err := frame(conn)
		if err != nil {
			return
		}
		r := &reading{left: text}
		key, version, correlation := r.int16(), r.int16(), r.int32()
		r.text() // what the caller calls itself
		answer := s.answer(r, key, version, address{host, int32(at)})
		if r.short || answer == nil {
			return
		}
		body := writing{}.int32(correlation)
		body = append(body, answer...)
		if _, err := conn.Write(writing{}.bytes(body)); err != nil {
			return
		}
	}
}

// An address is where a broker says that it is.
type address struct {
	host string
	port int32
}

// The requests that it knows, each by its key, with the one version of each.
const (
	produce, fetch, listOffsets, metadata, apiVersions, initProducer = 0, 1, 2, 3, 18, 22
)

var versions = map[int16]int16{produce: 3, fetch: 4, listOffsets: 1, metadata: 1, apiVersions: 3, initProducer: 0}

// answer gives what a request is answered with; nil hangs up.
func (s *Sim) answer(r *reading, key, version int16, at address) writing {
	if known, ok := versions[key]; !ok || key != apiVersions && version != known {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch key {
	case produce:
		return s.takeRecords(r)
	case fetch:
		return s.giveRecords(r)
	case listOffsets:
		return s.giveOffsets(r)
	case metadata:
		return s.describe(r, at)
	case initProducer:
		r.text()
		r.int32()
		s.producers++
		return writing{}.int32(0).int16(0).int64(s.producers).int16(0)
	}
	return s.know(version)
}

// know tells which requests it knows, in the version that it is asked in or else in the first.
func (s *Sim) know(version int16) writing {
	w := writing{}.int16(0)
	if version < 3 {
		w = w.int32(int32(len(versions)))
	} else {
		w = w.uvarint(uint64(len(versions) + 1))
	}
	for key, v := range versions {
		w = w.int16(key).int16(v).int16(v)
		if version >= 3 {
			w = w.uvarint(0)
		}
	}
	if version > 0 {
		w = w.int32(0)
	}
	if version >= 3 {
		w = w.uvarint(0)
	}
	return w
}

// describe tells of topics, and of itself as the leader of everything.
func (s *Sim) describe(r *reading, at address) writing {
	var asked []string
	r.each(func() { asked = append(asked, r.text()) })
	w := writing{}.int32(1).int32(1).text(at.host).int32(at.port).int16(-1).int32(1).int32(int32(len(asked)))
	for _, name := range asked {
		w = w.int16(0).text(name).int8(0).int32(s.partitions)
		for p := range s.partitions {
			w = w.int16(0).int32(p).int32(1).int32(1).int32(1).int32(1).int32(1)
		}
	}
	return w
}

// at gives a partition; nil where there is none.
func (s *Sim) at(topic string, number int32) *partition {
	if number < 0 || number >= s.partitions {
		return nil
	}
	if s.topics[topic] == nil {
		for range s.partitions {
			s.topics[topic] = append(s.topics[topic], &partition{last: map[int64]batch{}})
		}
	}
	return s.topics[topic][number]
}

// takeRecords takes what is produced.
func (s *Sim) takeRecords(r *reading) writing {
	r.text() // of a transaction
	r.int16()
	r.int32()
	return s.ofEach(r, func(number int32, p *partition) writing {
		offset, code := s.append(p, r.bytes())
		return writing{}.int32(number).int16(code).int64(offset).int64(-1)
	}).int32(0)
}

// ofEach answers what is asked of each partition of each topic, in the order in which it is
// asked; one is given nil for a partition that is not there.
func (s *Sim) ofEach(r *reading, one func(number int32, p *partition) writing) writing {
	w := writing{}
	topics := r.each(func() {
		name := r.text()
		var answers writing
		n := r.each(func() {
			number := r.int32()
			answers = append(answers, one(number, s.at(name, number))...)
		})
		w = append(w.text(name).int32(int32(n)), answers...)
	})
	return append(writing{}.int32(int32(topics)), w...)
}

// Where things stand in a batch of records (https://kafka.apache.org/documentation/#recordbatch).
const (
	atChecksum, atAttributes, atStamp, atProducer, atSequence, atCount, atRecords = 17, 21, 27, 43, 53, 57, 61
)

// append puts a batch at the end of a partition, and gives the offset of its first record.
func (s *Sim) append(p *partition, text []byte) (offset int64, code int16) {
	switch {
	case p == nil:
		return -1, UnknownTopic
	case s.refuse != 0:
		return -1, s.refuse
	case len(text) < atRecords, binary.BigEndian.Uint32(text[atChecksum:]) != crc32.Checksum(text[atAttributes:], crc32.MakeTable(crc32.Castagnoli)):
		return -1, Corrupt
	}
	b := batch{
		text: append([]byte(nil), text...), first: p.end, count: int32(binary.BigEndian.Uint32(text[atCount:])),
		stamp: int64(binary.BigEndian.Uint64(text[atStamp:])), sequence: int32(binary.BigEndian.Uint32(text[atSequence:])),
	}
	if producer := int64(binary.BigEndian.Uint64(text[atProducer:])); producer >= 0 {
		last, before := p.last[producer]
		switch {
		case before && last.sequence == b.sequence:
			return last.first, 0
		case before && b.sequence != last.sequence+last.count, !before && b.sequence != 0:
			return -1, OutOfOrder
		}
		p.last[producer] = b
	}
	binary.BigEndian.PutUint64(b.text, uint64(b.first))
	p.batches = append(p.batches, b)
	p.end += int64(b.count)
	return b.first, 0
}

// giveRecords gives what lies at an offset and after it.
func (s *Sim) giveRecords(r *reading) writing {
	r.take(4 + 4 + 4 + 4 + 1)
	given := s.ofEach(r, func(number int32, p *partition) writing {
		from, most := r.int64(), r.int32()
		if p == nil {
			return writing{}.int32(number).int16(UnknownTopic).int64(-1).int64(-1).int32(-1).bytes(nil)
		}
		return writing{}.int32(number).int16(0).int64(p.end).int64(p.end).int32(-1).bytes(p.from(from, int(most)))
	})
	return append(writing{}.int32(0), given...)
}

// from gives whole batches, one at the least where there is one.
func (p *partition) from(offset int64, most int) (text []byte) {
	for _, b := range p.batches {
		if b.first+int64(b.count) <= offset {
			continue
		}
		if len(text) > 0 && len(text)+len(b.text) > most {
			break
		}
		text = append(text, b.text...)
	}
	return text
}

// giveOffsets tells where a partition begins (-2), ends (-1), or comes to a time.
func (s *Sim) giveOffsets(r *reading) writing {
	r.int32()
	return s.ofEach(r, func(number int32, p *partition) writing {
		stamp := r.int64()
		offset, code := int64(-1), UnknownTopic
		if p != nil {
			offset, code = p.offsetOf(stamp), 0
		}
		return writing{}.int32(number).int16(code).int64(-1).int64(offset)
	})
}

func (p *partition) offsetOf(stamp int64) int64 {
	switch stamp {
	case -2:
		return 0
	case -1:
		return p.end
	}
	for _, b := range p.batches {
		if b.stamp >= stamp {
			return b.first
		}
	}
	return -1
}
