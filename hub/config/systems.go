package config

import (
	"maps"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A System is one entry of a systems.yaml: a system that a municipality has, or that
// several share. Beside what is here it says what its connector wants to know, which
// only Decode gives.
type System struct {
	ID           hub.SystemID
	Connector    string
	Municipality hub.Municipality    // whose it is; "" for a shared one
	Words        map[string]hub.Step // its own words, lower case and trimmed: what they mean to the citizen
	Pace         float64             // calls a second; 0 means no limit
	Concurrency  int                 // calls at a time; 0 means the hub's own
	Poll         time.Duration       // how often it is asked what has happened; 0 means the hub's own
	Maintenance  []Window            // when it is closed
	Reports      []hub.Secret        // by any of which it may sign what it tells unasked (Standard Webhooks)
	TLS          TLS
	Addresses    []string          // that it may be called at: those written in its entry, and no others
	Certificates []hub.Certificate // what has been proved of it as its entry stands
	Entry        string            // the fingerprint of that
	Decode       hub.Decode        // fills the connector's config; its error is a Problems
	File         string            // where the entry stands
	Line         int
	unproved     string // why what Certificates do not prove is not proved
}

// TLS names PEM files: what the hub shows a system, and whom it trusts to be that
// system. Empty ones are not used; without CA the machine's own roots are trusted.
type TLS struct{ Certificate, Key, CA string }

// systemText is the part of an entry that is the hub's and not the connector's.
type systemText struct {
	Connector   word            `yaml:"connector" doc:"which kind of system it is"`
	TLS         *tlsText        `yaml:"tls,omitempty" doc:"PEM files: what we show the system, and whom we trust to be it"`
	Words       map[string]word `yaml:"words,omitempty" values:"Step" doc:"the system's own words, and the Step that each means to the citizen; one that is not here changes nothing"`
	Pace        word            `yaml:"pace,omitempty" doc:"no more calls than this: \"10/s\", \"600/min\" or \"1000/h\""`
	Concurrency *int            `yaml:"concurrency,omitempty" doc:"calls at a time; 8 when left out"`
	Poll        time.Duration   `yaml:"poll,omitempty" doc:"how often it is asked what has happened; when left out 30s, or 5m where each case is asked about by itself"`
	Maintenance []word          `yaml:"maintenance,omitempty" doc:"when it is closed, in Swedish time: \"sun 03:00-05:00\", \"mon-fri 22:00-04:00\"; what comes meanwhile waits"`
	Reports     []hub.Secret    `yaml:"reports,omitempty" doc:"the secrets by any of which it signs what it tells unasked (Standard Webhooks)"`
	Line        int
}

type tlsText struct {
	Certificate word `yaml:"certificate,omitempty" doc:"what we show, in PEM: file:PATH"`
	Key         word `yaml:"key,omitempty" doc:"the private key of that certificate: file:PATH, readable for its owner alone"`
	CA          word `yaml:"ca,omitempty" doc:"whom we trust to be the system; the machine's own roots when left out: file:PATH"`
	Line        int
}

// systems reads every systems.yaml under routes/.
func (c *configuration) systems() []System {
	var all []System
	for _, name := range c.files("routes/*/systems.yaml") {
		p, top := c.open(name)
		if top != nil {
			all = append(all, c.systemsOf(p, top)...)
		}
		c.close(p)
	}
	return all
}

func (c *configuration) systemsOf(p *page, top *yaml.Node) []System {
	entries, _ := p.entries(top, "")
	folder := folderOf(p.name)
	var read []System
	for _, e := range entries {
		name := e.key.Value
		if !isName(name) {
			p.at(e.key, "a system is called by lower-case letters a–z, digits, - and _, beginning with a letter")
		}
		if s, ok := c.readSystem(p, e, hub.SystemID(folder+"."+name)); ok {
			s.Municipality = c.councils[folder].Code
			read = append(read, s)
		}
	}
	return read
}

// readSystem reads one entry: what is common here, and the rest once, by the connector's
// own config, to find what is wrong with it.
func (c *configuration) readSystem(p *page, e entry, id hub.SystemID) (System, bool) {
	if e.value.Kind != yaml.MappingNode {
		p.at(e.key, "%s must be a table that says which connector it is for, and how it is reached", e.key.Value)
		return System{}, false
	}
	connector, kind := c.connectorOf(p, e)
	ours, theirs := p.split(e.value, connector)
	var text systemText
	p.decode(ours, reflect.ValueOf(&text).Elem(), e.key.Value)
	s := System{
		ID: id, Connector: kind, Words: p.words(text.Words),
		Pace: p.pace(text.Pace), Poll: text.Poll,
		Maintenance: p.windows(text.Maintenance), Reports: c.reports(p, id, text), TLS: p.tls(text.TLS),
		Addresses: p.called(e.value, connector), File: p.name, Line: e.key.Line, Entry: entryOf(theirs),
	}
	s.Certificates, s.unproved = c.certificateOf(id, kind, s.Entry)
	if text.Concurrency != nil {
		if s.Concurrency = *text.Concurrency; s.Concurrency < 1 {
			p.at(deepest(e.value, "concurrency"), "concurrency is how many calls may be under way at a time: 1 or more")
		}
	}
	s.Decode = strictly(p, theirs, e.key.Value)
	if connector != nil {
		c.tryOut(p, *connector, s, e.value)
		p.checkOwn(theirs, *connector, c.councils[folderOf(p.name)].Code)
	}
	return s, true
}

// checkOwn sees to it that a system in a municipality's folder is no other municipality's. What is
// shared is in no such folder.
func (p *page) checkOwn(entry *yaml.Node, connector hub.Connector, own hub.Municipality) {
	for i := 0; i+1 < len(entry.Content); i += 2 {
		key, value := entry.Content[i], entry.Content[i+1]
		if fieldCalled(&connector, key.Value).Own && isKommunkod(string(own)) && isKommunkod(value.Value) && value.Value != string(own) {
			p.at(value, "what stands in routes/%s/ is of %s, and this is another municipality's", folderOf(p.name), own)
		}
	}
}

// reports checks the secrets by which a system signs what it tells unasked. A secret that
// two systems have would let each speak for the other.
func (c *configuration) reports(p *page, id hub.SystemID, text systemText) []hub.Secret {
	for _, secret := range text.Reports {
		p.shared(c.signers, secret, string(id), text.Line, "each could speak for the other")
		if secret == (hub.Secret{}) || p.secrets.env == nil {
			continue // it could not be read, or is not to be
		}
		if err := hub.CheckWebhookSecret(secret); err != nil {
			p.add(text.Line, "reports: %s", err)
		}
	}
	return text.Reports
}

// connectorOf finds the connector that an entry names; nil when there is none.
func (c *configuration) connectorOf(p *page, e entry) (*hub.Connector, string) {
	name, known := connectorName(e), map[string]bool{}
	for i := range c.connectors {
		if c.connectors[i].Name == name {
			return &c.connectors[i], name
		}
		known[c.connectors[i].Name] = true
	}
	if name != "" {
		p.at(e.key, "there is no connector called %s%s", name, meant(name, known))
	}
	return nil, name
}

// connectorName gives what an entry says that its connector is; "" when it does not.
func connectorName(e entry) string {
	for i := 0; i+1 < len(e.value.Content); i += 2 {
		if key, value := e.value.Content[i], e.value.Content[i+1]; key.Value == "connector" && value.ShortTag() == "!!str" {
			return value.Value
		}
	}
	return ""
}

// split parts an entry between the hub and the connector. A key that both have is
// for both; one that neither has is a problem. Without a connector nobody can tell.
func (p *page) split(n *yaml.Node, connector *hub.Connector) (ours, theirs *yaml.Node) {
	common := fieldsOf(reflect.TypeFor[systemText]())
	ours = &yaml.Node{Kind: yaml.MappingNode, Line: n.Line}
	theirs = &yaml.Node{Kind: yaml.MappingNode, Line: n.Line}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		_, isOurs := common[key.Value]
		isTheirs := connector != nil && hasField(*connector, key.Value)
		if isOurs {
			ours.Content = append(ours.Content, key, value)
		}
		if isTheirs {
			theirs.Content = append(theirs.Content, key, value)
		}
		if connector != nil && !isOurs && !isTheirs {
			p.at(key, "there is no key called %s for a system of the kind %s%s",
				key.Value, connector.Name, meant(key.Value, keysOf(*connector, common)))
		}
	}
	return ours, theirs
}

