package mapping

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A function can be called in expressions. It is pure. Where its first argument is
// absent, so is its result: what may be missing is said once, at the key or by ??.
type function struct {
	takes overloads
	call  func(args []any) (any, error)
}

// overloads are what a function can take and gives, as Go types that the checker reads.
type overloads []reflect.Type

func of[F any]() reflect.Type { return reflect.TypeFor[F]() }

// A refusal is why a function cannot give a result. It names no value.
type refusal string

func (r refusal) Error() string { return string(r) }

var (
	ofIdentity = overloads{of[func(identified) string](), of[func(string) string](), of[func(float64) string]()}
	ofText     = overloads{of[func(string) string](), of[func(float64) string](), of[func(bool) string]()}
	ofTime     = overloads{of[func(time.Time) string](), of[func(string) string]()}
)

var functions = map[string]function{
	// Identity numbers, of a person, a party or a relative, or in a text.
	"personnummer":          {ofIdentity, personnummer(func(s string) string { return s })},
	"personnummer10":        {ofIdentity, personnummer(func(s string) string { return s[2:] })},
	"personnummer11":        {ofIdentity, personnummer(func(s string) string { return s[2:8] + "-" + s[8:] })},
	"personnummer13":        {ofIdentity, personnummer(func(s string) string { return s[:8] + "-" + s[8:] })},
	"organisationsnummer":   {ofIdentity, organisationsnummer(func(s string) string { return s })},
	"organisationsnummer11": {ofIdentity, organisationsnummer(func(s string) string { return s[:6] + "-" + s[6:] })},
	"organisationsnummer12": {ofIdentity, organisationsnummer(func(s string) string { return "16" + s })},

	// Times, which are told as in Stockholm.
	"isodate":     {ofTime, timeFunction(time.DateOnly)},
	"isodatetime": {ofTime, timeFunction(time.RFC3339)},
	"formatdate":  {overloads{of[func(time.Time, string) string](), of[func(string, string) string]()}, formatdate},

	// Texts.
	"digits":    {ofText, textFunction(digits)},
	"trim":      {ofText, textFunction(strings.TrimSpace)},
	"upper":     {ofText, textFunction(strings.ToUpper)},
	"lower":     {ofText, textFunction(strings.ToLower)},
	"string":    {ofText, textFunction(func(s string) string { return s })},
	"printable": {ofText, textFunction(printable)},
	"postcode":  {ofText, postcode},
	"split":     {overloads{of[func(string, string) []string]()}, split},
	"join":      {overloads{of[func([]any, string) string](), of[func([]string, string) string]()}, join},
	"replace":   {overloads{of[func(string, string, string) string]()}, replace},
	"substring": {overloads{of[func(string, int, int) string](), of[func(float64, int, int) string]()}, substring},

	// Numbers, as people in Sweden write them or as JSON does.
	"decimal": {ofText, func(args []any) (any, error) { n, err := decimal(args[0]); return string(n), err }},
	"number":  {overloads{of[func(string) float64](), of[func(float64) float64]()}, func(args []any) (any, error) { return decimal(args[0]) }},
}

// builtin makes of a function what expr calls.
func (f function) builtin(name string) *builtin.Function {
	absent := func(args ...any) (any, error) {
		if len(args) > 0 && args[0] == nil {
			return nil, nil
		}
		return f.call(args)
	}
	return &builtin.Function{Name: name, Func: absent, Types: f.takes}
}

// personnummer gives twelve digits in the form that written makes of them. The plus
// sign that a ten-digit number has from the age of a hundred is never written: it would
// need a clock.
func personnummer(written func(string) string) func([]any) (any, error) {
	return func(args []any) (any, error) {
		id, _, err := identityOf(args[0])
		switch {
		case err != nil:
			return nil, err
		case id.IsZero():
			return nil, nil
		}
		return written(id.Reveal()), nil
	}
}

func organisationsnummer(written func(string) string) func([]any) (any, error) {
	return func(args []any) (any, error) {
		_, org, err := identityOf(args[0])
		switch {
		case err != nil:
			return nil, err
		case org.IsZero():
			return nil, nil
		}
		return written(org.Reveal()), nil
	}
}

const notIdentity = refusal("holds no Swedish identity number")

