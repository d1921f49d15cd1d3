// Package kirsim writes files as Skatteverket's Navet sends them to whoever keeps a register of its own
// (avisering): a grunduttag of any number of invented residents, and the changes of the days after it.
// The same Options give the same bytes, and a file of any size takes no memory.
//
// Personal numbers are Skatteverket's official test numbers, or are made in the series of birth numbers
// that are kept for tests (980 to 999), so that nobody has one.
package kirsim

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"
)

// The order that files are of, and the municipality of those in them, when Options name no other.
const (
	Order        = "00000236-FO01-0003"
	Municipality = "1285"
)

// Options say what is written.
type Options struct {
	Residents    int      // that are made up
	Persons      []Person // beside them, first in the grunduttag
	Files        int      // of the grunduttag; 0 means 1
	Order        string   // "" = the constant of that name
	Municipality string   // "" = the constant of that name
	Serial       int      // LopNr of the first file; 0 means 1
	Day          time.Time
	Latin1       bool // ISO-8859-1 in place of UTF-8
}

// A Sim is one municipality's order.
type Sim struct{ Options }

// New makes a Sim.
func New(o Options) (*Sim, error) {
	if o.Files == 0 {
		o.Files = 1
	}
	if o.Order == "" {
		o.Order = Order
	}
	if o.Municipality == "" {
		o.Municipality = Municipality
	}
	if o.Serial == 0 {
		o.Serial = 1
	}
	switch {
	case o.Residents < 0 || o.Residents > mostResidents:
		return nil, fmt.Errorf("kirsim: there are test numbers for at most %d residents", mostResidents)
	case o.Day.IsZero():
		return nil, errors.New("kirsim: the day of the grunduttag is required")
	case len(o.Municipality) != 4:
		return nil, errors.New("kirsim: the municipality is a kommunkod")
	}
	return &Sim{o}, nil
}

// Total is how many residents the grunduttag has.
func (s *Sim) Total() int { return len(s.Persons) + s.Residents }

// Person gives one of them, from 0.
func (s *Sim) Person(n int) Person {
	if n < len(s.Persons) {
		return s.Persons[n]
	}
	return s.made(n - len(s.Persons))
}

// Extract writes one file of the grunduttag, from 1.
func (s *Sim) Extract(w io.Writer, file int) error {
	if file < 1 || file > s.Files {
		return fmt.Errorf("kirsim: the grunduttag has %d files", s.Files)
	}
	first, last := s.Total()*(file-1)/s.Files, s.Total()*file/s.Files
	out := s.begin(w, information{
		kind: "Grunduttag", name: fmt.Sprintf("GRUND%03d.XML", file), day: s.Day, posts: last - first, total: s.Total(),
		files: s.Files, file: file, job: 1000 + s.Serial, serial: s.Serial + file - 1,
	})
	for n := first; n < last; n++ {
		out.post(s.Person(n).post(s.Municipality))
	}
	return out.end()
}

// Changes writes one file of changes, with a LopNr.
func (s *Sim) Changes(w io.Writer, serial int, day time.Time, posts ...Post) error {
	out := s.begin(w, information{
		kind: "Ändringsavisering", name: "ANDRAVI.XML", day: day, posts: len(posts), total: len(posts),
		files: 1, file: 1, job: 1000 + serial, serial: serial,
	})
	for _, p := range posts {
		out.post(p)
	}
	return out.end()
}

// information is what a file says of itself.
type information struct {
	kind, name                             string
	day                                    time.Time
	posts, total, files, file, job, serial int
}

// output is a file being written. Its first error is kept.
type output struct {
	w      *bufio.Writer
	latin1 bool
	err    error
}

func (s *Sim) begin(w io.Writer, i information) *output {
	out := &output{w: bufio.NewWriterSize(w, 64<<10), latin1: s.Latin1}
	charset := "UTF-8"
	if s.Latin1 {
		charset = "ISO-8859-1"
	}
	out.text(`<?xml version="1.0" encoding="` + charset + `"?>` + "\n<Navetavisering>\n  " +
		element("Aviseringsinformation",
			element("Medieleverantor", leaf("OrgNr", "162021005448"), leaf("Organisationsnamn", "SKATTEVERKET")),
			element("Mediemottagare", leaf("KundNr", s.Order[:8]), leaf("OrgNr", "162021004748"), leaf("Organisationsnamn", "KOMMUN A")),
			element("Filinformation",
				leaf("BestallningsId", s.Order), leaf("Bestallningstyp", i.kind), leaf("Produkt", "NAVET"),
				element("Utfil",
					leaf("Filnamn", i.name), leaf("Effektueringsdatum", i.day.Format("20060102")),
					number("AntalPoster", i.posts), number("AntalPosterTotalt", i.total), number("AntalFiler", i.files),
					number("FilNr", i.file), number("JobbId", i.job), number("LopNr", i.serial),
				),
			),
		) + "\n  <Folkbokforingsposter>\n")
	return out
}

func (o *output) post(p Post) { o.text("    " + p.xml() + "\n") }

func (o *output) end() error {
	o.text("  </Folkbokforingsposter>\n</Navetavisering>\n")
	return errors.Join(o.err, o.w.Flush())
}

func (o *output) text(text string) {
	if !o.latin1 {
		o.w.WriteString(text)
		return
	}
	for _, r := range text {
		if r > 0xFF {
			o.err = errors.New("kirsim: a character that ISO-8859-1 lacks")
			return
		}
		o.w.WriteByte(byte(r))
	}
}
