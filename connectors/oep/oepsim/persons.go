package oepsim

import (
	"fmt"
	"strings"
)

// A person lives in the platform's municipality, or next to it. The numbers are
// Skatteverket's official test numbers; names and addresses are invented. The
// simulated register knows the same persons by the same numbers.
type person struct {
	index               int // among persons
	number, given, last string
	street, zip, town   string
}

var persons = []person{
	{0, "199001012385", "Alva", "Exempelsson", "Provgatan 12 lgh 1101", "371 33", "KARLSKRONA"},
	{1, "198707012392", "Nils", "Exempelsson", "Skeppsbrokajen 5 lgh 1202", "371 32", "KARLSKRONA"},
	{2, "202302142399", "Love", "Exempelsson", "Provgatan 12 lgh 1101", "371 33", "KARLSKRONA"},
	{3, "198604069883", "Britt-Marie", "Provdal", "Exempelgatan 12 lgh 1101", "371 31", "KARLSKRONA"},
	{4, "198207059299", "Viktor", "Provdal", "Exempelgatan 12 lgh 1101", "371 31", "KARLSKRONA"},
	{5, "201506092384", "Saga", "Provdal", "Exempelgatan 12 lgh 1101", "371 31", "KARLSKRONA"},
	{6, "202209082391", "Ivar", "Provdal", "Exempelgatan 12 lgh 1101", "371 31", "KARLSKRONA"},
	{7, "201803022399", "Otto", "Provdal", "Exempelgatan 12 lgh 1101", "371 31", "KARLSKRONA"},
	{8, "197502020000", "Amalia", "Fjärran", "", "", ""},
	{9, "198810032386", "Elin", "Ängprov", "Drottninggatan 44", "371 37", "KARLSKRONA"},
	{10, "199011172393", "Oskar", "Ängprov", "Drottninggatan 44", "371 37", "KARLSKRONA"},
	{11, "202106072388", "Maja", "Ängprov", "Drottninggatan 44", "371 37", "KARLSKRONA"},
	{12, "199306302382", "Åsa", "Åkertest", "Sunnavägen 8 lgh 1003", "371 41", "KARLSKRONA"},
	{13, "202201012396", "Melker", "Åkertest", "Sunnavägen 8 lgh 1003", "371 41", "KARLSKRONA"},
	{14, "198501139995", "Gösta", "Sjöprov", "Bastasjövägen 21", "371 42", "KARLSKRONA"},
	{15, "198310159283", "Ylva", "Sjöprov", "Bastasjövägen 21", "371 42", "KARLSKRONA"},
	{16, "202001022389", "Tuva", "Sjöprov", "Bastasjövägen 21", "371 42", "KARLSKRONA"},
	{17, "202203312380", "Signe", "Sjöprov", "Bastasjövägen 21", "371 42", "KARLSKRONA"},
	{18, "199409272383", "Märta", "Hagtest", "Kyrkogatan 3", "241 31", "ESLÖV"},
	{19, "199208142399", "Håkan", "Hagtest", "Kyrkogatan 3", "241 31", "ESLÖV"},
	{20, "202301012395", "Sixten", "Hagtest", "Kyrkogatan 3", "241 31", "ESLÖV"},
	{21, "199803282384", "Wilma", "Kullprov", "Västra Storgatan 17", "241 37", "ESLÖV"},
	{22, "202201022387", "Alma", "Kullprov", "Västra Storgatan 17", "241 37", "ESLÖV"},
	{23, "197910039283", "Klara", "Stilltest", "Hantverkargatan 9", "371 35", "KARLSKRONA"},
	{24, "200704102391", "Robin", "Dolprov", "", "", ""},
	{25, "199110012391", "Jonatan", "Vikprov", "Lyckebyvägen 30 lgh 1001", "371 62", "LYCKEBY"},
	{26, "202307242384", "Ebba", "Vikprov", "Lyckebyvägen 30 lgh 1001", "371 62", "LYCKEBY"},
	{27, "202110282387", "Freja", "Stilltest", "Hantverkargatan 9", "371 35", "KARLSKRONA"},
	{28, "194107086995", "Svante", "Gammelprov", "", "", ""},
	{29, "195003072260", "Vera", "Bortprov", "", "", ""},
	{30, "199008302615", "Kim", "Bytprov", "", "", ""},
	{31, "199008302391", "Kim", "Bytprov", "Ronnebygatan 2 lgh 1301", "371 32", "KARLSKRONA"},
	{32, "198206822390", "Adam", "Provsson", "Rosenholmsvägen 3", "371 63", "LYCKEBY"},
	{33, "197001782395", "Jean", "Exemple", "Exempelvägen 4", "241 31", "ESLÖV"},
	{34, "197001239297", "Åke", "Bergtest", "Strandvägen 6", "371 64", "LYCKEBY"},
	{35, "197504049292", "Mikael", "Öprov", "Sturkövägen 112", "370 42", "TORHAMN"},
	{36, "197902069272", "Anders", "Granprov", "Gullbernavägen 14", "371 47", "KARLSKRONA"},
	{37, "197906189282", "Susanne", "Lövtest", "Jämjövägen 55", "373 30", "JÄMJÖ"},
	{38, "197908089274", "Per", "Näsprov", "Nättrabyvägen 18", "370 24", "NÄTTRABY"},
	{39, "196608152846", "Ann-Christin", "Holmtest", "Alnarydsvägen 7", "373 34", "JÄMJÖ"},
	{40, "196512073245", "Gunilla", "Rönnprov", "Fridlevstadsvägen 31", "371 94", "LYCKEBY"},
	{41, "198001139297", "Björn", "Strandprov", "Hasslövägen 90", "370 46", "HASSLÖ"},
	{42, "199606272392", "Elias", "Storprov", "Trossövägen 1 lgh 1104", "371 31", "KARLSKRONA"},
	{43, "198104059293", "Magnus", "Slätttest", "Trollenäsvägen 12", "241 93", "ESLÖV"},
	{44, "200101302396", "Hugo", "Lundprov", "Bryggaregatan 4 lgh 1102", "241 32", "ESLÖV"},
}

