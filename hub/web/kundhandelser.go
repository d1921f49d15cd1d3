package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// The national Mina ärenden (standard 6.1, owned by Skatteverket) asks each municipality
// what has happened in a person's cases. The municipality is a producent there, a line of
// a case's feed is a kundhändelse, and the words are the standard's own.

// kundhandelsePattern is the address that is asked. The standard has only its last part; the
// kommunkod lets several municipalities share a host.
const kundhandelsePattern = "/{municipality}/kundhandelseFragaSynkron"

// A kundhandelseFraga is a question as it comes. Only the person who asks is answered for:
// whether somebody may see another's cases is for the one who forwards the question to know,
// and nothing in it can show us.
type kundhandelseFraga struct {
	Fraga     fraga  `json:"fraga"`
	Anvandare string `json:"anvandare"` // twelve digits: who asks
}

type fraga struct {
	Parter            []fragaPart `json:"parter"`
	KundhandelseTyper []string    `json:"kundhandelseTyper,omitempty"` // each the beginning of a type
	Taggar            []string    `json:"taggar,omitempty"`
	StartDatum        string      `json:"startDatum,omitempty"` // both are included, in Swedish time
	SlutDatum         string      `json:"slutDatum,omitempty"`
	Behandling        *behandling `json:"behandling,omitempty"`
}

type fragaPart struct {
	Kund   *kund   `json:"kund,omitempty"`
	Arende *arende `json:"arende,omitempty"`
}

type kund struct {
	Identifierare string  `json:"identifierare"`
	Typ           string  `json:"typ"`
	Tillagg       *string `json:"tillagg,omitempty"`
}

type arende struct {
	Identifierare string `json:"identifierare"`
	Typ           string `json:"typ"`
}

type behandling struct {
	Sortering  []sortering `json:"sortering,omitempty"`
	Paginering *paginering `json:"paginering,omitempty"`
}

type sortering struct {
	Attribut string `json:"attribut"`
	Stigande *bool  `json:"stigande"`
}

type paginering struct {
	Offset *int `json:"offset"`
	Limit  *int `json:"limit,omitempty"`
}

// A kundhandelseSvar is the answer to it.
type kundhandelseSvar struct {
	Kundhandelser []partSvar `json:"kundhandelser"`
	Metadata      understood `json:"metadata"`
	Delfragor     []delfraga `json:"delfragor"`
}

type partSvar struct {
	Part    fragaPart      `json:"part"`
	Totalt  int            `json:"totaltAntalKundhandelser"` // before paging
	ForPart []kundhandelse `json:"kundhandelserForPart"`
}

type understood struct {
	fraga
	OnskatSprak string `json:"onskatSprak,omitempty"`
}

type delfraga struct {
	Producent string    `json:"producent"`
	Part      fragaPart `json:"part"`
	Status    string    `json:"status"`
	HTTPCode  int       `json:"httpCode"`
}

// A kundhandelse is a Status as the standard tells it.
type kundhandelse struct {
	ID               string `json:"kundhandelseId"`
	Rubrik           string `json:"rubrik"`
	Beskrivning      string `json:"beskrivning"`
	Sprak            string `json:"sprak"`
	Producent        string `json:"producent"`
	Tidpunkt         string `json:"tidpunkt"`
	Typ              string `json:"kundhandelseTyp"`
	KraverKundatgard bool   `json:"producentarendetKraverKundatgard"`
	Klart            bool   `json:"producentarendetKlart"`
	Version          string `json:"version"`

	line hub.Status
	of   *nationalCase
}

// A nationalCase is a case that is shown in the national Mina ärenden.
type nationalCase struct {
	hub.Case
	route     *hub.Route
	platforms []string  // what the platform calls its forms
	inkommen  time.Time // zero where that cannot be read
	protected bool      // somebody in it is, or may be, protected
}

// mostQuestion bounds a question, in bytes.
const mostQuestion = 128 << 10