// identityOf reads the number of somebody, or the number in a text: of a person with
// twelve digits, of an organisation with ten, or twelve that begin with 16; a hyphen
// before the last four may be there. Blank text is nobody.
func identityOf(v any) (hub.PersonID, hub.OrgNumber, error) {
	if s, ok := v.(somebody); ok {
		id, org := s.identity()
		return id, org, nil
	}
	written, ok := scalarText(v)
	if !ok {
		return hub.PersonID{}, hub.OrgNumber{}, refusal("is neither a person nor a text")
	}
	written = strings.TrimSpace(written)
	if written == "" {
		return hub.PersonID{}, hub.OrgNumber{}, nil
	}
	if i := len(written) - 5; i > 0 && written[i] == '-' {
		written = written[:i] + written[i+1:]
	}
	if id, err := hub.ParsePersonID(written); err == nil {
		return id, hub.OrgNumber{}, nil
	}
	if org, err := hub.ParseOrgNumber(written); err == nil {
		return hub.PersonID{}, org, nil
	}
	return hub.PersonID{}, hub.OrgNumber{}, notIdentity
}

func timeFunction(layout string) func([]any) (any, error) {
	return func(args []any) (any, error) {
		t, err := timeOf(args[0])
		if err != nil || t.IsZero() {
			return nil, err
		}
		return t.In(hub.Stockholm).Format(layout), nil
	}
}

// formatdate writes a time by a pattern of yyyy, yy, MM, dd, HH, mm, ss and other
// characters that are no letters.
func formatdate(args []any) (any, error) {
	t, err := timeOf(args[0])
	if err != nil || t.IsZero() {
		return nil, err
	}
	pattern, ok := args[1].(string)
	if !ok || strings.ContainsFunc(withoutParts.Replace(pattern), isLetterOrDigit) {
		return nil, refusal("has a pattern that is not made of yyyy, yy, MM, dd, HH, mm and ss")
	}
	return t.In(hub.Stockholm).Format(toLayout.Replace(pattern)), nil
}

var (
	toLayout     = strings.NewReplacer("yyyy", "2006", "yy", "06", "MM", "01", "dd", "02", "HH", "15", "mm", "04", "ss", "05")
	withoutParts = strings.NewReplacer("yyyy", "", "yy", "", "MM", "", "dd", "", "HH", "", "mm", "", "ss", "")
)

func isLetterOrDigit(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }

// timeOf reads a time, or a text that begins with a date as ISO 8601 writes it. A text
// without a zone is Swedish time.
func timeOf(v any) (time.Time, error) {
	switch v := v.(type) {
	case time.Time:
		return v, nil
	case string:
		written := strings.TrimSpace(v)
		if written == "" {
			return time.Time{}, nil
		}
		for _, layout := range []string{
			time.DateOnly, time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "20060102",
		} {
			if t, err := time.ParseInLocation(layout, written, hub.Stockholm); err == nil {
				return t, nil
			}
		}
	}
	return time.Time{}, refusal("is no date, such as 2026-03-02 or 2026-03-02T10:00:00+01:00")
}

func textFunction(f func(string) string) func([]any) (any, error) {
	return func(args []any) (any, error) {
		s, err := textOf(args[0])
		return f(s), err
	}
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// printable puts a blank for each control character, which XML cannot hold: a mapping
// says itself where a text may be changed so.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return ' '
		}
		return r
	}, s)
}

// postcode writes the five digits of a Swedish postcode as the post does: 371 33.
func postcode(args []any) (any, error) {
	s, err := textOf(args[0])
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	d := digits(s)
	if len(d) != 5 {
		return nil, refusal("is no postcode of five digits")
	}
	return d[:3] + " " + d[3:], nil
}

