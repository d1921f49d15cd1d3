package navetsim

import (
	"slices"
	"strconv"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub/document"
)

const (
	soapSpace   = "http://schemas.xmlsoap.org/soap/envelope/"
	personSpace = "http://xmls.skatteverket.se/se/skatteverket/folkbokforing/na/epersondata/V1"
)

func write(content *document.Element) ([]byte, error) {
	return document.WriteXML(&document.Element{
		Name:     "S:Envelope",
		Attrs:    []document.Attr{{Name: "xmlns:S", Value: soapSpace}},
		Children: []*document.Element{{Name: "S:Body", Children: []*document.Element{content}}},
	}, document.Style{})
}

func response(posts ...*document.Element) *document.Element {
	return &document.Element{
		Name:  "ns0:PersonpostXMLResponse",
		Attrs: []document.Attr{{Name: "xmlns:ns0", Value: personSpace}},
		Children: []*document.Element{
			{Name: "ns0:Folkbokforingsposter", Children: posts},
		},
	}
}

func soapFault(code int, text string) *document.Element {
	return group("S:Fault",
		leaf("faultcode", "S:Server"),
		leaf("faultstring", text),
		group("detail", &document.Element{
			Name:  "ns0:WebServiceFault",
			Attrs: []document.Attr{{Name: "xmlns:ns0", Value: personSpace}},
			Children: []*document.Element{
				leaf("ns0:Felkod", strconv.Itoa(code)),
				leaf("ns0:Beskrivning", text),
			},
		}),
	)
}

// post composes one Folkbokforingspost, in the schema's element order.
func (s *Sim) post(p Person) *document.Element {
	changed := p.Changed
	if changed == "" {
		changed = "20260406121712"
	}
	return group("Folkbokforingspost",
		leaf("Sekretessmarkering", p.secrecy()),
		leaf("SkyddadFolkbokforing", onlyIf(p.Kind == ProtectedRegistration, "J")),
		&document.Element{
			Name:  "Arendeuppgift",
			Attrs: []document.Attr{{Name: "andringstidpunkt", Value: changed}},
		},
		s.personpost(p),
	)
}

func (s *Sim) personpost(p Person) *document.Element {
	return group("Personpost",
		p.identity(),
		p.oldReference(),
		p.references(),
		p.departure(),
		leaf("Fodelsedatum", onlyIf(p.Kind != Replaced, p.birth())),
		p.name(),
		p.registration(),
		p.addresses(),
		p.civil(),
		s.relations(p),
		p.citizenship(),
		p.coordination(),
	)
}

// secrecy gives the flag, which is left out where it would say N.
func (p Person) secrecy() string {
	switch {
	case p.odd:
		return "X"
	case p.Kind == Marked, p.Kind == ProtectedRegistration:
		return "J"
	}
	return ""
}

func (p Person) identity() *document.Element {
	if p.Kind == Coordination {
		return group("PersonId",
			leaf("TilldelatPersonNrSamordningsNr", p.ID),
			group("Identitetsstatus",
				leaf("IdentitetsstatusVarde", p.Status),
				leaf("IdentitetsstatusDatum", "20250512"),
			),
			leaf("Identitetsniva", "SANNOLIK"),
			leaf("Identitetsnivadatum", "20250512"),
		)
	}
	id := group("PersonId", leaf("PersonNr", p.ID))
	if p.Release2026 {
		for _, number := range p.References {
			id.Children = append(id.Children, leaf("Hanvisning", number))
		}
	}
	return id
}

// oldReference is how a replaced number alone names the one that replaced it.
func (p Person) oldReference() *document.Element {
	if p.Release2026 || p.Kind != Replaced || len(p.References) != 1 {
		return nil
	}
	return leaf("HanvisningsPersonNr", p.References[0])
}

func (p Person) references() *document.Element {
	if p.Release2026 || p.Kind == Replaced && len(p.References) == 1 {
		return nil
	}
	var list []*document.Element
	for _, number := range p.References {
		list = append(list, group("Hanvisning", leaf("HanvisningsPersonNr", number)))
	}
	return group("Hanvisningar", list...)
}

func (p Person) departure() *document.Element {
	reason := map[Kind]string{Deceased: "AV", Emigrated: "UV", Replaced: "GN"}[p.Kind]
	if p.Kind == Replaced && p.ID[6] >= '6' {
		reason = "GS"
	}
	if reason == "" {
		return nil
	}
	return group("Avregistrering", leaf("AvregistreringsorsakKod", reason), leaf("Avregistreringsdatum", p.Left))
}

// birth is the date in the number, where a samordningsnummer has 60 added to the day.
func (p Person) birth() string {
	date := []byte(p.ID[:8])
	if date[6] >= '6' {
		date[6] -= 6
	}
	return string(date)
}

// noticeLimit is how many characters a name may have before it is also given shortened.
const noticeLimit = 36

func (p Person) name() *document.Element {
	if p.Kind == Replaced && !p.Release2026 {
		return nil
	}
	notice := []rune(strings.TrimSpace(p.Middle+" "+p.Family) + ", " + p.Given)
	given, family := leaf("Fornamn", p.Given), leaf("Efternamn", p.Family)
	if p.Release2026 {
		attested := []document.Attr{{Name: "styrkt", Value: "J"}}
		given.Attrs, family.Attrs = attested, attested
	}
	return group("Namn",
		leaf("Tilltalsnamnsmarkering", p.Calling),
		given,
		leaf("Mellannamn", p.Middle),
		family,
		leaf("Aviseringsnamn", onlyIf(len(notice) > noticeLimit, string(notice[:min(len(notice), noticeLimit)]))),
	)
}