// answerNationally answers with what has happened in the cases of who asks.
func (s *Server) answerNationally(c *call) error {
	m, err := s.admitNational(c)
	if err != nil {
		return err
	}
	q, err := readQuestion(c)
	if err != nil {
		return err
	}
	all, err := s.kundhandelser(c, m, q.Anvandare)
	if err != nil {
		return err
	}
	answer := kundhandelseSvar{Metadata: understood{q.Fraga, firstLanguage(c.r.Header)}}
	for _, p := range q.Fraga.Parter {
		chosen := q.choose(p, all)
		answer.Kundhandelser = append(answer.Kundhandelser, partSvar{p, len(chosen), q.Fraga.Behandling.page(chosen)})
		answer.Delfragor = append(answer.Delfragor, delfraga{s.municipalityName(m), p, "OK", http.StatusOK})
	}
	return c.json(http.StatusOK, answer)
}

// admitNational lets a client in that may ask, about a municipality that it may ask of.
func (s *Server) admitNational(c *call) (hub.Municipality, error) {
	found := s.recognise(c.r)
	if found == nil || !found.Kundhandelser {
		return "", refusal("unauthorized")
	}
	c.client = found
	if !found.limiter.AllowN(s.Hub.Clock(), 1) {
		return "", retryLater("rate-limited", "1")
	}
	m := hub.Municipality(c.r.PathValue("municipality"))
	if _, ours := s.Hub.Bundle().Municipalities[m]; !ours || !slices.Contains(found.Municipalities, m) {
		return "", refusal("not-found")
	}
	return m, nil
}

var correlationID = regexp.MustCompile(`^[\x20-\x7E]{1,200}$`)

func readQuestion(c *call) (q kundhandelseFraga, err error) {
	if _, _, err := c.mediaType(jsonType); err != nil {
		return q, err
	}
	if said := c.r.Header.Values("skv_client_correlation_id"); len(said) != 1 || strings.TrimSpace(said[0]) == "" || !correlationID.MatchString(said[0]) {
		return q, refusedFields(fault{"skv_client_correlation_id", "required"})
	}
	text, err := c.readBody(mostQuestion)
	if err != nil {
		return q, err
	}
	if err := document.DecodeJSON(text, &q); err != nil {
		return q, err
	}
	if faults := q.faults(); len(faults) > 0 {
		return q, refusedFields(faults...)
	}
	return q, nil
}

// — what has happened —

// kundhandelser gives everything that has happened in a person's cases at a municipality, the
// newest first. Whom a register let follow a case, and has not been asked about for a day, is
// told nothing of it: the Store sees to that.
func (s *Server) kundhandelser(c *call, m hub.Municipality, person string) ([]kundhandelse, error) {
	id, err := hub.ParsePersonID(person)
	if err != nil {
		return nil, nil // nobody has that number
	}
	ctx, as := c.r.Context(), hub.AsCitizen(id)
	cases := map[hub.CaseID]*nationalCase{}
	var all []kundhandelse
	for after := uint64(0); ; {
		lines, err := s.store.Statuses(ctx, as, "", after, mostLines)
		if err != nil {
			return nil, err
		}
		for _, line := range lines {
			if after = line.Seq; line.Owner != m {
				continue
			}
			of, known := cases[line.Case]
			if !known {
				if of, err = s.nationalCase(ctx, c.client, as, line.Case); err != nil {
					return nil, err
				}
				cases[line.Case] = of
			}
			if of == nil {
				continue
			}
			if line.Step == hub.Inkommet && !of.inkommen.IsZero() {
				line.At = of.inkommen // the time that counts, as on the citizen's own page
			}
			all = append(all, s.kundhandelse(of, line))
		}
		if len(lines) < mostLines {
			slices.SortStableFunc(all, newestFirst)
			return all, nil
		}
	}
}

