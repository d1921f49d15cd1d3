// Package oep connects Open ePlatform, the form platform that most Swedish
// municipalities have: it reads the forms, fetches the files that they refer to,
// and tells the platform how the cases are getting on.
//
// A form is a FlowInstance, version 2.0 (1.2 is read too), in the two ways that
// platforms write it: ISO-8859-1, and XML 1.1 in UTF-8. Files are fetched over the
// platform's REST interface, and so is the list of what was sent in. It is told in
// SOAP 1.1 with two operations that change nothing the second time: setStatus and
// confirmDelivery. A third, addEvent, leaves a new line in the citizen's case at every
// repeat, so it is used only where systems.yaml says so, and only for a status that was
// changed just now.
//
// What the form looks like, the REST addresses and the SOAP contract come from
// published schemas and recorded traffic. What a repeat does, and what the faults
// mean, was read in the platform's open source: true there, and promised by nobody.
package oep

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
)

// New is the connector, for connectors.All.
var New = hub.Define("oep", "Reads forms from Open ePlatform and tells it how the cases are getting on.", open)

// Config is what systems.yaml says about one platform.
type Config struct {
	URL          string              `yaml:"url" doc:"where the platform begins, such as https://e-tjanster.karlskrona.example"`
	User         string              `yaml:"user" doc:"the hub's account at the platform (HTTP Basic); it needs access to each flow family"`
	Password     hub.Secret          `yaml:"password" doc:"the password of that account"`
	Municipality hub.Municipality    `yaml:"municipality,omitempty" own:"yes" doc:"the kommunkod whose platform it is; left out, each form names it in parameter"`
	Parameter    string              `yaml:"parameter,omitempty" doc:"the extra parameter of a form that carries the kommunkod; left out: municipalityId"`
	Statuses     map[hub.Step]string `yaml:"statuses,omitempty" doc:"Step: what the platform's flows call it; a Step that is left out is not told"`
	Principal    string              `yaml:"principal,omitempty" doc:"who the platform shall say changed the status; left out: Knutpunkt"`
	Events       bool                `yaml:"events,omitempty" doc:"yes: each status that is set is also written as a line in the citizen's case, at most once"`
	Numbers      string              `yaml:"numbers,omitempty" doc:"what the platform shall call the system that the diarienummer comes from; left out: diarium"`
	Print        *bool               `yaml:"print,omitempty" doc:"false where the platform cannot print its forms as PDF; left out: true"`
}

func open(_ context.Context, env hub.Env, c Config) (hub.System, error) {
	if err := c.check(); err != nil {
		return hub.System{}, fmt.Errorf("open %s: %w", env.ID, err)
	}
	p := &platform{Env: env, conf: c.withDefaults()}
	return hub.System{Source: p, Fetcher: p, Teller: p, Counter: p}, nil
}

func (c Config) check() error {
	address, err := url.Parse(c.URL)
	if err != nil || address.Host == "" || address.User != nil || address.RawQuery != "" ||
		address.Scheme != "https" && address.Scheme != "http" {
		return errors.New("url: not the address of a platform")
	}
	if c.Municipality != "" && !isMunicipality(string(c.Municipality)) {
		return errors.New("municipality: not a kommunkod, four digits in quotes")
	}
	for step, name := range c.Statuses {
		if step.Rank() == 0 {
			return fmt.Errorf("statuses: %s is no Step", step)
		}
		if strings.TrimSpace(name) == "" {
			return fmt.Errorf("statuses: %s has no name", step)
		}
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.URL = strings.TrimRight(c.URL, "/")
	for field, left := range map[*string]string{
		&c.Parameter: "municipalityId", &c.Principal: "Knutpunkt", &c.Numbers: "diarium",
	} {
		if *field == "" {
			*field = left
		}
	}
	return c
}

// A platform is one Open ePlatform. It plays Source, Fetcher, Teller and Counter.
type platform struct {
	hub.Env
	conf Config
}

// do sends a request as the hub's account. The answer's body must be closed. An
// error says whether the request can have reached the platform, and nothing of
// what stood in the request or came back.
func (p *platform) do(req *http.Request) (*http.Response, error) {
	req.SetBasicAuth(p.conf.User, p.conf.Password.Reveal())
	resp, err := p.HTTP.Do(req)
	if err != nil {
		return nil, hub.WithoutAddress(err)
	}
	return resp, nil
}
