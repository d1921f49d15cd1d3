package navet_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/navet"
	"github.com/knutpunkt/knutpunkt/connectors/navet/navetsim"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

func clock() time.Time { return time.Date(2026, 4, 10, 9, 0, 0, 0, time.UTC) }

// config is an order that delivers everything.
func config(url string) navet.Config {
	return navet.Config{URL: url, OrgNumber: navetsim.OrgNumber, Order: navetsim.Order}
}

func open(env hub.Env, c navet.Config) (hub.System, error) {
	if env.Clock == nil {
		env.Clock = clock
	}
	env.Log = slog.New(slog.DiscardHandler)
	return navet.New.Open(context.Background(), env, func(into any) error {
		*into.(*navet.Config) = c
		return nil
	})
}

// registerAt opens a register whose Navet is h.
func registerAt(t *testing.T, h http.Handler, change func(*navet.Config)) hub.Register {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	c := config(server.URL + navetsim.Path)
	if change != nil {
		change(&c)
	}
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s, err := open(hub.Env{Reads: client}, c)
	if err != nil {
		t.Fatal(err)
	}
	return s.Register
}

func simulator(t *testing.T, persons ...navetsim.Person) *navetsim.Sim {
	t.Helper()
	sim, err := navetsim.New(navetsim.Options{Clock: clock, Persons: persons})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	return sim
}

func person(t testing.TB, number string) hub.PersonID {
	t.Helper()
	id, err := hub.ParsePersonID(number)
	if err != nil {
		t.Fatalf("%s: %v", number, err)
	}
	return id
}

// posts answers each number with what stands for it, and others with no post.
type posts map[string]string

func (p posts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	root, err := document.ReadXML(r.Body, document.Limits{})
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	io.WriteString(w, answerWith(p[root.Value("Body/PersonpostRequest/PersonId")]))
}

