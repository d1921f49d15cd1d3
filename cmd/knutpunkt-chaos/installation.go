package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/navet/navetsim"
)

// An installation is the folder of one hub: a configuration as municipalities would write it, its
// secrets, and in time its store. Nothing of the harness's own lies in it, so that whatever is found
// there is the hub's doing.
type installation struct {
	dir       string
	at        []addresses // of each replica
	engines   string      // what knutpunkt.yaml says of the store and of the bus
	plan      *plan
	addresses map[string]string // of the systems and of the register
}

// addresses are where one replica is.
type addresses struct{ listen, operator string }

// lag is how long what was made at the system that tells stays invisible to a question.
const lag = time.Second

// write makes the configuration, its secrets and its keys.
func (in *installation) write(ctx context.Context, binary string) error {
	w := &writer{dir: in.dir}
	w.file("knutpunkt.yaml", fill(settingsText, in))
	w.file("schemas/services/chaos.json", []byte(schemaText))
	for _, m := range in.plan.municipalities {
		routes := "routes/" + m.Folder + "/"
		w.file(routes+"municipality.yaml", fmt.Appendf(nil, "code: %q\nname: %s kommun\n", m.Code, strings.ToUpper(m.Folder)))
		w.file(routes+"systems.yaml", fill(systemsText, map[string]any{"In": in, "M": m, "Lag": lag}))
		for _, s := range services {
			if !s.diarium || m.Diarium {
				w.file(routes+s.Name+".yaml", fill(routeText, s))
			}
		}
		w.secret(m.Folder + "-client")
	}
	for _, s := range services {
		for _, l := range s.legs {
			w.mapping(s, l)
		}
	}
	w.secret("diarium-authkey")
	if w.err != nil {
		return w.err
	}
	if _, err := navetsim.TLS(filepath.Join(in.dir, "secrets")); err != nil {
		return err
	}
	if w.certificates(); w.err != nil {
		return w.err
	}
	return in.command(ctx, binary, "keys", "init")
}

