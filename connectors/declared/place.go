package declared

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Template is the end of an address, or a text, with places to fill in.
type Template struct {
	text   string
	places []string
	unread bool // it is wrong, and that has been said
}

// DocumentPath is the place {document:/A/B}: what stands in the document at that path. It is for what goes
// to the system as the document does, and never for an address.
const DocumentPath = "document:PATH"

// parseAddress reads the end of an address as systems.yaml has it.
func parseAddress(text string, allowed ...string) (Template, error) {
	t, example, err := parseTemplate(text, allowed)
	if err != nil {
		return t, err
	}
	u, err := url.Parse("https://x" + example)
	switch {
	case !strings.HasPrefix(text, "/") || err != nil:
		return t, errors.New("it must begin with / and be the end of an address")
	case strings.Contains(example, "#"):
		return t, errors.New("an address ends before its #")
	case slices.Contains(strings.Split(u.Path, "/"), ".."):
		return t, errors.New("it must not lead upwards")
	}
	return t, nil
}

// parseTemplate finds the places in a text, and gives an example of how it looks filled in.
func parseTemplate(text string, allowed []string) (t Template, example string, err error) {
	t.text = text
	for rest := text; ; {
		before, after, more := strings.Cut(rest, "{")
		if example += before; strings.Contains(before, "}") {
			return t, "", errors.New("a } has no {")
		}
		if !more {
			return t, example, nil
		}
		place, tail, closed := strings.Cut(after, "}")
		if !closed || !isPlace(place, allowed) {
			return t, "", fmt.Errorf("only {%s}, {case.LEG.number} and {case.LEG.ref} can stand there",
				strings.Join(allowed, "}, {"))
		}
		t.places = append(t.places, place)
		rest, example = tail, example+"x"
	}
}

func isPlace(place string, allowed []string) bool {
	if path, is := strings.CutPrefix(place, "document:"); is && slices.Contains(allowed, DocumentPath) {
		p, err := parsePointer(path)
		return err == nil && len(p) > 0
	}
	return slices.Contains(allowed, place) && place != DocumentPath || isReceiptPlace(place)
}

// isReceiptPlace reports whether a place is what the case got before: case.LEG.number or case.LEG.ref.
func isReceiptPlace(place string) bool {
	parts := strings.Split(place, ".")
	return len(parts) == 3 && parts[0] == "case" && parts[1] != "" && (parts[2] == "number" || parts[2] == "ref")
}

// Has reports whether a template has a place.
func (t Template) Has(place string) bool { return slices.Contains(t.places, place) }

// Lacks reports whether it has none of the places, as far as it could be read.
func (t Template) Lacks(places ...string) bool {
	return !t.unread && !slices.ContainsFunc(places, t.Has)
}

// HasOnce reports whether it has a place once, as far as it could be read.
func (t Template) HasOnce(place string) bool { return t.unread || t.count(place) == 1 }

func (t Template) count(place string) (n int) {
	for _, p := range t.places {
		if p == place {
			n++
		}
	}
	return n
}

// Unread reports whether it is wrong, and that has been said.
func (t Template) Unread() bool { return t.unread }

// Places counts what is to be filled in.
func (t Template) Places() int { return len(t.places) }

// ErrPlace says that an address or a request lacks a part: a case has no receipt of that leg, the
// document has nothing at that path, or the system has called something by what cannot be part of an
// address.
var ErrPlace = errors.New("a part of the call is not known, or cannot be one")

// Address gives the end of an address, each value escaped for where it stands.
func (t Template) Address(v Values) (string, error) {
	escape, query := url.PathEscape, false
	return t.fill(func(before, place string) (string, error) {
		if !query && strings.Contains(before, "?") {
			escape, query = url.QueryEscape, true
		}
		value, known := v.text(place)
		if !known || value == "." || value == ".." || value == "" && place != "cursor" {
			return "", ErrPlace
		}
		return escape(value), nil
	})
}

// Text gives a text, each value escaped.
func (t Template) Text(v Values, escape func(string) string) (string, error) {
	return t.fill(func(_, place string) (string, error) {
		value, known := v.text(place)
		if !known || value == "" && place != "cursor" {
			return "", ErrPlace
		}
		return escape(value), nil
	})
}

// Plain gives a text with the values as they are; what is not known is left out.
func (t Template) Plain(v Values) string {
	text, _ := t.fill(func(_, place string) (string, error) {
		value, _ := v.text(place)
		return value, nil
	})
	return text
}

// fill puts in each place what value gives for it, which is told the text before.
func (t Template) fill(value func(before, place string) (string, error)) (string, error) {
	var filled strings.Builder
	rest := t.text
	for _, place := range t.places {
		before, after, _ := strings.Cut(rest, "{"+place+"}")
		put, err := value(before, place)
		if err != nil {
			return "", err
		}
		filled.WriteString(before)
		filled.WriteString(put)
		rest = after
	}
	return filled.String() + rest, nil
}

// Cut parts a template at a place, which it has once.
func (t Template) Cut(place string) (before, after Template) {
	i := slices.Index(t.places, place)
	before.text, after.text, _ = strings.Cut(t.text, "{"+place+"}")
	before.places, after.places = t.places[:i], t.places[i+1:]
	return before, after
}

// Values are what is known of a delivery, to fill in places with.
type Values struct {
	texts    map[string]string
	document hub.Document
}

// ValuesOf gives what is known of a delivery before it is sent.
func ValuesOf(d hub.Delivery) Values {
	v := Values{map[string]string{"key": string(d.Key)}, d.Document}
	for leg, r := range d.Receipts {
		v.texts["case."+leg+".number"], v.texts["case."+leg+".ref"] = r.Number, refOf(r)
	}
	return v
}

// valuesWith gives what is known of a delivery whose document has a receipt.
func valuesWith(d hub.Delivery, r hub.Receipt) Values {
	return ValuesOf(d).With("number", r.Number).With("ref", refOf(r))
}

// With adds what a place is filled in with.
func (v Values) With(place, text string) Values {
	texts := map[string]string{place: text}
	for other, known := range v.texts {
		if other != place {
			texts[other] = known
		}
	}
	return Values{texts, v.document}
}

// text gives what a place is filled in with.
func (v Values) text(place string) (text string, known bool) {
	path, is := strings.CutPrefix(place, "document:")
	if !is {
		text, known = v.texts[place]
		return text, known
	}
	p, err := parsePointer(path)
	if err != nil {
		return "", false
	}
	tree, err := ReadNode(v.document.Reveal(), isXML(v.document), MaxList)
	if err != nil {
		return "", false
	}
	return p.text(tree), true
}
