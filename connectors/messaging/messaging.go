// Package messaging tells citizens that there is news in Mina ärenden through the messaging system that many
// municipalities share the shape of: it is told who, and knows itself whether she wants an e-mail or an SMS,
// and where.
//
// Who she is called there, her partyId, is asked for each time, by a POST, so that nobody's number stands in
// an address. Every message is the same, whoever gets it and whatever has happened. In errors and logs there
// is nobody's number or partyId, and nothing of what is answered: of an answer, its status.
package messaging

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/knutpunkt/knutpunkt/hub"
)

// New is the connector, for connectors.All.
var New = hub.Define("messaging", "Tells citizens through the municipality's messaging system that there is news in Mina ärenden.", open)

// Config is what systems.yaml says about one messaging system.
type Config struct {
	URL          string           `yaml:"url" doc:"where the messaging interface begins, before the kommunkod"`
	Party        string           `yaml:"party" doc:"where the interface begins that knows what persons are called, before the kommunkod"`
	Municipality hub.Municipality `yaml:"municipality" doc:"the kommunkod that stands in the addresses"`
	Token        hub.Secret       `yaml:"token,omitempty" doc:"a fixed token, said as Authorization: Bearer …"`
	OAuth2       OAuth2           `yaml:"oauth2,omitempty" doc:"client credentials by OAuth 2"`
	Page         string           `yaml:"page" link:"yes" doc:"the address of Mina ärenden, which the messages lead to"`
	Email        Sender           `yaml:"email,omitempty" doc:"who e-mails are from; the messaging system's own when left out"`
	SMS          string           `yaml:"sms,omitempty" doc:"who an SMS is from, at most 11 characters; the messaging system's own when left out"`
	Protected    bool             `yaml:"protected,omitempty" doc:"yes: those with protected identity are told too, since the system tells nobody else of them"`
	Steps        hub.StepsTold    `yaml:"steps,omitempty" doc:"the steps that there is a message about; all of them when left out"`
}

// OAuth2 is how a token is got by client credentials (RFC 6749, 4.4).
type OAuth2 struct {
	URL    string     `yaml:"url" doc:"where tokens are given"`
	Client string     `yaml:"client" doc:"what the hub is called there"`
	Secret hub.Secret `yaml:"secret" doc:"its secret"`
}

// A Sender is who e-mails are from.
type Sender struct {
	Name    string `yaml:"name" doc:"what people read, such as Karlskrona kommun"`
	Address string `yaml:"address" doc:"its e-mail address"`
}

func open(_ context.Context, env hub.Env, c Config) (hub.System, error) {
	if err := c.check(); err != nil {
		return hub.System{}, fmt.Errorf("open %s: %w", env.ID, err)
	}
	c.URL, c.Party = strings.TrimRight(c.URL, "/"), strings.TrimRight(c.Party, "/")
	m := &messenger{env: env, conf: c}
	if c.OAuth2.URL != "" {
		m.tokens = hub.NewTokens(env.Clock, granting(env, c.OAuth2))
	}
	return hub.System{Teller: m, Notifies: true, Can: hub.Capabilities{"": {Level: hub.Blind, Protected: c.Protected}}}, nil
}

func (c Config) check() error {
	for key, text := range map[string]string{"url": c.URL, "party": c.Party, "page": c.Page} {
		if at, err := url.Parse(text); err != nil || at.Host == "" || at.Scheme != "https" && at.Scheme != "http" {
			return fmt.Errorf("%s: not an address", key)
		}
	}
	switch {
	case len(c.Municipality) != 4 || strings.Trim(string(c.Municipality), "0123456789") != "":
		return errors.New("municipality: not a kommunkod, four digits in quotes")
	case c.OAuth2.URL != "" && c.Token.Reveal() != "":
		return errors.New("token and oauth2: only one of them lets us in")
	case c.SMS != "" && utf8.RuneCountInString(c.SMS) > 11:
		return errors.New("sms: a sender has at most 11 characters")
	case c.Email != (Sender{}) && (c.Email.Name == "" || !strings.Contains(c.Email.Address, "@")):
		return errors.New("email: a sender has a name and an address")
	}
	return c.Steps.Check()
}

// A messenger is one messaging system.
type messenger struct {
	env     hub.Env
	conf    Config
	tokens  *hub.Tokens // nil without oauth2
	reached hub.Reached
}

// Tell has a message sent to each of those who may be told. Nobody to tell is no fault: whoever may see
// the case finds it in Mina ärenden.
func (m *messenger) Tell(ctx context.Context, t hub.Telling) error {
	if len(t.To) == 0 || !m.conf.Steps.Has(t.Status.Step) {
		return nil
	}
	parties, err := m.partiesOf(ctx, t.To)
	if err != nil {
		return fmt.Errorf("ask what those who follow the case are called: %w", err)
	}
	if len(parties) < len(t.To) {
		m.env.Log.Warn("the messaging system does not know everybody who follows the case", "key", t.Key)
	}
	t.To = slices.DeleteFunc(slices.Clone(t.To), func(c hub.Contact) bool { return parties[c.Person] == "" })
	return m.reached.Each(t, func(ordinal int, c hub.Contact) error {
		if err := m.send(ctx, t.Key, parties[c.Person]); err != nil {
			return fmt.Errorf("send message %d: %w", ordinal, err)
		}
		return nil
	})
}
