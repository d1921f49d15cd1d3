package paxml

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// The rules that the standard's document has and its schema does not check. Rules 1 and 6 are of every
// record, 2 to 5 and 7 of those about time (tidtrans). Beside them stand what a file must be to be
// PAXml 2.0 at all, and what files that are about got wrong: a 10-digit persnr, and the name of a zone
// behind a time.
const (
	ruleWho      = "rule 1: who it is about must be said, by anstid or persnr"
	ruleWhen     = "rule 2: it must be said when, by one of datum, datumfrom with datumtom, and starttid with sluttid"
	ruleInterval = "rule 3: an interval goes with omfattning and never with timmar, and timmar is of a single day"
	ruleExtent   = "rule 4: omfattning, and an interval, are of absence, and this code is of time that was worked or is paid"
	ruleClock    = "rule 5: starttid and sluttid say how much it is: timmar and omfattning stand beside neither"
	rulePositive = "rule 6: values are positive, those of absence and deductions too; a negative one is a correction"
	ruleSemgrund = "rule 7: semgrund is left out: the payroll system decides what counts towards holiday"

	notPAXml     = "the root element must be paxml, in no namespace"
	notVersion2  = "header/version must be 2.0, which is the version that this connector knows"
	notVersion22 = "header/version is 2.2, which this connector does not know: its schema is not public. Write 2.0"
	notTwelve    = "a personnummer has twelve digits here, without a hyphen"
	notTime      = "a time is written YYYY-MM-DDThh:mm:ss, without the name of a zone"
	notForwards  = "the end lies before the beginning"
	notOfADay    = "the hours of a day's absence are more than none, and 24 at the most"
)

// A reading is a document that is being held against the rules.
type reading struct {
	Config
	found []hub.Breach
}

// breaches gives every place where a document is not such PAXml as a payroll system can be trusted to
// read. What its schema tells is the mapping's to see to.
func (c Config) breaches(d hub.Document) []hub.Breach {
	r := &reading{Config: c}
	root, err := document.ReadXML(bytes.NewReader(d.Reveal()), document.Limits{})
	var syntax *document.SyntaxError
	switch {
	case errors.As(err, &syntax):
		r.add("", syntax.Error())
	case err != nil:
		r.add("", "the document cannot be read")
	case root.Local() != "paxml" || root.Space() != "":
		r.add(root.Local(), notPAXml)
	default:
		r.version(root)
		r.below(root, "paxml")
	}
	return r.found
}

func (r *reading) add(path, text string) {
	if path != "" {
		text = path + ": " + text
	}
	r.found = append(r.found, hub.Breach{Path: path, Text: text})
}

func (r *reading) version(root *document.Element) {
	switch root.Value("header/version") {
	case "2.0":
	case "2.2":
		r.add("paxml/header/version", notVersion22)
	default:
		r.add("paxml/header/version", notVersion2)
	}
}

// below goes through what stands under an element, at its path. Where there are several of a name the
// path says which, from 1.
func (r *reading) below(e *document.Element, path string) {
	of, seen := map[string]int{}, map[string]int{}
	for _, child := range e.Children {
		of[child.Name]++
	}
	for _, child := range e.Children {
		at := path + "/" + child.Name
		if seen[child.Name]++; of[child.Name] > 1 {
			at = fmt.Sprintf("%s[%d]", at, seen[child.Name])
		}
		r.element(child, at)
		r.below(child, at)
	}
}

// The records that are about somebody.
var records = []string{"tidtrans", "lonetrans", "resetrans", "schema", "person", "lonebesked", "saldo"}

func (r *reading) element(e *document.Element, path string) {
	if slices.Contains(records, e.Local()) {
		r.record(e, path)
	}
	if e.Local() == "tidtrans" {
		r.time(e, path)
	}
	for _, a := range e.Attrs {
		r.value(a.Name, a.Value, path+"/@"+a.Name)
	}
	if len(e.Children) == 0 {
		r.value(e.Local(), strings.TrimSpace(e.Text), path)
	}
}

