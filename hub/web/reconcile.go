package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Reconciliation (avstämning) as people see it: for each day and e-service what was sent in
// is what was received, and what was received is what the systems have; and each form that
// is not, by name, with whose it is to do something about it.

// A balance is hub.Balance with words for people.
type balance struct {
	hub.Balance
	Title  string `json:"title"`
	Gaps   []gap  `json:"gaps"`
	Closed bool   `json:"closed"` // everything is explained, and nobody has to do anything
}

type gap struct {
	hub.Gap
	Open bool   `json:"open"` // somebody has to do something about it, or to wait
	Text string `json:"text"`
}

// reconciliation answers with the balances of one day: today's, unless another is named.
func (s *Server) reconciliation(c *call) error {
	if err := s.mustBeOperator(c); err != nil {
		return err
	}
	day, err := s.dayIn(c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	return s.answerDay(c, day)
}

// dayIn reads the day that a query names. Nothing is counted of what is yet to come.
func (s *Server) dayIn(query string) (hub.Date, error) {
	today := hub.DayOf(s.Hub.Clock())
	values, err := url.ParseQuery(query)
	if err != nil || len(values) > 1 || len(values["day"]) > 1 || len(values) == 1 && values["day"] == nil {
		return "", badQuery("query")
	}
	if values["day"] == nil {
		return today, nil
	}
	day := hub.Date(values.Get("day"))
	if _, _, err := day.Bounds(); err != nil || day > today {
		return "", badQuery("query")
	}
	return day, nil
}

func (s *Server) answerDay(c *call, day hub.Date) error {
	all, err := s.balances(c.r.Context(), c.as, day, day)
	if err != nil {
		return err
	}
	answer := struct {
		Day      hub.Date  `json:"day"`
		Balances []balance `json:"balances"`
	}{day, []balance{}}
	for _, b := range all {
		answer.Balances = append(answer.Balances, s.balanceOf(b))
	}
	return c.json(http.StatusOK, answer)
}

// A recount is what an operator posts: the day that platforms are to be asked about.
type recount struct {
	Day string `json:"day"`
}

// countTakes is how long somebody waits for the platforms' answers.
const countTakes = 45 * time.Second

// recount asks the platforms what they sent on a day, and answers with its balances.
func (s *Server) recount(c *call) error {
	var r recount
	if err := s.readAct(c, &r); err != nil {
		return err
	}
	day, err := s.countedDay(r.Day)
	if err != nil {
		return err
	}
	if err := s.count(c, day); err != nil {
		return refusal("no-answer")
	}
	return s.answerDay(c, day)
}

func (s *Server) countedDay(text string) (hub.Date, error) {
	day := hub.Date(text)
	if _, _, err := day.Bounds(); err != nil {
		return "", refusedFields(fault{"/day", "date"})
	}
	if today := hub.DayOf(s.Hub.Clock()); day > today || day < today.Before(mostDays) {
		return "", refusedFields(fault{"/day", "out-of-range"})
	}
	return day, nil
}

func (s *Server) count(c *call, day hub.Date) error {
	ctx, cancel := context.WithTimeout(c.r.Context(), countTakes)
	defer cancel()
	err := s.Hub.Count(ctx, day)
	if err != nil {
		s.Hub.Log.Warn("platforms do not say what they sent", "request", c.id, "error", err)
	}
	return err
}

// recountOnPage is recount for a browser: it leads back to the page.
func (s *Server) recountOnPage(c *call) error {
	fields, err := s.readFields(c, "day")
	if err != nil {
		return err
	}
	day, err := s.countedDay(fields["day"])
	if err != nil {
		return err
	}
	said := "counted"
	if s.count(c, day) != nil {
		said = "not-counted"
	}
	return c.seeOther("/console/avstamning?said=" + said)
}

// balances gives those that a Viewer may see. What belongs to no municipality yet is for
// who sees all of them.
func (s *Server) balances(ctx context.Context, by hub.Viewer, from, to hub.Date) ([]hub.Balance, error) {
	all, err := s.Hub.Reconciliation(ctx, from, to)
	if err != nil {
		return nil, err
	}
	_, seesAll := by.Municipalities()
	return slices.DeleteFunc(slices.Clone(all), func(b hub.Balance) bool {
		return !seesAll && (b.Municipality == "" || !by.Sees(b.Municipality, b.Service))
	}), nil
}

func (s *Server) balanceOf(b hub.Balance) balance {
	v := balance{Balance: b, Title: s.balanceTitle(b), Gaps: []gap{}, Closed: b.Closed()}
	for _, g := range b.Gaps {
		v.Gaps = append(v.Gaps, gap{g, g.Kind.IsOpen(), s.gapText(g)})
	}
	return v
}

func (s *Server) balanceTitle(b hub.Balance) string {
	if b.Municipality == "" {
		return "E-tjänst " + b.Service + ", okänt vilken kommun"
	}
	return upper(s.title(b.Municipality, b.Service)) + ", " + s.municipalityName(b.Municipality)
}

// — in words —

// gapText says what a gap is, in words for who is to do something about it.
func (s *Server) gapText(g hub.Gap) string {
	text := gapTexts[g.Kind]
	if g.Count > 1 {
		text = strconv.Itoa(g.Count) + " formulär: " + text
	}
	if g.System != "" {
		text += ", " + s.legName(g.Leg, g.System)
	}
	if g.Reason != "" {
		text += ": " + reasons[g.Reason].name
	}
	if g.Number != "" {
		text += ", nummer " + g.Number
	}
	return text
}

// legName says where a leg goes, and what it is called where that is something else.
func (s *Server) legName(leg string, to hub.SystemID) string {
	if strings.HasSuffix(string(to), "."+leg) {
		return s.systemName(to)
	}
	return leg + " till " + s.systemName(to)
}

// gapTexts say what is the matter with a form.
var gapTexts = map[hub.GapKind]string{
	hub.NotReceived:   "Skickat enligt plattformen, men inte mottaget här",
	hub.Resting:       "Vilar hos en människa",
	hub.Doubled:       "Gjort på nytt, och båda kan finnas i systemet",
	hub.Surplus:       "Mottaget här, men plattformen räknar det inte den dagen",
	hub.WaitsFor:      "Väntar på att levereras",
	hub.OnItsWay:      "Mottaget, och uppgifter hämtas",
	hub.Unconfirmed:   "Levererat med kvittens, men systemet har inte sagt något om det sedan dess",
	hub.OtherDay:      "Skickat den dagen, men inkommet här en annan dag",
	hub.EarlierDay:    "Inkommet här den dagen, men skickat en tidigare dag",
	hub.ByHand:        "Registrerat för hand",
	hub.WithoutNumber: "Ordnat för hand, utan nummer",
	hub.TakenBack:     "Återtaget av den sökande",
	hub.TurnedAway:    "Avvisat",
	hub.Forgotten:     "Gallrat",
}

// ownerText says who has to do something about a gap.
func (s *Server) ownerText(o hub.Owner) string {
	switch o.Who {
	case hub.ThePlatform:
		return "Den som förvaltar " + s.systemName(hub.SystemID(o.Name))
	case hub.TheSystem:
		return "Den som förvaltar " + s.systemName(hub.SystemID(o.Name)) + "; Knutpunkt försöker igen av sig självt"
	case hub.TheRoute:
		return "Vägens ägare: " + o.Name
	case hub.TheOperations:
		return strings.TrimSuffix(whoOperations, ".")
	}
	return "Ingen behöver göra något"
}

// — the page —

// A dayView is one day on the page.
type dayView struct {
	Day      hub.Date
	Closed   bool
	Verdict  string
	Balances []balanceView
}

// A balanceView is one e-service of a day. What nobody has to do anything about is told as
// numbers.
type balanceView struct {
	Title    string
	Sent     string
	Received int
	Legs     []string
	Open     []gapView
	More     int // open ones that are not listed
	Settled  []string
	Good     string // what is in order, when nobody has to do anything
}

type gapView struct {
	Text, Owner, Ref string
	Case             hub.CaseID
	Key              hub.Key
	Since            time.Time
}

// mostGaps is how many open gaps of one e-service and day are listed.
const mostGaps = 50

// consoleReconciliation shows the last days, the latest first.
func (s *Server) consoleReconciliation(c *call) error {
	today := hub.DayOf(s.Hub.Clock())
	all, err := s.balances(c.r.Context(), c.as, today.Before(hub.DaysKept-1), today)
	if err != nil {
		return err
	}
	v := struct {
		Days    []dayView
		Sign    signed
		Asks    bool // there is a platform that can be asked
		Today   hub.Date
		Earlier hub.Date
	}{Sign: s.signed(c, ""), Asks: s.hasCounter(), Today: today, Earlier: today.Before(hub.DaysKept - 1)}
	v.Sign.Said = map[string]string{
		"counted": "Plattformarna har svarat. Sidan visar vad de sade.", "not-counted": "Ingen plattform svarade, eller inte alla. Försök igen om en stund.",
	}[c.r.URL.Query().Get("said")]
	for n := range hub.DaysKept {
		v.Days = append(v.Days, s.dayView(today.Before(n), all))
	}
	return c.page(http.StatusOK, page{Language: "sv", Title: "Avstämning", Console: true}, "reconciliation", v)
}

func (s *Server) hasCounter() bool {
	return slices.ContainsFunc(s.Hub.Systems, func(o hub.Opened) bool { return o.Counter != nil })
}

func (s *Server) dayView(day hub.Date, all []hub.Balance) dayView {
	v := dayView{Day: day, Closed: true}
	open, unexplained, received, missing, told := 0, 0, 0, 0, true
	for _, b := range all {
		if b.Day != day {
			continue
		}
		v.Balances = append(v.Balances, s.balanceView(b))
		v.Closed, told = v.Closed && b.Closed(), told && b.Told
		received, unexplained, missing = received+b.Received, unexplained+b.Unexplained, missing+b.Count(hub.NotReceived)
		for _, k := range hub.GapKinds {
			if k.IsOpen() && k != hub.NotReceived {
				open += b.Count(k)
			}
		}
	}
	var said []string
	if unexplained > 0 {
		said = append(said, plural(unexplained, "oförklarat", "oförklarade"))
	}
	if missing > 0 {
		said = append(said, plural(missing, "inte mottaget", "inte mottagna"))
	}
	if open > 0 {
		said = append(said, plural(open, "att göra något åt", "att göra något åt"))
	}
	switch {
	case len(said) > 0:
		v.Verdict = strings.Join(said, ", ")
	case len(v.Balances) == 0:
		v.Verdict = "inget kom in"
	case !told:
		v.Verdict = "allt som mottagits är där det ska vara, " + plural(received, "formulär", "formulär")
	default:
		v.Verdict = "allt stämmer, " + plural(received, "formulär", "formulär")
	}
	return v
}

func (s *Server) balanceView(b hub.Balance) balanceView {
	v := balanceView{Title: s.balanceTitle(b), Received: b.Received, Sent: "det har plattformen inte sagt"}
	if b.Told {
		v.Sent = plural(b.Sent, "formulär", "formulär")
	}
	switch {
	case b.Closed() && b.Told:
		v.Good = "Allt stämmer."
	case b.Closed():
		v.Good = "Allt som mottagits är där det ska vara."
	}
	for _, l := range b.Legs {
		text := upper(s.legName(l.Leg, l.System)) + ": " + plural(l.Accepted, "kvitterat", "kvitterade") + " av " + strconv.Itoa(l.Forms)
		if l.Tells {
			text += ", varav " + plural(l.Confirmed, "bekräftat", "bekräftade")
		}
		v.Legs = append(v.Legs, text)
	}
	for _, k := range hub.GapKinds {
		if n := b.Count(k); n > 0 && !k.IsOpen() {
			v.Settled = append(v.Settled, gapTexts[k]+": "+strconv.Itoa(n))
		}
	}
	if n := b.Received - b.Begun; n > 0 {
		v.Settled = append(v.Settled, "Av de mottagna är "+plural(n, "en komplettering, eller sänt på nytt", "kompletteringar, eller sända på nytt"))
	}
	for _, g := range b.Gaps {
		switch {
		case !g.Kind.IsOpen():
		case len(v.Open) == mostGaps:
			v.More += g.Count
		default:
			v.Open = append(v.Open, gapView{s.gapText(g), s.ownerText(g.Owner), shownRef(g.Ref), g.Case, g.Key, g.Since})
		}
	}
	return v
}

// shownRef gives a platform's reference for a page. One that may be a personnummer is not
// shown there.
func shownRef(ref string) string {
	if looksLikePerson(ref) {
		return "(visas inte: det kan vara ett personnummer)"
	}
	return ref
}
