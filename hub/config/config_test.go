package config

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// The kinds of system that these tests' municipalities have.
var connectors = []hub.Connector{
	hub.Define("platform", "A form platform.", func(_ context.Context, _ hub.Env, c platformConfig) (hub.System, error) {
		return hub.System{Source: source{}, Collects: []string{strings.TrimPrefix(c.URL, "https://")}}, nil
	}),
	hub.Define("register", "A register.", func(context.Context, hub.Env, registerConfig) (hub.System, error) {
		return hub.System{Register: register{}}, nil
	}),
	hub.Define("box", "A system that takes cases.", func(_ context.Context, _ hub.Env, c boxConfig) (hub.System, error) {
		return hub.System{Destination: destination{}, Can: hub.Capabilities{"case": {Level: hub.Blind}}}, nil
	}),
	hub.Define("notices", "Tells citizens that there is news.", func(context.Context, hub.Env, noticesConfig) (hub.System, error) {
		return hub.System{Teller: teller{}}, nil
	}),
	hub.Define("json", "Posts our own JSON.", func(context.Context, hub.Env, struct{}) (hub.System, error) {
		return hub.System{}, nil
	}),
}

type (
	platformConfig struct {
		URL  string `yaml:"url"`
		User string `yaml:"user,omitempty"`
	}
	registerConfig struct {
		URL   string     `yaml:"url"`
		Order string     `yaml:"order,omitempty"`
		Key   hub.Secret `yaml:"key,omitempty"`
	}
	boxConfig struct {
		Folder  string         `yaml:"folder"`
		Lag     time.Duration  `yaml:"lag,omitempty"`
		Size    int            `yaml:"size,omitempty"`
		Quiet   *bool          `yaml:"quiet,omitempty"`
		Nested  nested         `yaml:"nested,omitempty"`
		Names   []string       `yaml:"names,omitempty"`
		Numbers map[int]string `yaml:"numbers,omitempty"`
	}
	noticesConfig struct {
		URL  string `yaml:"url,omitempty"`
		Page string `yaml:"page,omitempty" link:"yes"`
	}
	nested struct {
		Place string `yaml:"place"`
	}
	source      struct{ hub.Source }
	register    struct{ hub.Register }
	destination struct{ hub.Destination }
	teller      struct{ hub.Teller }
)

// small is a whole configuration in which nothing is wrong.
func small() fstest.MapFS {
	return texts(map[string]string{
		"knutpunkt.yaml": `
clients:
  oep: { municipalities: ["0114"], services: ["*"], secrets: [env:OEP] }
`,
		"routes/vasby/municipality.yaml": `
code: "0114"
name: Upplands Väsby kommun
`,
		"routes/vasby/systems.yaml": `
navet:
  connector: register
  url: https://navet.example
  key: env:NAVET
diarium:
  connector: box
  folder: /srv/in
  words: { Öppet: registrerat }
`,
		"routes/shared/systems.yaml": `
oep:
  connector: platform
  url: http://127.0.0.1:8711
`,
		"routes/vasby/altan.yaml": `
title: Altan
from: { system: oep, service: "702" }
answers: altan.json
parties:
  - { role: sökande, id: "${answers.pnr}", follows: true }
enrich:
  - { register: navet, person: "${parties.sökande}", as: sökande }
deliver:
  - { to: diarium, mapping: box/arende, on: first, step: registrerat, voice: true }
  - { to: diarium, name: mer, mapping: box/arende, on: completion }
protected: hold
expect: { beslutat: 10 veckor }
keep: 90 dagar
decision: KS 2026-1
owner: bygg@vasby.example
`,
		"schemas/altan.json": `{"type":"object","properties":{"pnr":{"type":"string"},"hus":{"type":"string"}}}`,
		"mappings/box/arende.yaml": `
operation: case
output: json
document:
  titel: ${service.title}
  hus?: ${answers.hus}
schema: none
`,
		"mappings/box/arende.test/altan/given.json": `{"municipality":{"code":"0114","name":"Väsby"},"title":"Altan",` +
			`"submission":{"id":"1","service":"702","inkommen":"2026-03-02T10:00:00+01:00","answers":{"hus":"A 1:1"}}}`,
		"mappings/box/arende.test/altan/want.json": `{"titel":"Altan","hus":"A 1:1"}`,
	})
}

// texts makes files; the line break that a text begins with is not part of it.
func texts(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(strings.TrimPrefix(text, "\n"))}
	}
	return fsys
}

// with gives the small configuration with one text replaced in one of its files.
func with(t *testing.T, file, old, replacement string) fstest.MapFS {
	t.Helper()
	fsys := small()
	text := string(fsys[file].Data)
	if !strings.Contains(text, old) {
		t.Fatalf("%s does not hold %q", file, old)
	}
	fsys[file] = &fstest.MapFile{Data: []byte(strings.Replace(text, old, replacement, 1))}
	return fsys
}

func TestCheckFindsNothingWrongWithWhatIsRight(t *testing.T) {
	for _, p := range Check(small(), connectors) {
		t.Error(p)
	}
}

const (
	routeFile   = "routes/vasby/altan.yaml"
	councilFile = "routes/vasby/municipality.yaml"
	systemsFile = "routes/vasby/systems.yaml"
)

