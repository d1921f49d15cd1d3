package navetsim

// A Person is one that the register knows. Names and addresses are invented; every number is one of
// Skatteverket's official test numbers.
type Person struct {
	ID           string // twelve digits
	Kind         Kind
	Given        string
	Calling      string // Tilltalsnamnsmarkering, two digits
	Middle       string
	Family       string
	Spouse       string   // a number
	Guardians    []string // numbers; a birth date with zeros for who was never registered
	Municipality string   // LanKod and KommunKod
	Property     string
	Address      Address  // special postal address of who has a samordningsnummer
	Country      string   // of an emigrated person
	References   []string // other numbers of the same person
	Left         string   // yyyyMMdd: when the person died or left, or the number was replaced
	Status       string   // of a samordningsnummer: AKTIVT, VILANDEFORKLARAT …
	Changed      string   // yyyyMMddHHmmss; "" = some day
	Release2026  bool     // in the shape that Navet has answered in since 2026, which the published XSD lacks

	odd bool // has a flag that cannot be read
}

// An Address is a Swedish one, and in Street and City also one abroad.
type Address struct{ CareOf, Street, Postcode, City string }

// A Kind is what is to be seen in a person's post.
type Kind string

const (
	Registered            Kind = "registered"
	Marked                Kind = "marked"                 // sekretessmarkering, with an address
	ProtectedRegistration Kind = "protected-registration" // skyddad folkbokföring: only a special postal address
	Deceased              Kind = "deceased"
	Emigrated             Kind = "emigrated"
	Replaced              Kind = "replaced" // a number that is no longer in use, with a reference to the one that is
	Coordination          Kind = "coordination"
	NoHit                 Kind = "no-hit" // in the ledger only
)

// neverRegistered are guardians who have no number and no post, and whose names come with the child's.
var neverRegistered = map[string]struct{ given, family string }{
	"197502020000": {"Amalia", "Fjärran"},
}

