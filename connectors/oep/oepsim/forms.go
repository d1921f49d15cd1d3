package oepsim

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// A Kind is an e-service, by its family number at the platform.
type Kind string

const (
	Preschool Kind = "701" // Ansökan om plats i förskola, version 2
	Deck      Kind = "702" // Ansökan om bygglov för altan, version 5
)

// A Form is a filled-in form: the same kind, seed and times always give the same
// bytes.
type Form struct {
	Kind      Kind
	Seed      int
	Submitted time.Time
	Completed time.Time // zero for a first version
	Instance  int       // FlowInstanceID
	Version   string    // LastSubmitted
	Body      []byte    // the FlowInstance as it is posted
	About     string    // what is uncommon about its persons, in Swedish; "" for most
	files     []file
}

// A file was attached by the citizen. One without inline is only referred to.
type file struct {
	id, query int
	name      string
	content   []byte
	inline    bool
}

// Fill fills in a form, as somebody sent it in at a time. Every twelfth seed takes
// persons about whom the registers have something uncommon to say.
func Fill(k Kind, seed int, at time.Time) Form {
	return Form{Kind: k, Seed: seed, Submitted: at.Truncate(time.Second)}.fill()
}

// Complete gives the form as it is sent in again, later, with one more file: the
// same instance with a later LastSubmitted.
func (f Form) Complete(at time.Time) Form {
	f.Completed = at.Truncate(time.Second)
	return f.fill()
}

// Completes reports whether the citizen behind a form completes it later: that of
// every fifth deck.
func (f Form) Completes() bool { return f.Kind == Deck && f.Seed%5 == 4 }

// instances are numbered so that no two kinds and seeds meet.
const firstInstance = 300_000

func (f Form) fill() Form {
	f.Instance = firstInstance + 2*f.Seed
	if f.Kind == Deck {
		f.Instance++
	}
	f.Version = stockholm(f.last())
	f.Body = f.render(f.Kind.flow().prolog)
	f.About = f.persons().about
	f.files = f.attached()
	return f
}

func (f Form) last() time.Time {
	if f.Completed.IsZero() {
		return f.Submitted
	}
	return f.Completed
}

// A flow is one version of an e-service at the platform.
type flow struct {
	Version, FlowID int
	Name            string
	prolog          prolog
	Statuses        []Status // the first is that of a form just sent in
}

// A Status is one of a flow's own.
type Status struct {
	ID          int
	Name        string
	ContentType string
}

func (k Kind) flow() flow {
	if k == Deck {
		return flow{5, 9102, "Ansökan om bygglov för altan", modern, statuses(7101)}
	}
	return flow{2, 9101, "Ansökan om plats i förskola", oldProlog, statuses(7001)}
}

func statuses(first int) []Status {
	return []Status{
		{first, "Inskickat", "SUBMITTED"},
		{first + 1, "Mottagen", "SUBMITTED"},
		{first + 2, "Under behandling", "IN_PROGRESS"},
		{first + 3, "Komplettering behövs", "WAITING_FOR_COMPLETION"},
		{first + 4, "Klart", "ARCHIVED"},
	}
}

// A prolog is a way in which platforms write XML.
type prolog struct{ declaration, charset string }

var (
	oldProlog = prolog{`<?xml version="1.0" encoding="ISO-8859-1" standalone="no"?>` + "\n", "ISO-8859-1"}
	modern    = prolog{`<?xml version="1.1" encoding="UTF-8"?>` + "\n", "UTF-8"}
)

// render writes the form as a platform does.
func (f Form) render(p prolog) []byte {
	x := &writer{latin1: p.charset == "ISO-8859-1"}
	x.WriteString(p.declaration)
	fmt.Fprintf(x, `<FlowInstance xmlns="http://www.oeplatform.org/version/2.0/schemas/flowinstance" `+
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="`+
		`http://www.oeplatform.org/version/2.0/schemas/flowinstance schema-%d.xsd">`+"\n", f.Kind.flow().FlowID)
	f.header(x)
	x.WriteString("\t<Values>\n")
	if f.Kind == Deck {
		f.deck(x)
	} else {
		f.preschool(x)
	}
	x.WriteString("\t</Values>\n")
	f.signatures(x)
	x.WriteString("\t<ExtraParameters><Parameters><Parameter><Name>municipalityId</Name>" +
		"<Value><![CDATA[1080]]></Value></Parameter></Parameters></ExtraParameters>\n</FlowInstance>\n")
	if x.latin1 {
		return latin1(x.String())
	}
	return []byte(x.String())
}

