// Package form reads the forms of any platform that can post JSON or XML, by a mapping file.
//
// The mapping says what in the platform's form is which e-service, the platform's own number, the answers
// and the files; what it makes is Knutpunkt's own JSON, which package envelope reads as it reads what is
// posted to POST /v1/submissions. So a new platform needs a mapping, and no Go.
package form

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
)

// New is the connector, for connectors.All.
var New = hub.Define("form", "Reads any platform's forms, in JSON or XML, by a mapping file.", open)

// Config is what systems.yaml says about one platform.
type Config struct {
	Format   string            `yaml:"format" doc:"of the forms: json or xml"`
	Mapping  string            `yaml:"mapping,omitempty" doc:"which mapping reads them, as SYSTEM/DOCUMENT; several forms need kind and mappings instead"`
	Kind     string            `yaml:"kind,omitempty" doc:"where a form says which one it is, as names with points between: blankett.kod"`
	Mappings map[string]string `yaml:"mappings,omitempty" doc:"by what stands at kind: which mapping reads it"`
	Content  string            `yaml:"content,omitempty" doc:"where the bytes of the files that come along stand, as base64: bilagor.innehall; they are taken out of the form, and the mapping says content: with what stands there"`
	Files    string            `yaml:"files,omitempty" doc:"where files that a form only refers to are fetched: the address before what the mapping gives as fetch:"`
	Token    hub.Secret        `yaml:"token,omitempty" doc:"what such a file is fetched with, as a bearer token"`
}

// operationSubmission is what a mapping of this connector makes.
const operationSubmission = "submission"

func open(_ context.Context, env hub.Env, c Config) (hub.System, error) {
	p := &platform{env: env, conf: c, mappings: map[string]hub.Mapping{}}
	if err := p.compile(); err != nil {
		return hub.System{}, err
	}
	s := hub.System{Source: p}
	if c.Files != "" {
		s.Fetcher = p
	}
	return s, nil
}

// A platform is one that posts forms.
type platform struct {
	env      hub.Env
	conf     Config
	mappings map[string]hub.Mapping // by kind; "" where there is one for all
}

// compile finds the mappings.
func (p *platform) compile() error {
	if err := p.conf.checkPaths(); err != nil {
		return err
	}
	named := p.conf.Mappings
	switch one := p.conf.Mapping != ""; {
	case p.conf.Format != "json" && p.conf.Format != "xml":
		return errors.New("format: is json or xml")
	case one && (p.conf.Kind != "" || len(named) > 0), !one && (p.conf.Kind == "" || len(named) == 0):
		return errors.New("write mapping where one mapping reads all forms, or else both kind and mappings")
	case one:
		named = map[string]string{"": p.conf.Mapping}
	}
	for _, kind := range slices.Sorted(maps.Keys(named)) {
		key := "mappings." + kind
		if kind == "" {
			key = "mapping"
		}
		m, err := p.env.Mapping(named[kind])
		if err != nil {
			return fmt.Errorf("%s: %s cannot be used: %s", key, named[kind], strings.ReplaceAll(err.Error(), "\n", "; "))
		}
		if m.Operation() != operationSubmission {
			return fmt.Errorf("%s: the operation of %s is %s, and must be %s", key, named[kind], m.Operation(), operationSubmission)
		}
		p.mappings[kind] = m
	}
	return nil
}

// checkPaths sees to it that what is written as a path in a form is one: a name that is empty would be
// found in no form.
func (c Config) checkPaths() error {
	for key, path := range map[string]string{"kind": c.Kind, "content": c.Content} {
		if path != "" && slices.Contains(strings.Split(path, "."), "") {
			return errors.New(key + ": is names with points between, such as bilagor.innehall, and one of these is empty")
		}
	}
	return nil
}
