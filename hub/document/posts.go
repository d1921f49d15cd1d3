package document

import (
	"io"
)

// Records is a document that is one long list, read one record at a time: a register of a
// whole municipality is hundreds of megabytes, and one person in it is two kilobytes.
type Records struct {
	// List is the local names from the root down to the element whose children are the
	// records, such as ["Navetavisering", "Folkbokforingsposter"].
	List []string
	// Head is given the root as far as it has come when the list begins: with all that
	// stands before the list, and the list itself, empty.
	Head func(root *Element) error
	// Each is given every child of the list, whole, in their order. It is nobody's
	// afterwards: the reader holds none of them.
	Each func(record *Element) error
}

// ReadXMLRecords reads one XML document as ReadXML does, and as strictly, and holds no more of
// it at a time than one record; the limits are those of the head, and of each record anew.
// What stands after the list is read and checked, and forgotten. A document without the list is
// read to its end, and neither Head nor Each is called. Text beside records is Malformed, and so
// is a second list.
//
// That the document is whole is known when ReadXMLRecords returns nil, and not before. An error
// of Head or Each ends the reading and is returned as it is.
func ReadXMLRecords(r io.Reader, limits Limits, records Records) error {
	limits = limits.or(Limits{Bytes: 1 << 20, Depth: 100, Elements: 50_000, Attributes: 256})
	_, err := readXML(r, limits.or(Limits{Text: int(limits.Bytes)}), reading{records: &records})
	return err
}

// isList reports whether the innermost open element is the list.
func (s *scanner) isList() bool {
	if s.records == nil || len(s.path) != len(s.records.List) {
		return false
	}
	for i, name := range s.records.List {
		if s.path[i] != name {
			return false
		}
	}
	return true
}

// beginList tells of the head, when an element has begun that is the list.
func (s *scanner) beginList() {
	if !s.isList() {
		return
	}
	if s.listed {
		s.fail(Malformed)
	}
	s.listed = true
	s.endRecord()
	s.mustGo(s.records.Head(s.root))
}

// handOver gives away a record that has ended, and forgets it.
func (s *scanner) handOver(record *Element) {
	if !s.isList() {
		return
	}
	list := s.open[len(s.open)-1].element
	list.Children = list.Children[:0]
	s.endRecord()
	s.mustGo(s.records.Each(record))
}

// endRecord begins to count anew what the next record may cost.
func (s *scanner) endRecord() { s.kept, s.elements = 0, 0 }

func (s *scanner) mustGo(err error) {
	if err != nil {
		panic(failure{err})
	}
}
