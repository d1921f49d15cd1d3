package paxmlsim

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub/document"
)

// read gives the records about time in a file, or why the file cannot be used. It knows the standard's
// rules in its own way, as whoever wrote a payroll system read them.
func read(text []byte, schema document.Validator) (times []Time, refused string) {
	if err := schema.Validate(text); err != nil {
		return nil, "not right by the schema: " + err.Error()
	}
	root, err := document.ReadXML(bytes.NewReader(text), document.Limits{})
	if err != nil {
		return nil, "no XML, or half a file"
	}
	for _, path := range []string{"lonetransaktioner/lonetrans", "schematransaktioner/schema", "resetransaktioner/resetrans"} {
		for _, e := range root.All(path) {
			if whose(e) == "" {
				return nil, "a record is about nobody"
			}
		}
	}
	if slices.ContainsFunc(root.Children, hasNegative) {
		return nil, "a value is negative"
	}
	for _, e := range root.All("tidtransaktioner/tidtrans") {
		t := timeOf(e)
		if refused := t.unusable(e); refused != "" {
			return nil, refused
		}
		times = append(times, t)
	}
	return times, ""
}

func whose(e *document.Element) string {
	if number := strings.TrimSpace(e.Attr("persnr")); number != "" {
		return number
	}
	return strings.TrimSpace(e.Attr("anstid"))
}

func timeOf(e *document.Element) Time {
	t := Time{
		Who: whose(e), Code: e.Value("tidkod"), Hours: e.Value("timmar"), Extent: e.Value("omfattning"),
		Child: e.Value("barn"), Info: e.Value("info"), From: e.Value("datum"), To: e.Value("datum"),
	}
	if from := e.Value("datumfrom"); from != "" {
		t.From, t.To = from, e.Value("datumtom")
	}
	if from := e.Value("starttid"); from != "" {
		t.From, t.To = from, e.Value("sluttid")
	}
	return t
}

// absent begin the codes of absence.
var absent = []string{
	"SJK", "ASK", "HAV", "FPE", "VAB", "SMB", "UTB", "MIL", "SVE", "NÄR", "TJL", "SEM", "KOM", "PEM", "PER", "FAC",
	"ATK", "KON", "PAP", "ATF", "FR", "FLX", "TS",
}

// unusable says why a record cannot be paid by; "" when it can.
func (t Time) unusable(e *document.Element) string {
	ends := 0 // a day is both of its own
	for name, n := range map[string]int{"datum": 2, "datumfrom": 1, "datumtom": 1, "starttid": 1, "sluttid": 1} {
		ends += n * len(e.All(name))
	}
	absence := slices.ContainsFunc(absent, func(code string) bool { return strings.HasPrefix(t.Code, code) })
	ofDay := e.Child("datum") != nil
	switch {
	case t.Who == "":
		return "a record is about nobody"
	case ends != 2 || t.From == "" || t.To == "":
		return "it cannot be told when"
	case t.From > t.To:
		return "it ends before it begins"
	case t.Hours != "" && !ofDay:
		return "hours of something else than a day"
	case t.Hours != "" && t.Extent != "":
		return "both hours and extent"
	case absence && t.Hours != "" && !t.fitsADay():
		return "absence of no time, or of more than a day"
	case t.Extent != "" && (!absence || e.Child("starttid") != nil):
		return "extent of something that has none"
	case e.Child("datumfrom") != nil && !absence:
		return "an interval of something that is no absence"
	case e.Child("semgrund") != nil:
		return "semgrund is ours to decide"
	case strings.ContainsAny(t.Who+t.Child, "-"):
		return "a number has a hyphen"
	}
	return ""
}

// fitsADay is of absence; a balance (flex, and the like) has no day to fit.
func (t Time) fitsADay() bool {
	hours, err := strconv.ParseFloat(strings.TrimSpace(t.Hours), 64)
	balance := strings.HasPrefix(t.Code, "FLX") || strings.HasPrefix(t.Code, "TS")
	return balance || err == nil && hours != 0 && hours <= 24
}

// hasNegative looks for a number below zero, in e and below it.
func hasNegative(e *document.Element) bool {
	numbers := []string{e.Text}
	for _, a := range e.Attrs {
		numbers = append(numbers, a.Value)
	}
	isNegative := func(s string) bool {
		n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		return err == nil && n < 0
	}
	return slices.ContainsFunc(numbers, isNegative) || slices.ContainsFunc(e.Children, hasNegative)
}
