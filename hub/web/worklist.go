package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// The work list (felkorgen) has one card for each cause, however many cases it has
// stopped. What is held is on it, each row once; so is an outage, and what of ours is
// out of order. A planned window is no incident and stands by itself.

// A card tells of one cause, in words for who is to do something about it.
type card struct {
	ID           string           `json:"id"`
	Sort         string           `json:"sort"` // held, outage, paused, uncollected, register, reports, words, storage or restored
	Title        string           `json:"title"`
	Happened     string           `json:"happened"`
	Applicant    string           `json:"applicant"` // what it means to whoever sent the form
	Who          string           `json:"who"`       // can put it right
	Safe         string           `json:"safe"`      // to do
	Note         string           `json:"note,omitempty"`
	Municipality hub.Municipality `json:"municipality,omitempty"`
	System       hub.SystemID     `json:"system,omitempty"`
	Reason       hub.Reason       `json:"reason,omitempty"`
	Count        int              `json:"count"` // of rows
	Cases        int              `json:"cases"`
	Proposed     int              `json:"proposed"` // of the rows, that wait for a second person
	Since        time.Time        `json:"since,omitzero"`
	Keys         []hub.Key        `json:"keys,omitempty"` // the oldest; those that wait for a second person first
	Command      string           `json:"command,omitempty"`
	Again        bool             `json:"again"` // it is safe to try again with all of it

	Until string `json:"-"` // what is held later is not on this page
}

// More is how many rows the card does not name.
func (c card) More() int { return c.Count - len(c.Keys) }

// A queue is what is on its way to one system.
type queue struct {
	System hub.SystemID `json:"system"`
	Name   string       `json:"name"`
	Cases  int          `json:"cases"`
	Since  time.Time    `json:"since"`
}

// A board is the whole work list.
type board struct {
	Cards   []card  `json:"cards"`
	Planned []queue `json:"planned"` // systems in a maintenance window, with what waits for its end
	Waiting []queue `json:"waiting"` // the others, with what is due to them or will be
}

// worklist answers with the work list as JSON.
func (s *Server) worklist(c *call) error {
	if err := s.mustBeOperator(c); err != nil {
		return err
	}
	if err := noQuery(c.r); err != nil {
		return err
	}
	b, err := s.board(c.r.Context(), c.as)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, b)
}

// board gathers everything that people must know of, as far as one of them may.
func (s *Server) board(ctx context.Context, by hub.Viewer) (board, error) {
	heaps, err := s.store.WorkList(ctx, by)
	if err != nil {
		return board{}, err
	}
	b := board{Cards: []card{}, Planned: []queue{}, Waiting: []queue{}}
	if err := s.addOurOwn(ctx, &b, heaps); err != nil {
		return board{}, err
	}
	if err := s.addWords(ctx, &b, by); err != nil {
		return board{}, err
	}
	out := s.outages(by)
	for _, h := range heaps {
		if s.waitsFor(h, out) != nil {
			continue
		}
		switch h.State {
		case hub.Held:
			b.Cards = append(b.Cards, s.heldCard(h))
		case hub.EnrichWait:
			b.Cards = append(b.Cards, s.registerCard(h))
		}
	}
	b.Cards = slices.Concat(s.outageCards(out, heaps), s.uncollectedCards(by), b.Cards)
	s.addQueues(&b, heaps, out)
	return b, nil
}

// — what is held —

// heapID names a heap for as long as it is one.
func heapID(h hub.Heap) string {
	cause := strings.Join([]string{
		string(h.Municipality), string(h.State), string(h.Reason), string(h.Kind), string(h.System), h.Leg, h.Service, h.Note, strconv.FormatBool(h.Doubt),
	}, "\x00")
	sum := sha256.Sum256([]byte(cause))
	return hex.EncodeToString(sum[:8])
}

func (s *Server) heldCard(h hub.Heap) card {
	r := reasonOf(h.Reason, h.Kind, h.Doubt)
	c := s.heapCard(h, "held", r)
	c.Title = r.name + " i " + s.heapName(h) + ": " + plural(h.Cases, "ärende", "ärenden") + " sedan " + s.since(h.Since)
	c.Again = r.again
	c.Command = "knutpunkt deliveries show " + string(h.Keys[0]) + " --as NAMN"
	if r.again {
		c.Command = "knutpunkt deliveries release --all --held " + string(h.Reason) + " --municipality " + string(h.Municipality)
		if h.System != "" {
			c.Command += " --system " + string(h.System)
		}
		c.Command += ` --reason "VARFÖR" --as NAMN`
	}
	return c
}

