// Package config reads what a municipality's people write: knutpunkt.yaml, and under
// routes/ who a municipality is (municipality.yaml), which systems it has
// (systems.yaml) and who gets what of each e-service (a route per file).
//
// It reads strictly. An unknown, missing or misspelt key, a name that nothing has, an
// expression that cannot be right: all of it is found before any citizen is involved,
// all at once, each with its file and line and in words for whoever wrote the file.
//
// Routes, mappings and schemas are a bundle: Read packs their texts, Open makes of
// them what the hub runs, now or in a year, when a delivery is still bound to them.
// What is in systems.yaml (addresses, secrets) is no part of it and is always the
// present one.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

// Check finds everything that can be known to be wrong with a configuration without
// its secrets and without calling anybody: the problems of routes, systems, mappings
// and schemas, and the mappings' own tests that fail. They come in order of file and
// line.
func Check(fsys fs.FS, connectors []hub.Connector) []mapping.Problem {
	c := newConfiguration(fsys)
	c.connectors, c.opened = connectors, map[hub.SystemID]hub.System{}
	systems := c.systems()
	c.checkCertificates(systems)
	c.names = c.readNames()
	bundle := c.compile()
	c.checkMappings()
	switch {
	case len(c.problems) > 0: // what is not used may be what is misspelt
	case len(bundle.Routes) == 0:
		c.add("routes", 1, "there is no route: this is no folder of a configuration, or an empty one")
	default:
		c.checkUse(systems, bundle.Routes)
	}
	c.checkVoices(systems, bundle.Routes)
	if exists(fsys, settingsFile) {
		settings := c.settings(nil)
		c.checkCallers(settings, bundle)
		c.checkTopics(settings.Kafka, systems)
	}
	return c.sorted()
}

// checkTopics finds systems whose forms lie where we write ourselves: each record of ours would be held as
// what is no form, which is a case, of which there would be a record.
func (c *configuration) checkTopics(ours *Kafka, systems []System) {
	for _, s := range systems {
		if key := ours.writesTo(c.opened[s.ID].Collects); key != "" {
			c.add(s.File, s.Line, "the forms of %s lie on the topic that knutpunkt.yaml calls %s: all that we write there would be taken for forms", s.ID, key)
		}
	}
}

// checkCallers finds clients and operators of a municipality that is not there, and what clients are
// to post as, or for, that is not there either.
func (c *configuration) checkCallers(s *Settings, b *hub.Bundle) {
	if _, unread := b.Municipalities[""]; unread {
		return // one that seems to be missing may be that
	}
	check := func(line int, name, does string, ms []hub.Municipality) {
		for _, m := range ms {
			if _, there := b.Municipalities[m]; !there && isKommunkod(string(m)) {
				c.add(settingsFile, line, "%s is to %s for %s, but no folder under routes/ has that kommunkod", name, does, m)
			}
		}
	}
	for _, client := range s.Clients {
		check(client.Line, client.Name, "call", client.Municipalities)
		c.checkPosting(client, b)
	}
	for _, o := range s.People {
		check(o.Line, o.Name, "decide", o.Municipalities)
	}
}

// checkPosting finds sources and e-services of a client that none of its municipalities has.
func (c *configuration) checkPosting(client Client, b *hub.Bundle) {
	p := page{name: settingsFile}
	defer c.close(&p)
	sources, services := map[string]bool{}, map[string]bool{}
	for _, m := range client.Municipalities {
		if _, there := b.Municipalities[m]; !there {
			return
		}
		for _, name := range sortedKeys(c.namesIn(b.Municipalities[m].Folder)) {
			sources[name], sources[b.Municipalities[m].Folder+"."+name], sources[shared+"."+name] = true, true, true
		}
		for _, r := range b.Routes {
			if r.Municipality == m {
				services[r.Service] = true
			}
		}
	}
	for _, source := range client.written.Systems {
		if source.text != "" && !sources[source.text] && len(c.hidden) == 0 {
			p.said(source, "no system of its municipalities is called %s%s", source.text, perhaps(source.text, sortedKeys(sources)))
		}
	}
	for _, service := range client.written.Services {
		if service.text != "" && service.text != "*" && !services[service.text] && !c.unread {
			p.said(service, "no route of its municipalities takes the e-service %s%s", service.text, meant(service.text, services))
		}
	}
}

