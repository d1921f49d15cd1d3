// Package mail tells citizens by e-mail that there is news in Mina ärenden, through the municipality's own
// mail server.
//
// Every such mail is the same, whoever gets it and whatever has happened: it says that there is something
// to read, and where. Each person gets a mail of her own. In errors and logs there is nobody's address, and
// nothing of what the server says: of an answer, its code.
package mail

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
)

// New is the connector, for connectors.All.
var New = hub.Define("mail", "Tells citizens by e-mail that there is news in Mina ärenden.", open)

// Config is what systems.yaml says about one mail server.
type Config struct {
	URL      string        `yaml:"url" doc:"smtp://HOST, made secure by STARTTLS, or smtps://HOST; with :PORT where it is not 587 or 465"`
	User     string        `yaml:"user,omitempty" doc:"the hub's account there; none is used when left out"`
	Password hub.Secret    `yaml:"password,omitempty" doc:"the password of that account"`
	From     string        `yaml:"from" doc:"who the mails are from, such as Karlskrona kommun <svara-inte@karlskrona.example>"`
	Page     string        `yaml:"page" link:"yes" doc:"the address of Mina ärenden, which the mails lead to"`
	Steps    hub.StepsTold `yaml:"steps,omitempty" doc:"the steps that there is a mail about; all of them when left out"`
}

func open(_ context.Context, env hub.Env, c Config) (hub.System, error) {
	p, err := c.read()
	if err != nil {
		return hub.System{}, fmt.Errorf("open %s: %w", env.ID, err)
	}
	p.env = env
	return hub.System{Teller: p, Notifies: true}, nil
}

// A post is one mail server, and what is sent through it.
type post struct {
	env     hub.Env
	conf    Config
	host    string
	port    int
	secure  bool // TLS from the first byte
	here    bool // on this very machine, written as a number: it need not be secure
	from    *mail.Address
	reached hub.Reached
}

// read reads what is written about a mail server. Its errors name the key and not the value.
func (c Config) read() (*post, error) {
	at, err := url.Parse(c.URL)
	if err != nil || at.Hostname() == "" || at.Scheme != "smtp" && at.Scheme != "smtps" || strings.Trim(at.Path, "/") != "" {
		return nil, errors.New("url: not the address of a mail server: write smtp://HOST or smtps://HOST")
	}
	p := &post{conf: c, host: at.Hostname(), secure: at.Scheme == "smtps", port: 587}
	if p.secure {
		p.port = 465
	}
	if at.Port() != "" {
		if p.port, err = strconv.Atoi(at.Port()); err != nil {
			return nil, errors.New("url: the port is no number")
		}
	}
	if ip, err := netip.ParseAddr(p.host); err == nil {
		p.here = ip.IsLoopback()
	}
	if p.from, err = mail.ParseAddress(c.From); err != nil || !isAddress(p.from.Address) {
		return nil, errors.New("from: not an e-mail address: write NAME <NAME@HOST>")
	}
	if page, err := url.Parse(c.Page); err != nil || page.Host == "" || page.Scheme != "https" && page.Scheme != "http" {
		return nil, errors.New("page: not the address of a page")
	}
	if (c.User == "") != (c.Password.Reveal() == "") {
		return nil, errors.New("user and password belong together: one of them is missing")
	}
	return p, c.Steps.Check()
}

// Tell sends a mail to each of those who gave an address where they can be reached. Nobody to
// tell is no fault: whoever may see the case finds it in Mina ärenden.
func (p *post) Tell(ctx context.Context, t hub.Telling) error {
	if !p.conf.Steps.Has(t.Status.Step) {
		return nil
	}
	all := len(t.To)
	t.To = slices.DeleteFunc(slices.Clone(t.To), func(c hub.Contact) bool { return c.Email == "" })
	none := all - len(t.To)
	t.To = slices.DeleteFunc(t.To, func(c hub.Contact) bool { return !isAddress(c.Email) })
	if len(t.To)+none < all {
		p.env.Log.Warn("what was given as an e-mail address is none, and gets no mail", "key", t.Key)
	}
	if len(t.To) == 0 {
		return nil
	}
	s := &session{post: p}
	defer s.end()
	return p.reached.Each(t, func(ordinal int, c hub.Contact) error {
		if err := s.send(ctx, p.letter(t, ordinal, c.Email)); err != nil {
			return fmt.Errorf("mail %d: %w", ordinal, err)
		}
		return nil
	})
}

// The longest parts of an address (RFC 5321, 4.5.3.1).
const (
	longestLocal   = 64
	longestAddress = 254
)

// isAddress reports whether a text is an e-mail address that can be written to as it stands: name@host
// without quotes, comments, spaces or anything else that a header or a command could be made to mean.
func isAddress(text string) bool {
	local, host, found := strings.Cut(text, "@")
	if !found || len(text) > longestAddress || len(local) > longestLocal || !strings.Contains(host, ".") {
		return false
	}
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.Trim(atom, letters+digits+"!#$%&'*+-/=?^_`{|}~") != "" {
			return false
		}
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, letters+digits+"-") != "" ||
			label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)
