package config

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

// Settings are knutpunkt.yaml: how this process runs, and who may call it.
type Settings struct {
	Listen   string         // host:port of the public API
	Operator string         // host:port of the console, the metrics and the health
	Store    Store          // where what is received is kept
	Kafka    *Kafka         // the brokers of the bus; nil where it is in memory
	Keys     string         // the file of keys that personal data are sealed with
	Clients  []Client       // in order of name
	People   []Operator     // who may decide about what rests with people, in order of name
	TLS      TLS            // of the public API; without it something before it must speak TLS
	Proxies  []netip.Prefix // whose word on where a call came from is believed
	Login    *Login         // of citizens; nil where there are no pages for them
	Traces   *Traces        // nil where nobody wants any
}

// A Client is a platform or a system that may call.
type Client struct {
	Name           string
	Municipalities []hub.Municipality
	Services       []string     // "*" for all
	Secrets        []hub.Secret // any of which it may show, so that they can be changed without a stop
	Systems        []string     // the sources that it may post as; none named means any of its municipalities'
	Key            KeyFrom
	Kundhandelser  bool // it asks for the national Mina ärenden, and does nothing else
	Line           int  // where it stands in knutpunkt.yaml

	written clientText
}

// An Operator is a person who works the list of what rests with people.
type Operator struct {
	Name           string             // by which the audit log knows her
	Municipalities []hub.Municipality // or AllMunicipalities alone
	Secret         hub.Secret
	Line           int // where she stands in knutpunkt.yaml
}

// AllMunicipalities stands for every municipality of the configuration.
const AllMunicipalities hub.Municipality = "*"

// Viewer gives what the client may see.
func (c Client) Viewer() hub.Viewer { return hub.AsClient(c.Name, c.Municipalities, c.Services) }

// KeyFrom tells by what a client's repeated post is known to be a repeat.
type KeyFrom string

const (
	Header  KeyFrom = "header"  // it must send an Idempotency-Key
	Derived KeyFrom = "derived" // it sends none: the platform's own id and version of the form decide
)

// An Override is a setting that stands before the file's own.
type Override struct {
	Key   string // listen, operator, store, bus, statuses, keys or proxies
	Value string
	From  string // for people: "--listen", "KNUTPUNKT_LISTEN"
}

// Environment gives the overrides among environment variables, which are written
// NAME=value: KNUTPUNKT_LISTEN for listen, and so on.
func Environment(variables []string) []Override {
	var overrides []Override
	for _, key := range []string{"listen", "operator", "store", "bus", "statuses", "keys", "proxies"} {
		name := "KNUTPUNKT_" + strings.ToUpper(key)
		for _, variable := range variables {
			if value, is := strings.CutPrefix(variable, name+"="); is {
				overrides = append(overrides, Override{key, value, name})
			}
		}
	}
	return overrides
}

// settingsText is knutpunkt.yaml as it is written.
type settingsText struct {
	Listen   word                  `yaml:"listen,omitempty" doc:"host:port of the public API and of the citizens' pages; 127.0.0.1:8700 when left out"`
	Operator word                  `yaml:"operator,omitempty" doc:"host:port of the console, the metrics and the health: for operators alone; 127.0.0.1:8701 when left out"`
	Store    word                  `yaml:"store,omitempty" doc:"where what is received is kept: sqlite:PATH, or postgres://USER@HOST/DATABASE, which several replicas may share; sqlite:data/knutpunkt.db when left out"`
	Password hub.Secret            `yaml:"store-password,omitempty" doc:"the password of PostgreSQL: env:NAME or file:PATH; left out where PGPASSFILE or PGPASSWORD has it, or none is needed"`
	Bus      word                  `yaml:"bus,omitempty" doc:"what wakes those who wait: memory, for one process, when left out; or kafkas://HOST:PORT,HOST:PORT, for replicas; kafka:// where the brokers speak no TLS"`
	Kafka    *kafkaText            `yaml:"kafka,omitempty" doc:"how the brokers of the bus are reached"`
	Statuses word                  `yaml:"statuses,omitempty" doc:"a topic of those brokers on which each line of the feed is made known, as a CloudEvent that names nobody; none when left out"`
	Keys     word                  `yaml:"keys,omitempty" doc:"the file of keys that personal data are sealed with: file:PATH; knutpunkt keys init makes it"`
	Clients  map[string]clientText `yaml:"clients,omitempty" doc:"the platforms and systems that may call, by name"`
	People   map[string]personText `yaml:"operators,omitempty" doc:"who may decide about what rests with people, by name"`
	TLS      *tlsText              `yaml:"tls,omitempty" doc:"the certificate of the public API; without it something before it must speak TLS"`
	Login    *loginText            `yaml:"login,omitempty" doc:"how citizens show who they are on the public pages; without it there are no pages for them"`
	Proxies  []word                `yaml:"proxies,omitempty" doc:"addresses and networks whose word on where a call came from is believed"`
	Traces   *tracesText           `yaml:"traces,omitempty" doc:"where it is told how long each part of a submission's journey takes (OpenTelemetry); nowhere when left out"`
}