// Persons gives everybody whom each simulator knows: the people of the demonstration's forms, and one
// of every sort that a register has.
func Persons() []Person {
	return []Person{
		{
			ID: "199001012385", Kind: Registered, Given: "Alva Kristina", Calling: "10", Family: "Exempelsson",
			Municipality: "1080",
			Address:      Address{Street: "Provgatan 12 lgh 1101", Postcode: "37133", City: "Karlskrona"},
		},
		{
			ID: "198707012392", Kind: Registered, Given: "Nils Erik", Calling: "10", Family: "Exempelsson",
			Municipality: "1080",
			Address:      Address{Street: "Skeppsbrokajen 5 lgh 1202", Postcode: "37132", City: "Karlskrona"},
		},
		{
			ID: "202302142399", Kind: Registered, Given: "Love", Calling: "10", Family: "Exempelsson",
			Guardians: []string{"199001012385", "198707012392"}, Municipality: "1080",
			Address: Address{Street: "Provgatan 12 lgh 1101", Postcode: "37133", City: "Karlskrona"},
		},
		{
			ID: "198604069883", Kind: Registered, Given: "Hedvig Britt-Marie", Calling: "23",
			Middle: "Ahlstedtsprov", Family: "Provdal", Spouse: "198207059299", Municipality: "1080",
			Address: Address{Street: "Exempelgatan 12 lgh 1101", Postcode: "37131", City: "Karlskrona"},
		},
		{
			ID: "198207059299", Kind: Registered, Given: "Viktor", Calling: "10", Family: "Provdal",
			Spouse: "198604069883", Municipality: "1080",
			Address: Address{Street: "Exempelgatan 12 lgh 1101", Postcode: "37131", City: "Karlskrona"},
		},
		{
			ID: "201506092384", Kind: Registered, Given: "Saga Linn", Calling: "10", Family: "Provdal",
			Guardians: []string{"198604069883", "197502020000"}, Municipality: "1080",
			Address: Address{Street: "Exempelgatan 12 lgh 1101", Postcode: "37131", City: "Karlskrona"},
		},
		{
			ID: "202209082391", Kind: Registered, Given: "Ivar Olof", Calling: "10", Family: "Provdal",
			Guardians: []string{"198604069883", "197502020000"}, Municipality: "1080",
			Address: Address{Street: "Exempelgatan 12 lgh 1101", Postcode: "37131", City: "Karlskrona"},
		},
		{
			ID: "201803022399", Kind: Marked, Given: "Otto", Calling: "10", Family: "Provdal",
			Guardians: []string{"198604069883"}, Municipality: "1080",
			Address: Address{Street: "Exempelgatan 12 lgh 1101", Postcode: "37131", City: "Karlskrona"},
		},
		{
			ID: "198810032386", Kind: Registered, Given: "Elin Sofia", Calling: "10", Family: "Ängprov",
			Municipality: "1080",
			Address:      Address{Street: "Drottninggatan 44", Postcode: "37137", City: "Karlskrona"},
		},
		{
			ID: "199011172393", Kind: Registered, Given: "Oskar Göran", Calling: "10", Family: "Ängprov",
			Municipality: "1080",
			Address:      Address{Street: "Drottninggatan 44", Postcode: "37137", City: "Karlskrona"},
		},
		{
			ID: "202106072388", Kind: Registered, Given: "Maja Elin", Calling: "10", Family: "Ängprov",
			Guardians: []string{"198810032386", "199011172393"}, Municipality: "1080",
			Address: Address{Street: "Drottninggatan 44", Postcode: "37137", City: "Karlskrona"},
		},
		{
			ID: "199306302382", Kind: Registered, Given: "Åsa", Calling: "10", Family: "Åkertest",
			Municipality: "1080",
			Address:      Address{Street: "Sunnavägen 8 lgh 1003", Postcode: "37141", City: "Karlskrona"},
		},
		{
			ID: "202201012396", Kind: Registered, Given: "Örjan Melker", Calling: "20", Family: "Åkertest",
			Guardians: []string{"199306302382"}, Municipality: "1080",
			Address: Address{Street: "Sunnavägen 8 lgh 1003", Postcode: "37141", City: "Karlskrona"},
		},
		{
			ID: "198501139995", Kind: Registered, Given: "Gösta Emil", Calling: "10", Family: "Sjöprov",
			Municipality: "1080",
			Address:      Address{Street: "Bastasjövägen 21", Postcode: "37142", City: "Karlskrona"},
		},
		{
			ID: "198310159283", Kind: Registered, Given: "Ylva", Calling: "10", Family: "Sjöprov",
			Municipality: "1080",
			Address:      Address{Street: "Bastasjövägen 21", Postcode: "37142", City: "Karlskrona"},
		},
		{
			ID: "202001022389", Kind: Registered, Given: "Tuva Ingrid", Calling: "10", Family: "Sjöprov",
			Guardians: []string{"198501139995", "198310159283"}, Municipality: "1080",
			Address: Address{Street: "Bastasjövägen 21", Postcode: "37142", City: "Karlskrona"},
		},
		{
			ID: "202203312380", Kind: Registered, Given: "Signe", Calling: "10", Family: "Sjöprov",
			Guardians: []string{"198501139995", "198310159283"}, Municipality: "1080",
			Address: Address{Street: "Bastasjövägen 21", Postcode: "37142", City: "Karlskrona"},
		},
		{
			ID: "199409272383", Kind: Registered, Given: "Märta Linnea", Calling: "10", Family: "Hagtest",
			Municipality: "1285",
			Address:      Address{Street: "Kyrkogatan 3", Postcode: "24131", City: "Eslöv"},
		},
		{
			ID: "199208142399", Kind: Registered, Given: "Håkan", Calling: "10", Family: "Hagtest",
			Municipality: "1285",
			Address:      Address{Street: "Kyrkogatan 3", Postcode: "24131", City: "Eslöv"},
		},
		{
			ID: "202301012395", Kind: Registered, Given: "Sixten Håkan", Calling: "10", Family: "Hagtest",
			Guardians: []string{"199409272383", "199208142399"}, Municipality: "1285",
			Address: Address{Street: "Kyrkogatan 3", Postcode: "24131", City: "Eslöv"},
		},
		{
			ID: "202101012397", Kind: Registered, Given: "Ture", Calling: "10", Family: "Hagtest",
			Guardians: []string{"199409272383", "199208142399"}, Municipality: "1285",
			Address: Address{Street: "Kyrkogatan 3", Postcode: "24131", City: "Eslöv"},
		},
		{
			ID: "199803282384", Kind: Registered, Given: "Wilma", Calling: "10", Family: "Kullprov",
			Municipality: "1285",
			Address:      Address{Street: "Västra Storgatan 17", Postcode: "24137", City: "Eslöv"},
		},
		{
			ID: "201801012392", Kind: Registered, Given: "Nora", Calling: "10", Family: "Kullprov",
			Guardians: []string{"199803282384"}, Municipality: "1285",
			Address: Address{Street: "Västra Storgatan 17", Postcode: "24137", City: "Eslöv"},
		},
		{
			ID: "202201022387", Kind: Registered, Given: "Alma", Calling: "10", Family: "Kullprov",
			Guardians: []string{"199803282384"}, Municipality: "1285",
			Address: Address{Street: "Västra Storgatan 17", Postcode: "24137", City: "Eslöv"},
		},
		{
			ID: "197910039283", Kind: Marked, Given: "Klara Maria", Calling: "10", Family: "Stilltest",
			Municipality: "1080",
			Address:      Address{Street: "Hantverkargatan 9", Postcode: "37135", City: "Karlskrona"},
		},
		{
			ID: "200704102391", Kind: ProtectedRegistration, Given: "Robin", Calling: "10", Family: "Dolprov",
			Municipality: "1080",
		},
		{
			ID: "199110012391", Kind: Registered, Given: "Jonatan", Calling: "10", Family: "Vikprov",
			Municipality: "1080",
			Address:      Address{Street: "Lyckebyvägen 30 lgh 1001", Postcode: "37162", City: "Lyckeby"},
		},
		{
			ID: "202307242384", Kind: Marked, Given: "Ebba", Calling: "10", Family: "Vikprov",
			Guardians: []string{"199110012391"}, Municipality: "1080",
			Address: Address{Street: "Lyckebyvägen 30 lgh 1001", Postcode: "37162", City: "Lyckeby"},
		},
		{
			ID: "202110282387", Kind: Registered, Given: "Freja", Calling: "10", Family: "Stilltest",
			Guardians: []string{"197910039283"}, Municipality: "1080",
			Address: Address{Street: "Hantverkargatan 9", Postcode: "37135", City: "Karlskrona"},
		},
		{
			ID: "194107086995", Kind: Deceased, Given: "Svante Hans-Emil", Calling: "10", Family: "Gammelprov",
			Left: "20250512",
		},
		{
			ID: "195003072260", Kind: Emigrated, Given: "Vera", Calling: "10", Family: "Bortprov",
			Left:    "19980810",
			Address: Address{Street: "1 Example Street", City: "London"},
			Country: "Storbritannien och Nordirland",
		},
		{
			ID: "199008302615", Kind: Replaced, Given: "Kim", Calling: "10", Family: "Bytprov",
			References: []string{"199008302391"}, Left: "20240301",
		},
		{
			ID: "199008302391", Kind: Registered, Given: "Kim", Calling: "10", Family: "Bytprov",
			References: []string{"199008302615"}, Municipality: "1080",
			Address: Address{Street: "Ronnebygatan 2 lgh 1301", Postcode: "37132", City: "Karlskrona"},
		},
		{
			ID: "198206822390", Kind: Coordination, Given: "Adam", Calling: "10", Family: "Provsson",
			Address: Address{CareOf: "Exempelsson", Street: "Rosenholmsvägen 3", Postcode: "37163", City: "Lyckeby"},
			Status:  "AKTIVT",
		},
		{
			ID: "197001782395", Kind: Coordination, Given: "Jean", Calling: "10", Family: "Exemple",
			Address: Address{Street: "Exempelvägen 4", Postcode: "24131", City: "Eslöv"},
			Status:  "AKTIVT",
		},
		{
			ID: "197001239297", Kind: Registered, Given: "Lars Åke", Calling: "20", Family: "Bergtest",
			Municipality: "1080",
			Address:      Address{Street: "Strandvägen 6", Postcode: "37164", City: "Lyckeby"},
		},
		{
			ID: "197504049292", Kind: Registered, Given: "Mikael", Calling: "10", Family: "Öprov",
			Municipality: "1080",
			Address:      Address{Street: "Sturkövägen 112", Postcode: "37042", City: "Torhamn"},
		},
		{
			ID: "197902069272", Kind: Registered, Given: "Anders Johan", Calling: "10", Family: "Granprov",
			Municipality: "1080",
			Address:      Address{Street: "Gullbernavägen 14", Postcode: "37147", City: "Karlskrona"},
		},
		{
			ID: "197906189282", Kind: Registered, Given: "Susanne", Calling: "10", Family: "Lövtest",
			Municipality: "1080",
			Address:      Address{Street: "Jämjövägen 55", Postcode: "37330", City: "Jämjö"},
		},
		{
			ID: "197908089274", Kind: Registered, Given: "Per Olov", Calling: "10", Family: "Näsprov",
			Municipality: "1080",
			Address:      Address{Street: "Nättrabyvägen 18", Postcode: "37024", City: "Nättraby"},
		},
		{
			ID: "196608152846", Kind: Registered, Given: "Birgitta Ann-Christin", Calling: "23", Family: "Holmtest",
			Municipality: "1080",
			Address:      Address{Street: "Alnarydsvägen 7", Postcode: "37334", City: "Jämjö"},
		},
		{
			ID: "196512073245", Kind: Registered, Given: "Gunilla", Calling: "10", Family: "Rönnprov",
			Municipality: "1080",
			Address:      Address{Street: "Fridlevstadsvägen 31", Postcode: "37194", City: "Lyckeby"},
		},
		{
			ID: "198001139297", Kind: Registered, Given: "Fredrik Björn", Calling: "20", Family: "Strandprov",
			Municipality: "1080",
			Address:      Address{Street: "Hasslövägen 90", Postcode: "37046", City: "Hasslö"},
		},
		{
			ID: "199606272392", Kind: Registered, Given: "Elias", Calling: "10", Family: "Storprov",
			Municipality: "1080",
			Address:      Address{Street: "Trossövägen 1 lgh 1104", Postcode: "37131", City: "Karlskrona"},
		},
		{
			ID: "198104059293", Kind: Registered, Given: "Magnus", Calling: "10", Family: "Slätttest",
			Municipality: "1285",
			Address:      Address{Street: "Trollenäsvägen 12", Postcode: "24193", City: "Eslöv"},
		},
		{
			ID: "200101302396", Kind: Registered, Given: "Hugo Alexander", Calling: "10", Family: "Lundprov",
			Municipality: "1285",
			Address:      Address{Street: "Bryggaregatan 4 lgh 1102", Postcode: "24132", City: "Eslöv"},
		},
		{
			ID: "196709132887", Kind: Replaced, Given: "Kim", Calling: "10", Family: "Bytprov",
			References: []string{"199008302391"}, Left: "20240301", Release2026: true,
		},
		{
			ID: "196608253081", Kind: Registered, Given: "Eva Ulla-Karin Isa", Calling: "23", Family: "Vanligprov",
			Municipality: "1080", Property: "Provbacken 1:7",
			Address: Address{Street: "Provbacken 7", Postcode: "37131", City: "Karlskrona"},
		},
		{
			ID: "197011852386", Kind: Coordination, Given: "Ines", Family: "Vilprov",
			Address: Address{Street: "Exempelvägen 6", Postcode: "24131", City: "Eslöv"},
			Status:  "VILANDEFORKLARAT",
		},
		{
			ID: "197412772381", Kind: Coordination, Given: "Marek", Family: "Dödprov", Left: "20251103", Status: "AKTIVT",
		},
	}
}
