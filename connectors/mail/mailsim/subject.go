package mailsim

import (
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/hub"
)

// Subject is what it takes to examine a connector that mails citizens.
func Subject() certify.Subject {
	return certify.Subject{
		Config: "url: smtp://{{ADDRESS}}\nuser: knutpunkt\npassword: {{SECRET}}\n" +
			"from: Karlskrona kommun <svara-inte@karlskrona.example>\npage: https://e-tjanster.karlskrona.example/mina-arenden\n",
		Peer: func() certify.Peer { return newPeer() },
		Told: hub.Ref{System: "karlskrona.oep", ID: "320115"},
		To: []hub.Contact{
			{Person: certify.Person(certify.Number), Email: "alva@example.se"},
			{Person: certify.Person("199001012385"), Email: "vera@example.se"},
		},
	}
}

// A peer is the simulator, as the certificate wants it.
type peer struct{ *Sim }

func newPeer() peer {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	sim, err := New(Options{Clock: func() time.Time { return now }, User: "knutpunkt", Password: certify.Secret})
	if err != nil {
		panic(err) // in memory there is nothing that can fail
	}
	return peer{sim}
}

func (p peer) Told() int { return p.Taken() }

// Turn has it refuse every mail, with the address that it is to in the refusal.
func (p peer) Turn(a hub.Answer) {
	for range 10 {
		p.Fail(map[hub.Answer]Fault{hub.No: NoSuchPerson, hub.NotNow: Greylisted}[a])
	}
}