// Each row makes one thing wrong, and is told of that and of nothing else, at its line.
func TestCheckTellsWhatIsWrong(t *testing.T) {
	for _, row := range []struct{ name, file, old, replacement, want string }{
		{"unknown key in a route", routeFile, "keep:", "keeep:",
			routeFile + `:13: there is no key called keeep; did you mean keep? (column 1)`},
		{"unknown key in a leg", routeFile, "on: first,", "only: first,",
			routeFile + ":9: there is no key called only in deliver; did you mean on? (column 41)"},
		{"a key twice", routeFile, "owner:", "title:",
			routeFile + ":1: owner is missing\n" + routeFile + ":15: title is written twice (column 1)"},
		{"a bare number for a text", routeFile, `"702"`, `702`,
			routeFile + `:2: service is a text: write "702" in quotes (column 31)`},
		{"a bare kommunkod", "routes/vasby/municipality.yaml", `"0114"`, `0114`,
			`routes/vasby/municipality.yaml:1: code is a text: write "0114" in quotes, since many tools read a bare 0114 as another number (column 7)`},
		{"no kommunkod", "routes/vasby/municipality.yaml", `"0114"`, `"114"`,
			`knutpunkt.yaml:2: oep is to call for 0114, but no folder under routes/ has that kommunkod` + "\n" +
				`routes/vasby/municipality.yaml:1: a kommunkod is four digits in quotes, such as "0114" (column 7)`},
		{"a ternary without quotes", routeFile, "title: Altan", "title: ${a ? b : c}",
			routeFile + ":1: a colon and a space inside ${ } end the text: write the whole value in quotes, " +
				"or choose with $if or a table instead of ? : (column 16)"},
		{"a ${ } in { } without quotes", routeFile, `"${answers.pnr}"`, "${answers.pnr}",
			routeFile + ":5: inside { } and [ ] a ${ } must be written in double quotes (column 27)"},
		{"a tab", routeFile, "title:", "\ttitle:",
			routeFile + ":1: the line is indented with a tab: use spaces (column 1)"},
		{"a colon that is missing", routeFile, "title: Altan", "title Altan",
			routeFile + ":1: a colon is missing: a key ends with a colon and a space (column 1)"},
		{"a colon that is missing below a comment", routeFile, "title: Altan\n", "title: Altan # as the citizen sees it\nowner Byggnadsnämnden\n\n# the source\n",
			routeFile + ":2: a colon is missing: a key ends with a colon and a space (column 1)"},
		{"a second colon", routeFile, "title: Altan", "title: Altan: uterum",
			routeFile + ":1: a second colon and space on the line: write the value in quotes (column 13)"},
		{"a key that is indented as a text", routeFile, "keep: 90 dagar\n", "keep: 90 dagar\n  ",
			routeFile + ":14: the line is indented as if it went on with the text above: let it begin where that line does (column 11)"},
		{"a key that begins with @", routeFile, "title:", "@title:",
			routeFile + ":1: a key or text cannot begin with @: write it in quotes, or an XML attribute under $attrs (column 1)"},
		{"an alias", routeFile, "title: Altan", "title: &a Altan",
			routeFile + ":1: anchors and aliases (& and *) are not used here: write the text out, or in quotes if it is a text (column 8)"},
		{"no protected", routeFile, "protected: hold\n", "", routeFile + ":1: protected is missing"},
		{"a wrong protected", routeFile, "protected: hold", "protected: never",
			routeFile + ":11: protected is hold (a person decides) or withhold (it goes on without addresses) (column 12)"},
		{"no decision", routeFile, "decision: KS 2026-1\n", "", routeFile + ":1: decision is missing"},
		{"no value", routeFile, "owner: bygg@vasby.example", "owner:", routeFile + ":15: owner has no value (column 7)"},
		{"a wrong term", routeFile, "90 dagar", "90 days",
			routeFile + `:13: keep: write a number and arbetsdagar, dagar, veckor, månader or år, such as "10 veckor" (column 7)`},
		{"a term with more behind it", routeFile, "90 dagar", "90 dagar ungefär",
			routeFile + `:13: keep: write a number and arbetsdagar, dagar, veckor, månader or år, such as "10 veckor" (column 7)`},
		{"a promise about no step", routeFile, "{ beslutat:", "{ beslutad:", routeFile + ":12: beslutad is no step: " + steps},
		{"a receipt of no step", routeFile, "step: registrerat", "step: registrerad",
			routeFile + ":9: registrerad is no step: " + steps + " (column 58)"},
		{"an unknown system", routeFile, "register: navet", "register: navvet",
			routeFile + ":7: no system is called navvet in routes/vasby/systems.yaml or routes/shared/systems.yaml; did you mean navet? (column 17)"},
		{"another municipality's system", routeFile, "register: navet", "register: annan.navet",
			routeFile + ":7: no system is called annan.navet in routes/vasby/systems.yaml or routes/shared/systems.yaml; there are diarium, navet, oep (column 17)"},
		{"a source that is none", routeFile, "system: oep", "system: diarium",
			routeFile + ":2: vasby.diarium is no source: no forms come from it (column 17)"},
		{"a register that is none", routeFile, "register: navet", "register: diarium",
			routeFile + ":7: vasby.diarium is no register: it cannot be asked about persons (column 17)"},
		{"a destination that is none", routeFile, "to: diarium, mapping", "to: navet, mapping",
			routeFile + ":9: vasby.navet takes no deliveries (column 11)"},
		{"an operation that the system has not", "mappings/box/arende.yaml", "operation: case", "operation: cases",
			routeFile + ":9: vasby.diarium cannot do cases, which the mapping box/arende is for; did you mean case? (column 29)\n" +
				routeFile + ":10: vasby.diarium cannot do cases, which the mapping box/arende is for; did you mean case? (column 40)"},
		{"an unknown mapping", routeFile, "box/arende, on: first", "box/arendet, on: first",
			routeFile + ":9: there is no mapping box/arendet: it would be in mappings/box/arendet.yaml; did you mean box/arende? (column 29)"},
		{"an unknown schema", routeFile, "answers: altan.json", "answers: altaner.json",
			routeFile + ":3: there is no file schemas/altaner.json; did you mean altan.json? (column 10)"},
		{"a schema outside schemas/", routeFile, "answers: altan.json", "answers: ../altan.json",
			routeFile + ":3: a schema is named by its file's place under schemas/ (column 10)"},
		{"a look-up of an unknown role", routeFile, "${parties.sökande}", "${parties.sokande}",
			routeFile + ":7: unknown field sokande; is it sökande? (column 43)\n | parties.sokande\n | ........^"},
		{"a party in an unknown answer", routeFile, "${answers.pnr}", "${answers.prn}",
			routeFile + ":5: unknown field prn; is it pnr? (column 37)\n | answers.prn\n | ........^"},
		{"an expression that is none", routeFile, "${answers.pnr}", "${answers.}",
			routeFile + ":5: unexpected end of expression (column 36)\n | answers.\n | .......^"},
		{"somebody told who cannot be", routeFile, "protected:", "tell: [navet]\nprotected:",
			routeFile + ":11: vasby.navet can be told nothing (column 8)"},
		{"somebody unknown told", routeFile, "protected:", "tell: [navvet]\nprotected:",
			routeFile + ":11: no system is called navvet in routes/vasby/systems.yaml or routes/shared/systems.yaml; did you mean navet? (column 8)"},
		{"an address of who follows nothing", routeFile, "follows: true", "email: '${answers.hus}'",
			routeFile + ":5: sökande is told of nothing: write follows: true too, or leave email and phone out"},
		{"an address in an unknown answer", routeFile, "follows: true", "follows: true, email: '${answers.huss}'",
			routeFile + ":5: unknown field huss; is it hus? (column 77)\n | answers.huss\n | ........^"},
		{"an address that is none", routeFile, "follows: true", "follows: true, email: hus",
			routeFile + ":5: write one value and nothing around it, such as ${answers.kontakt.Email} (column 66)"},
		{"a colour that is none", councilFile, "name:", "colour: red\nname:",
			councilFile + `:2: a colour is written "#0b5c3a": # and six of 0–9 and a–f, in quotes (column 9)`},
		{"a logo elsewhere", councilFile, "name:", "logo: ../logo.svg\nname:",
			councilFile + ":2: a logo is an .svg or a .png file beside municipality.yaml (column 7)"},
		{"a logo that is not there", councilFile, "name:", "logo: logo.svg\nname:",
			councilFile + ":2: logo.svg: there is no such file (column 7)"},
		{"no voice", routeFile, ", voice: true", "",
			routeFile + ":9: no leg has voice: true, so the citizen would hear nobody: say which one tells how the case is getting on"},
		{"two voices", routeFile, "on: completion", "on: completion, voice: true",
			routeFile + ":10: two legs have voice: true: the citizen hears one system"},
		{"after a leg that is not there", routeFile, "on: completion", "on: completion, after: diariumm",
			routeFile + ":10: no leg is called diariumm; did you mean diarium? (column 75)"},
		{"after itself", routeFile, "on: completion", "on: completion, after: mer",
			routeFile + ":10: mer would wait for itself (column 75)"},
		{"after a leg that is not for the same forms", routeFile, "on: completion", "on: both, after: diarium",
			routeFile + ":10: diarium is only for on: first, so mer would wait for ever: write the same on: here (column 69)"},
		{"two legs of one name", routeFile, "name: mer, ", "",
			routeFile + ":10: two legs are called diarium: give one of them a name of its own (column 11)"},
		{"a leg that is named as a correction", routeFile, "name: mer", "name: mer-r2",
			routeFile + ":10: a leg is called by lower-case letters a–z, digits, - and _, beginning with a letter, and not ending as a correction does (-r2) (column 26)"},
		{"a look-up that is named as something else", routeFile, "as: sökande", "as: answers",
			routeFile + ":7: answers means something else in mappings: choose another name (column 58)"},
		{"a look-up that is named as a leg", routeFile, "as: sökande", "as: diarium",
			routeFile + ":9: diarium is the name of something else in this route (column 11)"},
		{"on never", routeFile, "on: completion", "on: sometimes", routeFile + ":10: on is first, completion or both (column 56)"},
		{"a field that the form has not", "mappings/box/arende.yaml", "answers.hus}", "answers.huss}",
			"mappings/box/arende.test/altan/want.json:1: /hus: wanted \"A 1:1\", came nothing (column 24)\n" +
				"mappings/box/arende.yaml:5: unknown field huss; is it hus?, as routes/vasby/altan.yaml:9 and routes/vasby/altan.yaml:10 use it (column 19)\n | answers.huss\n | ........^"},
		{"a system that nobody uses", systemsFile, "diarium:\n", "annan: { connector: json }\ndiarium:\n",
			"routes/vasby/systems.yaml:5: no route names vasby.annan"},
		{"an unknown connector", systemsFile, "connector: register", "connector: registre",
			"routes/vasby/systems.yaml:1: there is no connector called registre; did you mean register? (column 1)"},
		{"no connector", systemsFile, "  connector: register\n", "",
			"routes/vasby/systems.yaml:2: connector is missing in navet"},
		{"an unknown field of a connector", systemsFile, "folder:", "folders:",
			"routes/vasby/systems.yaml:6: folder is missing in diarium\n" +
				"routes/vasby/systems.yaml:7: there is no key called folders for a system of the kind box; did you mean folder? (column 3)"},
		{"a misspelt key of every system", systemsFile, "words:", "wrods:",
			"routes/vasby/systems.yaml:8: there is no key called wrods for a system of the kind box; did you mean words? (column 3)"},
		{"the secret itself", systemsFile, "env:NAVET", "hemligt",
			"routes/vasby/systems.yaml:4: key must be written env:NAME or file:PATH, never as the secret itself (column 8)"},
		{"http away from this machine", systemsFile, "https://navet.example", "http://localhost:99",
			"routes/vasby/systems.yaml:3: an address begins with https://; http:// only with 127.0.0.1 or [::1] written out, on this very machine (column 8)"},
		{"a secret in an address", systemsFile, "https://navet.example", "https://a:b@navet.example",
			"routes/vasby/systems.yaml:3: an address holds no user and no password: write them as env: or file: under their own keys (column 8)"},
		{"a query in an address", systemsFile, "https://navet.example", "https://navet.example?key=1",
			"routes/vasby/systems.yaml:3: an address ends before its ? or #: what stands there may be a secret, and would be seen in logs (column 8)"},
		{"a link-local address", systemsFile, "https://navet.example", "https://169.254.169.254/latest",
			"routes/vasby/systems.yaml:3: the address is one where no business system can be (link-local, unspecified or multicast) (column 8)"},
		{"a mapped link-local address", systemsFile, "https://navet.example", "https://[::ffff:169.254.169.254]/",
			"routes/vasby/systems.yaml:3: the address is one where no business system can be (link-local, unspecified or multicast) (column 8)"},
		{"a word of no step", systemsFile, "Öppet: registrerat", "Öppet: öppet",
			"routes/vasby/systems.yaml:8: öppet is no step: " + steps + " (column 19)"},
		{"a word twice", systemsFile, "{ Öppet: registrerat }", `{ Öppet: registrerat, " öppet": beslutat }`,
			`routes/vasby/systems.yaml:8: "öppet" is written twice: words are compared without regard to upper and lower case (column 19)`},
		{"a wrong pace", systemsFile, "folder: /srv/in", "folder: /srv/in\n  pace: 10",
			`routes/vasby/systems.yaml:8: pace is a text: write "10" in quotes (column 9)`},
		{"room for no call", systemsFile, "folder: /srv/in", "folder: /srv/in\n  concurrency: 0",
			"routes/vasby/systems.yaml:8: concurrency is how many calls may be under way at a time: 1 or more (column 3)"},
		{"a wrong unit of pace", systemsFile, "folder: /srv/in", "folder: /srv/in\n  pace: 10/day",
			`routes/vasby/systems.yaml:8: pace is a number of calls and a time: "10/s", "600/min" or "1000/h" (column 9)`},
		{"a wrong window", systemsFile, "folder: /srv/in", "folder: /srv/in\n  maintenance: [\"mon 18-20\"]",
			`routes/vasby/systems.yaml:8: maintenance is written as a day, or days, and a time: "mon 18:00-20:00", "mon-fri 22:00-04:00" (column 17)`},
		{"a duration without unit", systemsFile, "folder: /srv/in", "folder: /srv/in\n  lag: 10",
			`routes/vasby/systems.yaml:8: lag must be a time with its unit, such as 500ms, 30s or 5m (column 8)`},
		{"a number that is none", systemsFile, "folder: /srv/in", "folder: /srv/in\n  size: 1_000",
			`routes/vasby/systems.yaml:8: size must be a whole number (column 9)`},
		{"neither yes nor no", systemsFile, "folder: /srv/in", "folder: /srv/in\n  quiet: maybe",
			`routes/vasby/systems.yaml:8: quiet must be yes or no (column 10)`},
		{"a table that is none", systemsFile, "folder: /srv/in", "folder: /srv/in\n  nested: x",
			`routes/vasby/systems.yaml:8: nested must be a table of keys and values (column 11)`},
		{"a list that is none", systemsFile, "folder: /srv/in", "folder: /srv/in\n  names: x",
			`routes/vasby/systems.yaml:8: names must be a list: [ … ], or one line with - for each (column 10)`},
		{"a key without its certificate", systemsFile, "folder: /srv/in", "folder: /srv/in\n  tls: { key: file:a.pem }",
			`routes/vasby/systems.yaml:8: certificate and key belong together: one of them is missing`},
		{"a certificate that is no file", systemsFile, "folder: /srv/in", "folder: /srv/in\n  tls: { ca: a.pem }",
			`routes/vasby/systems.yaml:8: ca must be written file:PATH (column 14)`},
		{"a client of no municipality", "knutpunkt.yaml", `"0114"`, `"0180"`,
			"knutpunkt.yaml:2: oep is to call for 0180, but no folder under routes/ has that kommunkod"},
		{"a client without secrets", "knutpunkt.yaml", "[env:OEP]", "[]",
			"knutpunkt.yaml:2: secrets of oep is empty: nobody could call so"},
		{"an operator of nowhere", "knutpunkt.yaml", "clients:", "operators: { eva: { municipalities: [\"0180\"], secret: env:EVA } }\nclients:",
			"knutpunkt.yaml:1: eva is to decide for 0180, but no folder under routes/ has that kommunkod"},
		{"an operator of all and one", "knutpunkt.yaml", "clients:", "operators: { eva: { municipalities: [\"*\", \"0114\"], secret: env:EVA } }\nclients:",
			"knutpunkt.yaml:1: a kommunkod is four digits in quotes, such as \"0114\" (column 38)"},
		{"an operator who sees nothing", "knutpunkt.yaml", "clients:", "operators: { eva: { municipalities: [], secret: env:EVA } }\nclients:",
			"knutpunkt.yaml:1: municipalities of eva is empty: nothing could be seen so"},
		{"an operator with a name of her own", "knutpunkt.yaml", "clients:", "operators: { Eva B: { municipalities: [\"*\"], secret: env:EVA } }\nclients:",
			"knutpunkt.yaml:1: an operator's name is 2 to 40 lower-case letters a–z, digits, . and -, beginning with a letter or a digit"},
		{"an operator's secret in the open", "knutpunkt.yaml", "clients:", "operators: { eva: { municipalities: [\"*\"], secret: hemligt } }\nclients:",
			"knutpunkt.yaml:1: secret must be written env:NAME or file:PATH, never as the secret itself (column 52)"},
		{"an operator with too much", "knutpunkt.yaml", "clients:", "operators: { eva: { municipalities: [\"*\"], secret: env:EVA, role: boss } }\nclients:",
			"knutpunkt.yaml:1: there is no key called role in eva (column 61)"},
		{"a login without its level", "knutpunkt.yaml", "clients:", "login: { issuer: \"https://eid.example\", client: knut, secret: env:EID, address: \"https://vasby.example\" }\nclients:",
			"knutpunkt.yaml:1: acr is missing in login"},
		{"a login at no level", "knutpunkt.yaml", "clients:", "login: { issuer: \"https://eid.example\", client: knut, secret: env:EID, acr: [], address: \"https://vasby.example\" }\nclients:",
			"knutpunkt.yaml:1: acr is empty: nobody could log in"},
		{"a login at two levels in one word", "knutpunkt.yaml", "clients:", "login: { issuer: \"https://eid.example\", client: knut, secret: env:EID, acr: [\"loa3 loa4\"], address: \"https://vasby.example\" }\nclients:",
			"knutpunkt.yaml:1: an acr is one word, the provider's own name of a level of assurance: write several as a list (column 78)"},
		{"a login with nothing to be known by", "knutpunkt.yaml", "clients:", "login: { issuer: \"https://eid.example\", client: knut, acr: [loa3], address: \"https://vasby.example\" }\nclients:",
			"knutpunkt.yaml:1: login has neither secret nor key: the provider could not know that it is us"},
		{"a login with a secret and a key", "knutpunkt.yaml", "clients:", "login: { issuer: \"https://eid.example\", client: knut, secret: env:EID, key: file:eid.pem, acr: [loa3], address: \"https://vasby.example\" }\nclients:",
			"knutpunkt.yaml:1: login has a secret and a key: the provider knows us by one of them, so leave the other out"},
		{"a login with the secret itself", "knutpunkt.yaml", "clients:", "login: { issuer: \"https://eid.example\", client: knut, secret: hemligt, acr: [loa3], address: \"https://vasby.example\" }\nclients:",
			"knutpunkt.yaml:1: secret must be written env:NAME or file:PATH, never as the secret itself (column 63)"},
		{"a login with a key that is no file", "knutpunkt.yaml", "clients:", "login: { issuer: \"https://eid.example\", client: knut, key: eid.pem, acr: [loa3], address: \"https://vasby.example\" }\nclients:",
			"knutpunkt.yaml:1: key must be written file:PATH (column 60)"},
		{"a login that names a key and has none", "knutpunkt.yaml", "clients:", "login: { issuer: \"https://eid.example\", client: knut, secret: env:EID, key-id: k1, acr: [loa3], address: \"https://vasby.example\" }\nclients:",
			"knutpunkt.yaml:1: key-id is the provider's name of a key, and there is no key (column 80)"},
		{"a login in the open", "knutpunkt.yaml", "clients:", "login: { issuer: \"http://eid.example\", client: knut, secret: env:EID, acr: [loa3], address: \"https://vasby.example\" }\nclients:",
			"knutpunkt.yaml:1: an address begins with https://; http:// only with 127.0.0.1 or [::1] written out, on this very machine (column 18)"},
		{"pages in the open", "knutpunkt.yaml", "clients:", "login: { issuer: \"https://eid.example\", client: knut, secret: env:EID, acr: [loa3], address: \"http://vasby.example\" }\nclients:",
			"knutpunkt.yaml:1: an address begins with https://; http:// only with 127.0.0.1 or [::1] written out, on this very machine (column 94)"},
		{"pages with a path", "knutpunkt.yaml", "clients:", "login: { issuer: \"https://eid.example\", client: knut, secret: env:EID, acr: [loa3], address: \"https://vasby.example/\" }\nclients:",
			"knutpunkt.yaml:1: the pages' address is written https://HOST in lower case, without a path and without a / at its end (column 94)"},
		{"another address of the provider in the open", "knutpunkt.yaml", "clients:", "login: { issuer: \"https://eid.example\", client: knut, also: [http://eid.example], secret: env:EID, acr: [loa3], address: \"https://vasby.example\" }\nclients:",
			"knutpunkt.yaml:1: an address begins with https://; http:// only with 127.0.0.1 or [::1] written out, on this very machine (column 62)"},
		{"a misspelt key of a login", "knutpunkt.yaml", "clients:", "login: { issuer: \"https://eid.example\", client: knut, loggout: yes, secret: env:EID, acr: [loa3], address: \"https://vasby.example\" }\nclients:",
			"knutpunkt.yaml:1: there is no key called loggout in login; did you mean logout? (column 55)"},
		{"another store", "knutpunkt.yaml", "clients:", "store: mysql://x\nclients:",
			"knutpunkt.yaml:1: store is written sqlite:PATH, or postgres://USER@HOST/DATABASE (column 8)"},
		{"a store with its password", "knutpunkt.yaml", "clients:", "store: postgres://knut:hemligt@127.0.0.1/knut\nclients:",
			"knutpunkt.yaml:1: store has a password in it, which is seen wherever the address is: take it out, and write store-password: env:NAME or file:PATH (column 8)"},
		{"a store's password itself", "knutpunkt.yaml", "clients:", "store: postgres://knut@127.0.0.1/knut\nstore-password: hemligt\nclients:",
			"knutpunkt.yaml:2: store-password must be written env:NAME or file:PATH, never as the secret itself (column 17)"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got []string
			for _, p := range Check(with(t, row.file, row.old, row.replacement), connectors) {
				got = append(got, p.String())
			}
			if text := strings.Join(got, "\n"); text != row.want {
				t.Errorf("told\n%s\nwanted\n%s", text, row.want)
			}
		})
	}
}

