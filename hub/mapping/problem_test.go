package mapping

import (
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub/document"
)

// whole completes a document: with a head, so that it begins on line 3.
func whole(output, document string) string {
	return "operation: x\noutput: " + output + "\n" + document
}

func TestCompileProblems(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", "1: the file is empty"},
		{"no mapping", "- a", "1: here `key: value` lines must stand (column 1)"},
		{"nothing said", "tables: {}", "1: document: is missing\n1: operation: is missing\n1: output: is missing"},
		{"unknown key", whole("json", "documents: 1\ndocument: 1"), "3: there is no key documents; is it document? (column 1)"},
		{"output", whole("csv", "document: { R: 1 }"), "2: output: is xml or json, not csv (column 9)"},
		{"charset", whole("xml", "charset: utf-16\ndocument: { R: 1 }"), "3: charset: is utf-8 or iso-8859-1, not utf-16 (column 10)"},
		{"charset of json", whole("json", "charset: utf-8\ndocument: 1"), "3: charset: is for xml; json is always utf-8 (column 10)"},
		{"schema missing", whole("xml", "schema: a.xsd\ndocument: { R: 1 }"), "3: schema: there is no file schemas/a.xsd (column 9)"},
		{"schema outside", whole("xml", "schema: ../a.xsd\ndocument: { R: 1 }"), "3: schema: ../a.xsd does not stand under schemas/ (column 9)"},
		{"twice", whole("json", "document:\n  a: 1\n  a: 2"), "5: the key a comes twice; a list under one key repeats it (column 3)"},
		{"twice with ?", whole("json", "document:\n  a: 1\n  a?: 2"), "4: the document has the same key twice, with and without ? (column 3)"},
		{"anchor", whole("json", "document:\n  a: &x 1\n  b: *x"),
			"4: anchors and aliases (&, * and <<) are not part of the language; write it out (column 3)\n" +
				"5: anchors and aliases (&, * and <<) are not part of the language; write it out (column 3)"},
		{"two roots", whole("xml", "document:\n  A: 1\n  B: 1"), "4: document: holds one key, the root element (column 3)"},
		{"root left out", whole("xml", "document:\n  A?: 1"), "4: the root element must always be there, once (column 3)"},
		{"two dots", whole("xml", "document:\n  A:\n    b: ${a ? b : c}\n    c: x: y"), "5: a text that holds `: ` must stand in quotes (column 16)"},
		{"value in braces", whole("json", "document:\n  A: { b: ${answers.x} }"), "4: between { } or [ ] a text with ${ } must stand in quotes (column 12)"},
		{"value in brackets", whole("json", "document:\n  A: [ ${answers.x}, 1 ]"), "4: between { } or [ ] a text with ${ } must stand in quotes (column 9)"},
		{"tab", whole("json", "document:\n\tA: 1"),
			"4: a line is indented with blanks, never with a tab, and a text begins with a letter or stands in quotes (column 1)"},
		{"at", whole("xml", "document:\n  A:\n    @id: 1"), "5: nothing can begin with @ in YAML; an attribute stands under $attrs (column 5)"},
		{"zero", whole("json", "document:\n  kod: 0114"), "4: 0114 must stand in quotes: without them its zero is lost in many tools (column 8)"},
		{"odd number", whole("json", "document:\n  kod: 1_000\n  b: 0x1F"),
			"4: 1_000 must stand in quotes: as a number it would be read in several ways (column 8)\n" +
				"5: 0x1F must stand in quotes: as a number it would be read in several ways (column 6)"},
		{"list in list", whole("xml", "document:\n  A:\n    b: [[1]]"), "5: a list in a list has no element in xml (column 9)"},
		{"name", whole("xml", "document:\n  A:\n    1b: x"), "4: a name that XML does not allow in /A"},
		{"prefix", whole("xml", "document:\n  A:\n    p:b: x"), "4: a prefix that is not declared in /A"},
		{"charset of the text", whole("xml", "charset: iso-8859-1\ndocument:\n  A:\n    b: 5 € \n"), "6: a character in /A/b is not in ISO-8859-1"},

		{"instruction", whole("xml", "document:\n  A:\n    $foreach: x in attachments"), "5: no instruction is called $foreach (column 5)"},
		{"near instruction", whole("xml", "document:\n  A:\n    $attr: {}"), "5: no instruction is called $attr; is it $attrs? (column 5)"},
		{"attrs in json", whole("json", "document:\n  $attrs: {}"), "4: $attrs is for xml (column 3)"},
		{"text in json", whole("json", "document:\n  $text: x"), "4: $text is for xml; in json write $value (column 3)"},
		{"value in xml", whole("xml", "document:\n  A:\n    $value: x"), "5: $value is for json; in xml write $text (column 5)"},
		{"text and keys", whole("xml", "document:\n  A:\n    $text: x\n    b: y"), "4: A has both a text and keys below it (column 3)"},
		{"for", whole("xml", "document:\n  A:\n    b: { $for: attachments }"), "5: write `$for: NAME in LIST`, or `$for: NAME, NUMBER in LIST` (column 16)"},
		{"for with value", whole("xml", "document:\n  A:\n    b: { $for: 'f in ${attachments}' }"), "5: after $if and $for the expression stands without ${ } (column 16)"},
		{"if with value", whole("xml", "document:\n  A:\n    b: { $if: '${answers.a}' }"), "5: after $if and $for the expression stands without ${ } (column 15)"},
		{"taken", whole("json", "document:\n  b: { $for: service in attachments, $value: 1 }"),
			"4: attachments gives its items the name service, which is taken (column 25)"},
		{"no list", whole("json", "document:\n  b: { $for: x in service.title, $value: 1 }"), "4: service.title is a text and no list (column 19)"},
		{"condition", whole("json", "document:\n  b: { $if: service.title, $value: 1 }"), "4: service.title is a text, and not yes or no (column 13)"},

		{"not closed", whole("json", "document:\n  b: ${answers.a"), "4: a ${ is not closed by a } (column 6)"},
		{"nothing", whole("json", "document:\n  b: ${ }"), "4: there is no value in ${ } (column 8)"},
		{"unknown field", whole("json", "document:\n  b: ${service.titel}"), "4: unknown field titel; is it title? (column 16)\n | service.titel\n | ........^"},
		{"in quotes", whole("json", "document:\n  b: 'x ${service.titel}'"), "4: unknown field titel; is it title? (column 19)\n | service.titel\n | ........^"},
		{"in a loop", whole("json", "document:\n  b: { $for: fil in attachments, $value: '${fil.naame}' }"),
			"4: unknown field naame; is it name? (column 49)\n | fil.naame\n | ....^"},
		{"unknown table", whole("json", "document:\n  b: ${tables.x['a']}"), "4: unknown field x (column 15)\n | tables.x['a']\n | .......^"},
		{"function", whole("json", "document:\n  b: ${personnumer(answers.a)}"),
			"4: no function is called personnumer; is it personnummer? (column 8)\n | personnumer(answers.a)\n | ^"},
		{"clock", whole("json", "document:\n  b: ${now()}"), "4: there is no now(): a document must be the same whenever it is made; " +
			"dates have isodate, isodatetime and formatdate (column 8)\n | now()\n | ^"},
		{"map order", whole("json", "document:\n  b: ${keys(answers)}"), "4: no function is called keys (column 8)\n | keys(answers)\n | ^"},
		{"method", whole("json", "document:\n  b: ${inkommen.Year()}"),
			"4: a value has no functions of its own; write the function's name first (column 17)\n | inkommen.Year()\n | .........^"},
		{"env", whole("json", "document:\n  b: ${$env.answers}"), "4: unknown name $env (column 8)\n | $env.answers\n | ^"},
		{"range", whole("json", "document:\n  b: ${len(1..9)}"), "4: a mapping has no ranges (column 13)\n | len(1..9)\n | .....^"},
		{"computed", whole("json", "document:\n  b: ${answers['a' + answers.b]}"),
			"4: a computed name can only be looked up in a table: tables.NAME[…] (column 20)\n | answers['a' + answers.b]\n | ............^"},
		{"operator", whole("json", "document:\n  b: ${service.title + 1}"),
			"4: + cannot stand between a text and a number (column 22)\n | service.title + 1\n | ..............^"},
		{"argument", whole("json", "document:\n  b: ${digits(inkommen)}"), "4: digits cannot take a time (column 15)\n | digits(inkommen)\n | .......^"},
		{"arguments", whole("json", "document:\n  b: ${digits()}"), "4: digits is given too few values (column 8)\n | digits()\n | ^"},
		{"end", whole("json", "document:\n  b: ${service.title +}"), "4: the expression ends too early (column 22)\n | service.title +\n | ..............^"},

		{"person", whole("json", "document:\n  b: ${parties.sökande}"), "4: ${parties.sökande} is a person; write ${personnummer(parties.sökande)} (column 8)"},
		{"time", whole("json", "document:\n  b: ${inkommen}"), "4: ${inkommen} is a time; write ${isodate(inkommen)} (column 8)"},
		{"list in text", whole("xml", "document:\n  A: x ${attachments}"), "4: ${attachments} is a list; write $for, or join(…) around it (column 10)"},
		{"receipt", whole("json", "document:\n  b: ${case.diarium}"), "4: ${case.diarium} is a receipt; name one of its fields (column 8)"},

		{"all at once", whole("xml", "document:\n  A:\n    $foreach: x\n    b: ${service.titel}\n    c: ${now()}"),
			"5: no instruction is called $foreach (column 5)\n" +
				"7: there is no now(): a document must be the same whenever it is made; dates have isodate, isodatetime and formatdate (column 10)\n | now()\n | ^"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, problems := Compile(files(arende, tt.text), arende)
			if m != nil {
				t.Error("a mapping with problems")
			}
			checkProblems(t, problems, tt.want)
		})
	}
}