// keysOf gives every key that an entry can have.
func keysOf(c hub.Connector, common map[string]fieldTag) map[string]fieldTag {
	keys := maps.Clone(common)
	for _, f := range c.Fields {
		if !strings.Contains(f.Name, ".") {
			keys[f.Name] = fieldTag{}
		}
	}
	return keys
}

func hasField(c hub.Connector, name string) bool {
	return slices.ContainsFunc(c.Fields, func(f hub.Field) bool { return f.Name == name })
}

// strictly makes the function by which a connector gets its config.
func strictly(p *page, n *yaml.Node, key string) hub.Decode {
	name, secrets := p.name, p.secrets
	return func(into any) error {
		inner := &page{name: name, secrets: secrets}
		inner.decode(n, reflect.ValueOf(into).Elem(), key)
		return inner.err()
	}
}

// Decode reads a connector's part of an entry out of a text of its own, as a
// connector's README shows it. Secrets that are env:NAME come from env. The error is a
// Problems whose file is "config".
func Decode(text string, env func(name string) (value string, ok bool)) hub.Decode {
	return func(into any) error {
		p := &page{name: "config", secrets: secrets{env: env}}
		if top := p.parse([]byte(text)); top != nil {
			p.fill(top, into)
		}
		return p.err()
	}
}

// words reads the table from a system's words to the citizen's Steps.
func (p *page) words(table map[string]word) map[string]hub.Step {
	words := map[string]hub.Step{}
	for _, written := range sortedKeys(table) {
		step, normal := table[written], hub.Normal(written)
		if _, twice := words[normal]; twice {
			p.said(step, "%q is written twice: words are compared without regard to upper and lower case", normal)
		}
		words[normal] = p.step(step)
	}
	return words
}