const (
	steps = "the steps are inkommet, registrerat, under-handlaggning, komplettering, beslutat, avslutat, atertaget and avvisat"
)

func TestCheckTellsOfAnEmptyFolder(t *testing.T) {
	if problems := Check(fstest.MapFS{}, connectors); len(problems) != 1 {
		t.Errorf("told %v", problems)
	}
}

func TestCheckTellsOfFiles(t *testing.T) {
	for _, row := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"two routes for the same forms", map[string]string{"routes/vasby/bygge.yaml": string(small()[routeFile].Data)},
			"routes/vasby/bygge.yaml:1: routes/vasby/altan.yaml:1 already takes the forms of 702 from shared.oep"},
		{"two municipalities of one code", map[string]string{"routes/annan/municipality.yaml": "code: \"0114\"\nname: Annan\n"},
			"routes/vasby/municipality.yaml:1: routes/annan/municipality.yaml has the code 0114 too"},
		{"a route of no municipality", map[string]string{"routes/annan/systems.yaml": "# nothing\n"},
			"routes/annan/municipality.yaml:1: there is no such file\nroutes/annan/systems.yaml:1: the file is empty (column 1)"},
		{"a shared route", map[string]string{"routes/shared/altan.yaml": "title: x\n"},
			"routes/shared/altan.yaml:1: a route belongs to a municipality: routes/shared holds systems.yaml only"},
		{"a file that is not read", map[string]string{"routes/vasby/altan.yml": "title: x\n"},
			"routes/vasby/altan.yml:1: the file is not read: its name must end in .yaml"},
		{"a mapping without tests that no route uses", map[string]string{"mappings/box/annan.yaml": "operation: case\noutput: json\nschema: none\ndocument:\n  a: b\n"},
			"mappings/box/annan.yaml:1: there are no tests: a case is a folder in mappings/box/annan.test with given.json and want.json"},
	} {
		t.Run(row.name, func(t *testing.T) {
			fsys := small()
			for name, text := range row.files {
				fsys[name] = &fstest.MapFile{Data: []byte(text)}
			}
			var got []string
			for _, p := range Check(fsys, connectors) {
				got = append(got, p.String())
			}
			if text := strings.Join(got, "\n"); text != row.want {
				t.Errorf("told\n%s\nwanted\n%s", text, row.want)
			}
		})
	}
}

