package config

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

// tryOut has a connector read its entry, to find what is wrong with it. Where a
// configuration is checked without its secrets, it goes on to open the system, which
// reaches for nothing, to see what it can do.
func (c *configuration) tryOut(p *page, connector hub.Connector, s System, entry *yaml.Node) {
	decode := func(into any) error {
		err := s.Decode(into)
		p.problems = append(p.problems, problemsOf(err)...)
		if c.opened == nil && err == nil {
			return errTried
		}
		return err
	}
	system, err := connector.Certified(s.Certificates...).Open(context.Background(), c.nowhere(s.ID), decode)
	switch {
	case err == nil:
		c.opened[s.ID] = system
		p.checkLevels(s, system.Can)
	case !errors.Is(err, errTried) && problemsOf(err) == nil:
		p.refused(s, entry, err)
	}
	if err == nil && system.Close != nil {
		system.Close()
	}
}

// refused puts what a connector does not take where it stands: each line of its error begins
// with a key, such as operations.case.find, of which it is about as much as is written.
func (p *page) refused(s System, entry *yaml.Node, err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		key, _, _ := strings.Cut(line, ": ")
		if at := deepest(entry, key); at != nil {
			p.at(at, "%s", line)
		} else {
			p.add(s.Line, "the connector %s does not take this: %s", s.Connector, line)
		}
	}
}

// deepest gives the key of a table that a dotted path leads to, or the last on the way that is
// there; nil where not even the first is.
func deepest(table *yaml.Node, path string) *yaml.Node {
	for i := 0; table.Kind == yaml.MappingNode && i+1 < len(table.Content); i += 2 {
		key := table.Content[i]
		rest, begins := strings.CutPrefix(path, key.Value)
		switch {
		case !begins || key.Value == "":
		case rest == "":
			return key
		case rest[0] == '.':
			return cmp.Or(deepest(table.Content[i+1], rest[1:]), key)
		}
	}
	return nil
}

// errTried ends the opening of a system when its config has been read.
var errTried = errors.New("only tried")

var errNowhere = errors.New("nothing is called while a configuration is checked")

// nowhere is what a system is lent while a configuration is checked: nobody can be
// called with it.
func (c *configuration) nowhere(id hub.SystemID) hub.Env {
	client := &http.Client{Transport: noTransport{}}
	return hub.Env{
		ID: id, HTTP: client, Reads: client, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Dial:    func(context.Context, string, string) (net.Conn, error) { return nil, errNowhere },
		Clock:   func() time.Time { return time.Time{} },
		Mapping: func(name string) (hub.Mapping, error) { return Mapping(c.fsys, name) }, Residents: noResidents{},
	}
}

// Mapping compiles mappings/NAME.yaml of a configuration's folder, for a system that reads
// forms by it. The error is a Problems where there is such a file.
func Mapping(fsys fs.FS, name string) (hub.Mapping, error) {
	file := "mappings/" + name + ".yaml"
	if !exists(fsys, file) {
		c := configuration{fsys: fsys}
		return nil, errors.New("there is no such file" + perhaps(name, c.called("mappings/*/*.yaml", "mappings/", ".yaml")))
	}
	m, problems := mapping.Compile(fsys, file)
	if len(problems) > 0 {
		return nil, Problems(problems)
	}
	return m, nil
}

type noResidents struct{}

func (noResidents) Known(context.Context, ...hub.PersonID) ([]hub.Person, error) {
	return nil, errNowhere
}
func (noResidents) Coming(context.Context, ...hub.PersonID) ([]hub.Person, error) {
	return nil, errNowhere
}
func (noResidents) Bookmark(context.Context) (hub.Bookmark, error) { return hub.Bookmark{}, errNowhere }
func (noResidents) Keep(context.Context, hub.Bookmark, []hub.Person, []hub.PersonID) error {
	return errNowhere
}

type noTransport struct{}

func (noTransport) RoundTrip(*http.Request) (*http.Response, error) { return nil, errNowhere }

// checkSource sees to it that forms come from a route's source. A system that plays
// no role at all is one that posts our own JSON to us.
func (w *way) checkSource() {
	s, ok := w.opened[w.route.From]
	silent := s.Register == nil && s.Destination == nil && s.Tracker == nil && s.Fetcher == nil && s.Teller == nil
	if ok && s.Source == nil && !silent {
		w.page.said(w.text.From.System, "%s is no source: no forms come from it", w.route.From)
	}
}

// checkRegister sees to it that a register can be asked about persons.
func (w *way) checkRegister(register word, id hub.SystemID) {
	if s, ok := w.opened[id]; ok && s.Register == nil {
		w.page.said(register, "%s is no register: it cannot be asked about persons", id)
	}
}

// checkTeller sees to it that whom a route has told can be told.
func (w *way) checkTeller(name word, id hub.SystemID) {
	if s, ok := w.opened[id]; ok && s.Teller == nil {
		w.page.said(name, "%s can be told nothing", id)
	}
}

// checkDestination sees to it that a leg's system takes deliveries, and can do what
// the mapping is for.
func (w *way) checkDestination(text legText, leg hub.Leg) {
	s, ok := w.opened[leg.To]
	switch {
	case !ok:
		return
	case s.Destination == nil:
		w.page.said(text.To, "%s takes no deliveries", leg.To)
	case leg.Mapping != nil:
		operation := leg.Mapping.Operation()
		if _, known := s.Can[operation]; !known {
			w.page.said(text.Mapping, "%s cannot do %s, which the mapping %s is for%s",
				leg.To, operation, text.Mapping.text, meant(operation, s.Can))
		}
	}
}

// checkUse finds systems that no route names: what nobody uses is forgotten, with its
// secrets.
func (c *configuration) checkUse(systems []System, routes []*hub.Route) {
	used := map[hub.SystemID]bool{}
	for _, r := range routes {
		used[r.From] = true
		for _, e := range r.Enrich {
			used[e.Register], used[e.Then] = true, true
		}
		for _, leg := range r.Legs {
			used[leg.To] = true
		}
		for _, s := range r.Tell {
			used[s] = true
		}
	}
	for _, s := range systems {
		if !used[s.ID] {
			c.add(s.File, s.Line, "no route names %s", s.ID)
		}
	}
}

// checkVoices finds systems that the citizen hears, and of whose words no step is made.
func (c *configuration) checkVoices(systems []System, routes []*hub.Route) {
	for _, r := range routes {
		for _, s := range systems {
			of := c.opened[s.ID]
			tells := of.Tracker != nil || of.Poller != nil || len(s.Reports) > 0
			if s.ID == r.Voice() && tells && len(s.Words) == 0 {
				c.add(s.File, s.Line, "the citizen hears %s, and it has no words: write under words: what each of its own words means, "+
					"or no step would follow", s.ID)
			}
		}
	}
}