type clientText struct {
	Municipalities []word       `yaml:"municipalities" doc:"the kommunkoder, in quotes, for which it may post and whose cases it may read"`
	Services       []word       `yaml:"services" doc:"the e-services that it may post, by the platform's own numbers; \"*\" for all"`
	Secrets        []hub.Secret `yaml:"secrets" doc:"any of which it shows to be known: env:NAME or file:PATH; several while one is being changed"`
	Systems        []word       `yaml:"systems,omitempty" doc:"the sources in systems.yaml that it may post as; left out: any of its municipalities'"`
	Key            word         `yaml:"key,omitempty" values:"header derived" doc:"header (when left out): it sends an Idempotency-Key with each form; derived: its own id and version of the form decide"`
	Kundhandelser  bool         `yaml:"kundhandelser,omitempty" doc:"yes: it asks for the events of the national Mina ärenden, and posts nothing"`
	Line           int
}

type personText struct {
	Municipalities []word     `yaml:"municipalities" doc:"whose cases she sees: kommunkoder in quotes, or \"*\" alone for every municipality here"`
	Secret         hub.Secret `yaml:"secret" doc:"by which she shows that it is her: env:NAME or file:PATH"`
	Line           int
}

// ReadSettings reads DIR/knutpunkt.yaml and the secrets that it refers to. Overrides
// stand before the file, and an earlier one before a later: flags first, then the
// Environment. The error is a Problems.
func ReadSettings(dir string, overrides ...Override) (*Settings, error) {
	c := &configuration{fsys: os.DirFS(dir), secrets: secrets{dir: dir, env: os.LookupEnv}}
	s := c.settings(overrides)
	return s, c.err()
}

// settingsFile is where a configuration's settings stand.
const settingsFile = "knutpunkt.yaml"

func (c *configuration) settings(overrides []Override) *Settings {
	p, top := c.open(settingsFile)
	var text settingsText
	if top != nil {
		p.fill(top, &text)
	}
	for _, o := range slices.Backward(overrides) {
		text.override(o)
	}
	s := &Settings{
		Listen: p.address(text.Listen, "listen", "127.0.0.1:8700"), Operator: p.address(text.Operator, "operator", "127.0.0.1:8701"),
		Store: p.store(text.Store, text.Password), Kafka: p.kafka(text.Bus, text.Kafka, text.Statuses), Keys: p.keys(text.Keys),
		Clients: p.clients(text.Clients), People: p.people(text.People), TLS: p.tls(text.TLS),
		Proxies: p.proxies(text.Proxies), Login: p.login(text.Login), Traces: p.traces(text.Traces),
	}
	if s.Listen == s.Operator && top != nil {
		p.said(text.Operator, "listen and operator are the same address: what operators see is for them alone")
	}
	c.close(p)
	return s
}

// override puts a value in the place of the file's.
func (t *settingsText) override(o Override) {
	value := word{text: o.Value, from: o.From}
	switch o.Key {
	case "listen":
		t.Listen = value
	case "operator":
		t.Operator = value
	case "store":
		t.Store = value
	case "bus":
		t.Bus = value
	case "statuses":
		t.Statuses = value
	case "keys":
		t.Keys = value
	case "proxies":
		t.Proxies = nil
		for one := range strings.SplitSeq(o.Value, ",") {
			t.Proxies = append(t.Proxies, word{text: strings.TrimSpace(one), from: o.From})
		}
	}
}

// wrong notes a problem with a setting: at its line, or by the name of the flag or
// variable that it came from.
func (p *page) wrong(w word, text string) {
	if w.from != "" {
		p.problems = append(p.problems, mapping.Problem{File: w.from, Text: text})
		return
	}
	p.said(w, "%s", text)
}

func (p *page) address(w word, key, usual string) string {
	if w.text == "" {
		return usual
	}
	if _, port, err := net.SplitHostPort(w.text); err != nil || port == "" {
		p.wrong(w, key+` is written HOST:PORT, such as "127.0.0.1:8700"`)
	}
	return w.text
}