func TestOpenGivesTheRoutesAsTheyAreWritten(t *testing.T) {
	b := open(t, small())
	r := b.Route("0114", "shared.oep", "702")
	if r == nil {
		t.Fatal("there is no route for the form")
	}
	if r.Name != "altan" || r.Where != "routes/vasby/altan.yaml:1" || r.Title != "Altan" || r.Protected != hub.Hold ||
		r.Keep != (hub.Term{N: 90, Unit: hub.Days}) || r.Decision != "KS 2026-1" || !r.Own || r.Voice() != "vasby.diarium" {
		t.Errorf("the route is %+v", r)
	}
	if len(r.Legs) != 2 || r.Legs[0].Name != "diarium" || r.Legs[1].Name != "mer" || r.Legs[1].On != hub.Completion {
		t.Errorf("the legs are %+v", r.Legs)
	}
	if e := r.Enrich[0]; e.Register != "vasby.navet" || e.As != "sökande" || e.List {
		t.Errorf("the look-up is %+v", e)
	}
	if text := b.Municipalities["0114"]; text.Name != "Upplands Väsby kommun" || text.Folder != "vasby" {
		t.Errorf("the municipality is %+v", text)
	}
	parties, err := r.Parties[0].Find(hub.Known{Submission: hub.Submission{
		Answers: hub.NewAnswers(map[string]any{"pnr": "199001012385"}),
	}})
	if err != nil || len(parties) != 1 || parties[0].ID.IsZero() {
		t.Errorf("the party was not found: %d, %v", len(parties), err)
	}
	if r.Form("1") == nil {
		t.Error("the form has no schema")
	}
}