func (f Form) header(x *writer) {
	flow, poster := f.Kind.flow(), f.persons().poster
	x.WriteString("\t<Header>\n")
	fmt.Fprintf(x, "\t\t<Flow><FamilyID>%s</FamilyID><Version>%d</Version><FlowID>%d</FlowID>"+
		"<Name>%s</Name></Flow>\n", f.Kind, flow.Version, flow.FlowID, x.cdata(flow.Name))
	fmt.Fprintf(x, "\t\t<FlowInstanceID>%d</FlowInstanceID>\n", f.Instance)
	sent := flow.Statuses[0]
	fmt.Fprintf(x, "\t\t<Status><ID>%d</ID><Name>%s</Name></Status>\n", sent.ID, x.cdata(sent.Name))
	x.user("Poster", poster, false)
	x.user("Owner", poster, false)
	fmt.Fprintf(x, "\t\t<Posted>%s</Posted>\n", stockholm(f.Submitted.Add(-19*time.Minute)))
	if !f.Completed.IsZero() {
		x.user("Editor", poster, false)
		fmt.Fprintf(x, "\t\t<Updated>%s</Updated>\n", f.Version)
	}
	fmt.Fprintf(x, "\t\t<FirstSubmitted>%s</FirstSubmitted>\n\t\t<LastSubmitted>%s</LastSubmitted>\n",
		stockholm(f.Submitted), f.Version)
	x.WriteString("\t</Header>\n")
}

func (f Form) preschool(x *writer) {
	r, family := f.random(), f.persons()
	child := family.child
	x.question("barn", 8101, "Vilket barn gäller ansökan?")
	x.fields("CitizenIdentifier", child.number, "Firstname", child.given, "Lastname", child.last,
		"Address", child.street, "Zipcode", child.zip, "PostalAddress", child.town)
	x.WriteString("\t\t\t<Guardians>\n")
	for n, g := range family.guardians {
		x.WriteString("\t\t\t\t<Guardian>\n")
		x.fields("guardianID", fmt.Sprint(n+1), "firstname", g.given, "lastname", g.last)
		if g.isRegistered() {
			x.fields("phone", g.phone(), "citizenIdentifier", g.number, "address", g.street,
				"zipcode", g.zip, "postalAddress", g.town)
		}
		x.fields("sameAddressAsPoster", fmt.Sprint(g.street == family.poster.street))
		x.WriteString("\t\t\t\t</Guardian>\n")
	}
	x.WriteString("\t\t\t</Guardians>\n")
	x.end("barn")
	x.question("onskadStart", 8102, "Önskat startdatum")
	start := f.Submitted.AddDate(0, 3+r.IntN(6), 0)
	fmt.Fprintf(x, "\t\t\t<StartDate>%s</StartDate>\n", start.Format(time.DateOnly))
	x.end("onskadStart")
	x.choices("omfattning", 8103, "Omfattning", pick(r, "Mer än 15 timmar/vecka", "Högst 15 timmar/vecka"))
	reasons := [][]string{{"Arbete"}, {"Arbete", "Studier"}, {"Föräldraledighet"}}
	x.choices("skal", 8104, "Skäl (flera val möjliga)", reasons[r.IntN(len(reasons))]...)
	x.question("forskola1", 8105, "Förstahandsval")
	x.alternative(pickSchool(r))
	x.end("forskola1")
	if r.IntN(3) > 0 {
		x.question("ovrigt", 8106, "Övrigt")
		x.fields("Value", pick(r, "Syskon går på avdelningen – det vore bra att få gå tillsammans.",
			"Allergi: nötter & ägg. Vi har läkarintyg.", "Vi flyttar till Karlskrona i sommar  "))
		x.end("ovrigt")
	}
	x.uploads("bilagor", 8107, "Bifoga arbetsschema", f.attached())
	x.contact("kontakt", 8108, "Dina kontaktuppgifter", family.poster)
}