func (s *Server) heapCard(h hub.Heap, sort string, r reason) card {
	return card{
		ID: heapID(h), Sort: sort, Happened: r.what, Applicant: r.citizen, Who: r.who, Safe: r.safe, Note: h.Note,
		Municipality: h.Municipality, System: h.System, Reason: h.Reason, Count: h.Count, Cases: h.Cases,
		Proposed: h.Proposed, Since: h.Since, Keys: h.Keys, Until: s.Hub.Clock().UTC().Format(time.RFC3339Nano),
	}
}

// heapName says where a heap's rows were stopped.
func (s *Server) heapName(h hub.Heap) string {
	title := s.title(h.Municipality, h.Service)
	switch h.Kind {
	case hub.DocumentKind:
		return h.Leg + " till " + s.systemName(h.System) + ", " + title
	case hub.TellingKind:
		return "besked till " + s.systemName(h.System) + ", " + s.municipalityName(h.Municipality)
	}
	return title + ", " + s.municipalityName(h.Municipality)
}

// — what waits for others —

// lookAround is what says in words what is wrong with a system.
const lookAround = "knutpunkt doctor"

func (s *Server) registerCard(h hub.Heap) card {
	c := s.heapCard(h, "register", reason{
		what: "Formulären väntar på ett register eller en fil. Knutpunkt frågar igen av sig självt.", citizen: isWaiting,
		who: whoOperations, safe: safeToWait,
	})
	c.Command = lookAround
	c.Title = plural(h.Cases, "ärende väntar", "ärenden väntar") + " på ett svar, " + s.municipalityName(h.Municipality) + ", sedan " + s.since(h.Since)
	return c
}

// outages are the systems that are out of order and not in a planned window, and those that
// somebody has paused, as far as a Viewer may know of them.
func (s *Server) outages(by hub.Viewer) []hub.Circuit {
	return slices.DeleteFunc(s.Hub.Circuits(), func(c hub.Circuit) bool {
		return c.Cause == "" || c.Cause != hub.Paused && s.inWindow(c.System) || !s.knowsOf(by, c.System)
	})
}

// awaited gives the system that a heap waits for: deliveries their own, and forms the register
// or platform whose name begins their note. It is "" for what rests with people.
func awaited(h hub.Heap) hub.SystemID {
	switch h.State {
	case hub.Held:
		return ""
	case hub.EnrichWait:
		name, _, _ := strings.Cut(h.Note, " ")
		return hub.SystemID(name)
	}
	return h.System
}

// waitsFor gives the outage that a heap is part of, or nil.
func (s *Server) waitsFor(h hub.Heap, outages []hub.Circuit) *hub.Circuit {
	id := awaited(h)
	for i := range outages {
		if outages[i].System == id {
			return &outages[i]
		}
	}
	return nil
}

func (s *Server) outageCards(outages []hub.Circuit, heaps []hub.Heap) []card {
	var cards []card
	for _, o := range outages {
		cause := causes[o.Cause]
		c := card{
			ID: heapID(hub.Heap{System: o.System}), Sort: "outage", Happened: cause.what, Applicant: cause.citizen, Who: cause.who,
			Safe: cause.safe, Note: o.Note, System: o.System, Since: o.Since, Command: lookAround,
		}
		for _, h := range heaps {
			if w := s.waitsFor(h, outages); w != nil && w.System == o.System {
				c.Count, c.Cases = c.Count+h.Count, c.Cases+h.Cases
			}
		}
		c.Title = upper(s.systemName(o.System)) + " " + causeName(o) + " sedan " + s.since(o.Since) + ": "
		if o.Cause == hub.Paused {
			c.Sort, c.Note, c.Command = "paused", "", "knutpunkt systems resume "+string(o.System)+` --reason "VARFÖR" --as NAMN`
		}
		if c.Cases == 0 {
			c.Title += "inget ärende väntar än"
		} else {
			c.Title += plural(c.Cases, "ärende väntar", "ärenden väntar")
		}
		cards = append(cards, c)
	}
	return cards
}

// uncollectedCards tell of the systems whose forms cannot be fetched, as far as a Viewer may
// know of them.
func (s *Server) uncollectedCards(by hub.Viewer) []card {
	var cards []card
	for _, c := range s.Hub.Uncollected() {
		if s.knowsOf(by, c.System) {
			card := cardOf(uncollected, ours[uncollected])
			card.ID, card.Title = heapID(hub.Heap{System: c.System, Note: uncollected}), "Formulär kan inte hämtas från "+s.systemName(c.System)+" sedan "+s.since(c.Since)
			card.Note, card.System, card.Since = c.Note, c.System, c.Since
			cards = append(cards, card)
		}
	}
	return cards
}

const uncollected = "uncollected"

var httpStatus = regexp.MustCompile(`\b(?:HTTP )?status ([1-5][0-9]{2})\b`)

// nameFor says what a system does that is out of order: by the status that it answers
// with, where it has one.
func (r reason) nameFor(note string) string {
	if status := httpStatus.FindStringSubmatch(note); status != nil {
		return "svarar " + status[1]
	}
	return r.name
}