// command runs one of the binary's other commands to its end.
func (in *installation) command(ctx context.Context, binary string, args ...string) error {
	out, err := exec.CommandContext(ctx, binary, append(args, "--config", in.dir)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("knutpunkt %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// secretOf gives what a municipality's platform shows to be known.
func (in *installation) secretOf(m *municipality) string { return in.read(m.Folder + "-client") }

func (in *installation) read(secret string) string {
	text, _ := os.ReadFile(filepath.Join(in.dir, "secrets", secret))
	return strings.TrimSpace(string(text))
}

// A writer writes files until one cannot be written.
type writer struct {
	dir string
	err error
}

func (w *writer) file(name string, text []byte) {
	path := filepath.Join(w.dir, filepath.FromSlash(name))
	if w.err == nil {
		w.err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if w.err == nil {
		w.err = os.WriteFile(path, text, 0o600)
	}
}

func (w *writer) secret(name string) { w.file("secrets/"+name, []byte(rand.Text()+"\n")) }

// mapping writes how one leg's document is made, and the examples that the hub holds it against
// before it starts: the harness and the hub must agree on the bytes before anything is sent.
func (w *writer) mapping(s *service, l leg) {
	name := "mappings/" + l.To + "/" + s.Name + "-" + l.Name
	text := mappingText
	if l.To == diary {
		text = diaryText
	}
	w.file(name+".yaml", fill(text, map[string]any{"S": s, "L": l, "Tells": l.To == tells}))
	examples := map[string]*navetsim.Person{"plain": exampleOf(examplePerson)}
	if s.register {
		examples["skyddad"] = exampleOf(exampleHidden)
	}
	for example, p := range examples {
		given, f, k := knownExample(s, l, p)
		w.file(name+".test/"+example+"/given.json", given)
		if l.To == diary {
			w.file(name+".test/"+example+"/want.json", f.goldenDiary(l, k))
		} else {
			w.file(name+".test/"+example+"/want.json", f.golden(l, k))
		}
	}
}

func exampleOf(id string) *navetsim.Person {
	for _, p := range navetsim.Persons() {
		if p.ID == id {
			return &p
		}
	}
	return nil
}

// knownExample gives what the hub is told to know in an example, and the same for the harness.
func knownExample(s *service, l leg, p *navetsim.Person) (given []byte, f *form, k known) {
	f = &form{
		Municipality: &municipality{Code: "0001", Canary: "token"}, Service: s, Source: "C-1", Version: "1",
		Text: "text & <text>", Amount: "1250.50", Lines: []string{"ett", "två"}, Submitted: "2026-03-01T23:30:00+01:00",
	}
	k = known{submission: "01KA0000000000000000000001", before: "N-1", number: "N-0"}
	k.came, _ = time.Parse(time.RFC3339, f.Submitted)
	type object = map[string]any
	tree := object{
		"municipality": object{"code": "0001", "name": "Exempelby kommun"}, "title": s.Name, "key": k.submission + "-" + l.Name,
		"submission": object{
			"id": k.submission, "service": s.Name, "version": "1", "inkommen": f.Submitted,
			"source":      object{"system": "m01.portal", "id": f.Source, "version": f.Version},
			"answers":     object{"canary": "token", "text": f.Text, "amount": f.Amount, "lines": f.Lines},
			"attachments": []any{},
		},
	}
	if s.register {
		k.person = p
		protection := "none"
		if p.Kind == navetsim.Marked {
			protection = "marked"
		}
		tree["registers"] = object{"sökande": object{"id": p.ID, "given": p.Given, "family": p.Family, "protection": protection}}
	}
	if l.After != "" {
		tree["receipts"] = object{l.After: object{"number": k.before, "at": f.Submitted}}
	}
	if l.Number != "" {
		tree["case"] = object{l.Number: object{"number": k.number, "at": f.Submitted}}
	}
	given, err := json.Marshal(tree)
	if err != nil {
		panic(err) // it is made of texts and numbers
	}
	return given, f, k
}

// goldenDiary is golden for the diarium, whose document is a tree of its own.
func (f *form) goldenDiary(l leg, k known) []byte {
	document := object{}
	if l.Number != "" {
		document.add("CaseNumber", k.number)
	}
	document.add("Title", f.name())
	document.add("Archive", "recno:2")
	document.add("Category", "recno:110")
	document.add("DocumentDate", k.came.In(stockholm).Format(time.RFC3339))
	document.add("AccessCode", "recno:1")
	var o object
	if l.Number == "" {
		o.add("case", object{{"Title", f.name()}, {"StartDate", k.came.In(stockholm).Format(time.RFC3339)}, {"AccessCode", "recno:1"}})
	}
	o.add("document", document)
	text, _ := o.MarshalJSON()
	return text
}

func fill(text string, with any) []byte {
	var out bytes.Buffer
	t := template.Must(template.New("").Delims("<<", ">>").Parse(text))
	if err := t.Execute(&out, with); err != nil {
		panic(err) // the texts stand below
	}
	return out.Bytes()
}

// Where the hub is in its own configuration.
func (in *installation) Listen() string               { return in.at[0].listen }
func (in *installation) Operator() string             { return in.at[0].operator }
func (in *installation) Engines() string              { return in.engines }
func (in *installation) Plan() *plan                  { return in.plan }
func (p *plan) Municipalities() []*municipality       { return p.municipalities }
func (in *installation) Address(system string) string { return in.addresses[system] }

const settingsText = `listen: <<.Listen>>
operator: <<.Operator>>
<<.Engines>>
keys: file:secrets/keys.json
clients:
<<- range .Plan.Municipalities>>
  <<.Folder>>:
    municipalities: ["<<.Code>>"]
    services: ["*"]
    secrets: [file:secrets/<<.Folder>>-client]
    systems: [portal]
    key: header
<<- end>>
`

const systemsText = `portal:
  connector: json

navet:
  connector: navet
  url: https://<<.In.Address "navet">>/na/na_epersondata/V4/personpostXML
  org-number: "162021004748"
  order: 00000236-FO01-0002
  tls:
    certificate: file:secrets/navet.pem
    key: file:secrets/navet-key.pem
    ca: file:secrets/navet-ca.pem

recognises:
  connector: rest
  url: http://<<.In.Address "recognises">>/<<.M.Folder>>
  poll: 1s
  operations:
    case:
      path: /cases
      level: idempotent
      key: { header: Idempotency-Key }
      receipt: { number: /number, ref: /id, echo: /reference }
      files: { path: "/cases/{ref}/files/{n}", sha256: X-SHA256, ref: /id }
<<template "changes">>    key: /reference
<<template "words">>
tells:
  connector: rest
  url: http://<<.In.Address "tells">>/<<.M.Folder>>
  poll: 1s
  operations:
    case:
      path: /cases
      level: lookup
      lag: <<.Lag>>
      key: { document: /reference }
      receipt: { number: /number, ref: /id, echo: /reference }
      find: { path: "/cases?reference={key}", list: /cases, number: /number, ref: /id, echo: /reference }
      files:
        path: "/cases/{ref}/files/{n}"
        sha256: X-SHA256
        ref: /id
        find: { path: "/cases/{ref}/files", list: /files, n: /n, sha256: /sha256, ref: /id }
<<template "changes">>    key: /reference
<<template "words">>
forgets:
  connector: rest
  url: http://<<.In.Address "forgets">>/<<.M.Folder>>
  poll: 1s
  operations:
    case:
      path: /cases
      receipt: { number: /number, ref: /id }
      files: { path: "/cases/{ref}/files/{n}", sha256: X-SHA256, ref: /id }
<<template "changes">><<template "words">>
<<- if .M.Diarium>>
diary:
  connector: sif
  url: http://<<.In.Address (print "diary" .M.Folder)>>
  authkey: file:secrets/diarium-authkey
  poll: 2s
  words:
    Registrerat: registrerat
    Tilldelat för handläggning: under-handlaggning
    Under handläggning: under-handlaggning
    Komplettering begärd: komplettering
    Beslutat: beslutat
    Avslutat: avslutat
<<end>>
<<- define "changes">>  changes:
    path: "/changes?since={cursor}"
    list: /changes
    next: /next
    id: /id
    ref: /caseId
    word: /word
    at: /at
<<end>>
<<- define "words">>  words:
    Registrerat: registrerat
    Under handläggning: under-handlaggning
    Komplettering begärd: komplettering
    Beslutat: beslutat
    Avslutat: avslutat
<<end>>`

const routeText = `title: <<.Name>>
from: { system: portal, service: <<.Name>> }
answers: services/chaos.json
parties:
  - role: sökande
    follows: true
  - role: barn
    id: ${answers.child}
<<- if .Register>>
enrich:
  - register: navet
    person: ${parties.sökande}
    as: sökande
<<- end>>
deliver:
<<- range .Legs>>
  - to: <<.To>>
    name: <<.Name>>
    mapping: <<.To>>/<<$.Name>>-<<.Name>>
    on: <<.On>>
<<- if .After>>
    after: <<.After>>
<<- end>>
<<- if .Voice>>
    step: registrerat
    voice: true
<<- end>>
<<- end>>
protected: hold
keep: 1 år
decision: KS 2026-1
owner: chaos@example.com
`

// What the route's text reads of a service.
func (s *service) Register() bool { return s.register }
func (s *service) Legs() []leg    { return s.legs }

const mappingText = `operation: case
output: json
schema: none
document:
<<- if .Tells>>
  reference: ${submission.id}-<<.L.Name>>
<<- end>>
  form: ${source.id}
  version: ${source.version}
  leg: <<.L.Name>>
  submission: ${submission.id}
  municipality: ${municipality.code}
  service: ${service.name}
  came: ${isodatetime(inkommen)}
  canary: ${answers.canary}
  text: ${answers.text}
  amount: ${answers.amount}
  lines:
    $for: line, n in answers.lines
    n: ${n}
    text: ${line}
<<- if .S.Register>>
  person:
    number: ${personnummer(sökande)}
    name: ${sökande.name}
<<- end>>
<<- if .L.After>>
  before: ${<<.L.After>>.number}
<<- end>>
<<- if .L.Number>>
  case: ${case.<<.L.Number>>.number}
<<- end>>
  files:
    $for: f in attachments
    name: ${f.name}
    size: ${f.size}
    sha256: ${f.sha256}
`

const diaryText = `operation: <<if .L.Number>>document<<else>>case<<end>>
output: json
schema: none
tables:
  access: { true: recno:1, false: recno:1 }
document:
<<- if not .L.Number>>
  case:
    Title: ${source.id}@${source.version}
    StartDate: ${isodatetime(inkommen)}
    AccessCode: ${tables.access[sökande.protected]}
<<- end>>
  document:
<<- if .L.Number>>
    CaseNumber: ${case.<<.L.Number>>.number}
<<- end>>
    Title: ${source.id}@${source.version}
    Archive: recno:2
    Category: recno:110
    DocumentDate: ${isodatetime(inkommen)}
    AccessCode: ${tables.access[sökande.protected]}
`

const schemaText = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "What everybody is asked",
  "type": "object",
  "properties": {
    "canary": { "type": "string" },
    "text": { "type": "string" },
    "amount": { "type": "number" },
    "lines": { "type": "array", "items": { "type": "string" } },
    "child": { "type": "string" }
  },
  "required": ["canary", "text", "amount", "lines"]
}
`

// freeAddresses gives those of one replica.
func freeAddresses() (a addresses, err error) {
	if a.listen, err = freeAddress(); err == nil {
		a.operator, err = freeAddress()
	}
	return a, err
}

// freeAddress gives an address that nobody listens on, and that nobody else will listen on while a hub
// that was killed is away: where the machine lets us, it has a number of its own within this machine.
func freeAddress() (string, error) {
	for _, host := range []string{fmt.Sprintf("127.%d.%d.%d", 1+mathrand.IntN(250), mathrand.IntN(250), 1+mathrand.IntN(250)), "127.0.0.1"} {
		if l, err := net.Listen("tcp", host+":0"); err == nil {
			defer l.Close()
			return l.Addr().String(), nil
		}
	}
	return "", errors.New("this machine has no free port")
}