func (p *page) keys(w word) string {
	if w.text == "" {
		w.text = "file:secrets/keys.json"
	}
	kind, file, _ := strings.Cut(w.text, ":")
	if kind != "file" || file == "" {
		p.wrong(w, "keys is written file:PATH; knutpunkt keys init makes the file")
	}
	return p.beside(w, file)
}

// beside gives the place of a file: relative to the configuration when it is written
// there, and to where the process was started when it is written on its command line.
func (p *page) beside(w word, file string) string {
	if w.from != "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(p.secrets.dir, filepath.FromSlash(file))
}

// proxies reads addresses and networks: "10.0.0.1", "10.1.0.0/16".
func (p *page) proxies(ws []word) []netip.Prefix {
	var all []netip.Prefix
	for _, w := range ws {
		network, err := netip.ParsePrefix(w.text)
		if ip, ipErr := netip.ParseAddr(w.text); ipErr == nil {
			network, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		if err != nil && w.text != "" {
			p.wrong(w, `proxies are addresses and networks, such as "10.0.0.1" and "10.1.0.0/16"`)
		}
		all = append(all, network)
	}
	return all
}

func (p *page) clients(texts map[string]clientText) []Client {
	var all []Client
	owner := map[hub.Secret]string{}
	for _, name := range sortedKeys(texts) {
		client := p.client(name, texts[name])
		for _, secret := range client.Secrets {
			p.shared(owner, secret, name, texts[name].Line, "nobody could tell who calls")
		}
		all = append(all, client)
	}
	return all
}

func (p *page) client(name string, text clientText) Client {
	c := Client{Name: name, Line: text.Line, written: text, Secrets: text.Secrets, Key: KeyFrom(text.Key.text), Kundhandelser: text.Kundhandelser}
	c.Municipalities = p.kommunkoder(text.Municipalities)
	for _, service := range text.Services {
		c.Services = append(c.Services, service.text)
	}
	for _, system := range text.Systems {
		c.Systems = append(c.Systems, system.text)
	}
	if c.Key == "" {
		c.Key = Header
	}
	if c.Key != Header && c.Key != Derived {
		p.said(text.Key, "key is header (the client sends an Idempotency-Key) or derived (its own id of the form decides)")
	}
	for _, list := range []struct {
		key    string
		length int
	}{
		{"municipalities", len(text.Municipalities)}, {"services", len(text.Services)}, {"secrets", len(text.Secrets)},
	} {
		if list.length == 0 {
			p.add(text.Line, "%s of %s is empty: nobody could call so", list.key, name)
		}
	}
	return c
}

func (p *page) kommunkoder(codes []word) []hub.Municipality {
	var all []hub.Municipality
	for _, code := range codes {
		if !isKommunkod(code.text) && code.text != "" {
			p.said(code, `a kommunkod is four digits in quotes, such as "0114"`)
		}
		all = append(all, hub.Municipality(code.text))
	}
	return all
}

// shared notes a secret that somebody has already, and else whose it is.
func (p *page) shared(owner map[hub.Secret]string, secret hub.Secret, name string, line int, why string) {
	if other := owner[secret]; other != "" {
		p.add(line, "%s has the same secret as %s: %s", name, other, why)
	}
	if secret != (hub.Secret{}) {
		owner[secret] = name
	}
}

// people reads operators. Two with the same secret would be one person, and what takes
// two would take one.
func (p *page) people(texts map[string]personText) []Operator {
	var all []Operator
	owner := map[hub.Secret]string{}
	for _, name := range sortedKeys(texts) {
		o := p.person(name, texts[name])
		p.shared(owner, o.Secret, name, o.Line, "what takes two persons would take one")
		all = append(all, o)
	}
	return all
}

var personName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,39}$`)

func (p *page) person(name string, text personText) Operator {
	o := Operator{Name: name, Secret: text.Secret, Line: text.Line}
	if !personName.MatchString(name) {
		p.add(o.Line, "an operator's name is 2 to 40 lower-case letters a–z, digits, . and -, beginning with a letter or a digit")
	}
	switch {
	case len(text.Municipalities) == 0:
		p.add(o.Line, "municipalities of %s is empty: nothing could be seen so", name)
	case len(text.Municipalities) == 1 && text.Municipalities[0].text == string(AllMunicipalities):
		o.Municipalities = []hub.Municipality{AllMunicipalities}
	default:
		o.Municipalities = p.kommunkoder(text.Municipalities)
	}
	return o
}