// step reads a Step.
func (p *page) step(w word) hub.Step {
	if s := hub.Step(w.text); s.Rank() > 0 || w.text == "" {
		return s
	}
	p.said(w, "%s is no step: the steps are inkommet, registrerat, under-handlaggning, komplettering, "+
		"beslutat, avslutat, atertaget and avvisat", w.text)
	return ""
}

// pace reads "10/s", "600/min" or "1000/h" as calls a second.
func (p *page) pace(w word) float64 {
	if w.text == "" {
		return 0
	}
	count, unit, _ := strings.Cut(w.text, "/")
	n, err := strconv.Atoi(strings.TrimSpace(count))
	per := map[string]float64{"s": 1, "min": 60, "h": 3600}[strings.TrimSpace(unit)]
	if err != nil || n < 1 || per == 0 {
		p.said(w, `pace is a number of calls and a time: "10/s", "600/min" or "1000/h"`)
		return 0
	}
	return float64(n) / per
}

// tls reads the names of PEM files.
func (p *page) tls(t *tlsText) TLS {
	if t == nil {
		return TLS{}
	}
	if (t.Certificate.text == "") != (t.Key.text == "") {
		p.add(t.Line, "certificate and key belong together: one of them is missing")
	}
	if t.Key.text != "" && p.secrets.env != nil && strings.HasPrefix(t.Key.text, "file:") {
		if err := private(p.secrets.path(t.Key.text)); err != nil {
			p.said(t.Key, "key %s", err)
		}
	}
	return TLS{Certificate: p.file(t.Certificate, "certificate"), Key: p.file(t.Key, "key"), CA: p.file(t.CA, "ca")}
}

// file reads the place of a file, which is written file:PATH.
func (p *page) file(w word, key string) string {
	if w.text != "" && (!strings.HasPrefix(w.text, "file:") || w.text == "file:") {
		p.said(w, "%s must be written file:PATH", key)
		return ""
	}
	return p.secrets.path(w.text)
}

// called gives the addresses that the hub may call: all that are written in an entry but
// those that are for people to follow, and names that only look like addresses.
func (p *page) called(entry *yaml.Node, connector *hub.Connector) []string {
	var all []string
	for i := 0; i+1 < len(entry.Content); i += 2 {
		field := fieldCalled(connector, entry.Content[i].Value)
		if field.Names {
			continue
		}
		if written := p.addresses(entry.Content[i+1]); !field.Link {
			all = append(all, written...)
		}
	}
	return all
}

// fieldCalled gives what a connector says of a key; nothing, where it has none.
func fieldCalled(connector *hub.Connector, name string) hub.Field {
	if connector != nil {
		for _, f := range connector.Fields {
			if f.Name == name {
				return f
			}
		}
	}
	return hub.Field{}
}

// addresses gives every address that is written in an entry: writing one is leave to
// call it, so each must be one that persons can be spoken of at.
func (p *page) addresses(n *yaml.Node) []string {
	if n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "://") {
		if problem := wrongAddress(n.Value); problem != "" {
			p.at(n, "%s", problem)
			return nil
		}
		return []string{n.Value}
	}
	var found []string
	for _, child := range n.Content {
		found = append(found, p.addresses(child)...)
	}
	return found
}

// wrongAddress says what is wrong with an address, without repeating it: there may
// be a secret in it.
func wrongAddress(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "the address cannot be read: write it as https://HOST/PATH"
	case u.User != nil:
		return "an address holds no user and no password: write them as env: or file: under their own keys"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "an address ends before its ? or #: what stands there may be a secret, and would be seen in logs"
	case !slices.Contains([]string{"https", "http", "smtp", "smtps", "kafkas", "kafka"}, u.Scheme):
		return "an address begins with https://; that of a mail server with smtp:// (which is made secure by STARTTLS) or smtps://; " +
			"that of a Kafka broker with kafkas://"
	}
	ip, err := netip.ParseAddr(u.Hostname())
	isIP := err == nil
	switch ip = ip.Unmap(); {
	case isIP && (ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast()):
		return "the address is one where no business system can be (link-local, unspecified or multicast)"
	case u.Scheme == "http" && (!isIP || !ip.IsLoopback()):
		return "an address begins with https://; http:// only with 127.0.0.1 or [::1] written out, on this very machine"
	case u.Scheme == "kafka" && (!isIP || !ip.IsLoopback()):
		return "the address of a Kafka broker begins with kafkas://, which is TLS; kafka:// only with 127.0.0.1 or [::1] written out, on this very machine"
	}
	return ""
}

// shared is the folder of what several municipalities share.
const shared = "shared"

// isName reports whether a text can name a system or a leg: it becomes a part of
// identifiers, of addresses and of Keys.
func isName(s string) bool {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z'
		if !letter && (i == 0 || (r < '0' || r > '9') && r != '-' && r != '_') {
			return false
		}
	}
	return s != ""
}
