package web

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
	"github.com/knutpunkt/knutpunkt/hub/envelope"
)

// A tally is what a platform posts once a day: how many forms of an e-service citizens sent
// in for the first time, and by which references of its own. It is told at once which of
// them are not here, so that it can send those again.
type tally struct {
	Municipality string   `json:"municipality"`
	Source       string   `json:"source"` // the system's name
	Service      string   `json:"service"`
	Day          string   `json:"day"` // YYYY-MM-DD, in Swedish time
	Sent         *int     `json:"sent"`
	IDs          []string `json:"ids"` // the platform's own references of them, each once; or left out
}

// A tallied is the answer.
type tallied struct {
	Received int      `json:"received"`
	Missing  int      `json:"missing"`
	IDs      []string `json:"ids"` // what is missing, where the tally named what was sent
}

// What a tally may hold.
const (
	mostIDs  = 10_000
	mostSent = 10_000_000
	mostDays = 366 // back
)

// takeTally stores a tally in the place of the one before of the same day.
func (s *Server) takeTally(c *call) error {
	if err := noQuery(c.r); err != nil {
		return err
	}
	if _, _, err := c.mediaType(jsonType); err != nil {
		return err
	}
	t, err := readTally(c)
	if err != nil {
		return err
	}
	said, err := s.openTally(t, c.client)
	if err != nil {
		return err
	}
	leave, err := s.arriving.take(c.client.Name)
	if err != nil {
		return err
	}
	defer leave()
	missing, n, err := s.Hub.TakeTally(c.r.Context(), c.as, said)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, tallied{Received: said.Sent - n, Missing: n, IDs: append([]string{}, missing...)})
}

func readTally(c *call) (t tally, err error) {
	text, err := c.readBody(mostEnvelope)
	if err != nil {
		return t, err
	}
	return t, document.DecodeJSON(text, &t)
}

// openTally gives what a tally says, by whom it is from. Every field that is wrong is told
// at once.
func (s *Server) openTally(t tally, by *caller) (hub.Tally, error) {
	faults := t.faults(hub.DayOf(s.Hub.Clock()))
	m := hub.Municipality(t.Municipality)
	if envelope.IsKommunkod(t.Municipality) && t.Service != "" {
		if err := by.covers(m, t.Service); err != nil {
			return hub.Tally{}, err
		}
	}
	source, err := s.systemNamed(t.Source, []hub.Municipality{m})
	var p *problem
	switch {
	case t.Source == "":
	case errors.As(err, &p) && p.slug == "not-found":
		faults = append(faults, fault{"/source", "unknown-system"})
	case err != nil:
		return hub.Tally{}, err
	case !by.mayPostAs(source):
		return hub.Tally{}, refusal("forbidden-scope")
	}
	if len(faults) > 0 {
		return hub.Tally{}, refusedFields(faults...)
	}
	return hub.Tally{
		Municipality: m, Source: source, Service: t.Service, Day: hub.Date(t.Day), Sent: *t.Sent, IDs: t.IDs, By: by.Name,
	}, nil
}

func (t tally) faults(today hub.Date) []fault {
	var faults []fault
	wrong := noting(&faults)
	for _, text := range []struct{ pointer, text string }{
		{"/municipality", t.Municipality}, {"/source", t.Source}, {"/service", t.Service}, {"/day", t.Day},
	} {
		wrong(text.text == "", text.pointer, "required")
		wrong(len(text.text) > envelope.MostText, text.pointer, "too-long")
		wrong(strings.ContainsAny(text.text, "\t\r\n"), text.pointer, "control-character")
	}
	wrong(t.Municipality != "" && !envelope.IsKommunkod(t.Municipality), "/municipality", "not-a-kommunkod")
	day := hub.Date(t.Day)
	_, _, err := day.Bounds()
	wrong(t.Day != "" && err != nil, "/day", "date")
	wrong(err == nil && (day > today || day < today.Before(mostDays)), "/day", "out-of-range")
	wrong(t.Sent == nil, "/sent", "required")
	wrong(t.Sent != nil && (*t.Sent < 0 || *t.Sent > mostSent), "/sent", "out-of-range")
	wrong(len(t.IDs) > mostIDs, "/ids", "too-many")
	wrong(t.IDs != nil && t.Sent != nil && len(t.IDs) != *t.Sent && len(t.IDs) <= mostIDs, "/ids", "count")
	if len(t.IDs) <= mostIDs {
		faults = append(faults, t.idFaults()...)
	}
	return faults
}

func (t tally) idFaults() []fault {
	seen := map[string]bool{}
	for i, id := range t.IDs {
		pointer := "/ids/" + strconv.Itoa(i)
		switch {
		case id == "":
			return []fault{{pointer, "required"}}
		case len(id) > envelope.MostText:
			return []fault{{pointer, "too-long"}}
		case strings.ContainsAny(id, "\t\r\n"):
			return []fault{{pointer, "control-character"}}
		case seen[id]:
			return []fault{{pointer, "repeated"}}
		}
		seen[id] = true
	}
	return nil
}
