package document

import (
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A textRule is what a simple type in a schema for XML asks of a text, as far as it is told here. The
// nil rule asks nothing.
type textRule struct {
	base     string // the type of XML Schema's own that it comes from
	above    *textRule
	allowed  []string
	patterns []*regexp.Regexp // of which one must match
	length   []limit
	value    []limit
	collapse bool
}

// A limit is a facet with a number.
type limit struct {
	rule   string
	number *big.Rat
}

// rule reads a simpleType; nil for a list or a union.
func (s *shaper) rule(d declaration) *textRule {
	defer s.back()
	how, ok := d.child("restriction")
	if !s.follow(d) || !ok {
		return nil
	}
	above := s.ruleAbove(how)
	if above == nil {
		return nil
	}
	rule := &textRule{base: above.base, above: above, collapse: above.collapse}
	for _, facet := range how.each() {
		rule.take(facet.Local(), facet.Attr("value"))
	}
	return rule
}

func (s *shaper) ruleAbove(how declaration) *textRule {
	if written := how.Attr("base"); written != "" {
		if name := how.name(written); name.Space == xsdSpace {
			return &textRule{base: name.Local}
		}
		if found, ok := s.find("type", how, written); ok && found.Local() == "simpleType" {
			return s.rule(found)
		}
		return nil
	}
	if anonymous, ok := how.child("simpleType"); ok {
		return s.rule(anonymous)
	}
	return nil
}

func (r *textRule) take(facet, value string) {
	switch facet {
	case "enumeration":
		r.allowed = append(r.allowed, value)
	case "whiteSpace":
		r.collapse = r.collapse || value == "collapse"
	case "pattern":
		r.takePattern(value)
	case "length", "minLength", "maxLength":
		if n, ok := new(big.Rat).SetString(value); ok {
			r.length = append(r.length, limit{facet, n})
		}
	case "minInclusive", "maxInclusive", "minExclusive", "maxExclusive":
		if n, ok := new(big.Rat).SetString(value); ok && isNumeric(r.base) {
			r.value = append(r.value, limit{facet, n})
		}
	}
}

// beyondGo are words of XML Schema's regular expressions that Go's has not, or means otherwise.
var beyondGo = regexp.MustCompile(`\\[icIC]|\\p\{Is|-\[|[\^$]`)

// takePattern adds a pattern that is for Go what it is for XML Schema. Of one that is not, nothing
// is told of any: only one of them must match.
func (r *textRule) takePattern(value string) {
	spelt := string(openWordClasses([]byte(`<pattern v="` + value + `">`)))
	spelt = strings.TrimSuffix(strings.TrimPrefix(spelt, `<pattern v="`), `">`)
	compiled, err := regexp.Compile(`^(?:` + spelt + `)$`)
	if err != nil || beyondGo.MatchString(value) || strings.ContainsAny(value, `<>`) {
		compiled = anything
	}
	r.patterns = append(r.patterns, compiled)
}

var anything = regexp.MustCompile(`(?s).*`)

// wrong tells which rule a text breaks. Of several it is the outermost type's.
func (r *textRule) wrong(text string) (Violation, bool) {
	if r == nil {
		return Violation{}, false
	}
	if r.collapse || !slices.Contains([]string{"string", "normalizedString", "anySimpleType"}, r.base) {
		text = strings.Join(strings.Fields(text), " ")
	}
	if r.above != nil {
		if broken, is := r.above.wrong(text); is {
			return broken, true
		}
	}
	if lexical := lexicals[r.base]; lexical != nil && !lexical.MatchString(text) {
		return Violation{Rule: "type", Allowed: []string{r.base}}, true
	}
	if r.allowed != nil && !slices.Contains(r.allowed, text) && !isNumeric(r.base) {
		return Violation{Rule: "enumeration", Allowed: r.allowed}, true
	}
	for _, l := range r.length {
		if isText(r.base) && l.broken(new(big.Rat).SetInt64(int64(utf8.RuneCountInString(text)))) {
			return Violation{Rule: l.rule, Allowed: []string{l.number.RatString()}}, true
		}
	}
	if number, ok := new(big.Rat).SetString(text); ok {
		for _, l := range r.value {
			if l.broken(number) {
				return Violation{Rule: l.rule, Allowed: []string{l.number.RatString()}}, true
			}
		}
	}
	fits := func(p *regexp.Regexp) bool { return p.MatchString(text) }
	if len(r.patterns) > 0 && !slices.ContainsFunc(r.patterns, fits) {
		return Violation{Rule: "pattern"}, true
	}
	return Violation{}, false
}

func (l limit) broken(n *big.Rat) bool {
	switch order := n.Cmp(l.number); l.rule {
	case "length":
		return order != 0
	case "minLength", "minInclusive":
		return order < 0
	case "maxLength", "maxInclusive":
		return order > 0
	case "minExclusive":
		return order <= 0
	case "maxExclusive":
		return order >= 0
	}
	return false
}

var (
	whole   = regexp.MustCompile(`^[+-]?\d+$`)
	date    = `-?\d{4,}-\d\d-\d\d`
	clock   = `\d\d:\d\d:\d\d(\.\d+)?`
	zone    = `(Z|[+-]\d\d:\d\d)?`
	natural = regexp.MustCompile(`^(\+?\d+|-0+)$`)
)

// lexicals are how values of XML Schema's own types are written, where it can be said in short.
var lexicals = map[string]*regexp.Regexp{
	"boolean": regexp.MustCompile(`^(true|false|0|1)$`),
	"decimal": regexp.MustCompile(`^[+-]?(\d+(\.\d*)?|\.\d+)$`),
	"integer": whole, "long": whole, "int": whole, "short": whole, "byte": whole,
	"nonNegativeInteger": natural, "unsignedLong": natural, "unsignedInt": natural, "unsignedShort": natural,
	"unsignedByte": natural, "positiveInteger": regexp.MustCompile(`^\+?0*[1-9]\d*$`),
	"date": regexp.MustCompile("^" + date + zone + "$"), "dateTime": regexp.MustCompile("^" + date + "T" + clock + zone + "$"),
	"time": regexp.MustCompile("^" + clock + zone + "$"),
}

func isNumeric(base string) bool {
	lexical := lexicals[base]
	return lexical != nil && !slices.Contains([]string{"boolean", "date", "dateTime", "time"}, base) || base == "float" || base == "double"
}

func isText(base string) bool {
	return slices.Contains([]string{"string", "normalizedString", "token", "anyURI", "NMTOKEN", "Name", "NCName", "ID", "language"}, base)
}

// Reason says in words what a rule asks, of those that Wrong tells.
func (v Violation) Reason() string {
	switch number := strings.Join(v.Allowed, ", "); v.Rule {
	case "maxLength":
		return "is longer than " + number + " characters"
	case "minLength":
		if number == "1" {
			return "is empty"
		}
		return "is shorter than " + number + " characters"
	case "length":
		return "is not " + number + " characters long"
	case "enumeration", "enum":
		return "is none of " + strings.Join(v.Allowed[:min(len(v.Allowed), 12)], ", ") + more(len(v.Allowed)-12)
	case "type":
		return "is no " + strings.Join(v.Allowed, " or ")
	case "maximum", "maxInclusive":
		return "is more than " + number
	case "minimum", "minInclusive":
		return "is less than " + number
	case "pattern":
		return "does not have the form that its pattern asks for"
	}
	return "breaks the rule " + v.Rule
}

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return " and " + strconv.Itoa(n) + " more"
}