func (f Form) deck(x *writer) {
	r, applicant := f.random(), f.persons().poster
	x.question("fastighet", 8201, "Vilken fastighet gäller ansökan?")
	block := pick(r, "ROSENHOLM", "LÖSEN", "VERKÖ", "AUGERUM")
	x.fields("PropertyUnitDesignation", fmt.Sprintf("%s %d:%d", block, 1+r.IntN(8), 1+r.IntN(90)),
		"PropertyUnitNumber", fmt.Sprint(100_000_000+r.IntN(900_000)))
	x.end("fastighet")
	x.question("atgard", 8202, "Vad ska du göra?")
	x.alternative(31, "Nybyggnad av altan")
	if r.IntN(4) == 0 {
		x.alternative(34, "Plank eller mur")
	}
	x.end("atgard")
	x.question("matt", 8203, "Mått")
	x.fields("Langd_m", fmt.Sprintf("%d,%d0", 4+r.IntN(6), r.IntN(10)),
		"Bredd_m", fmt.Sprintf("%d,%d0", 2+r.IntN(3), r.IntN(10)),
		"Hojd_over_mark", fmt.Sprintf("ca %d,%d m", 1+r.IntN(2), r.IntN(10)))
	x.end("matt")
	x.question("byggtid", 8204, "När ska arbetet utföras?")
	start := f.Submitted.AddDate(0, 3+r.IntN(3), 0)
	x.fields("Datum_fran", start.Format(time.DateOnly), "Datum_till", start.AddDate(0, 2, 0).Format(time.DateOnly))
	x.end("byggtid")
	x.uploads("ritningar", 8206, "Ritningar", f.attached())
	x.contact("sokande", 8207, "Sökande", applicant)
	x.question("faktura", 8208, "Vem ska betala?")
	x.end("faktura")
}

// attached are the files of a form, the same whoever asks.
func (f Form) attached() []file {
	var files []file
	add := func(query int, name string, content []byte, inline bool) {
		files = append(files, file{10*f.Instance + len(files) + 1, query, name, content, inline})
	}
	switch f.Kind {
	case Deck:
		add(8206, "Fasad norr.pdf", pdf("Fasad mot norr", fmt.Sprint(f.Instance)), true)
		add(8206, "Situationsplan.pdf", pdf("Situationsplan 1:500", fmt.Sprint(f.Instance)), f.Seed%3 != 0)
		if !f.Completed.IsZero() {
			add(8206, "Sektion A-A.pdf", pdf("Sektion A-A", f.Version), true)
		}
	default:
		add(8107, "schema våren.txt", []byte(fmt.Sprintf("Måndag–torsdag 07.%02d–16.00\r\n", f.Seed%60)), true)
		if f.Seed%2 == 0 {
			add(8107, "intyg arbetsgivare.pdf", pdf("Intyg", fmt.Sprint(f.Instance)), false)
		}
	}
	return files
}

// signatures say that each guardian with a number signed the application.
func (f Form) signatures(x *writer) {
	if f.Kind != Preschool {
		return
	}
	x.WriteString("\t<SigningEvents>\n")
	for n, g := range f.persons().guardians {
		if g.isRegistered() {
			fmt.Fprintf(x, "\t\t<SignEvent>\n\t\t\t<SignedChecksum>%08x</SignedChecksum>\n\t\t\t<Date>%s</Date>\n",
				f.Instance*2654435761%(1<<32), stockholm(f.Submitted.Add(time.Duration(n-9)*time.Minute)))
			x.user("Signer", g, true)
			x.WriteString("\t\t</SignEvent>\n")
		}
	}
	x.WriteString("\t</SigningEvents>\n")
}

// random gives what a form is filled in from: of its kind and seed only.
func (f Form) random() *rand.Rand {
	return rand.New(rand.NewPCG(uint64(f.Seed), uint64(len(f.Kind.flow().Name))))
}