// TestOpenGivesTheWayBack: who follows, who is told and where, and how it is called in the
// national Mina ärenden.
func TestOpenGivesTheWayBack(t *testing.T) {
	fsys := with(t, routeFile, "follows: true }", "follows: true, email: '${answers.hus}' }")
	route := string(fsys[routeFile].Data)
	route = strings.Replace(route, "as: sökande }", "as: sökande, follows: true }", 1)
	route = strings.Replace(route, "protected:", "title-en: A deck\ntell: [notiser]\nkundhandelser: true\nprotected:", 1)
	fsys[routeFile].Data = []byte(route)
	fsys[systemsFile].Data = append(fsys[systemsFile].Data, "notiser: { connector: notices }\n"...)
	fsys[councilFile].Data = append(fsys[councilFile].Data, "colour: \"#12446b\"\nlogo: logo.png\nhelp: Kontaktcenter\n"...)
	fsys["routes/vasby/logo.png"] = &fstest.MapFile{Data: []byte("\x89PNG")}
	if problems := Check(fsys, connectors); len(problems) > 0 {
		t.Fatal(problems)
	}
	b := open(t, fsys)
	r := b.Route("0114", "shared.oep", "702")
	if !slices.Equal(r.Tell, []hub.SystemID{"vasby.notiser"}) || r.English != "A deck" || r.Kundhandelse != "VASBY.ALTAN" || !r.Enrich[0].Follows {
		t.Errorf("the route is %+v", r)
	}
	known := hub.Known{Submission: hub.Submission{Answers: hub.NewAnswers(map[string]any{"hus": " a@example.org "})}}
	if email, phone := r.Parties[0].Reach(known); email != "a@example.org" || phone != "" {
		t.Error("the address is not what the form says")
	}
	if email, _ := r.Parties[0].Reach(hub.Known{}); email != "" {
		t.Error("an address that the form has not")
	}
	council := b.Municipalities["0114"]
	if council.Colour != "#12446b" || council.Help != "Kontaktcenter" || council.Logo == nil || council.Logo.Type != "image/png" || len(council.Logo.Bytes) != 4 {
		t.Errorf("the municipality is %+v", council)
	}
}