// Systems reads every systems.yaml of a configuration's folder, with the secrets that
// they refer to. Connectors read their part of an entry strictly too. The error is a
// Problems.
func Systems(dir string, connectors []hub.Connector) ([]System, error) {
	c := newConfiguration(os.DirFS(dir))
	c.connectors, c.secrets = connectors, secrets{dir: dir, env: os.LookupEnv}
	c.problems = nil // of the municipalities: Open tells of those
	systems := c.systems()
	return systems, c.err()
}

// Problems are everything that is wrong with a configuration, as one error.
type Problems []mapping.Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, problem := range ps {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// problemsOf gives the problems that an error of this package is made of.
func problemsOf(err error) Problems {
	var ps Problems
	errors.As(err, &ps)
	return ps
}

// err gives a page's problems as an error; nil when there are none.
func (p *page) err() error {
	if len(p.problems) == 0 {
		return nil
	}
	return Problems(p.problems)
}

// A configuration is a folder under reading.
type configuration struct {
	fsys       fs.FS
	connectors []hub.Connector
	secrets    secrets
	names      map[hub.SystemID]string         // of every system: its connector
	opened     map[hub.SystemID]hub.System     // what can be opened without its secrets, to see what it can do
	signers    map[hub.Secret]string           // whose each secret is that reports are signed with
	councils   map[string]hub.MunicipalityText // by folder
	mappings   map[string]*mapping.Mapping     // by file; nil for one that does not compile
	forms      map[string]*form                // by file; nil for one that does not compile
	ways       []*way                          // the routes, beside their own text
	uses       []use
	unread     bool            // there is a route that cannot be read at all
	hidden     map[string]bool // the folders whose systems.yaml cannot be read: any name may stand there
	problems   []mapping.Problem
}

func newConfiguration(fsys fs.FS) *configuration {
	c := &configuration{
		fsys: fsys, councils: map[string]hub.MunicipalityText{}, signers: map[hub.Secret]string{},
		mappings: map[string]*mapping.Mapping{}, forms: map[string]*form{},
	}
	c.readCouncils()
	return c
}

// compile makes the bundle that the routes, mappings and schemas are.
func (c *configuration) compile() *hub.Bundle {
	b := &hub.Bundle{Municipalities: map[hub.Municipality]hub.MunicipalityText{}}
	for _, council := range c.councils {
		b.Municipalities[council.Code] = council
	}
	for _, name := range c.files("routes/*/*.yaml") {
		switch {
		case path.Base(name) == "municipality.yaml", path.Base(name) == "systems.yaml":
		case folderOf(name) == shared:
			c.add(name, 1, "a route belongs to a municipality: routes/shared holds systems.yaml only")
		default:
			if r := c.route(name); r != nil {
				c.addRoute(b, r)
			} else {
				c.unread = true
			}
		}
	}
	for _, name := range c.files("routes/*/*.yml") {
		c.add(name, 1, "the file is not read: its name must end in .yaml")
	}
	return b
}

// addRoute adds a route, if no other takes the same forms.
func (c *configuration) addRoute(b *hub.Bundle, r *hub.Route) {
	if other := b.Route(r.Municipality, r.From, r.Service); other != nil {
		file, _, _ := strings.Cut(r.Where, ":")
		c.add(file, 1, "%s already takes the forms of %s from %s", other.Where, r.Service, r.From)
		return
	}
	b.Routes = append(b.Routes, r)
}

// councilText is a municipality.yaml.
type councilText struct {
	Code   word `yaml:"code" doc:"the kommunkod: four digits in quotes"`
	Name   word `yaml:"name" doc:"as the citizen sees it"`
	Colour word `yaml:"colour,omitempty" doc:"of the municipality's pages: \"#0b5c3a\""`
	Logo   word `yaml:"logo,omitempty" doc:"an .svg or .png file beside this one"`
	Help   word `yaml:"help,omitempty" doc:"where a citizen turns with questions"`
}

// readCouncils reads who the municipalities are.
func (c *configuration) readCouncils() {
	folders := map[string]bool{}
	for _, name := range c.files("routes/*/*.yaml") {
		folders[folderOf(name)] = true
	}
	delete(folders, shared)
	taken := map[hub.Municipality]string{}
	for _, folder := range sortedKeys(folders) {
		name := "routes/" + folder + "/municipality.yaml"
		p, top := c.open(name)
		if !isName(folder) {
			p.add(1, "a municipality's folder is called by lower-case letters a–z, digits, - and _, beginning with a letter")
		}
		if top != nil {
			council := c.council(p, top, folder)
			if other := taken[council.Code]; other != "" && council.Code != "" {
				p.add(1, "%s has the code %s too", other, council.Code)
			}
			taken[council.Code] = name
			c.councils[folder] = council
		}
		c.close(p)
	}
}

func (c *configuration) council(p *page, top *yaml.Node, folder string) hub.MunicipalityText {
	var text councilText
	p.fill(top, &text)
	if code := text.Code.text; code != "" && !isKommunkod(code) {
		p.said(text.Code, `a kommunkod is four digits in quotes, such as "0114"`)
	}
	if text.Colour.text != "" && !colour.MatchString(text.Colour.text) {
		p.said(text.Colour, `a colour is written "#0b5c3a": # and six of 0–9 and a–f, in quotes`)
		text.Colour.text = ""
	}
	return hub.MunicipalityText{
		Code: hub.Municipality(text.Code.text), Name: text.Name.text, Folder: folder,
		Colour: text.Colour.text, Logo: c.logo(p, folder, text.Logo), Help: text.Help.text,
	}
}

var colour = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// logos are the kinds of picture that a logo may be, and largestLogo how many bytes it may
// have: it is read with each page that is new to a browser.
var logos = map[string]string{".svg": "image/svg+xml", ".png": "image/png"}

const largestLogo = 64 << 10

// logo reads the picture that a municipality.yaml names, which lies beside it.
func (c *configuration) logo(p *page, folder string, name word) *hub.Logo {
	if name.text == "" {
		return nil
	}
	kind := logos[path.Ext(name.text)]
	if kind == "" || path.Base(name.text) != name.text {
		p.said(name, "a logo is an .svg or a .png file beside municipality.yaml")
		return nil
	}
	picture, err := fs.ReadFile(c.fsys, "routes/"+folder+"/"+name.text)
	switch {
	case err != nil:
		p.said(name, "%s: %s", name.text, unreadable(err))
		return nil
	case len(picture) > largestLogo:
		p.said(name, "%s is larger than 64 KiB", name.text)
		return nil
	}
	return &hub.Logo{Type: kind, Bytes: picture}
}

func isKommunkod(s string) bool {
	return len(s) == 4 && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// open begins the reading of a file, and close ends it.
func (c *configuration) open(name string) (*page, *yaml.Node) {
	p := &page{name: name, secrets: c.secrets}
	text, err := fs.ReadFile(c.fsys, name)
	if err != nil {
		p.add(1, "%s", unreadable(err))
		return p, nil
	}
	return p, p.parse(text)
}

func (c *configuration) close(p *page) { c.problems = append(c.problems, p.problems...) }

func (c *configuration) add(file string, line int, format string, args ...any) {
	p := page{name: file}
	p.add(line, format, args...)
	c.close(&p)
}

// files gives the names that match a pattern, in order.
func (c *configuration) files(pattern string) []string {
	names, err := fs.Glob(c.fsys, pattern)
	if err != nil {
		panic("config: the pattern " + pattern + " is wrong")
	}
	return names
}

// called gives what people call the files that match a pattern.
func (c *configuration) called(pattern, folder, ending string) []string {
	names := c.files(pattern)
	for i, name := range names {
		names[i] = strings.TrimSuffix(strings.TrimPrefix(name, folder), ending)
	}
	return names
}

// sorted gives the problems in order of file and line, each once.
func (c *configuration) sorted() []mapping.Problem {
	slices.SortStableFunc(c.problems, func(a, b mapping.Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(c.problems)
}

func (c *configuration) err() error {
	if len(c.problems) == 0 {
		return nil
	}
	return fmt.Errorf("read configuration: %w", Problems(c.sorted()))
}