func (s *Server) addQueues(b *board, heaps []hub.Heap, outages []hub.Circuit) {
	at := map[hub.SystemID]queue{}
	for _, h := range heaps {
		if h.State != "" || s.waitsFor(h, outages) != nil {
			continue
		}
		q, there := at[h.System]
		q.System, q.Name, q.Cases = h.System, s.systemName(h.System), q.Cases+h.Cases
		if !there || h.Since.Before(q.Since) {
			q.Since = h.Since
		}
		at[h.System] = q
	}
	for _, opened := range s.Hub.Systems {
		q, waiting := at[opened.ID]
		switch {
		case !waiting:
		case s.inWindow(opened.ID):
			b.Planned = append(b.Planned, q)
		default:
			b.Waiting = append(b.Waiting, q)
		}
		delete(at, opened.ID)
	}
	for _, id := range sortedKeys(at) { // no longer connected
		b.Waiting = append(b.Waiting, at[id])
	}
}

func (s *Server) inWindow(id hub.SystemID) bool {
	for _, opened := range s.Hub.Systems {
		if opened.ID == id {
			return opened.Closed != nil && opened.Closed(s.Hub.Clock())
		}
	}
	return false
}

// knowsOf reports whether a system is of a municipality that a Viewer sees, or is shared.
func (s *Server) knowsOf(by hub.Viewer, id hub.SystemID) bool {
	ms, all := by.Municipalities()
	folder, _, _ := strings.Cut(string(id), ".")
	if all || folder == "shared" {
		return true
	}
	councils := s.Hub.Bundle().Municipalities
	return slices.ContainsFunc(ms, func(m hub.Municipality) bool { return councils[m].Folder == folder })
}

// — what of ours is out of order —

// Of what a restore has left, people are told at least this long.
const restoreIsNews = 7 * 24 * time.Hour

// cardOf gives a card of a sort that there is one of.
func cardOf(sort string, r reason) card {
	return card{
		ID: heapID(hub.Heap{Note: sort}), Sort: sort, Happened: r.what, Applicant: r.citizen, Who: r.who, Safe: r.safe, Command: r.command,
	}
}

func (s *Server) addOurOwn(ctx context.Context, b *board, heaps []hub.Heap) error {
	now := s.Hub.Clock()
	add := func(sort, title string, count int, since time.Time) {
		c := cardOf(sort, ours[sort])
		c.Title, c.Count, c.Cases, c.Since = title, count, count, since
		b.Cards = append(b.Cards, c)
	}
	if s.store.Durability(ctx) == degraded {
		add("storage", "Inget tas emot: det går inte att spara säkert", 0, time.Time{})
	}
	if s.Restored != nil {
		since, cases, err := s.Restored(ctx)
		if err != nil {
			return err
		}
		left := slices.ContainsFunc(heaps, func(h hub.Heap) bool { return strings.HasPrefix(h.Note, "restored ") })
		if !since.IsZero() && (left || now.Sub(since) < restoreIsNews) {
			add("restored", "Databasen är en äldre kopia sedan "+s.since(since)+": "+
				plural(cases, "ärende var inte klart", "ärenden var inte klara"), cases, since)
		}
	}
	counts, err := s.store.Counts(ctx, now)
	if err != nil {
		return err
	}
	if counts.Orphans > 0 {
		add("reports", plural(int(counts.Orphans), "rapport", "rapporter")+" från system passar inget ärende sedan ett dygn", int(counts.Orphans), time.Time{})
	}
	return nil
}

// — names —

// title gives what people call an e-service.
func (s *Server) title(m hub.Municipality, service string) string {
	for _, r := range s.Hub.Bundle().Routes {
		if r.Municipality == m && r.Service == service && r.Title != "" {
			return r.Title
		}
	}
	return "e-tjänst " + service
}

func (s *Server) municipalityName(m hub.Municipality) string {
	if name := s.Hub.Bundle().Municipalities[m].Name; name != "" {
		return name
	}
	return string(m)
}

// systemName gives what people call a system: by its name, and whose it is.
func (s *Server) systemName(id hub.SystemID) string {
	folder, name, cut := strings.Cut(string(id), ".")
	if !cut {
		return string(id)
	}
	for _, m := range s.Hub.Bundle().Municipalities {
		if m.Folder == folder {
			return name + " (" + m.Name + ")"
		}
	}
	return name + " (gemensamt)"
}

// since writes a time that has been: today's as a time of day alone.
func (s *Server) since(t time.Time) string {
	t, now := t.In(hub.Stockholm), s.Hub.Clock().In(hub.Stockholm)
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n) + " " + many
}

func upper(text string) string {
	for i, r := range text {
		return strings.ToUpper(string(r)) + text[i+len(string(r)):]
	}
	return text
}

func sortedKeys[K ~string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