// nationalCase reads a case; nil for one whose route is not shown, or that the client may not
// ask about.
func (s *Server) nationalCase(ctx context.Context, by *caller, as hub.Viewer, id hub.CaseID) (*nationalCase, error) {
	of, err := s.store.Case(ctx, as, id)
	if err != nil {
		return nil, err
	}
	r := s.Hub.Bundle().Route(of.Municipality, of.Source, of.Service)
	if r == nil || r.Kundhandelse == "" || !by.viewer.Sees(of.Municipality, of.Service) {
		return nil, nil
	}
	n := &nationalCase{Case: of, route: r}
	for _, p := range of.Submissions {
		if err := s.lookInto(ctx, as, n, p); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// lookInto reads of a form what decides how much is told. What cannot be read tells nothing.
func (s *Server) lookInto(ctx context.Context, as hub.Viewer, n *nationalCase, p hub.Progress) error {
	form, err := s.store.Submission(ctx, as, p.Submission)
	var facts hub.Facts
	if err == nil {
		facts, err = s.store.Facts(ctx, as, p.Submission)
	}
	switch {
	case errors.Is(err, hub.ErrContents), errors.Is(err, hub.ErrNotFound):
		n.protected = true
	case err != nil:
		return err
	default:
		n.platforms = append(n.platforms, form.Source.ID)
		if n.Begins(hub.Key(form.ID)) {
			n.inkommen = form.Inkommen
		}
		n.protected = n.protected || p.Reason == hub.ReasonProtected || !hub.Harmless(form.Parties, facts.Answers)
	}
	return nil
}

// rubriker are what people read of a Step in the national Mina ärenden.
var rubriker = map[hub.Step]string{
	hub.Inkommet:           "Ditt ärende har kommit in",
	hub.Registrerat:        "Ditt ärende är registrerat",
	hub.UnderHandlaggning:  "Ditt ärende handläggs",
	hub.KompletteringBehov: "Ditt ärende behöver kompletteras",
	hub.Beslutat:           "Det finns ett beslut i ditt ärende",
	hub.Avslutat:           "Ditt ärende är avslutat",
	hub.Atertaget:          "Ditt ärende är återtaget",
	hub.Avvisat:            "Ditt ärende är avvisat",
}

// kundhandelse tells of one line. Where somebody is protected nothing is told but which
// e-service it is about.
func (s *Server) kundhandelse(of *nationalCase, line hub.Status) kundhandelse {
	title, municipality := s.names(of.Case)
	k := kundhandelse{
		ID: string(line.Case) + "-" + strconv.FormatUint(line.Seq, 10), Rubrik: rubriker[line.Step], Beskrivning: title + ".",
		Sprak: "sv", Producent: municipality, Tidpunkt: line.At.In(hub.Stockholm).Format("2006-01-02T15:04:05-07:00"),
		Typ:              of.route.Kundhandelse + "." + strings.ToUpper(strings.ReplaceAll(string(line.Step), "-", "_")),
		KraverKundatgard: line.Ball == hub.Applicant, Klart: line.Ball == hub.Nobody, Version: "6.1",
		line: line, of: of,
	}
	if line.Ref != "" {
		k.Beskrivning += " Diarienummer " + line.Ref + "."
	}
	if of.protected {
		k.Rubrik, k.Beskrivning = title, title
	}
	return k
}

// — what was asked for —

// choose gives the kundhändelser that are asked for of one part, in the order that is asked
// for. Of an organisation nothing is told: nobody follows a case on behalf of one yet.
func (q kundhandelseFraga) choose(p fragaPart, all []kundhandelse) []kundhandelse {
	chosen := []kundhandelse{}
	if p.Kund != nil && (p.Kund.Typ == organisation || p.Kund.Identifierare != q.Anvandare) {
		return chosen
	}
	for _, k := range all {
		if p.Arende.names(k.of) && q.Fraga.wants(k) {
			chosen = append(chosen, k)
		}
	}
	q.Fraga.Behandling.sort(chosen)
	return chosen
}

const organisation = "Organisationsnummer"

// names reports whether a reference is the name of a case; none is the name of each.
func (a *arende) names(of *nationalCase) bool {
	if a == nil {
		return true
	}
	switch a.Typ {
	case "Diarienummer":
		return of.Ref != "" && of.Ref == a.Identifierare
	case "Producentarendereferens":
		return string(of.ID) == a.Identifierare
	case "Kvittensnummer":
		return slices.ContainsFunc(of.Submissions, func(p hub.Progress) bool { return string(p.Submission) == a.Identifierare })
	}
	return slices.Contains(of.platforms, a.Identifierare)
}

// wants reports whether a kundhändelse is of a type and a day that is asked for. It has no
// taggar, so that who asks for some gets none.
func (f fraga) wants(k kundhandelse) bool {
	ofType := func(beginning string) bool { return strings.HasPrefix(k.Typ, beginning) }
	day := k.line.At.In(hub.Stockholm).Format(time.DateOnly)
	return (len(f.KundhandelseTyper) == 0 || slices.ContainsFunc(f.KundhandelseTyper, ofType)) && len(f.Taggar) == 0 &&
		(f.StartDatum == "" || day >= f.StartDatum) && (f.SlutDatum == "" || day <= f.SlutDatum)
}

func newestFirst(a, b kundhandelse) int {
	return cmp.Or(b.line.At.Compare(a.line.At), cmp.Compare(b.line.Seq, a.line.Seq))
}

// attributes are what kundhändelser can be sorted by.
var attributes = map[string]func(a, b kundhandelse) int{
	"RUBRIK":          func(a, b kundhandelse) int { return cmp.Compare(a.Rubrik, b.Rubrik) },
	"BESKRIVNING":     func(a, b kundhandelse) int { return cmp.Compare(a.Beskrivning, b.Beskrivning) },
	"PRODUCENT":       func(a, b kundhandelse) int { return cmp.Compare(a.Producent, b.Producent) },
	"TIDPUNKT":        func(a, b kundhandelse) int { return a.line.At.Compare(b.line.At) },
	"KUNDHANDELSETYP": func(a, b kundhandelse) int { return cmp.Compare(a.Typ, b.Typ) },
	"PRODUCENTARENDETKRAVERKUNDATGARD": func(a, b kundhandelse) int {
		return compareBools(a.KraverKundatgard, b.KraverKundatgard)
	},
	"PRODUCENTARENDETKLART": func(a, b kundhandelse) int { return compareBools(a.Klart, b.Klart) },
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func (b *behandling) sort(ks []kundhandelse) {
	if b == nil || len(b.Sortering) == 0 {
		return
	}
	slices.SortStableFunc(ks, func(x, y kundhandelse) int {
		for _, by := range b.Sortering {
			order := attributes[by.Attribut](x, y)
			if !*by.Stigande {
				order = -order
			}
			if order != 0 {
				return order
			}
		}
		return 0
	})
}

// page gives the part of what was found that is asked for.
func (b *behandling) page(ks []kundhandelse) []kundhandelse {
	if b == nil || b.Paginering == nil {
		return ks
	}
	ks = ks[min(*b.Paginering.Offset, len(ks)):]
	if limit := b.Paginering.Limit; limit != nil {
		ks = ks[:min(*limit, len(ks))]
	}
	return ks
}

// firstLanguage gives the language that who asks would rather have, "" when it does not say.
func firstLanguage(h http.Header) string {
	if wanted := preferences(h, "Accept-Language"); len(wanted) > 0 && languageTag.MatchString(wanted[0]) {
		return wanted[0]
	}
	return ""
}

var languageTag = regexp.MustCompile(`^[a-z]{2,3}(-[a-z0-9]{2,8}){0,3}$`)

// — what is wrong with a question —

var (
	twelveDigits = regexp.MustCompile(`^[0-9]{12}$`)
	typPrefix    = regexp.MustCompile(`^[A-Z]+(\.[A-Z0-9_.]+)?$`)
	kundTyper    = []string{"Personnummer", organisation, "Samordningsnummer"}
	arendeTyper  = []string{"Konsumentreferens", "Producentarendereferens", "Diarienummer", "Kvittensnummer"}
)

// How much a question may ask for, and how long its texts may be.
const (
	mostParter   = 100
	mostOnAPage  = 1000
	longestType  = 200
	longestName  = 100
	longestExtra = 20
)

// faults gives everything that is wrong with a question by itself.
func (q kundhandelseFraga) faults() []fault {
	var faults []fault
	wrong := noting(&faults)
	f := q.Fraga
	wrong(!twelveDigits.MatchString(q.Anvandare), "/anvandare", "not-twelve-digits")
	wrong(len(f.Parter) == 0, "/fraga/parter", "required")
	wrong(len(f.Parter) > mostParter, "/fraga/parter", "too-many")
	for i, p := range f.Parter {
		wrong(!p.isWellFormed(), fmt.Sprintf("/fraga/parter/%d", i), "not-a-part")
	}
	wrong(len(f.KundhandelseTyper) > mostParter, "/fraga/kundhandelseTyper", "too-many")
	for i, t := range f.KundhandelseTyper {
		wrong(len(t) > longestType || !typPrefix.MatchString(t), fmt.Sprintf("/fraga/kundhandelseTyper/%d", i), "not-a-type")
	}
	wrong(len(f.Taggar) > mostParter, "/fraga/taggar", "too-many")
	for i, t := range f.Taggar {
		wrong(utf8.RuneCountInString(t) > longestName, fmt.Sprintf("/fraga/taggar/%d", i), "too-long")
	}
	wrong(!isDay(f.StartDatum), "/fraga/startDatum", "not-a-date")
	wrong(!isDay(f.SlutDatum), "/fraga/slutDatum", "not-a-date")
	if f.Behandling != nil {
		faults = append(faults, f.Behandling.faults()...)
	}
	return faults
}

func (p fragaPart) isWellFormed() bool {
	if k := p.Kund; k != nil && (!twelveDigits.MatchString(k.Identifierare) || !slices.Contains(kundTyper, k.Typ) ||
		k.Tillagg != nil && utf8.RuneCountInString(*k.Tillagg) > longestExtra) {
		return false
	}
	if a := p.Arende; a != nil && (utf8.RuneCountInString(a.Identifierare) > longestName || !slices.Contains(arendeTyper, a.Typ)) {
		return false
	}
	return p.Kund != nil || p.Arende != nil
}

func isDay(text string) bool {
	_, err := time.Parse(time.DateOnly, text)
	return err == nil || text == ""
}

func (b behandling) faults() []fault {
	var faults []fault
	for i, by := range b.Sortering {
		if attributes[by.Attribut] == nil || by.Stigande == nil {
			faults = append(faults, fault{fmt.Sprintf("/fraga/behandling/sortering/%d", i), "not-an-order"})
		}
	}
	p := b.Paginering
	if p != nil && (len(b.Sortering) == 0 || p.Offset == nil || *p.Offset < 0 || p.Limit != nil && (*p.Limit < 1 || *p.Limit > mostOnAPage)) {
		faults = append(faults, fault{"/fraga/behandling/paginering", "not-a-page"})
	}
	return faults
}

// refuseNationally answers with a problem as the standard has them: in a sentence, under one
// of a few statuses.
func (c *call) refuseNationally(p *problem) {
	status := http.StatusBadRequest
	switch {
	case slices.Contains([]int{401, 404, 405, 415}, p.status):
		status = p.status
	case p.status >= 500 || p.status == http.StatusTooManyRequests:
		status = http.StatusInternalServerError
	}
	message := catalogue[p.slug].sv.title + "."
	for _, f := range p.faults {
		message += " " + f.Pointer + ": " + f.Code + "."
	}
	c.json(status, map[string]string{"message": message})
}
