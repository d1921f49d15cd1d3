package web

import (
	"context"
	"errors"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

var errPage = errors.New("a page cannot be rendered")

// admitOperator lets a call in on the operator's listener. Nobody is asked who they
// are, so a page of another site must not get at it by giving its own name our
// address: the console answers only to an address, or to localhost.
func (s *Server) admitOperator(c *call) error {
	if !strings.HasPrefix(c.r.URL.Path, "/console") {
		return nil
	}
	host, _, err := net.SplitHostPort(c.r.Host)
	if err != nil {
		host = c.r.Host
	}
	_, err = netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil && host != "localhost" || isForeign(c.r) && c.r.Header.Get("Sec-Fetch-Mode") != "navigate" {
		return refusal("cross-origin")
	}
	return nil
}

// mostListed is how many cases the console's lists show.
const mostListed = 50

// consoleList shows what rests with a person, the longest first, and the cases that
// were touched last.
func (s *Server) consoleList(c *call) error {
	ctx := c.r.Context()
	lines, err := s.store.List(ctx, s.Options.Operator, hub.Filter{State: hub.Held, Limit: mostListed})
	if err != nil {
		return err
	}
	var held, latest []caseLine
	for _, l := range lines {
		held = append(held, s.lineOf(l.Case))
	}
	ids, err := s.latestCases(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		of, err := s.store.Case(ctx, s.Options.Operator, id)
		if err != nil {
			return err
		}
		latest = append(latest, s.lineOf(of))
	}
	v := struct{ Held, Latest []caseLine }{held, latest}
	return c.page(http.StatusOK, page{Language: "sv", Title: "Ärenden", Console: true}, "list", v)
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
func (s *Server) latestCases(ctx context.Context) ([]hub.CaseID, error) {
	const window = 10 * mostListed
	end, err := s.feedEnd(ctx)
	if err != nil {
		return nil, err
	}
	lines, err := s.store.Statuses(ctx, s.Options.Operator, "", end-min(end, window), window)
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
func (s *Server) feedEnd(ctx context.Context) (uint64, error) {
	goesOn := func(after uint64) (bool, error) {
		lines, err := s.store.Statuses(ctx, s.Options.Operator, "", after, 1)
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
	v, err := s.caseView(c.r.Context(), c.r.PathValue("id"))
	if err != nil {
		return err
	}
	p := page{Language: "sv", Title: v.Title, Console: true, Script: template.JS(script)}
	return c.page(http.StatusOK, p, "case-page", v)
}

// glance is how often an open page looks whether its case has changed. Deliveries
// move without a Status, so being woken by those is not enough.
const glance = time.Second

// consoleStream sends a case's part of the page each time that it has changed.
func (s *Server) consoleStream(c *call) error {
	ctx, id := c.r.Context(), c.r.PathValue("id")
	first, err := s.caseView(ctx, id)
	if err != nil {
		return err
	}
	leave, err := s.watching.take("console")
	if err != nil {
		return err
	}
	defer leave()
	poked, end := s.Hub.Watch(first.ID)
	defer end()
	out, err := openStream(c)
	if err != nil {
		return err
	}
	look, beat := time.NewTicker(glance), time.NewTicker(heartbeat)
	defer look.Stop()
	defer beat.Stop()
	for shown := ""; ; {
		view, err := s.caseView(ctx, id)
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
		case <-poked:
		case <-look.C:
		case <-beat.C:
			out.write(": still here\n\n")
		}
	}
}
