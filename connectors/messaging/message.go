package messaging

import (
	"context"
	"errors"
	"fmt"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A partyID is what the municipality's systems call a person among themselves: as much hers as her number.
type partyID string

// partiesOf asks what persons are called. Whom nobody knows is not in the answer.
func (m *messenger) partiesOf(ctx context.Context, to []hub.Contact) (map[hub.PersonID]partyID, error) {
	var numbers []string
	for _, c := range to {
		numbers = append(numbers, c.Person.Reveal())
	}
	var known map[string]string
	if err := m.post(ctx, m.env.Reads, m.conf.Party+"/"+string(m.conf.Municipality)+"/PRIVATE/partyIds", numbers, &known); err != nil {
		return nil, err
	}
	parties := map[hub.PersonID]partyID{}
	for _, c := range to {
		id, found := known[c.Person.Reveal()]
		if found && !isUUID(id) {
			return nil, hub.Strange(errors.New("the answer names somebody in a way that cannot be used"))
		}
		if found {
			parties[c.Person] = partyID(id)
		}
	}
	return parties, nil
}

// isUUID reports whether a text is 8-4-4-4-12 hexadecimal digits.
func isUUID(text string) bool {
	for i := range len(text) {
		isDash := i == 8 || i == 13 || i == 18 || i == 23
		isHex := text[i] >= '0' && text[i] <= '9' || text[i]|0x20 >= 'a' && text[i]|0x20 <= 'f'
		if isDash != (text[i] == '-') || !isDash && !isHex {
			return false
		}
	}
	return len(text) == 36
}

// What every message says. It must not depend on who gets it: the messages of those who are protected
// would stand out.
const (
	subject = "Du har ett nytt meddelande i Mina ärenden"
	text    = "Du har ett nytt meddelande i Mina ärenden: %s\nIn English: there is news about one of your cases."
)

// What is posted, of the messaging interface's MessageRequest.
type (
	request struct {
		Messages []message `json:"messages"`
	}
	message struct {
		Party   party   `json:"party"`
		Sender  *sender `json:"sender,omitempty"`
		Subject string  `json:"subject"`
		Message string  `json:"message"`
	}
	party struct {
		ID         partyID     `json:"partyId"`
		References []reference `json:"externalReferences"`
	}
	reference struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}
	sender struct {
		Email *from `json:"email,omitempty"`
		SMS   *from `json:"sms,omitempty"`
	}
	from struct {
		Name    string `json:"name"`
		Address string `json:"address,omitempty"`
	}
)

// requestFor makes a message to one person. It carries the telling's Key, which is the same when it is
// told again.
func (m *messenger) requestFor(k hub.Key, to partyID) request {
	say := message{
		Party:   party{to, []reference{{"knutpunkt", string(k)}}},
		Subject: subject, Message: fmt.Sprintf(text, m.conf.Page),
	}
	if e := m.conf.Email; e != (Sender{}) {
		say.Sender = &sender{Email: &from{e.Name, e.Address}}
	}
	if m.conf.SMS != "" {
		if say.Sender == nil {
			say.Sender = &sender{}
		}
		say.Sender.SMS = &from{Name: m.conf.SMS}
	}
	return request{[]message{say}}
}

// What is answered, of the messaging interface's MessageBatchResult.
type result struct {
	Messages []struct {
		Deliveries []struct {
			Status string `json:"status"`
		} `json:"deliveries"`
	} `json:"messages"`
}

// send has one person told. Whoever wants no messages, or has not said where she wants them, has been
// told as well as she can be.
func (m *messenger) send(ctx context.Context, k hub.Key, to partyID) error {
	var r result
	address := m.conf.URL + "/" + string(m.conf.Municipality) + "/messages"
	if err := m.post(ctx, m.env.HTTP, address, m.requestFor(k, to), &r); err != nil {
		return err
	}
	if len(r.Messages) != 1 || len(r.Messages[0].Deliveries) == 0 {
		return hub.Strange(errors.New("the answer does not say what became of the message"))
	}
	failed := false
	for _, d := range r.Messages[0].Deliveries {
		switch d.Status {
		case "SENT", "PENDING", "AWAITING_FEEDBACK":
			return nil
		case "NOT_SENT", "FAILED":
			failed = true
		case "NO_CONTACT_WANTED", "NO_CONTACT_SETTINGS_FOUND":
		default:
			return hub.Strange(errors.New("the answer says of the message what the interface has no word for"))
		}
	}
	if failed {
		return hub.Later(errors.New("the messaging system could not send the message"), 0)
	}
	return nil
}
