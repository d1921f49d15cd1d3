package messagingsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"unicode/utf8"
)

// name gives what persons are called. Whom it does not know is not in the answer.
func (s *Sim) name(_ *http.Request, text []byte, _ Way) (int, any) {
	var numbers []string
	if json.Unmarshal(text, &numbers) != nil {
		return http.StatusBadRequest, nil
	}
	called := map[string]string{}
	for _, n := range numbers {
		if !personnummer.MatchString(n) {
			return http.StatusBadRequest, nil
		}
		if !slices.Contains(s.Unknown, n) {
			called[n] = PartyID(n)
		}
	}
	return http.StatusOK, called
}

// A request is what is asked for: messages to persons.
type request struct {
	Messages []message `json:"messages"`
}

type message struct {
	Party struct {
		PartyID            string `json:"partyId"`
		ExternalReferences []struct {
			Key   string `json:"key"`
			Value string `json:"value"`
		} `json:"externalReferences"`
	} `json:"party"`
	Sender struct {
		Email *struct {
			Name    string `json:"name"`
			Address string `json:"address"`
			ReplyTo string `json:"replyTo"`
		} `json:"email"`
		SMS *struct {
			Name string `json:"name"`
		} `json:"sms"`
	} `json:"sender"`
	Subject     string              `json:"subject"`
	Message     string              `json:"message"`
	HTMLMessage string              `json:"htmlMessage"`
	Filters     map[string][]string `json:"filters"`
}

var (
	personnummer = regexp.MustCompile(`^[0-9]{12}$`)
	municipality = regexp.MustCompile(`^[0-9]{4}$`)
	uuid         = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
)

// good reports whether a message is one that such a system takes.
func (m *message) good() bool {
	for _, r := range m.Party.ExternalReferences {
		if r.Key == "" || r.Value == "" {
			return false
		}
	}
	if e := m.Sender.Email; e != nil {
		if _, err := mail.ParseAddress(e.Address); err != nil || e.Name == "" {
			return false
		}
	}
	if sms := m.Sender.SMS; sms != nil && utf8.RuneCountInString(sms.Name) > 11 {
		return false
	}
	return uuid.MatchString(m.Party.PartyID) && m.Message != ""
}

func (m *message) reference() string {
	if len(m.Party.ExternalReferences) == 0 {
		return ""
	}
	return m.Party.ExternalReferences[0].Value
}

// send sends messages, and says what became of each.
func (s *Sim) send(r *http.Request, text []byte, f Way) (int, any) {
	var asked request
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if strict.Decode(&asked) != nil || len(asked.Messages) == 0 || !municipality.MatchString(r.PathValue("municipality")) {
		return http.StatusBadRequest, nil
	}
	for _, m := range asked.Messages {
		if !m.good() {
			return http.StatusBadRequest, nil
		}
	}
	results := []any{}
	for _, m := range asked.Messages {
		status, sent := statusOf(f)
		e, err := s.record(m, sent)
		if err != nil {
			return http.StatusInternalServerError, nil
		}
		if f != Empty {
			results = append(results, map[string]any{
				"messageId":  e,
				"deliveries": []any{map[string]any{"deliveryId": e, "messageType": "SMS", "status": status}},
			})
		}
	}
	return http.StatusCreated, map[string]any{"batchId": PartyID(string(text)), "messages": results}
}

// statusOf is what is said of a message, and whether somebody got it.
func statusOf(f Way) (status string, sent bool) {
	switch f {
	case Failed:
		return "FAILED", false
	case NotWanted:
		return "NO_CONTACT_WANTED", false
	case NoSettings:
		return "NO_CONTACT_SETTINGS_FOUND", false
	case NewWord:
		return "SENT_BY_PIGEON", true
	}
	return "SENT", true
}

// record has a message that was sent on disk, and gives its id.
func (s *Sim) record(m message, sent bool) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := m.Party.PartyID + " " + m.reference()
	id := PartyID(fmt.Sprint("message ", len(s.ledger.Entries())))
	if !sent {
		return id, nil
	}
	err := s.ledger.Append(Entry{
		At: s.Clock(), ID: id, Party: m.Party.PartyID, Reference: m.reference(), Text: m.Message, Repeat: s.sent[key],
	})
	if err == nil {
		s.sent[key] = true
	}
	return id, err
}