func (p Person) registration() *document.Element {
	if len(p.Municipality) != 4 {
		return nil
	}
	switch p.Kind {
	case ProtectedRegistration:
		return group("Folkbokforing", leaf("LanKod", p.Municipality[:2]), leaf("KommunKod", p.Municipality[2:]))
	case Registered, Marked:
		return group("Folkbokforing",
			leaf("Folkbokforingsdatum", p.registeredOn()),
			leaf("LanKod", p.Municipality[:2]),
			leaf("KommunKod", p.Municipality[2:]),
			leaf("Fastighetsbeteckning", p.Property),
			leaf("FiktivtNr", "0"),
		)
	}
	return nil
}

// registeredOn is 2019, or the day of birth of who was born later.
func (p Person) registeredOn() string { return max("20190901", p.birth()) }

func (p Person) addresses() *document.Element {
	switch p.Kind {
	case ProtectedRegistration:
		office := Address{CareOf: "Skatteverket", Street: "Box 2820", Postcode: "40320", City: "Göteborg"}
		return group("Adresser", office.in("SarskildPostadress"))
	case Coordination:
		return group("Adresser", p.Address.in("SarskildPostadress"))
	case Emigrated:
		return group("Adresser", group("Utlandsadress",
			capitals("Utdelningsadress1", p.Address.Street),
			capitals("Utdelningsadress2", p.Address.City),
			capitals("Land", p.Country),
			leaf("Utlandsadressdatum", p.Left),
		))
	}
	return group("Adresser", p.Address.in("Folkbokforingsadress"))
}

// in gives an address as Navet writes it: in capitals, the street on the second line, and the postcode
// a number.
func (a Address) in(name string) *document.Element {
	return group(name,
		capitals("CareOf", a.CareOf),
		capitals("Utdelningsadress2", a.Street),
		leaf("PostNr", strings.TrimLeft(a.Postcode, "0")),
		capitals("Postort", a.City),
	)
}

func (p Person) civil() *document.Element {
	switch {
	case p.Kind != Registered:
		return nil
	case p.Spouse != "":
		return group("Civilstand", leaf("CivilstandKod", "G"), leaf("Civilstandsdatum", "20120811"))
	}
	return group("Civilstand", leaf("CivilstandKod", "OG"))
}

// relations gives a person's guardians and children, each once for every sort of relation, and the
// spouse. Only who was never registered comes with a name.
func (s *Sim) relations(p Person) *document.Element {
	if p.Kind != Registered && p.Kind != Marked {
		return nil
	}
	var all []*document.Element
	for _, guardian := range p.Guardians {
		id, name := leaf("PersonNr", guardian), (*document.Element)(nil)
		if never, ok := neverRegistered[guardian]; ok {
			id = leaf("FodelsetidNr", guardian)
			name = group("Namn", leaf("Fornamn", never.given), leaf("Efternamn", never.family))
		} else {
			all = append(all, relation(id, parenthood(guardian), "", nil))
		}
		all = append(all, relation(id, "V", p.birth(), name))
	}
	for _, child := range s.childrenOf(p.ID) {
		id := leaf("PersonNr", child.ID)
		all = append(all, relation(id, "B", "", nil), relation(id, "VF", child.birth(), nil))
	}
	if p.Spouse != "" {
		all = append(all, relation(leaf("PersonNr", p.Spouse), "M", "", nil))
	}
	return group("Relationer", all...)
}

func relation(id *document.Element, kind, from string, name *document.Element) *document.Element {
	return group("Relation", group("RelationId", id), leaf("Relationstyp", kind), leaf("RelationFromdatum", from), name)
}

// parenthood tells mother from father by the last digit but one, even for women.
func parenthood(number string) string {
	if number[10]%2 == 0 {
		return "MO"
	}
	return "FA"
}

func (s *Sim) childrenOf(guardian string) []Person {
	var children []Person
	for _, p := range s.persons {
		if slices.Contains(p.Guardians, guardian) {
			children = append(children, p)
		}
	}
	slices.SortFunc(children, func(a, b Person) int { return strings.Compare(a.ID, b.ID) })
	return children
}

// citizenship is by birth, which Navet dates 0.
func (p Person) citizenship() *document.Element {
	if p.Kind != Registered {
		return nil
	}
	return group("Medborgarskap", leaf("MedborgarskapslandKod", "SE"), leaf("Medborgarskapsdatum", "0"))
}

func (p Person) coordination() *document.Element {
	if p.Kind != Coordination {
		return nil
	}
	return group("Samordningsnummeruppgifter",
		leaf("Tilldelningsdatum", "20250512"),
		leaf("PreliminartVilandeforklaringsdatum", "20301231"),
		leaf("DatumAvliden", p.Left),
	)
}

// leaf gives nil for an empty text, and group for one without parts, since Navet leaves out what it
// has nothing to say in.
func leaf(name, text string) *document.Element {
	if text == "" {
		return nil
	}
	return &document.Element{Name: name, Text: text}
}

func capitals(name, text string) *document.Element { return leaf(name, strings.ToUpper(text)) }

func group(name string, parts ...*document.Element) *document.Element {
	parts = slices.DeleteFunc(parts, func(e *document.Element) bool { return e == nil })
	if len(parts) == 0 {
		return nil
	}
	return &document.Element{Name: name, Children: parts}
}

func onlyIf(condition bool, text string) string {
	if condition {
		return text
	}
	return ""
}