func TestARouteMayNameASystemInFull(t *testing.T) {
	r := open(t, with(t, routeFile, "register: navet", "register: vasby.navet")).Routes[0]
	if r.Enrich[0].Register != "vasby.navet" {
		t.Errorf("the register is %s", r.Enrich[0].Register)
	}
	r = open(t, with(t, routeFile, "to: diarium, mapping", "to: vasby.diarium, mapping")).Routes[0]
	if r.Legs[0].To != "vasby.diarium" || r.Legs[0].Name != "diarium" {
		t.Errorf("the leg is %+v", r.Legs[0])
	}
}

func TestTheMunicipalitysOwnSystemComesFirst(t *testing.T) {
	fsys := with(t, "routes/shared/systems.yaml", "oep:", "navet: { connector: register, url: https://shared.example }\noep:")
	if r := open(t, fsys).Routes[0]; r.Enrich[0].Register != "vasby.navet" {
		t.Errorf("the register is %s", r.Enrich[0].Register)
	}
}

func TestAFormWithoutSchemaHasNone(t *testing.T) {
	r := open(t, with(t, routeFile, "answers: altan.json", "versions: { \"5\": altan.json }")).Routes[0]
	if f := r.Form("4"); f != nil {
		t.Errorf("version 4 has the schema %v", f)
	}
	if f := r.Form("5"); f == nil {
		t.Error("version 5 has no schema")
	}
}

