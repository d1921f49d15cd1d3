package web

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// followMine streams how all of a citizen's cases get on, in every municipality, also
// those that begin while she follows: each line of the feed that she may see once, in
// order, from the Last-Event-ID on.
func (s *Server) followMine(c *call) error {
	if err := s.mustBeCitizen(c); err != nil {
		return err
	}
	after, err := goesOnAfter(c.r)
	if err != nil {
		return err
	}
	leave, err := s.mine.take(string(s.store.Marks(c.as)[0]))
	if err != nil {
		return err
	}
	defer leave()
	w, end := s.Hub.WatchPerson(c.as)
	defer end()
	s.Hub.Renew(c.r.Context(), c.as)
	last, err := s.store.FeedEnd(c.r.Context())
	if err != nil {
		return err
	}
	return s.tell(&telling{
		call: c, watching: w, after: after, lost: after > last,
		may: func() bool { return c.citizen.alive(c.r.Context()) },
	})
}

// A myCase is how a case stands, as its citizen is told.
type myCase struct {
	Case         hub.CaseID `json:"case"`
	Municipality named      `json:"municipality"`
	Service      string     `json:"service"`
	Title        string     `json:"title"`
	Step         hub.Step   `json:"step"`
	At           time.Time  `json:"at"`     // when it came to the Step
	Expect       *time.Time `json:"expect"` // when the next one is promised
	Ball         hub.Ball   `json:"ball"`
	Ref          string     `json:"ref,omitempty"` // the diarienummer
	Inkommen     time.Time  `json:"inkommen"`
}

// A named municipality is one that people can read.
type named struct {
	Code hub.Municipality `json:"code"`
	Name string           `json:"name"`
}

// mostMine is how many of a citizen's cases are told, or shown, at a time.
const mostMine = 100

// myCases gives a citizen's cases in every municipality, the newest first.
func (s *Server) myCases(c *call) error {
	if err := s.mustBeCitizen(c); err != nil {
		return err
	}
	after, err := afterCase(c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	s.Hub.Renew(c.r.Context(), c.as)
	all, err := s.ownCases(c.r.Context(), c.as)
	if err != nil {
		return err
	}
	forms := olderThan(after, all)
	page := struct {
		Cases []myCase   `json:"cases"`
		Next  hub.CaseID `json:"next,omitempty"` // what to give as after for the rest
	}{Cases: []myCase{}}
	for i, f := range forms {
		if i == mostMine {
			page.Next = forms[i-1].Case.ID
			break
		}
		page.Cases = append(page.Cases, s.myCase(f, language(c.r.Header)))
	}
	return c.json(http.StatusOK, page)
}

// myCase tells of the case of a form, the first of it.
func (s *Server) myCase(first hub.Line, language string) myCase {
	of := first.Case
	standing := s.Hub.Standing(of)
	title, _ := s.citizenTitle(of, tongue(language))
	_, municipality := s.names(of)
	return myCase{
		Case: of.ID, Municipality: named{of.Municipality, municipality}, Service: of.Service, Title: title,
		Step: of.Step, At: of.StepAt.UTC(), Expect: known(standing.By), Ball: standing.Ball, Ref: of.Ref,
		Inkommen: first.Inkommen.UTC(),
	}
}

// ownCases gives every case that a citizen may see, by its first form, the newest first.
func (s *Server) ownCases(ctx context.Context, v hub.Viewer) ([]hub.Line, error) {
	var all []hub.Line
	seen := map[hub.CaseID]bool{}
	for f := (hub.Filter{Limit: mostList}); ; {
		forms, err := s.store.List(ctx, v, f)
		if err != nil {
			return nil, err
		}
		for _, form := range forms {
			if !seen[form.Case.ID] {
				seen[form.Case.ID] = true
				all = append(all, form)
			}
		}
		if len(forms) < f.Limit {
			break
		}
		f.After = forms[len(forms)-1].Submission.Submission
	}
	slices.SortFunc(all, func(a, b hub.Line) int { return cmp.Compare(b.Case.ID, a.Case.ID) })
	return all, nil
}

// olderThan gives those of a citizen's cases that are older than one of them; all, when
// none is named.
func olderThan(id hub.CaseID, newestFirst []hub.Line) []hub.Line {
	if id == "" {
		return newestFirst
	}
	older := slices.IndexFunc(newestFirst, func(l hub.Line) bool { return l.Case.ID < id })
	if older < 0 {
		return nil
	}
	return newestFirst[older:]
}

// afterCase reads the query of a citizen's list.
func afterCase(query string) (hub.CaseID, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", badQuery("query")
	}
	for name, said := range values {
		if name != "after" || len(said) != 1 {
			return "", badQuery("query")
		}
		if !segments["{id}"].MatchString(said[0]) {
			return "", badQuery("after")
		}
	}
	return hub.CaseID(values.Get("after")), nil
}