func answerWith(post string) string {
	return `<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
		`<S:Body><n:PersonpostXMLResponse xmlns:n="http://xmls.skatteverket.se/se/skatteverket/folkbokforing/na/epersondata/V1">` +
		`<n:Folkbokforingsposter>` + post + `</n:Folkbokforingsposter></n:PersonpostXMLResponse></S:Body></S:Envelope>`
}

// postOf is a whole post with flags before and parts inside.
func postOf(number, flags, parts string) string {
	return `<Folkbokforingspost>` + flags + `<Personpost><PersonId><PersonNr>` + number +
		`</PersonNr></PersonId>` + parts + `</Personpost></Folkbokforingspost>`
}

// spell writes out a Person, which does not print itself.
func spell(p hub.Person) string {
	var b strings.Builder
	v := reflect.ValueOf(p)
	for i := range v.NumField() {
		fmt.Fprintf(&b, "%s: %s\n", v.Type().Field(i).Name, spellValue(v.Field(i)))
	}
	return b.String()
}

func spellValue(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case hub.PersonID:
		return x.Reveal()
	case []hub.PersonID, []hub.Relative:
		var all []string
		for i := range v.Len() {
			all = append(all, spellValue(v.Index(i)))
		}
		return fmt.Sprint(all)
	case hub.Relative:
		return strings.Join([]string{x.ID.Reveal(), string(x.Birth), x.Given, x.Family}, "|")
	case *hub.Address:
		if x == nil {
			return "none"
		}
		return strings.Join([]string{x.CareOf, x.Street, x.Extra, x.Postcode, x.City}, "|")
	case *hub.Foreign:
		if x == nil {
			return "none"
		}
		return strings.Join(append(x.Lines, x.Country), "|")
	}
	return fmt.Sprint(v.Interface())
}

func compare(t *testing.T, got, want hub.Person) {
	t.Helper()
	if g, w := spell(got), spell(want); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

var everything = hub.Blocks{Name: true, Address: true, Relations: true}

// Each of Skatteverket's shapes, as composed against its own schema.
func TestSamples(t *testing.T) {
	folder := filepath.Join(formatsFolder(t), "navet/samples/soap")
	home := &hub.Address{Street: "EXEMPELGATAN 12 LGH 1101", Postcode: "37131", City: "KARLSKRONA"}
	mother, child, brother := person(t, "198604069883"), person(t, "201506092384"), person(t, "201803022399")
	old, current := person(t, "199008302615"), person(t, "199008302391")
	kim := hub.Person{
		ID: current, Previous: []hub.PersonID{old}, Given: "Kim", Family: "Testsson", Birth: "1990-08-30",
		Protection: hub.NotProtected, Address: home, Changed: "2024-03-01",
	}
	kimOf2026 := kim
	kimOf2026.Previous = []hub.PersonID{person(t, "196709132887"), old}
	tests := []struct {
		file, why, number string
		want              hub.Person
	}{
		{"01-vardnadshavare-normal.xml", "a child comes as B and as VF, and is one child; the hyphenated name is one name", "198604069883", hub.Person{
			ID: mother, Given: "Hedvig Britt-Marie", Calling: "Britt-Marie", Middle: "Exempelgren", Family: "Testsson",
			Birth: "1986-04-06", Protection: hub.NotProtected, Address: home, Registered: "1080", Property: "EXEMPLET 3",
			Civil: "G", Children: []hub.Relative{{ID: child, Birth: "2015-06-09"}, {ID: brother, Birth: "2018-03-02"}},
			Changed: "2026-04-06",
		}},
		{"02-barn-med-vardnadshavare.xml", "a guardian who was never registered has a name and no number", "201506092384", hub.Person{
			ID: child, Given: "Saga Linn", Calling: "Saga", Family: "Testsson", Birth: "2015-06-09",
			Protection: hub.NotProtected, Address: home, Registered: "1080", Property: "EXEMPLET 3", Civil: "OG",
			Guardians: []hub.Relative{
				{ID: mother, Birth: "1986-04-06"},
				{Birth: "1975-02-02", Given: "Sambalina", Family: "Caramba"},
			},
			Changed: "2026-04-06",
		}},
		{"03-sekretessmarkering.xml", "the address of who is marked is still delivered", "201803022399", hub.Person{
			ID: brother, Given: "Otto", Family: "Testsson", Protection: hub.Marked, Address: home, Changed: "2026-04-06",
		}},
		{"04-skyddad-folkbokforing.xml", "only the special postal address is to be used", "200704102391", hub.Person{
			ID: person(t, "200704102391"), Given: "Skyddad", Family: "Exempel", Protection: hub.ProtectedRegistration,
			Special:    &hub.Address{CareOf: "SKATTEVERKET", Street: "BOX 2820", Postcode: "40320", City: "GÖTEBORG"},
			Registered: "0180", Changed: "2026-04-06",
		}},
		{"05-avliden.xml", "the dead are answered about", "194107086995", hub.Person{
			ID: person(t, "194107086995"), Given: "Svante Hans-Emil", Calling: "Svante Hans", Family: "Testsson",
			Birth: "1941-07-08", Protection: hub.NotProtected, Left: hub.Departure{Reason: "AV", Date: "2026-02-09"},
			Changed: "2026-02-11",
		}},
		{"06-utvandrad.xml", "who emigrated has an address abroad", "195003072260", hub.Person{
			ID: person(t, "195003072260"), Given: "Vera", Family: "Utflyttad", Protection: hub.NotProtected,
			Abroad: &hub.Foreign{Lines: []string{"1 EXAMPLE STREET", "LONDON"}, Country: "STORBRITANNIEN OCH NORDIRLAND"},
			Left:   hub.Departure{Reason: "UV", Date: "1998-08-10"}, Changed: "1998-08-10",
		}},
		{"07-gammalt-nummer-GN.xml", "an old number leads to the current one", "199008302615", kim},
		{"08-nytt-nummer-med-hanvisningar.xml", "a reference to an older number is not followed", "199008302391", kim},
		{"09-samordningsnummer-aktivt.xml", "who has a samordningsnummer has a special postal address", "197001782395", hub.Person{
			ID: person(t, "197001782395"), Given: "Jean", Family: "Exemple", Birth: "1970-01-18", Protection: hub.NotProtected,
			Special: &hub.Address{CareOf: "BYGGBOLAGET AB", Street: "EXEMPELVÄGEN 4", Postcode: "24131", City: "ESLÖV"},
			Changed: "2025-05-12",
		}},
		{"11-observed-2026-hanvisning-i-personid-NOT-XSD-VALID.xml", "references have moved into PersonId", "196709132887", kimOf2026},
	}
	files := make(samples)
	for _, tt := range tests {
		answer, err := os.ReadFile(filepath.Join(folder, tt.file))
		if err != nil {
			t.Fatal(err)
		}
		files[tt.number] = answer
	}
	register := registerAt(t, files, nil)
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			t.Log(tt.why)
			tt.want.AsOf, tt.want.Delivered = clock(), everything
			got, err := register.Lookup(t.Context(), person(t, tt.number))
			if err != nil {
				t.Fatal(err)
			}
			compare(t, got, tt.want)
		})
	}
	for file, why := range map[string]string{"10-ingen-traff.xml": "nobody", "90-soap-fault-http500.xml": "a fault"} {
		answer, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			t.Fatal(err)
		}
		_, err = registerAt(t, oneAnswer(answer), nil).Lookup(t.Context(), mother)
		if isNobody := errors.Is(err, hub.ErrNotFound); err == nil || isNobody != (why == "nobody") {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// samples answers each number with a file.
type samples map[string][]byte

func (s samples) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	root, _ := document.ReadXML(r.Body, document.Limits{})
	w.Write(s[root.Value("Body/PersonpostRequest/PersonId")])
}

type oneAnswer []byte

func (a oneAnswer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if bytes.Contains(a, []byte("Fault>")) {
		w.WriteHeader(http.StatusInternalServerError)
	}
	w.Write(a)
}

func TestQuestionFitsTheContract(t *testing.T) {
	schema := os.DirFS(filepath.Join(formatsFolder(t), "navet/contract/schema"))
	contract, err := document.CompileXSD(schema, "Epersondata.xsd")
	if err != nil {
		t.Fatal(err)
	}
	var asked *http.Request
	var body []byte
	register := registerAt(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r
		body, _ = io.ReadAll(r.Body)
		io.WriteString(w, answerWith(""))
	}), nil)
	register.Lookup(t.Context(), person(t, "201506092384"))

	root, err := document.ReadXML(bytes.NewReader(body), document.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	question := root.Path("Body/PersonpostRequest")
	question.Attrs = append(question.Attrs, document.Attr{Name: "xmlns:v1", Value: question.Space()})
	inner, err := document.WriteXML(question, document.Style{})
	if err != nil {
		t.Fatal(err)
	}
	if err := contract.Validate(inner); err != nil {
		t.Errorf("the question: %v", err)
	}
	if got := asked.Header.Get("Content-Type"); got != "text/xml;charset=UTF-8" {
		t.Errorf("Content-Type %q", got)
	}
	if got := asked.Header["Soapaction"]; len(got) != 1 || got[0] != `""` {
		t.Errorf("SOAPAction %q", got)
	}
	if asked.Method != http.MethodPost || strings.Contains(fmt.Sprint(asked.URL, asked.Header), "0609") {
		t.Error("the number may stand in the body only")
	}
}

func TestProtectionFailsClosed(t *testing.T) {
	const number = "198604069883"
	everyBlock := []string{"names", "addresses", "relations"}
	tests := []struct {
		name, flags string
		undeclared  bool
		want        hub.Protection
		address     bool
	}{
		{"absent", "", false, hub.NotProtected, true},
		{"nil", `<Sekretessmarkering xsi:nil="true"/><SkyddadFolkbokforing xsi:nil="true"/>`, false, hub.NotProtected, true},
		{"both no", "<Sekretessmarkering>N</Sekretessmarkering><SkyddadFolkbokforing>N</SkyddadFolkbokforing>", false, hub.NotProtected, true},
		{"marked", "<Sekretessmarkering>J</Sekretessmarkering>", false, hub.Marked, true},
		{"protected registration alone", "<SkyddadFolkbokforing>J</SkyddadFolkbokforing>", false, hub.ProtectedRegistration, false},
		{"both", "<Sekretessmarkering>J</Sekretessmarkering><SkyddadFolkbokforing>J</SkyddadFolkbokforing>", false, hub.ProtectedRegistration, false},
		{"neither J nor N", "<Sekretessmarkering>X</Sekretessmarkering>", false, hub.ProtectionUnknown, true},
		{"a small j", "<SkyddadFolkbokforing>j</SkyddadFolkbokforing>", false, hub.ProtectionUnknown, false},
		{"marked, and the other cannot be read", "<Sekretessmarkering>J</Sekretessmarkering><SkyddadFolkbokforing>?</SkyddadFolkbokforing>", false, hub.Marked, false},
		{"twice, and once J", "<Sekretessmarkering>N</Sekretessmarkering><Sekretessmarkering>J</Sekretessmarkering>", false, hub.Marked, true},
		{"moved by a later release", "<Skydd><Sekretessmarkering>J</Sekretessmarkering></Skydd>", false, hub.Marked, true},
		{"not delivered", "", true, hub.ProtectionUnknown, false},
		{"not delivered, and still N", "<Sekretessmarkering>N</Sekretessmarkering><SkyddadFolkbokforing>N</SkyddadFolkbokforing>", true, hub.ProtectionUnknown, false},
		{"not delivered, and still J", "<Sekretessmarkering>J</Sekretessmarkering>", true, hub.Marked, false},
	}
	const address = `<Adresser><Folkbokforingsadress><Utdelningsadress2>G 1</Utdelningsadress2></Folkbokforingsadress></Adresser>`
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			register := registerAt(t, posts{number: postOf(number, tt.flags, address)}, func(c *navet.Config) {
				if tt.undeclared {
					c.Delivers = everyBlock
				}
			})
			p, err := register.Lookup(t.Context(), person(t, number))
			if err != nil {
				t.Fatal(err)
			}
			if p.Protection != tt.want || (p.Address != nil) != tt.address {
				t.Errorf("protection %d and address %v, want %d and %v", p.Protection, p.Address != nil, tt.want, tt.address)
			}
		})
	}
}

func TestProtectedRegistrationClosesWhatCame(t *testing.T) {
	const number = "200704102391"
	all := `<Folkbokforing><LanKod>10</LanKod><KommunKod>80</KommunKod><Fastighetsbeteckning>PROV 1:1</Fastighetsbeteckning></Folkbokforing>
		<Adresser><Folkbokforingsadress><Utdelningsadress2>HEMLIGA GATAN 1</Utdelningsadress2></Folkbokforingsadress>
		<SarskildPostadress><Utdelningsadress2>BOX 2820</Utdelningsadress2></SarskildPostadress>
		<Utlandsadress><Land>NORGE</Land></Utlandsadress></Adresser>`
	register := registerAt(t, posts{number: postOf(number, "<SkyddadFolkbokforing>J</SkyddadFolkbokforing>", all)}, nil)
	p, err := register.Lookup(t.Context(), person(t, number))
	if err != nil {
		t.Fatal(err)
	}
	compare(t, p, hub.Person{
		ID: person(t, number), Protection: hub.ProtectedRegistration, Registered: "1080",
		Special: &hub.Address{Street: "BOX 2820"}, Delivered: everything, AsOf: clock(),
	})
}

func TestGuardiansAreThoseOfToday(t *testing.T) {
	const child, mother, father = "200801012386", "198604069883", "198207059299"
	relation := func(kind, number, more string) string {
		return `<Relation><RelationId><PersonNr>` + number + `</PersonNr></RelationId><Relationstyp>` + kind + `</Relationstyp>` + more + `</Relation>`
	}
	tests := []struct {
		name, today, birth, relations string
		guardians, children           int
	}{
		{"under eighteen", "2025-12-31", "20080101", relation("V", mother, "") + relation("V", father, ""), 2, 0},
		{"eighteen today", "2026-01-01", "20080101", relation("V", mother, ""), 0, 0},
		{"eighteen by the number, with no birth date", "2026-01-01", "", relation("V", mother, ""), 0, 0},
		{"the registered birth date counts before the number's", "2026-01-01", "20080203", relation("V", mother, ""), 1, 0},
		{"custody ended", "2025-06-01", "20080101", relation("V", mother, "<RelationTomdatum>20250531</RelationTomdatum>"), 0, 0},
		{"custody ends today", "2025-06-01", "20080101", relation("V", mother, "<RelationTomdatum>20250601</RelationTomdatum>"), 1, 0},
		{"custody ended some day this year", "2025-06-01", "20080101", relation("V", mother, "<RelationTomdatum>20250000</RelationTomdatum>"), 1, 0},
		{"custody ended some day last year", "2025-06-01", "20080101", relation("V", mother, "<RelationTomdatum>20240000</RelationTomdatum>"), 0, 0},
		{"the guardian is dead", "2025-06-01", "20080101", relation("V", mother, "<Avregistrering><AvregistreringsorsakKod>AV</AvregistreringsorsakKod></Avregistrering>"), 0, 0},
		{"an empty deregistration says nothing", "2025-06-01", "20080101", relation("V", mother, "<Avregistrering/>"), 1, 0},
		{"a parent without custody", "2025-06-01", "20080101", relation("MO", mother, "") + relation("F", father, ""), 0, 0},
		{"renewed custody comes twice", "2025-06-01", "20080101", relation("V", mother, "<RelationFromdatum>20100101</RelationFromdatum>") + relation("V", mother, ""), 1, 0},
		{"guardian of a child", "2026-01-01", "19860406", relation("VF", "201506092384", "") + relation("B", "201506092384", ""), 0, 1},
		{"the child has come of age", "2026-01-01", "19860406", relation("VF", "200801012394", ""), 0, 0},
		{"never registered, and the name is not ordered", "2025-06-01", "20080101",
			"<Relation><RelationId><FodelsetidNr>197502020000</FodelsetidNr></RelationId><Relationstyp>V</Relationstyp></Relation>", 1, 0},
		{"a sort of relation that is not known", "2025-06-01", "20080101", relation("XX", "1", ""), 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(posts{child: postOf(child, "",
				"<Fodelsedatum>"+tt.birth+"</Fodelsedatum><Relationer>"+tt.relations+"</Relationer>")})
			defer server.Close()
			today, err := time.ParseInLocation(time.DateOnly, tt.today, hub.Stockholm)
			if err != nil {
				t.Fatal(err)
			}
			s, err := open(hub.Env{Reads: server.Client(), Clock: func() time.Time { return today.UTC() }}, config(server.URL))
			if err != nil {
				t.Fatal(err)
			}
			p, err := s.Register.Lookup(t.Context(), person(t, child))
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Guardians) != tt.guardians || len(p.Children) != tt.children {
				t.Errorf("%d guardians and %d children, want %d and %d", len(p.Guardians), len(p.Children), tt.guardians, tt.children)
			}
		})
	}
}

func TestDepartures(t *testing.T) {
	const number, coordination = "194107086995", "197001782395"
	status := func(value, why string) string {
		return `<PersonId><TilldelatPersonNrSamordningsNr>` + coordination + `</TilldelatPersonNrSamordningsNr><Identitetsstatus>` +
			`<IdentitetsstatusVarde>` + value + `</IdentitetsstatusVarde><IdentitetsstatusDatum>20250102</IdentitetsstatusDatum>` +
			`<IdentitetsstatusOrsak>` + why + `</IdentitetsstatusOrsak></Identitetsstatus></PersonId>`
	}
	personNr := `<PersonId><PersonNr>` + number + `</PersonNr></PersonId>`
	left := func(inner string) string { return personNr + `<Avregistrering>` + inner + `</Avregistrering>` }
	tests := []struct {
		name, personpost string
		want             hub.Departure
	}{
		{"in use", personNr, hub.Departure{}},
		{"disappeared", left("<AvregistreringsorsakKod>OB</AvregistreringsorsakKod><Avregistreringsdatum>20200300</Avregistreringsdatum>"), hub.Departure{Reason: "OB", Date: "2020-03"}},
		{"found dead", left("<AvregistreringsorsakKod>AV</AvregistreringsorsakKod><AntraffadDod>20200304</AntraffadDod>"), hub.Departure{Reason: "AV", Date: "2020-03-04"}},
		{"found dead, and no more is said", left("<AntraffadDod>20200304</AntraffadDod>"), hub.Departure{Reason: "AV", Date: "2020-03-04"}},
		{"an active samordningsnummer", status("AKTIVT", ""), hub.Departure{}},
		{"a dormant one", status("VILANDEFORKLARAT", "TIDSFRIST"), hub.Departure{Reason: "VILANDEFORKLARAT", Date: "2025-01-02"}},
		{"one of somebody dead", status("AVREGISTRERAT", "AVLIDEN"), hub.Departure{Reason: "AV", Date: "2025-01-02"}},
		{"one given by mistake", status("AVREGISTRERAT", "FELAKTIGT_REGISTRERAT"), hub.Departure{Reason: "AS", Date: "2025-01-02"}},
		{"one that was replaced", status("AVREGISTRERAT", "ERSATT"), hub.Departure{Reason: "GS", Date: "2025-01-02"}},
		{"a day of death among the particulars", status("AKTIVT", "") + "<Samordningsnummeruppgifter><DatumAvliden>20251103</DatumAvliden></Samordningsnummeruppgifter>",
			hub.Departure{Reason: "AV", Date: "2025-11-03"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			asked := number
			if strings.Contains(tt.personpost, coordination) {
				asked = coordination
			}
			post := `<Folkbokforingspost><Personpost>` + tt.personpost +
				`<Folkbokforing><LanKod>10</LanKod><KommunKod>80</KommunKod></Folkbokforing></Personpost></Folkbokforingspost>`
			p, err := registerAt(t, posts{asked: post}, nil).Lookup(t.Context(), person(t, asked))
			if err != nil || p.Left != tt.want {
				t.Errorf("%+v (%v), want %+v", p.Left, err, tt.want)
			}
			if isRegistered := p.Registered == "1080"; isRegistered == (tt.want.Reason != "") {
				t.Errorf("registered in %q", p.Registered)
			}
		})
	}
}

func TestFollowsChangedNumbers(t *testing.T) {
	const a, b, c, d, e = "199008302615", "196709132887", "196608253081", "199110012391", "199008302391"
	replaced := func(number, flags string, references ...string) string {
		parts := "<Hanvisningar>"
		for _, r := range references {
			parts += "<Hanvisning><HanvisningsPersonNr>" + r + "</HanvisningsPersonNr></Hanvisning>"
		}
		return postOf(number, flags, parts+"</Hanvisningar><Avregistrering><AvregistreringsorsakKod>GN</AvregistreringsorsakKod></Avregistrering>")
	}
	marked := "<Sekretessmarkering>J</Sekretessmarkering>"
	tests := []struct {
		name, why  string
		posts      posts
		id         string
		previous   []string
		protection hub.Protection
	}{
		{"two steps", "every number on the way is a previous one, the one asked for first",
			posts{a: replaced(a, "", b), b: replaced(b, "", a, e), e: postOf(e, "", "")}, e, []string{a, b}, hub.NotProtected},
		{"a dead end on the way", "references point both ways, and what points back leads nowhere",
			posts{a: replaced(a, "", b, e), b: replaced(b, "", a), e: postOf(e, "", "")}, e, []string{a, b}, hub.NotProtected},
		{"a loop", "what is known is the number asked for",
			posts{a: replaced(a, "", b), b: replaced(b, "", a)}, a, nil, hub.NotProtected},
		{"a reference to itself", "the same", posts{a: replaced(a, "", a)}, a, nil, hub.NotProtected},
		{"no reference", "the same", posts{a: replaced(a, "")}, a, nil, hub.NotProtected},
		{"the new number is not known", "the same", posts{a: replaced(a, "", e)}, a, nil, hub.NotProtected},
		{"four steps", "three are followed",
			posts{a: replaced(a, "", b), b: replaced(b, "", c), c: replaced(c, "", d), d: replaced(d, "", e), e: postOf(e, "", "")}, a, nil, hub.NotProtected},
		{"a mark on the old number", "a later record does not lower a mark",
			posts{a: replaced(a, marked, e), e: postOf(e, "", "")}, e, []string{a}, hub.Marked},
		{"a mark on the new number", "a mark counts from wherever",
			posts{a: replaced(a, "", e), e: postOf(e, marked, "")}, e, []string{a}, hub.Marked},
		{"a mark that cannot be read on the new number", "what the old number says does not make it known",
			posts{a: replaced(a, "", e), e: postOf(e, "<Sekretessmarkering>?</Sekretessmarkering>", "")}, e, []string{a}, hub.ProtectionUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Log(tt.why)
			p, err := registerAt(t, tt.posts, nil).Lookup(t.Context(), person(t, a))
			if err != nil {
				t.Fatal(err)
			}
			var previous []string
			for _, id := range p.Previous {
				previous = append(previous, id.Reveal())
			}
			if p.ID.Reveal() != tt.id || !reflect.DeepEqual(previous, tt.previous) || p.Protection != tt.protection {
				t.Errorf("%s, before that %v, protection %d; want %s, %v, %d",
					p.ID.Reveal(), previous, p.Protection, tt.id, tt.previous, tt.protection)
			}
		})
	}
	_, err := registerAt(t, posts{a: replaced(a, "", e), e: postOf(d, "", "")}, nil).Lookup(t.Context(), person(t, a))
	if !errors.Is(err, hub.ErrMismatch) {
		t.Errorf("a reference that leads to somebody else: %v", err)
	}
}

func TestNotDeliveredIsNotEmpty(t *testing.T) {
	const number = "198604069883"
	tests := []struct {
		name, parts string
		delivers    []string
		want        hub.Blocks
	}{
		{"everything is ordered, and nothing came", "", nil, everything},
		{"names only", "", []string{"protection", "names"}, hub.Blocks{Name: true}},
		{"came without being declared", "<Relationer/>", []string{"protection"}, hub.Blocks{Relations: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			register := registerAt(t, posts{number: postOf(number, "", tt.parts)}, func(c *navet.Config) { c.Delivers = tt.delivers })
			p, err := register.Lookup(t.Context(), person(t, number))
			if err != nil || p.Delivered != tt.want {
				t.Errorf("%+v (%v), want %+v", p.Delivered, err, tt.want)
			}
		})
	}
}

// What is no plain answer about the person asked for gives no facts.
func TestNoAnswers(t *testing.T) {
	const asked, other = "198604069883", "198207059299"
	fault := func(felkod, text string) string {
		return `<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body><S:Fault><faultcode>S:Server</faultcode><faultstring>` + text +
			`</faultstring><detail><w:WebServiceFault xmlns:w="urn:w"><w:Felkod>` + felkod + `</w:Felkod><w:Beskrivning>` + text +
			`</w:Beskrivning></w:WebServiceFault></detail></S:Fault></S:Body></S:Envelope>`
	}
	tests := []struct {
		name   string
		status int
		body   string
		faults map[string]string
		is     error      // what the error must be, nil for none
		answer hub.Answer // as the hub reads it
		cause  hub.Cause
		text   string // in the error
	}{
		{"nobody", 200, answerWith(""), nil, hub.ErrNotFound, hub.DontKnow, "", ""},
		{"somebody else", 200, answerWith(postOf(other, "", "")), nil, hub.ErrMismatch, hub.DontKnow, "", ""},
		{"two posts", 200, answerWith(postOf(asked, "", "") + postOf(asked, "", "")), nil, nil, hub.DontKnow, hub.ContractBroken, "no post"},
		{"no number", 200, answerWith(postOf("", "", "")), nil, nil, hub.DontKnow, hub.ContractBroken, "no number"},
		{"half a number", 200, answerWith(postOf("19860406", "", "")), nil, nil, hub.DontKnow, hub.ContractBroken, "no number"},
		{"a guardian who cannot be read", 200, answerWith(postOf(asked, "",
			"<Relationer><Relation><RelationId><PersonNr>1</PersonNr></RelationId><Relationstyp>V</Relationstyp></Relation></Relationer>")),
			nil, nil, hub.DontKnow, "", "guardian"},
		{"something else in the list", 200, answerWith("<Fel>1</Fel>"), nil, nil, hub.DontKnow, hub.ContractBroken, "no post"},
		{"a text in the list", 200, answerWith("Tekniskt fel"), nil, nil, hub.DontKnow, hub.ContractBroken, "no post"},
		{"another SOAP answer", 200, `<e:Envelope xmlns:e="x"><e:Body><Svar/></e:Body></e:Envelope>`, nil, nil, hub.DontKnow, hub.ContractBroken, "no personpost"},
		{"a page", 200, "<html><body>Logga in</body></html>", nil, nil, hub.DontKnow, hub.ContractBroken, "no personpost"},
		{"a page that is no XML", 200, "<!DOCTYPE html><html><br></html>", nil, nil, hub.DontKnow, hub.ContractBroken, "cannot be read"},
		{"nothing", 200, "", nil, nil, hub.DontKnow, hub.ContractBroken, "cannot be read"},
		{"half an answer", 200, answerWith(postOf(asked, "", ""))[:400], nil, nil, hub.DontKnow, hub.ContractBroken, "truncated"},
		{"an entity", 200, `<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>`, nil, nil, hub.DontKnow, hub.ContractBroken, "doctype"},
		{"wrong parameters", 500, fault("1", "Felaktiga inparametrar"), nil, nil, hub.No, "", "fault 1, Felaktiga inparametrar"},
		{"a fault with 200", 200, fault("1", "Felaktiga inparametrar"), nil, nil, hub.No, "", "fault 1"},
		{"a fault that nobody knows", 500, fault("4711", "Något om 198604069883"), nil, nil, hub.No, "", "fault 4711"},
		{"a fault that is told to pass", 500, fault("4711", "Något"), map[string]string{"4711": "later"}, nil, hub.NotNow, "", "fault 4711"},
		{"a fault that is told to be about the certificate", 500, fault("12", "Något"), map[string]string{"12": "credentials"}, nil, hub.NotNow, hub.Credentials, "fault 12"},
		{"a fault whose text says that it passes", 500, fault("9", "Tekniskt fel, försök igen"), nil, nil, hub.NotNow, "", "Tekniskt fel"},
		{"a fault whose number is somebody's", 500, fault("198604069883", "x"), nil, nil, hub.No, "", "without a number"},
		{"500 and a page", 500, "<html/>", nil, nil, hub.DontKnow, "", "500"},
		{"busy", 503, "", nil, nil, hub.NotNow, hub.Busy, "503"},
		{"too many", 429, "", nil, nil, hub.NotNow, hub.Busy, "429"},
		{"not let in", 403, "", nil, nil, hub.NotNow, hub.Credentials, "403"},
		{"moved", 302, "", nil, nil, hub.NotNow, hub.AddressChanged, "302"},
		{"gone", 404, "<html/>", nil, nil, hub.NotNow, hub.AddressChanged, "404"},
		{"a gateway without Navet", 502, "", nil, nil, hub.DontKnow, "", "502"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			register := registerAt(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", "7")
				w.Header().Set("Location", "/198604069883")
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			}), func(c *navet.Config) { c.Faults = tt.faults })
			p, err := register.Lookup(t.Context(), person(t, asked))
			if err == nil || !p.ID.IsZero() {
				t.Fatal("facts, and no error")
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v, want %v", err, tt.is)
			}
			if tt.is == nil && (errors.Is(err, hub.ErrNotFound) || errors.Is(err, hub.ErrMismatch)) {
				t.Errorf("%v is a statement about the person", err)
			}
			answer, wait, cause := hub.AnswerOf(hub.Receipt{Number: "asked"}, err)
			if answer != tt.answer || cause != tt.cause {
				t.Errorf("%s because of %q, want %s because of %q", answer, cause, tt.answer, tt.cause)
			}
			if tt.cause == hub.Busy && wait != 7*time.Second {
				t.Errorf("waits %v, want 7s", wait)
			}
			if !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), "0406") {
				t.Errorf("error text: %v", err)
			}
		})
	}
}

// The simulator's ways to fail, as a hub meets them.
func TestSimulatedFaults(t *testing.T) {
	sim := simulator(t)
	register := registerAt(t, sim, nil)
	id := person(t, "199001012385")
	for _, f := range []navetsim.Fault{
		navetsim.Down, navetsim.Page, navetsim.Garbage, navetsim.Truncated, navetsim.Busy, navetsim.TooMany, navetsim.Refusal,
	} {
		sim.Fail(f)
		if _, err := register.Lookup(t.Context(), id); err == nil || errors.Is(err, hub.ErrNotFound) || errors.Is(err, hub.ErrMismatch) {
			t.Errorf("%s: %v", f, err)
		}
	}
	sim.Fail(navetsim.Stranger)
	if _, err := register.Lookup(t.Context(), id); !errors.Is(err, hub.ErrMismatch) {
		t.Errorf("a stranger: %v", err)
	}
	sim.Fail(navetsim.OddFlag)
	if p, err := register.Lookup(t.Context(), id); err != nil || p.Protection != hub.ProtectionUnknown {
		t.Errorf("an odd flag: protection %d (%v)", p.Protection, err)
	}
	sim.FailAlways(navetsim.Hang)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := register.Lookup(ctx, id); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a hanging Navet: %v", err)
	}
	sim.Mend()
	if _, err := register.Lookup(t.Context(), id); err != nil {
		t.Errorf("mended: %v", err)
	}
}

// Everybody in the simulator, as the connector reads them.
func TestSimulatedPersons(t *testing.T) {
	register := registerAt(t, simulator(t), nil)
	lookUp := func(number string) hub.Person {
		p, err := register.Lookup(t.Context(), person(t, number))
		if err != nil {
			t.Fatalf("%s: %v", number, err)
		}
		return p
	}
	compare(t, lookUp("202209082391"), hub.Person{
		ID: person(t, "202209082391"), Given: "Ivar Olof", Calling: "Ivar", Family: "Provdal", Birth: "2022-09-08",
		Protection: hub.NotProtected, Registered: "1080", Civil: "OG",
		Address: &hub.Address{Street: "EXEMPELGATAN 12 LGH 1101", Postcode: "37131", City: "KARLSKRONA"},
		Guardians: []hub.Relative{
			{ID: person(t, "198604069883"), Birth: "1986-04-06"},
			{Birth: "1975-02-02", Given: "Amalia", Family: "Fjärran"},
		},
		Delivered: everything, Changed: "2026-04-06", AsOf: clock(),
	})
	if p := lookUp("198604069883"); p.Calling != "Britt-Marie" || len(p.Children) != 3 || p.Civil != "G" {
		t.Error("the guardian of three:\n" + spell(p))
	}
	if p := lookUp("200704102391"); p.Protection != hub.ProtectedRegistration || p.Address != nil || p.Special == nil {
		t.Error("skyddad folkbokföring:\n" + spell(p))
	}
	if p := lookUp("197910039283"); p.Protection != hub.Marked || p.Address == nil || len(p.Children) != 1 {
		t.Error("sekretessmarkering:\n" + spell(p))
	}
	if p := lookUp("199008302615"); p.ID != person(t, "199008302391") || p.Previous[0] != person(t, "199008302615") {
		t.Error("a changed number:\n" + spell(p))
	}
	if p := lookUp("198206822390"); !p.ID.IsCoordination() || p.Special == nil || p.Left.Reason != "" {
		t.Error("a samordningsnummer:\n" + spell(p))
	}
	if p := lookUp("197412772381"); !p.Left.Deceased() {
		t.Error("a death under a samordningsnummer:\n" + spell(p))
	}
	if p := lookUp("195003072260"); !p.Left.Emigrated() || p.Abroad == nil {
		t.Error("emigrated:\n" + spell(p))
	}
	for _, p := range navetsim.Persons() {
		lookUp(p.ID)
	}
}

func TestMutualTLS(t *testing.T) {
	dir := t.TempDir()
	server := httptest.NewUnstartedServer(simulator(t))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	var err error
	if server.TLS, err = navetsim.TLS(dir); err != nil {
		t.Fatal(err)
	}
	server.StartTLS()
	defer server.Close()
	ca, err := os.ReadFile(filepath.Join(dir, navetsim.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	mine, err := tls.LoadX509KeyPair(filepath.Join(dir, navetsim.CertificateFile), filepath.Join(dir, navetsim.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	lookUp := func(c *tls.Config) error {
		transport := &http.Transport{TLSClientConfig: c}
		defer transport.CloseIdleConnections()
		s, err := open(hub.Env{Reads: &http.Client{Transport: transport}}, config(server.URL+navetsim.Path))
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Register.Lookup(t.Context(), person(t, "199001012385"))
		return err
	}
	if err := lookUp(&tls.Config{RootCAs: roots, Certificates: []tls.Certificate{mine}}); err != nil {
		t.Errorf("with our certificate: %v", err)
	}
	// TLS 1.2 tells of a missing certificate within the handshake, so that the answer is always the same.
	err = lookUp(&tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS12})
	if _, _, cause := hub.AnswerOf(hub.Receipt{Number: "asked"}, err); cause != hub.Credentials {
		t.Errorf("without a certificate: %v (%s), want credentials", err, cause)
	}
	if err := lookUp(&tls.Config{RootCAs: roots}); err == nil {
		t.Error("without a certificate, TLS 1.3: an answer")
	}
	err = lookUp(&tls.Config{Certificates: []tls.Certificate{mine}})
	if _, _, cause := hub.AnswerOf(hub.Receipt{Number: "asked"}, err); cause != hub.Credentials {
		t.Errorf("a server that is not trusted: %v (%s), want credentials", err, cause)
	}
}

func TestNobodyThere(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	door := errors.New("nothing was sent")
	tests := []struct {
		name, text string
		client     *http.Client
		cause      hub.Cause
	}{
		{"a bare client, whose errors hold the address", "no answer", http.DefaultClient, ""},
		{"what the door out has judged", "nothing was sent", &http.Client{Transport: fails{hub.Unavailable(door, hub.Down)}}, hub.Down},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := open(hub.Env{Reads: tt.client}, config(server.URL))
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Register.Lookup(t.Context(), person(t, "199001012385"))
			if err == nil {
				t.Fatal("an answer")
			}
			_, _, cause := hub.AnswerOf(hub.Receipt{}, err)
			if cause != tt.cause || err.Error() != "ask Navet: "+tt.text {
				t.Errorf("%v (%q), want %q (%q)", err, cause, tt.text, tt.cause)
			}
		})
	}
}

type fails struct{ err error }

func (f fails) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// Navet may quote what it was asked wherever it answers. None of it may come out of the connector but
// as a Person, which does not print.
func TestPersonsDoNotPrint(t *testing.T) {
	const canary, name = "199001012385", "Kanarievik"
	quoting := name + " " + canary + " " + canary[2:8] + "-" + canary[8:]
	fault := `<S:Envelope xmlns:S="s"><S:Body><S:Fault><faultstring>` + quoting + `</faultstring><detail><WebServiceFault><Felkod>` +
		canary + `</Felkod><Beskrivning>` + quoting + `</Beskrivning></WebServiceFault></detail></S:Fault></S:Body></S:Envelope>`
	named := "<Namn><Fornamn>" + name + "</Fornamn></Namn>"
	for _, answer := range []struct {
		status int
		body   string
	}{
		{500, fault}, {200, fault}, {400, quoting}, {403, quoting}, {503, quoting}, {502, quoting}, {302, quoting}, {200, quoting},
		{200, "<html><body>" + quoting}, {200, "<a b='" + quoting + "' b=''/>"}, {200, "<" + name + canary + ">"},
		{200, answerWith(postOf(canary, "", named))}, {200, answerWith(postOf("198207059299", "", named))},
		{200, answerWith(postOf(canary+canary, "", named))}, {200, answerWith(quoting)},
	} {
		var urls, logged strings.Builder
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintln(&urls, r.URL, r.Header)
			w.Header().Set("Location", "/"+canary)
			w.Header().Set("Retry-After", canary)
			w.WriteHeader(answer.status)
			io.WriteString(w, answer.body)
		}))
		c := config(server.URL + navetsim.Path)
		env := hub.Env{
			Reads: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
			Log:   slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})), Clock: clock,
		}
		s, err := navet.New.Open(t.Context(), env, func(into any) error { *into.(*navet.Config) = c; return nil })
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Register.Lookup(t.Context(), person(t, canary))
		server.Close()
		for _, text := range []string{
			fmt.Sprint(err), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err), fmt.Sprintf("%+v %#v", p, p), urls.String(), logged.String(),
		} {
			if strings.Contains(text, canary[2:8]) || strings.Contains(text, canary[8:]) || strings.Contains(text, name) {
				t.Errorf("status %d, %.40q: it prints %.200q", answer.status, answer.body, text)
			}
		}
	}
}

func TestConfigIsStrict(t *testing.T) {
	tests := []struct {
		name   string
		change func(*navet.Config)
		wrong  []string
	}{
		{"good", func(*navet.Config) {}, nil},
		{"ten digits", func(c *navet.Config) { c.OrgNumber = "2021004748" }, nil},
		{"on this machine", func(c *navet.Config) { c.URL = "http://localhost:9000/x" }, nil},
		{"in the clear", func(c *navet.Config) { c.URL = "http://navet.example/x" }, []string{"url"}},
		{"no address", func(c *navet.Config) { c.URL = "" }, []string{"url"}},
		{"a query", func(c *navet.Config) { c.URL = "https://navet.example/x?a=b" }, []string{"url"}},
		{"a hyphen", func(c *navet.Config) { c.OrgNumber = "202100-4748" }, []string{"org-number"}},
		{"a wrong check digit", func(c *navet.Config) { c.OrgNumber = "162021004749" }, []string{"org-number"}},
		{"an order too short", func(c *navet.Config) { c.Order = "236-FO01-0002" }, []string{"order"}},
		{"an unknown block", func(c *navet.Config) { c.Delivers = []string{"names", "adresses"} }, []string{"delivers"}},
		{"a block twice", func(c *navet.Config) { c.Delivers = []string{"names", "names"} }, []string{"delivers"}},
		{"an unknown meaning", func(c *navet.Config) { c.Faults = map[string]string{"1": "perhaps"} }, []string{"faults"}},
		{"a fault that is no number", func(c *navet.Config) { c.Faults = map[string]string{"01": "later"} }, []string{"faults"}},
		{"everything at once", func(c *navet.Config) { *c = navet.Config{Delivers: []string{"x"}} }, []string{"url", "org-number", "order", "delivers"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := config("https://navet.example/x")
			tt.change(&c)
			_, err := open(hub.Env{Reads: http.DefaultClient}, c)
			if (err != nil) != (tt.wrong != nil) {
				t.Fatal(err)
			}
			for _, field := range tt.wrong {
				if !strings.Contains(err.Error(), field+":") {
					t.Errorf("nothing said of %s: %v", field, err)
				}
			}
		})
	}
}

func TestParallelLookUps(t *testing.T) {
	register := registerAt(t, simulator(t), nil)
	var all sync.WaitGroup
	for _, p := range navetsim.Persons() {
		all.Go(func() {
			id := person(t, p.ID)
			got, err := register.Lookup(t.Context(), id)
			if err != nil || got.ID != id && (len(got.Previous) == 0 || got.Previous[0] != id) {
				t.Errorf("%s: about somebody else (%v)", p.ID, err)
			}
		})
	}
	all.Wait()
}

// FuzzParse holds that no bytes whatever become facts about anybody but who was asked about, that no
// address comes out under skyddad folkbokföring, and that no error repeats what came.
func FuzzParse(f *testing.F) {
	const asked = "199001012385"
	f.Add([]byte(answerWith("")))
	f.Add([]byte(answerWith(postOf(asked, "<Sekretessmarkering>J</Sekretessmarkering>", ""))))
	f.Add([]byte(answerWith(postOf(asked, "<SkyddadFolkbokforing>J</SkyddadFolkbokforing>", "<Adresser><Folkbokforingsadress><Postort>A</Postort></Folkbokforingsadress></Adresser>"))))
	f.Add([]byte(answerWith(postOf("198207059299", "", ""))))
	f.Add([]byte(answerWith(postOf(asked, "", "<Namn><Tilltalsnamnsmarkering>29</Tilltalsnamnsmarkering><Fornamn>-a- b</Fornamn></Namn>"))))
	f.Add([]byte(answerWith(postOf(asked, "", "<Avregistrering><AvregistreringsorsakKod>GN</AvregistreringsorsakKod></Avregistrering><HanvisningsPersonNr>"+asked+"</HanvisningsPersonNr>"))))
	f.Add([]byte(answerWith(postOf(asked, "", "<Relationer><Relation><RelationId><FodelsetidNr>0</FodelsetidNr></RelationId><Relationstyp>V</Relationstyp></Relation></Relationer>"))))
	f.Add([]byte("<!DOCTYPE html>"))
	id := person(f, asked)
	f.Fuzz(func(t *testing.T, answer []byte) {
		s, err := open(hub.Env{Reads: &http.Client{Transport: answers(answer)}}, config("https://navet.example/x"))
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Register.Lookup(t.Context(), id)
		if err != nil {
			if !p.ID.IsZero() || strings.Contains(err.Error(), asked) {
				t.Errorf("facts, or a number, beside an error: %v", err)
			}
			return
		}
		if p.ID != id {
			t.Error("facts about somebody else")
		}
		if p.Protection == hub.ProtectedRegistration && (p.Address != nil || p.Property != "" || p.Abroad != nil) {
			t.Error("an address under skyddad folkbokföring")
		}
	})
}

// answers is a Navet that always says the same.
type answers []byte

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(a)), Request: r}, nil
}

// formatsFolder is where the authorities' own files are.
func formatsFolder(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("KNUTPUNKT_FORMATS")
	if dir == "" {
		t.Skip("KNUTPUNKT_FORMATS names no folder")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}