func TestSomebodyWhoPostsForSeveralIsNobodysOwnPlatform(t *testing.T) {
	for connector, own := range map[string]bool{"platform\n  url: http://127.0.0.1:1": true, "json": false} {
		r := open(t, with(t, "routes/shared/systems.yaml", "platform\n  url: http://127.0.0.1:8711", connector)).Routes[0]
		if r.Own != own {
			t.Errorf("with the connector %q the source's own word counts: %v", connector, r.Own)
		}
	}
}

func TestAnArchiveIsItsTexts(t *testing.T) {
	first, second := read(t, small()), read(t, small())
	if string(first) != string(second) {
		t.Fatal("the same texts gave two archives")
	}
	b := open(t, small())
	again, err := Open(b.Archive)
	if err != nil || again.Revision != b.Revision || len(again.Routes) != len(b.Routes) {
		t.Fatalf("opened again: %v, %v", again, err)
	}
	same := map[string][3]string{
		"an address":       {systemsFile, "https://navet.example", "https://navet2.example"},
		"a mapping's test": {"mappings/box/arende.test/altan/given.json", "A 1:1", "A 1:2"},
	}
	for what, change := range same {
		if other := open(t, with(t, change[0], change[1], change[2])); other.Revision != b.Revision {
			t.Errorf("%s made another revision, and it decides nothing about a form", what)
		}
	}
	if other := open(t, with(t, "mappings/box/arende.yaml", "titel", "rubrik")); other.Revision == b.Revision {
		t.Error("another mapping has the same revision")
	}
}

func TestADamagedArchiveIsRefused(t *testing.T) {
	archive := read(t, small())
	for _, cut := range []int{0, 1, len(archive) / 2, len(archive) - 1} {
		if _, err := Open(archive[:cut]); err == nil {
			t.Errorf("the first %d of %d bytes were taken for a whole archive", cut, len(archive))
		}
	}
}

// TestWhatIsForPeopleToFollowIsNotCalled: an address written in systems.yaml is leave to
// call it, but for those that stand in what people are sent.
func TestWhatIsForPeopleToFollowIsNotCalled(t *testing.T) {
	fsys := small()
	fsys[systemsFile].Data = append(fsys[systemsFile].Data, "notiser: { connector: notices, url: https://sms.example, page: https://mina.example/arenden }\n"...)
	t.Setenv("NAVET", "s3cret")
	systems, err := Systems(write(t, fsys), connectors)
	if err != nil {
		t.Fatal(err)
	}
	if got := systems[len(systems)-1].Addresses; !slices.Equal(got, []string{"https://sms.example"}) {
		t.Errorf("it may be called at %v", got)
	}
}

func TestSystems(t *testing.T) {
	dir := write(t, with(t, systemsFile, "folder: /srv/in",
		"folder: file:in\n  pace: 30/min\n  concurrency: 3\n  poll: 5s\n  maintenance: [\"fri 22:00-06:00\"]\n"+
			"  tls: { ca: file:ca.pem }\n  nested: { place: x }\n  numbers: { 3: tre }\n  quiet: no"))
	t.Setenv("NAVET", "s3cret")
	systems, err := Systems(dir, connectors)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, len(systems))
	for i, s := range systems {
		ids[i] = string(s.ID)
	}
	if want := []string{"shared.oep", "vasby.navet", "vasby.diarium"}; !slices.Equal(ids, want) {
		t.Fatalf("the systems are %v, not %v", ids, want)
	}
	navet, diarium := systems[1], systems[2]
	var r registerConfig
	if err := navet.Decode(&r); err != nil || r.Key.Reveal() != "s3cret" || navet.Addresses[0] != "https://navet.example" {
		t.Errorf("navet's config was not read: %v", err)
	}
	var b boxConfig
	if err := diarium.Decode(&b); err != nil || b.Folder != filepath.Join(dir, "in") || *b.Quiet || b.Numbers[3] != "tre" {
		t.Errorf("the diarium's config is %+v: %v", b, err)
	}
	if diarium.Pace != 0.5 || diarium.Concurrency != 3 || diarium.Poll != 5*time.Second ||
		diarium.Words["öppet"] != hub.Registrerat || diarium.TLS.CA != filepath.Join(dir, "ca.pem") || diarium.Municipality != "0114" {
		t.Errorf("the diarium is %+v", diarium)
	}
	for when, closed := range map[string]bool{
		"2026-03-06T21:59:00+01:00": false, "2026-03-06T22:00:00+01:00": true, "2026-03-07T05:59:00+01:00": true,
		"2026-03-07T06:00:00+01:00": false, "2026-03-08T05:00:00+01:00": false,
	} {
		at, _ := time.Parse(time.RFC3339, when)
		if diarium.Maintenance[0].Holds(at) != closed {
			t.Errorf("closed at %s: %v", when, !closed)
		}
	}
}

