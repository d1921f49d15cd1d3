package mail_test

import (
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/mail"
	"github.com/knutpunkt/knutpunkt/connectors/mail/mailsim"
	"github.com/knutpunkt/knutpunkt/hub"
)

func TestConformance(t *testing.T) {
	connectortest.Run(t, connectortest.Case{
		Connector: mail.New,
		Config: "url: smtp://{{ADDRESS}}\nuser: knutpunkt\npassword: {{SECRET}}\n" +
			"from: Karlskrona kommun <svara-inte@karlskrona.example>\npage: https://e-tjanster.karlskrona.example/mina-arenden\n",
		Peer: func() connectortest.Peer { return newPeer(t) },
		Told: hub.Ref{System: "karlskrona.oep", ID: "320115"},
		To: []hub.Contact{
			{Person: person(t, connectortest.Number), Email: "alva@example.se"},
			{Person: person(t, "199001012385"), Email: "vera@example.se"},
		},
	})
}

// A peer is the simulator, as the certificate wants it.
type peer struct{ *mailsim.Sim }

func newPeer(t *testing.T) peer {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	sim, err := mailsim.New(mailsim.Options{
		Clock: func() time.Time { return now }, User: "knutpunkt", Password: connectortest.Secret,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	return peer{sim}
}

func (p peer) Told() int { return p.Taken() }

// Turn has it refuse every mail, with the address that it is to in the refusal.
func (p peer) Turn(a hub.Answer) {
	for range 10 {
		p.Fail(map[hub.Answer]mailsim.Fault{hub.No: mailsim.NoSuchPerson, hub.NotNow: mailsim.Greylisted}[a])
	}
}

func person(t *testing.T, number string) hub.PersonID {
	t.Helper()
	id, err := hub.ParsePersonID(number)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