func pick(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

func pickSchool(r *rand.Rand) (id int, name string) {
	n := r.IntN(4)
	return 4411 + n, []string{
		"Galgamarkens förskola", "Hästö förskola", "Kungsmarkens förskola", "Sunnadals förskola",
	}[n]
}

// A writer writes what platforms write: every text in CDATA.
type writer struct {
	strings.Builder
	latin1 bool
}

// cdata gives a text as CDATA. What the charset lacks stands as a reference between
// two sections.
func (x *writer) cdata(text string) string {
	var b strings.Builder
	b.WriteString("<![CDATA[")
	for _, c := range text {
		if x.latin1 && c > 0xFF {
			fmt.Fprintf(&b, "]]>&#%d;<![CDATA[", c)
		} else {
			b.WriteRune(c)
		}
	}
	b.WriteString("]]>")
	return b.String()
}

func (x *writer) question(element string, id int, label string) {
	fmt.Fprintf(x, "\t\t<%s>\n\t\t\t<QueryID>%d</QueryID>\n\t\t\t<Name>%s</Name>\n", element, id, x.cdata(label))
}

func (x *writer) end(element string) { fmt.Fprintf(x, "\t\t</%s>\n", element) }

// fields writes names and their texts in turn. A field without a text is left out.
func (x *writer) fields(namesAndTexts ...string) {
	for i := 0; i < len(namesAndTexts); i += 2 {
		if name, text := namesAndTexts[i], namesAndTexts[i+1]; text != "" {
			fmt.Fprintf(x, "\t\t\t<%s>%s</%s>\n", name, x.cdata(text), name)
		}
	}
}

func (x *writer) choices(element string, id int, label string, values ...string) {
	x.question(element, id, label)
	for _, v := range values {
		x.fields("Value", v)
	}
	x.end(element)
}

func (x *writer) alternative(id int, value string) {
	fmt.Fprintf(x, "\t\t\t<Alternative>\n\t\t\t\t<ID>%d</ID>\n\t\t\t\t<Value>%s</Value>\n"+
		"\t\t\t</Alternative>\n", id, x.cdata(value))
}

func (x *writer) uploads(element string, id int, label string, files []file) {
	x.question(element, id, label)
	for _, f := range files {
		fmt.Fprintf(x, "\t\t\t<File>\n\t\t\t\t<ID>%d</ID>\n\t\t\t\t<Name>%s</Name>\n\t\t\t\t<Size>%d</Size>\n",
			f.id, x.cdata(f.name), len(f.content))
		if f.inline {
			fmt.Fprintf(x, "\t\t\t\t<EncodedData>%s</EncodedData>\n", base64.StdEncoding.EncodeToString(f.content))
		}
		x.WriteString("\t\t\t</File>\n")
	}
	x.end(element)
}

func (x *writer) contact(element string, id int, label string, p person) {
	x.question(element, id, label)
	x.fields("Firstname", p.given, "Lastname", p.last, "Address", p.street, "ZipCode", p.zip,
		"PostalAddress", p.town, "Email", p.email(), "MobilePhone", p.phone(),
		"SocialSecurityNumber", p.number, "ContactBySMS", "true")
	x.end(element)
}

// user writes somebody as the platform knows its users: with an ID of its own, which
// is the personnummer only where somebody has signed.
func (x *writer) user(element string, p person, signed bool) {
	id := fmt.Sprint(51_000 + p.index)
	if signed {
		id = p.number
	}
	fmt.Fprintf(x, "\t\t<%s><Firstname>%s</Firstname><Lastname>%s</Lastname><Email>%s</Email><ID>%s</ID></%s>\n",
		element, x.cdata(p.given), x.cdata(p.last), x.cdata(p.email()), id, element)
}

// latin1 gives a text in ISO-8859-1, which must have all of its characters.
func latin1(text string) []byte {
	bytes := make([]byte, 0, len(text))
	for _, c := range text {
		bytes = append(bytes, byte(c))
	}
	return bytes
}

// pdf gives a page with two lines of text. Its text is ASCII.
func pdf(title, line string) []byte {
	title = strings.NewReplacer("å", "a", "ä", "a", "ö", "o").Replace(title)
	content := fmt.Sprintf("BT /F1 12 Tf 72 770 Td (%s) Tj 0 -18 Td (%s) Tj ET\n", title, line)
	objects := []string{
		"<</Type/Catalog/Pages 2 0 R>>",
		"<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
		fmt.Sprintf("<</Length %d>>stream\n%sendstream", len(content), content),
		"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
	}
	var b strings.Builder
	b.WriteString("%PDF-1.4\n")
	table := fmt.Sprintf("xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for i, o := range objects {
		table += fmt.Sprintf("%010d 00000 n \n", b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	fmt.Fprintf(&b, "%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", table, len(objects)+1, b.Len())
	return []byte(b.String())
}