// checkProblems compares problems with "line: text" lines.
func checkProblems(t *testing.T, problems []Problem, want string) {
	t.Helper()
	var got []string
	for _, p := range problems {
		got = append(got, strings.TrimPrefix(p.String(), arende+":"))
	}
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
}

func TestNoSuchFile(t *testing.T) {
	_, problems := Compile(files(), arende)
	checkProblems(t, problems, "1: there is no such file")
}

// A route's own names are checked where the route is known.
func TestCheckFor(t *testing.T) {
	env := Env{
		Answers: &document.Type{Kind: document.ObjectType, Open: true, Fields: map[string]*document.Type{
			"fastighet": {Kind: document.StringType},
			"antal":     {Kind: document.IntegerType},
			"fritt":     {Kind: document.AnyType},
			"barn": {Kind: document.ArrayType, Items: &document.Type{Kind: document.ObjectType, Fields: map[string]*document.Type{
				"namn": {Kind: document.StringType},
			}}},
		}},
		Parties: map[string]bool{"sökande": false, "barn": true},
		Lookups: map[string]bool{"sökande": false, "vårdnadshavare": true},
		Legs:    []string{"diarium"},
		Case:    []string{"diarium", "bygg"},
	}
	tests := []struct{ name, value, want string }{
		{"right", `${answers.fastighet}`, ""},
		{"number", `${answers.antal + 1}`, ""},
		{"free", `${answers.fritt.vad.som.helst}`, ""},
		{"loop", `{ $for: b in answers.barn, $value: "${b.namn}" }`, ""},
		{"parties", `{ $for: b in parties.barn, $value: "${personnummer(b)}" }`, ""},
		{"one party", `{ $for: b in parties.sökande, $value: "${personnummer(b)}" }`, ""},
		{"relatives", `'${map(sökande.guardians, .name)}'`, ""},
		{"receipts", `${diarium.number} ${case.bygg.number}`, ""},
		{"mixed default", `${answers.antal ?? ""}`, ""},

		{"field", `${answers.fastighett}`, "4: unknown field fastighett; is it fastighet? (column 16)\n | answers.fastighett\n | ........^"},
		{"field in predicate", `'${map(answers.barn, .nam)}'`, "4: unknown field nam; is it namn? (column 28)\n | map(answers.barn, .nam)\n | ...................^"},
		{"field in loop", `{ $for: b in answers.barn, $value: "${b.nam}" }`, "4: unknown field nam; is it namn? (column 46)\n | b.nam\n | ..^"},
		{"name", `${sokande.given}`, "4: unknown name sokande; is it sökande? (column 8)\n | sokande.given\n | ^"},
		{"role", `${personnummer(parties.sokande)}`, "4: unknown field sokande; is it sökande? (column 29)\n | personnummer(parties.sokande)\n | .....................^"},
		{"leg not waited for", `${bygg.number}`, "4: unknown name bygg; it is a leg of the route: write after: bygg at this leg, which then waits for its receipt (column 8)\n | bygg.number\n | ^"},
		{"person", `${sökande}`, "4: ${sökande} is a person; write ${personnummer(sökande)} (column 8)"},
		{"persons", `${vårdnadshavare}`, "4: ${vårdnadshavare} is a list of persons; write $for, and personnummer(…) for each (column 8)"},
		{"relative", `${sökande.guardians[0]}`, "4: ${sökande.guardians[0]} is a person; write ${personnummer(sökande.guardians[0])} (column 8)"},
		{"list as person", `${personnummer(parties.barn)}`, "4: personnummer cannot take a list (column 29)\n | personnummer(parties.barn)\n | .....................^"},
		{"field of a list", `${vårdnadshavare.given}`, "4: a list has no fields; write $for, or a number in brackets (column 23)\n | vårdnadshavare.given\n | ...............^"},
		{"operator", `${answers.fastighet * 2}`, "4: * cannot stand between a text and a number (column 26)\n | answers.fastighet * 2\n | ..................^"},
		{"no list", `{ $for: b in answers.fastighet, $value: 1 }`, "4: answers.fastighet is a text and no list (column 19)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := compiled(t, whole("json", "document:\n  v: "+tt.value+"\n"))
			checkProblems(t, m.CheckFor(env), tt.want)
		})
	}
	t.Run("clash", func(t *testing.T) {
		m := compiled(t, whole("json", "document:\n  v: 1\n"))
		checkProblems(t, m.CheckFor(Env{Lookups: map[string]bool{"answers": false, "diarium": false}, Legs: []string{"case", "diarium"}}),
			"1: the route calls a leg case, which is the name of something else\n"+
				"1: the route calls a register's answer answers, which is the name of something else\n"+
				"1: the route calls a register's answer diarium, which is the name of something else")
	})
}

