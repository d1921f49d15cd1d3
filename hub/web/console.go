package web

import (
	"cmp"
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

var errPage = errors.New("a page cannot be rendered")

// mostListed is how many cases the console's lists show.
const mostListed = 50

// consoleList shows the work list, and then the cases that were touched last.
func (s *Server) consoleList(c *call) error {
	ctx := c.r.Context()
	b, err := s.board(ctx, c.as)
	if err != nil {
		return err
	}
	ids, err := s.latestCases(ctx, c.as)
	if err != nil {
		return err
	}
	v := struct {
		board
		Latest []caseLine
		Sign   signed
	}{b, nil, s.signed(c, "")}
	for _, id := range ids {
		of, err := s.store.Case(ctx, c.as, id)
		if err != nil {
			return err
		}
		v.Latest = append(v.Latest, s.lineOf(of))
	}
	return c.page(http.StatusOK, page{Language: "sv", Title: "Felkorgen", Console: true}, "list", v)
}

// signed is what a page says of who reads it, and of what she has just decided.
type signed struct {
	Operator string // "" for who has not said
	Decides  bool   // there are operators, so that somebody can
	Back     string // where to come back after signing in: a case, or a page of consolePages; "" for the work list
	Said     string
}

func (s *Server) signed(c *call, back string) signed {
	return signed{c.operator, s.hasOperators(), back, said(c.r.URL.Query())}
}

// said gives the words for the outcome that an address names. Nothing of the address is
// repeated but numbers.
func said(query url.Values) string {
	if query.Get("said") != "all" {
		return outcomeTexts[query.Get("said")]
	}
	released, err := strconv.ParseUint(query.Get("released"), 10, 16)
	proposed, err2 := strconv.ParseUint(query.Get("proposed"), 10, 16)
	left, err3 := strconv.ParseUint(cmp.Or(query.Get("left"), "0"), 10, 32)
	if err != nil || err2 != nil || err3 != nil {
		return ""
	}
	text := plural(int(released), "tas om", "tas om") + "."
	if proposed > 0 {
		text += " " + plural(int(proposed), "väntar", "väntar") + " på en andra person."
	}
	if left > 0 {
		text += " " + plural(int(left), "är kvar", "är kvar") + ": försök igen med dem också."
	}
	return text
}

// A caseLine is a case in a list.
type caseLine struct {
	ID                             hub.CaseID
	Title, Municipality, Step, Ref string
}

func (s *Server) lineOf(c hub.Case) caseLine {
	title, municipality := s.names(c)
	return caseLine{c.ID, title, municipality, c.Step.Swedish(), c.Ref}
}

// names gives what people call a case's e-service and municipality.
func (s *Server) names(c hub.Case) (title, municipality string) {
	b := s.Hub.Bundle()
	title, municipality = "E-tjänst "+c.Service, b.Municipalities[c.Municipality].Name
	if r := b.Route(c.Municipality, c.Source, c.Service); r != nil && r.Title != "" {
		title = r.Title
	}
	if municipality == "" {
		municipality = string(c.Municipality)
	}
	return title, municipality
}

// latestCases gives the cases whose statuses are at the end of the feed, the last
// first. The feed is only told forwards, so its end is found by halving.
func (s *Server) latestCases(ctx context.Context, by hub.Viewer) ([]hub.CaseID, error) {
	const window = 10 * mostListed
	end, err := s.feedEnd(ctx, by)
	if err != nil {
		return nil, err
	}
	lines, err := s.store.Statuses(ctx, by, "", end-min(end, window), window)
	if err != nil {
		return nil, err
	}
	var ids []hub.CaseID
	for _, line := range slices.Backward(lines) {
		if len(ids) < mostListed && !slices.Contains(ids, line.Case) {
			ids = append(ids, line.Case)
		}
	}
	return ids, nil
}

// feedEnd gives the number of the feed's last line, 0 when it is empty.
func (s *Server) feedEnd(ctx context.Context, by hub.Viewer) (uint64, error) {
	goesOn := func(after uint64) (bool, error) {
		lines, err := s.store.Statuses(ctx, by, "", after, 1)
		return len(lines) > 0, err
	}
	below, above := uint64(0), uint64(1)
	for {
		more, err := goesOn(above - 1)
		if err != nil {
			return 0, err
		}
		if !more {
			break
		}
		below, above = above, above*2
	}
	for above-below > 1 {
		middle := below + (above-below)/2
		more, err := goesOn(middle - 1)
		if err != nil {
			return 0, err
		}
		if more {
			below = middle
		} else {
			above = middle
		}
	}
	return below, nil
}

// consoleCase shows one case, and follows it where the browser runs scripts.
func (s *Server) consoleCase(c *call) error {
	view, err := s.caseView(c)
	if err != nil {
		return err
	}
	v := struct {
		caseView
		Sign signed
	}{view, s.signed(c, string(view.ID))}
	p := page{Language: "sv", Title: v.Title, Console: true, Script: template.JS(script)}
	return c.page(http.StatusOK, p, "case-page", v)
}

// glance is how often an open page looks whether its case has changed. Deliveries
// move without a Status, so being woken by those is not enough.
const glance = time.Second

// consoleStream sends a case's part of the page each time that it has changed.
func (s *Server) consoleStream(c *call) error {
	ctx := c.r.Context()
	first, err := s.caseView(c)
	if err != nil {
		return err
	}
	leave, err := s.watching.take("console")
	if err != nil {
		return err
	}
	defer leave()
	watching, end := s.Hub.WatchCase(first.ID)
	defer end()
	out, err := s.openStream(c)
	if err != nil {
		return err
	}
	look, beat := time.NewTicker(glance), time.NewTicker(heartbeat)
	defer look.Stop()
	defer beat.Stop()
	for shown := ""; ; {
		view, err := s.caseView(c)
		if err != nil {
			return err
		}
		part, err := render("case", view)
		if err != nil {
			return err
		}
		if text := string(part); text != shown {
			shown = text
			out.write("event: case\ndata: " + strings.ReplaceAll(text, "\n", "\ndata: ") + "\n\n")
		}
		if err := out.flush(); err != nil {
			return nil // the page was closed
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.ending:
			return nil
		case <-watching.Poked():
		case <-look.C:
		case <-beat.C:
			if s.signIn(c) != nil { // she may decide no longer
				return nil
			}
			out.write(": still here\n\n")
		}
	}
}