// split gives the parts between the separators, without blanks around them; none of a
// blank text.
func split(args []any) (any, error) {
	s, err := textOf(args[0])
	if err != nil {
		return nil, err
	}
	separator, ok := args[1].(string)
	if !ok || separator == "" {
		return nil, refusal("needs a separator to split at")
	}
	parts := []any{}
	for part := range strings.SplitSeq(s, separator) {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts, nil
}

func join(args []any) (any, error) {
	list, ok := args[0].([]any)
	separator, ok2 := args[1].(string)
	if !ok || !ok2 {
		return nil, refusal("joins a list with a text between")
	}
	parts := make([]string, len(list))
	for i, v := range list {
		if v == nil {
			return nil, refusal("has a list in which a value is missing")
		}
		var err error
		if parts[i], err = textOf(v); err != nil {
			return nil, err
		}
	}
	size := len(separator) * len(parts)
	for _, part := range parts {
		size += len(part)
	}
	if size > mostText {
		return nil, errTooLarge
	}
	return strings.Join(parts, separator), nil
}

// mostText is how many bytes a function may make: far more than any form that is received.
const mostText = 16 << 20

var errTooLarge = refusal("becomes too large")

func replace(args []any) (any, error) {
	s, err := textOf(args[0])
	if err != nil {
		return nil, err
	}
	old, ok := args[1].(string)
	with, ok2 := args[2].(string)
	if !ok || !ok2 {
		return nil, refusal("replaces a text with a text")
	}
	if n := strings.Count(s, old); len(s)+n*(len(with)-len(old)) > mostText {
		return nil, errTooLarge
	}
	return strings.ReplaceAll(s, old, with), nil
}

// substring gives the characters from the first number to before the second, counted
// from 0. What the text does not have is left out.
func substring(args []any) (any, error) {
	s, err := textOf(args[0])
	from, ok := args[1].(int)
	to, ok2 := args[2].(int)
	if err != nil || !ok || !ok2 || from < 0 || to < from {
		return nil, refusal("takes a text and two numbers, the lower first")
	}
	runes := []rune(s)
	return string(runes[min(from, len(runes)):min(to, len(runes))]), nil
}

// decimal reads a number as people in Sweden write it ("1 250,50") or as JSON does, and
// keeps its digits.
func decimal(v any) (json.Number, error) {
	s, err := textOf(v)
	if err != nil {
		return "", err
	}
	s = strings.NewReplacer(" ", "", "\u00a0", "", "\u2009", "", "\u202f", "", "−", "-", ",", ".").Replace(strings.TrimSpace(s))
	whole, fraction, hasPoint := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	if whole == "" || digits(whole) != whole || digits(fraction) != fraction || hasPoint && fraction == "" ||
		len(whole) > 1 && whole[0] == '0' {
		return "", refusal("is no number")
	}
	return json.Number(s), nil
}

// textOf writes a single value as text. What has no one written form is refused.
func textOf(v any) (string, error) {
	if s, ok := scalarText(v); ok {
		return s, nil
	}
	switch v.(type) {
	case nil:
		return "", refusal("has no value")
	case somebody:
		return "", refusal("is a person; write personnummer(…) around it")
	case time.Time:
		return "", refusal("is a time; write isodate(…) around it")
	case []any, []string:
		return "", refusal("is a list; write $for, or join(…) around it")
	}
	return "", refusal("is a group of values; name one of them")
}

func scalarText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return string(v), true
	case bool:
		return strconv.FormatBool(v), true
	case int:
		return strconv.Itoa(v), true
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "", false
		}
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// What follows is put into expressions by the compiler, under names that nobody can
// write: it gives expr our meaning of absence, of literal numbers and of lists.
var internals = map[string]func(args ...any) (any, error){
	" get":     get,
	" value":   func(args ...any) (any, error) { return calculable(args[0]), nil },
	" list":    func(args ...any) (any, error) { return listOf(args[0]), nil },
	" literal": func(args ...any) (any, error) { return literal(args[0]), nil },
}

// get reads a field, an entry or an item. What is absent has only absent fields.
func get(args ...any) (any, error) {
	switch of := args[0].(type) {
	case nil:
		return nil, nil
	case map[string]any:
		if name, ok := args[1].(string); ok {
			return of[name], nil
		}
	case shown:
		if name, ok := args[1].(string); ok {
			return of.field(name), nil
		}
	case table:
		key, err := textOf(args[1])
		return of[key], err
	case []any:
		i, ok := args[1].(int)
		if ok && i < 0 {
			i += len(of)
		}
		if ok && i >= 0 && i < len(of) {
			return of[i], nil
		}
		if ok {
			return nil, nil
		}
		return nil, refusal("asks a list for a field; write $for, or a number in brackets")
	}
	return nil, refusal(fmt.Sprintf("asks a single value for %v", args[1]))
}

// calculable turns literal numbers into such as can be calculated with.
func calculable(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.Atoi(string(v)); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = calculable(v[i])
		}
		return list
	}
	return v
}

// listOf takes one thing as a list of one: a role that one person has, and an element
// that came once in a form without a schema.
func listOf(v any) any {
	switch v.(type) {
	case nil, []any:
		return v
	}
	return []any{v}
}

// literal gives a number as the text that it came in.
func literal(v any) any {
	if n, ok := v.(json.Number); ok {
		return string(n)
	}
	return v
}

// builtins are all functions as expr wants them.
var builtins = allBuiltins()

func allBuiltins() conf.FunctionsTable {
	all := make(conf.FunctionsTable, len(functions)+len(internals))
	for name, f := range functions {
		all[name] = f.builtin(name)
	}
	for name, call := range internals {
		all[name] = &builtin.Function{Name: name, Func: call}
	}
	return all
}
