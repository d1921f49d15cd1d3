package mail_test

import (
	"testing"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/mail"
	"github.com/knutpunkt/knutpunkt/connectors/mail/mailsim"
	"github.com/knutpunkt/knutpunkt/hub"
)

func TestConformance(t *testing.T) {
	s := mailsim.Subject()
	s.Connector = mail.New
	connectortest.Run(t, s)
}

func person(t *testing.T, number string) hub.PersonID {
	t.Helper()
	id, err := hub.ParsePersonID(number)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