// somebody finds a person by number.
func somebody(number string) person {
	for _, p := range persons {
		if p.number == number {
			return p
		}
	}
	panic("oepsim: nobody has that number")
}

// isRegistered tells apart who has only a FodelsetidNr: a birth date and zeros.
func (p person) isRegistered() bool { return !strings.HasSuffix(p.number, "0000") }

func (p person) email() string {
	name := strings.NewReplacer("å", "a", "ä", "a", "ö", "o", "-", "").Replace(strings.ToLower(p.given))
	return name + "@example.com"
}

// phone gives one of the numbers that Post- och telestyrelsen keeps for fiction.
func (p person) phone() string { return fmt.Sprintf("070-17406%02d", 5+p.index%95) }

// A cast is who a form is about.
type cast struct {
	poster    person
	child     person // of a preschool application
	guardians []person
	about     string // what is uncommon about them
}

// persons casts the form by its seed. Every twelfth has an uncommon cast.
func (f Form) persons() cast {
	common, uncommon := applicants, uncommonApplicants
	if f.Kind == Preschool {
		common, uncommon = families, uncommonFamilies
	}
	chosen := common[f.Seed%len(common)]
	if f.Seed%12 == 11 {
		chosen = uncommon[f.Seed/12%len(uncommon)]
	}
	if f.Kind == Deck {
		return cast{poster: somebody(chosen.number), about: chosen.about}
	}
	c := cast{child: somebody(chosen.number), about: chosen.about}
	for _, g := range chosen.guardians {
		c.guardians = append(c.guardians, somebody(g))
	}
	c.poster = c.guardians[0]
	return c
}

// A role is a part that can be cast: an applicant, or a child with its guardians.
type role struct {
	number    string
	guardians []string
	about     string
}

var families = []role{
	{number: "202302142399", guardians: []string{"199001012385", "198707012392"}},
	{
		number: "202209082391", guardians: []string{"198604069883", "197502020000"},
		about: "en vårdnadshavare som aldrig varit folkbokförd",
	},
	{number: "202106072388", guardians: []string{"198810032386", "199011172393"}},
	{number: "202201012396", guardians: []string{"199306302382"}},
	{number: "202001022389", guardians: []string{"198501139995", "198310159283"}},
	{number: "202203312380", guardians: []string{"198310159283", "198501139995"}},
	{number: "202301012395", guardians: []string{"199409272383", "199208142399"}},
	{number: "202201022387", guardians: []string{"199803282384"}},
}

var uncommonFamilies = []role{
	{number: "202307242384", guardians: []string{"199110012391"}, about: "barnet har sekretessmarkering"},
	{number: "202110282387", guardians: []string{"197910039283"}, about: "vårdnadshavaren har sekretessmarkering"},
}

var applicants = []role{
	{number: "199001012385"},
	{number: "198707012392"},
	{number: "198604069883"},
	{number: "198207059299"},
	{number: "198810032386"},
	{number: "199011172393"},
	{number: "199306302382"},
	{number: "198501139995"},
	{number: "198310159283"},
	{number: "199409272383"},
	{number: "199208142399"},
	{number: "199803282384"},
	{number: "199110012391"},
	{number: "199008302391"},
	{number: "198206822390", about: "samordningsnummer"},
	{number: "197001782395", about: "samordningsnummer"},
	{number: "197001239297"},
	{number: "197504049292"},
	{number: "197902069272"},
	{number: "197906189282"},
	{number: "197908089274"},
	{number: "196608152846"},
	{number: "196512073245"},
	{number: "198001139297"},
	{number: "199606272392"},
	{number: "198104059293"},
	{number: "200101302396"},
}

var uncommonApplicants = []role{
	{number: "197910039283", about: "sekretessmarkering"},
	{number: "199008302615", about: "har bytt personnummer"},
	{number: "194107086995", about: "avliden"},
	{number: "200704102391", about: "skyddad folkbokföring"},
	{number: "195003072260", about: "utvandrad"},
}