func (r *reading) record(e *document.Element, path string) {
	if strings.TrimSpace(e.Attr("anstid")) == "" && strings.TrimSpace(e.Attr("persnr")) == "" {
		r.add(path, ruleWho)
	}
	if from, to := e.Value("datumfrom"), e.Value("datumtom"); from > to && to != "" {
		r.add(path+"/datumtom", notForwards)
	}
	if from, to := e.Value("starttid"), e.Value("sluttid"); from > to && to != "" {
		r.add(path+"/sluttid", notForwards)
	}
}

// time holds a record about time against rules 2 to 5, and 7.
func (r *reading) time(e *document.Element, path string) {
	has := func(name string) bool { return e.Child(name) != nil }
	ways := 0
	for _, way := range [][2]string{{"datum", "datum"}, {"datumfrom", "datumtom"}, {"starttid", "sluttid"}} {
		if has(way[0]) != has(way[1]) {
			ways = -3 // half of one, whatever else is there
		} else if has(way[0]) {
			ways++
		}
	}
	if ways != 1 {
		r.add(path, ruleWhen)
	}
	if has("datumfrom") && has("timmar") {
		r.add(path+"/timmar", ruleInterval)
	}
	if isAbsence(e.Value("tidkod")) && !isOfADay(e.Value("timmar")) {
		r.add(path+"/timmar", notOfADay)
	}
	if isWorked(e.Value("tidkod")) {
		for _, name := range []string{"omfattning", "datumfrom"} {
			if has(name) {
				r.add(path+"/"+name, ruleExtent)
			}
		}
	}
	for _, name := range []string{"timmar", "omfattning"} {
		if has("starttid") && has(name) {
			r.add(path+"/"+name, ruleClock)
		}
	}
	if has("timmar") && has("omfattning") {
		r.add(path+"/omfattning", "timmar and omfattning say how much it is in two ways: one of them is left out")
	}
	if has("semgrund") && !r.Semgrund {
		r.add(path+"/semgrund", ruleSemgrund)
	}
}

// worked are the tidkoder that are of time which was worked or is paid, by how they begin: hours,
// overtime, on-call time, travel, supplements. FLX and TS1 to TS9, balances that go up and down, are
// neither these nor absence.
var worked = []string{
	"TID", "ARB", "MER", "ÖT", "ÖK", "OB", "OS", "JR", "JS", "BE", "BS", "RE", "HLG", "SKI", "LT", "NV",
}

func isWorked(tidkod string) bool {
	return slices.ContainsFunc(worked, func(code string) bool { return strings.HasPrefix(tidkod, code) })
}

// isAbsence leaves out time that was worked, of which a day on call has 25 hours when summer time ends,
// and balances, whose hours are of many days.
func isAbsence(tidkod string) bool {
	return !isWorked(tidkod) && !strings.HasPrefix(tidkod, "FLX") && !strings.HasPrefix(tidkod, "TS")
}

// isOfADay takes what is no number too, and less than none: other rules are for those.
func isOfADay(hours string) bool {
	n, err := strconv.ParseFloat(hours, 64)
	return err != nil || n < 0 || n > 0 && n <= 24
}

// What single values must be, by name: how much, of whom, and at what time.
var (
	amounts = []string{"timmar", "omfattning", "antal", "apris", "belopp", "moms", "kilometer"}
	persons = []string{"persnr", "barn"}
	times   = []string{"starttid", "sluttid", "tidpunkt"}
)

func (r *reading) value(name, value, path string) {
	switch {
	case slices.Contains(amounts, name) && strings.HasPrefix(value, "-") && !r.Corrections:
		r.add(path, rulePositive)
	case slices.Contains(persons, name) && !isTwelve(value):
		r.add(path, notTwelve)
	case slices.Contains(times, name) && strings.Contains(value, "["):
		r.add(path, notTime)
	case name == "datum" && strings.Contains(path, "/header/") && strings.Contains(value, "["):
		r.add(path, notTime)
	}
}

// isTwelve takes letters too: a temporary number may have them in the last four.
func isTwelve(number string) bool {
	return len(number) == 12 && !strings.ContainsFunc(number, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z')
	})
}