// Whatever somebody writes: a Mapping or problems, never both, none, or a panic; and what
// compiles can be rendered or says why not.
func FuzzCompile(f *testing.F) {
	f.Add(caseMapping)
	f.Add(whole("json", "document:\n  b: { $for: 'x, n in answers.a', $if: n > 1, $value: '${map(x, {.y ?? 1})}' }"))
	f.Add(whole("json", "tables: { a: { b: 1 } }\ndocument: [ '${tables.a[answers.x]}', $${, ${, '${\"}\"}' ]"))
	f.Add(whole("xml", "charset: iso-8859-1\ndocument: { A: { $attrs: { 'a?': '${answers.x}' }, b: [ 1, { $text: x } ] } }"))
	f.Fuzz(func(t *testing.T, text string) {
		m, problems := Compile(files(arende, text), arende)
		if (m == nil) != (len(problems) > 0) {
			t.Fatalf("mapping %v, problems %v", m, problems)
		}
		for _, p := range problems {
			if p.File != arende || p.Line < 1 || p.Text == "" {
				t.Errorf("no place or text: %#v", p)
			}
		}
		if m == nil {
			return
		}
		k := known(t, form)
		if first, err := m.Render(k); err == nil {
			if again, err := m.Render(k); err != nil || again.SHA256() != first.SHA256() {
				t.Error("not pure")
			}
		}
	})
}
