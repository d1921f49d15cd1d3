package config

import (
	"io/fs"
	"slices"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

// A Written is a route together with its own text, for who works on the mappings that it
// uses.
type Written struct {
	*hub.Route
	Name    string // MUNICIPALITY/SERVICE, as it stands under routes/
	Council hub.MunicipalityText
	Form    *document.Form // of the answers; nil where the route has no schema for all versions
	Values  []mapping.RouteValue
	Legs    []WrittenLeg
}

// A WrittenLeg is one leg's use of a mapping.
type WrittenLeg struct {
	Name    string
	On      hub.On
	After   []string // the legs whose receipts are there when its document is made
	Mapping *mapping.Mapping
}

// Routes reads the routes of a configuration's folder, in order. What is wrong with them is
// for Check to say: a route that cannot be read is left out, and of one that has problems
// there is what could be compiled.
func Routes(fsys fs.FS) []Written {
	c := newConfiguration(fsys)
	c.names = c.readNames()
	c.compile()
	var all []Written
	for _, w := range c.ways {
		if w.route != nil {
			all = append(all, w.written())
		}
	}
	return all
}

func (w *way) written() Written {
	folder := folderOf(w.page.name)
	to := Written{
		Route: w.route, Name: folder + "/" + w.route.Name, Council: w.councils[folder], Values: w.values(),
	}
	if f := w.forms["schemas/"+w.text.Answers.text]; f != nil {
		to.Form = f.Form
	}
	for _, leg := range w.route.Legs {
		if m, compiled := leg.Mapping.(*mapping.Mapping); compiled {
			to.Legs = append(to.Legs, WrittenLeg{leg.Name, leg.On, w.chain(leg), m})
		}
	}
	return to
}

// values are the expressions of a route, and what their values are called from there on.
func (w *way) values() (values []mapping.RouteValue) {
	add := func(text word, as, what string) {
		if text.text != "" {
			values = append(values, mapping.RouteValue{File: w.page.name, Line: text.line, For: what, Text: text.text, As: as})
		}
	}
	for _, p := range w.text.Parties {
		role := p.Role.text
		add(p.ID, "parties."+role, "parties: "+role)
		add(p.Email, "", "parties: "+role+", email")
		add(p.Phone, "", "parties: "+role+", phone")
	}
	for _, e := range w.text.Enrich {
		asked := []string{e.Register.text}
		if e.Then.text != "" {
			asked = append(asked, e.Then.text)
		}
		add(e.Person, e.As.text, "enrich: "+strings.Join(asked, " and then ")+" is asked for "+e.As.text)
	}
	return values
}

// LegOf gives the first leg that uses the mapping in a file, or nil.
func (r Written) LegOf(file string) *WrittenLeg {
	for i := range r.Legs {
		if r.Legs[i].Mapping.Path() == file {
			return &r.Legs[i]
		}
	}
	return nil
}

// Mappings are those that the route uses, each once.
func (r Written) Mappings() (all []*mapping.Mapping) {
	for _, leg := range r.Legs {
		if !slices.Contains(all, leg.Mapping) {
			all = append(all, leg.Mapping)
		}
	}
	return all
}