func TestSecretsThatCannotBeRead(t *testing.T) {
	for _, row := range []struct{ name, reference, want string }{
		{"not set", "env:KNUTPUNKT_TEST_NOT_SET", "key names an environment variable that is not set"},
		{"empty", "env:EMPTY", "key is empty where it is kept"},
		{"not there", "file:nowhere", "key names a file that cannot be read: make it, readable for its owner alone (chmod 600)"},
		{"open to others", "file:open", "key names a file that others may read: take the rights away (chmod 600)"},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := write(t, with(t, systemsFile, "env:NAVET", row.reference))
			t.Setenv("EMPTY", "")
			if err := os.WriteFile(filepath.Join(dir, "open"), []byte("x"), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := Systems(dir, connectors)
			if err == nil || !strings.HasSuffix(err.Error(), systemsFile+":4: "+row.want+" (column 8)") {
				t.Errorf("told %v", err)
			}
		})
	}
}

func TestASecretIsReadFromAFileOfItsOwn(t *testing.T) {
	dir := write(t, with(t, systemsFile, "env:NAVET", "file:key"))
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	systems, err := Systems(dir, connectors)
	if err != nil {
		t.Fatal(err)
	}
	var r registerConfig
	if err := systems[1].Decode(&r); err != nil || r.Key.Reveal() != "s3cret" {
		t.Errorf("the secret was not read: %v", err)
	}
}

func TestSettings(t *testing.T) {
	dir := write(t, small())
	t.Setenv("OEP", "s3cret")
	s, err := ReadSettings(dir, Override{"listen", "127.0.0.1:1", "--listen"},
		Override{"listen", "127.0.0.1:2", "KNUTPUNKT_LISTEN"}, Override{"proxies", "10.0.0.1, 10.1.0.0/16", "KNUTPUNKT_PROXIES"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Listen != "127.0.0.1:1" || s.Operator != "127.0.0.1:8701" || s.Kafka != nil || len(s.Proxies) != 2 {
		t.Errorf("the settings are %+v", s)
	}
	if s.Store.SQLite != filepath.Join(dir, "data/knutpunkt.db") || s.Store.Postgres != "" || s.Keys != filepath.Join(dir, "secrets/keys.json") {
		t.Errorf("the places are %s and %s", s.Store, s.Keys)
	}
	c := s.Clients[0]
	if c.Name != "oep" || c.Key != Header || c.Secrets[0].Reveal() != "s3cret" || !c.Viewer().Sees("0114", "702") || c.Viewer().Sees("1080", "702") {
		t.Errorf("the client is %+v", c)
	}
}

func TestAWrongOverrideIsToldByItsName(t *testing.T) {
	t.Setenv("OEP", "s3cret")
	_, err := ReadSettings(write(t, small()), Environment([]string{"KNUTPUNKT_BUS=kafka://x", "HOME=/"})...)
	if err == nil || !strings.Contains(err.Error(), "KNUTPUNKT_BUS: brokers are written kafkas://HOST:PORT,HOST:PORT") {
		t.Errorf("told %v", err)
	}
}

func TestTwoClientsCannotShareASecret(t *testing.T) {
	t.Setenv("OEP", "s3cret")
	fsys := small()
	fsys["knutpunkt.yaml"].Data = append(fsys["knutpunkt.yaml"].Data,
		"  annan: { municipalities: [\"0114\"], services: [\"*\"], secrets: [env:OEP] }\n"...)
	_, err := ReadSettings(write(t, fsys))
	if err == nil || !strings.Contains(err.Error(), "knutpunkt.yaml:2: oep has the same secret as annan") {
		t.Errorf("told %v", err)
	}
}

func TestTwoOperatorsCannotShareASecret(t *testing.T) {
	t.Setenv("OEP", "s3cret")
	t.Setenv("EVA", "s3cret-too")
	fsys := small()
	fsys["knutpunkt.yaml"].Data = append(fsys["knutpunkt.yaml"].Data,
		"operators:\n  eva: { municipalities: [\"*\"], secret: env:EVA }\n  bo: { municipalities: [\"0114\"], secret: env:EVA }\n"...)
	s, err := ReadSettings(write(t, fsys))
	if err == nil || !strings.Contains(err.Error(), "knutpunkt.yaml:4: eva has the same secret as bo: what takes two persons would take one") {
		t.Errorf("told %v", err)
	}
	if problems := Check(fsys, nil); !strings.Contains(fmt.Sprint(problems), "eva has the same secret as bo") {
		t.Errorf("check, which reads no secrets, tells %v", problems)
	}
	if len(s.People) != 2 || s.People[0].Name != "bo" || s.People[1].Municipalities[0] != AllMunicipalities {
		t.Errorf("the operators are %+v", s.People)
	}
}

func TestDecode(t *testing.T) {
	env := func(string) (string, bool) { return "s3cret", true }
	var r registerConfig
	if err := Decode("url: https://x.example\nkey: env:ANY\n", env)(&r); err != nil || r.Key.Reveal() != "s3cret" {
		t.Errorf("read %v", err)
	}
	if err := Decode("url: https://x.example\nno: such\n", env)(&r); err == nil {
		t.Error("an unknown key was taken")
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(small()[routeFile].Data)
	f.Add([]byte("a: &a [*a, *a]\n"))
	f.Add([]byte("deliver:\n  - { to: x, after: x }\nparties: [{role: ~}]\n"))
	f.Add([]byte("\xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		fsys := small()
		fsys[routeFile] = &fstest.MapFile{Data: text}
		fsys[systemsFile] = &fstest.MapFile{Data: text}
		fsys[settingsFile] = &fstest.MapFile{Data: text}
		for _, p := range Check(fsys, connectors) {
			if p.File == "" || p.Line < 1 || p.Text == "" {
				t.Errorf("a problem without place: %+v", p)
			}
		}
	})
}

func read(t *testing.T, fsys fs.FS) []byte {
	t.Helper()
	archive, err := Read(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

func open(t *testing.T, fsys fs.FS) *hub.Bundle {
	t.Helper()
	b, err := Open(read(t, fsys))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// write writes a configuration to a folder of its own.
func write(t *testing.T, fsys fs.FS) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, fsys); err != nil {
		t.Fatal(err)
	}
	return dir
}
