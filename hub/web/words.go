package web

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A word that a system uses and no table translates keeps its case where it was, so somebody
// has to be told. A word may say anything, also somebody's name, and is shown to operators only.

// An untranslated word is one that somebody is to give a meaning.
type untranslated struct {
	System       hub.SystemID     `json:"system"`
	Name         string           `json:"name"`                   // what people call the system
	Municipality hub.Municipality `json:"municipality,omitempty"` // whose it is; "" for a shared one
	Word         string           `json:"word"`                   // "" where it cannot be read any more
	Cases        int              `json:"cases"`                  // that wait for it
	First        time.Time        `json:"first"`                  // it was heard
	Last         time.Time        `json:"last"`
	File         string           `json:"file"` // where the word is to be written
	Line         string           `json:"line"` // what is to be written there, under words:
}

// stepToWrite stands in a line that is to be written for the step, which is for a person to choose.
const stepToWrite = "STEG"

// listWords answers with the words that nobody has translated.
func (s *Server) listWords(c *call) error {
	if err := s.mustBeOperator(c); err != nil {
		return err
	}
	if err := noQuery(c.r); err != nil {
		return err
	}
	words, err := s.untranslated(c.r.Context(), c.as)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, map[string]any{"words": words, "steps": hub.Steps})
}

// consoleWords shows them. To who has not said who she is it shows only how many there are.
func (s *Server) consoleWords(c *call) error {
	words, err := s.untranslated(c.r.Context(), c.as)
	if err != nil {
		return err
	}
	v := struct {
		Words []untranslated
		Steps []hub.Step
		Sign  signed
	}{words, hub.Steps, s.signed(c, "")}
	return c.page(http.StatusOK, page{Language: "sv", Title: "Ord från systemen", Console: true}, "words", v)
}

// untranslated gives the words of the systems that a Viewer knows of, the latest first.
func (s *Server) untranslated(ctx context.Context, by hub.Viewer) ([]untranslated, error) {
	found, err := s.store.Untranslated(ctx, by)
	if err != nil {
		return nil, err
	}
	words := []untranslated{}
	for _, w := range found {
		if !s.knowsOf(by, w.System) {
			continue
		}
		folder, _, _ := strings.Cut(string(w.System), ".")
		words = append(words, untranslated{
			System: w.System, Name: s.systemName(w.System), Municipality: s.municipalityIn(folder), Word: w.Text, Cases: w.Cases,
			First: w.First.UTC(), Last: w.Last.UTC(), File: "routes/" + folder + "/systems.yaml", Line: lineFor(w.Text),
		})
	}
	return words, nil
}

// lineFor gives the line of YAML that translates a word, but for its step. A text that is
// quoted as in JSON is the same text in YAML.
func lineFor(word string) string {
	quoted, err := json.Marshal(hub.Normal(word))
	if word == "" || err != nil {
		return ""
	}
	return string(quoted) + ": " + stepToWrite
}

// addWords adds a card that tells of all the words at once.
func (s *Server) addWords(ctx context.Context, b *board, by hub.Viewer) error {
	words, err := s.untranslated(ctx, by)
	if err != nil || len(words) == 0 {
		return err
	}
	cases := 0
	first := slices.MinFunc(words, func(a, b untranslated) int { return a.First.Compare(b.First) }).First
	for _, w := range words {
		cases += w.Cases
	}
	c := cardOf("words", untranslatedWords)
	c.Title = plural(len(words), "ord", "ord") + " som ingen har översatt, sedan " + s.since(first)
	c.Count, c.Cases, c.Since = len(words), cases, first
	b.Cards = append(b.Cards, c)
	return nil
}

var untranslatedWords = reason{
	what:    "System har berättat om ärenden med ord som inte står i tabellen words: i systems.yaml.",
	citizen: "Den som väntar ser det förra läget tills ordet är översatt. Inget besked går förlorat.",
	who:     "Den som skriver vägarna, tillsammans med den som förvaltar systemet.",
	safe:    "Skriv ordet och dess steg i systems.yaml och starta om Knutpunkt. Då hörs rapporterna som väntar.",
	command: "knutpunkt words --as NAMN",
}
