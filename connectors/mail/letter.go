package mail

import (
	"fmt"
	stdmail "net/mail"
	"strings"

	"github.com/wneessen/go-mail"

	"github.com/knutpunkt/knutpunkt/hub"
)

// What every mail says. It must not depend on who gets it: the mails of those who are protected would
// stand out.
const (
	subject = "Du har ett nytt meddelande i Mina ärenden"
	text    = `Hej!

Du har ett nytt meddelande i Mina ärenden:
%s

Logga in med din e-legitimation för att läsa det.
Det går inte att svara på det här mejlet.

In English: there is news about one of your cases. Log in at the address above to read it.
`
)

// letter writes one mail. Its Message-ID is the same each time that the same is told, so that a repeat
// can be known, and says nothing of whom it is to.
func (p *post) letter(t hub.Telling, ordinal int, to string) *mail.Msg {
	m := mail.NewMsg(mail.WithNoDefaultUserAgent())
	m.FromMailAddress(p.from)
	m.ToMailAddress(&stdmail.Address{Address: to})
	m.SetMessageIDWithValue(fmt.Sprintf("%s.%d@%s", t.Key, ordinal, p.domain()))
	m.SetDateWithValue(p.env.Clock().In(hub.Stockholm))
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.Subject(subject)
	m.SetBodyString(mail.TypeTextPlain, strings.ReplaceAll(fmt.Sprintf(text, p.conf.Page), "\n", "\r\n"))
	return m
}

// domain is where the mails come from.
func (p *post) domain() string {
	_, domain, _ := strings.Cut(p.from.Address, "@")
	return domain
}
