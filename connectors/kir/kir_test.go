package kir_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/folkbokforing"
	"github.com/knutpunkt/knutpunkt/connectors/kir"
	"github.com/knutpunkt/knutpunkt/connectors/kir/kirsim"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// The day of the grunduttag, and a few of Skatteverket's test numbers.
var day = time.Date(2026, 4, 7, 0, 0, 0, 0, time.UTC)

const (
	anna, child, otto = "198604069883", "201506092384", "201803022399"
	nils, secret      = "198207059299", "200704102391"
	oldNumber, newOne = "199008302615", "199008302391"
)

var people = []kirsim.Person{
	{ID: anna, Given: "Anna Britt-Marie", Family: "Testsson", Street: "EXEMPELGATAN 12", Code: "24131", City: "ESLÖV", Children: []string{child}},
	{ID: child, Given: "Saga", Family: "Testsson", Street: "EXEMPELGATAN 12", Code: "24131", City: "ESLÖV", Guardians: []string{anna}},
	{ID: otto, Given: "Otto", Family: "Testsson", Street: "EXEMPELGATAN 12", Code: "24131", City: "ESLÖV", Marked: true},
	{ID: oldNumber, Given: "Kim", Family: "Testsson", Street: "EXEMPELGATAN 13", Code: "24131", City: "ESLÖV"},
	{ID: secret, Given: "Skyddad", Family: "Exempel", Protected: true, Special: "BOX 2820"},
}

// A bed is a register, its Skatteverket, and a clock.
type bed struct {
	testing.TB
	sim       *kirsim.Sim
	residents hub.Residents
	system    hub.System
	now       time.Time
	log       bytes.Buffer
	serial    int // of the last file
}

func newBed(t *testing.T, o kirsim.Options, change ...func(*kir.Config)) *bed {
	t.Helper()
	if o.Day.IsZero() {
		o.Day = day
	}
	sim, err := kirsim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{TB: t, sim: sim, residents: certify.NewResidents(), now: day.Add(8 * time.Hour)}
	b.system = b.open(change...)
	return b
}

func (b *bed) open(change ...func(*kir.Config)) hub.System {
	b.Helper()
	c := kir.Config{Municipality: kirsim.Municipality, Order: kirsim.Order}
	for _, change := range change {
		change(&c)
	}
	s, err := kir.New.Open(b.Context(), hub.Env{
		Residents: b.residents, Clock: func() time.Time { return b.now },
		Log: slog.New(slog.NewTextHandler(&b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}, func(into any) error { *into.(*kir.Config) = c; return nil })
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// fed is a register that has the people.
func fed(t *testing.T, change ...func(*kir.Config)) *bed {
	t.Helper()
	b := newBed(t, kirsim.Options{Persons: people}, change...)
	b.must(b.extract(1))
	return b
}

func (b *bed) must(done hub.Imported, err error) hub.Imported {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
	return done
}

func (b *bed) read(text string) (hub.Imported, error) {
	return b.system.Importer.Import(b.Context(), strings.NewReader(text), nil)
}

func (b *bed) extractText(file int) string {
	var text strings.Builder
	if err := b.sim.Extract(&text, file); err != nil {
		b.Fatal(err)
	}
	return text.String()
}

func (b *bed) extract(file int) (hub.Imported, error) {
	b.serial = b.sim.Serial + file - 1
	return b.read(b.extractText(file))
}

func (b *bed) changesText(serial int, posts ...kirsim.Post) string {
	var text strings.Builder
	if err := b.sim.Changes(&text, serial, day, posts...); err != nil {
		b.Fatal(err)
	}
	return text.String()
}

// change reads the next file of changes.
func (b *bed) change(posts ...kirsim.Post) {
	b.Helper()
	b.serial++
	b.must(b.read(b.changesText(b.serial, posts...)))
}

func (b *bed) lookup(number string) (hub.Person, error) {
	b.Helper()
	id, err := hub.ParsePersonID(number)
	if err != nil {
		b.Fatal(err)
	}
	return b.system.Register.Lookup(b.Context(), id)
}

func (b *bed) find(number string) hub.Person {
	b.Helper()
	p, err := b.lookup(number)
	if err != nil {
		b.Fatalf("%s: %v", number, err)
	}
	return p
}

// fails wants a number to be looked up in vain, in a certain way.
func (b *bed) fails(number string, want error) hub.Person {
	b.Helper()
	p, err := b.lookup(number)
	if !errors.Is(err, want) {
		b.Errorf("%s: %v, want %v", number, err, want)
	}
	return p
}

func (b *bed) state() hub.Fed {
	b.Helper()
	s, err := b.system.Importer.Fed(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func reveal(ids []hub.PersonID) (numbers []string) {
	for _, id := range ids {
		numbers = append(numbers, id.Reveal())
	}
	return numbers
}

// TestAnExtract: everybody in it is told of, as of its day, and nobody else.
func TestAnExtract(t *testing.T) {
	b := newBed(t, kirsim.Options{Persons: people, Residents: 1200})
	b.fails(anna, hub.ErrNotFound)
	var parts []int
	done, err := b.system.Importer.Import(t.Context(), strings.NewReader(b.extractText(1)), func(i hub.Imported) {
		parts = append(parts, i.Posts)
		if i.Posts < i.Of {
			b.fails(anna, hub.ErrNotFound) // nobody sees half a file
		}
	})
	b.must(done, err)
	if !slices.Equal(parts, []int{500, 1000, 1205}) || done.Posts != 1205 || done.Of != 1205 || done.More != "" || done.Again {
		t.Errorf("parts %v, in the end %+v", parts, done)
	}
	p := b.find(anna)
	if p.Given != "Anna Britt-Marie" || p.Calling != "Anna" || p.Address == nil || p.Address.City != "ESLÖV" || p.Protection != hub.NotProtected ||
		p.Registered != "1285" || len(p.Children) != 1 || p.Birth != "1986-04-06" || p.Delivered != (hub.Blocks{Name: true, Address: true, Relations: true}) {
		t.Error("Anna is another")
	}
	if want := time.Date(2026, 4, 7, 0, 0, 0, 0, hub.Stockholm); !p.AsOf.Equal(want) || !done.AsOf.Equal(want) {
		t.Errorf("as of %v", p.AsOf)
	}
	if p := b.find(otto); p.Protection != hub.Marked || p.Address == nil {
		t.Error("sekretessmarkering")
	}
	if p := b.find(secret); p.Protection != hub.ProtectedRegistration || p.Address != nil || p.Special == nil {
		t.Error("skyddad folkbokföring")
	}
	for n := range b.sim.Total() {
		if p := b.find(b.sim.Person(n).ID); p.Family != b.sim.Person(n).Family {
			t.Fatalf("person %d is another", n)
		}
	}
	b.fails(nils, hub.ErrNotFound)
	if s := b.state(); s.Next != "ändringsfilen med LopNr 2" || s.Files != 1 || s.Posts != 0 {
		t.Errorf("it stands %+v", s)
	}
}

// TestAnExtractOfManyFiles: nothing of it is seen before all of it has been read.
func TestAnExtractOfManyFiles(t *testing.T) {
	b := newBed(t, kirsim.Options{Persons: people, Residents: 100, Files: 3, Latin1: true})
	if done := b.must(b.extract(1)); done.More != "fil 2 av 3 i grunduttaget från 2026-04-07" {
		t.Errorf("after one: %+v", done)
	}
	b.fails(anna, hub.ErrNotFound)
	if _, err := b.extract(3); !errors.As(err, new(*hub.Misplaced)) || !strings.Contains(err.Error(), "fil 2 av 3") {
		t.Errorf("the third before the second: %v", err)
	}
	if _, err := b.read(b.changesText(2)); !errors.As(err, new(*hub.Misplaced)) {
		t.Errorf("changes in the middle of it: %v", err)
	}
	if done := b.must(b.extract(1)); !done.Again {
		t.Errorf("the first again: %+v", done)
	}
	b.must(b.extract(2))
	b.fails(anna, hub.ErrNotFound)
	if done := b.must(b.extract(3)); done.More != "" {
		t.Errorf("after all: %+v", done)
	}
	for n := range b.sim.Total() {
		b.find(b.sim.Person(n).ID)
	}
	if p := b.find(anna); p.Address.City != "ESLÖV" {
		t.Error("ISO-8859-1 was read as something else")
	}
	if done := b.must(b.extract(1)); !done.Again {
		t.Errorf("the first after all: %+v", done)
	}
	b.serial = 3
	b.change(kirsim.Post{ID: anna, Parts: kirsim.Name("Anna", "Nysson")})
	if b.find(anna).Family != "Nysson" {
		t.Error("a change was not taken in")
	}
	if done := b.must(b.read(b.extractText(1))); !done.Again {
		t.Errorf("the first after a change: %+v", done)
	}
}

// TestWhatIsRefused: a file that is broken, or whose turn it is not, changes nothing.
func TestWhatIsRefused(t *testing.T) {
	replace := func(from, to string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, from) {
				t.Fatalf("%s is not there", from)
			}
			return strings.Replace(s, from, to, 1)
		}
	}
	for _, test := range []struct {
		name  string
		file  func(*bed) string
		spoil func(string) string
		kind  string // of Malformed; "" for Misplaced
		says  string
	}{
		{"cut short", next, func(s string) string { return s[:len(s)-40] }, "truncated", "ingen hel XML-fil"},
		{"nothing", next, func(string) string { return "" }, "empty", "ingen hel XML-fil"},
		{"a page", next, func(string) string { return "<html><body>Logga in</body></html>" }, "not-avisering", "ingen avisering"},
		{"a DOCTYPE", next, replace("<Navetavisering>", "<!DOCTYPE a><Navetavisering>"), "doctype-not-allowed", ""},
		{"termkod", next, func(string) string { return "#POST_START\n#UP 01001 198207059299\n#POST_SLUT\n" }, "termkod", "beställ aviseringen som XML"},
		{"no information", next, func(string) string {
			return "<Navetavisering><Folkbokforingsposter/></Navetavisering>"
		}, "no-information", "saknar Aviseringsinformation"},
		{"another order", next, replace(kirsim.Order, "00000236-FO01-0009"), "", "hör till 00000236-FO01-0009"},
		{"an order that is no order", next, replace(kirsim.Order, "198604069883-Anna"), "", "en annan beställning"},
		{"neither of both kinds", next, replace("Ändringsavisering", "Statistik"), "kind", "Bestallningstyp"},
		{"fewer posts than it says", next, replace("<AntalPoster>2<", "<AntalPoster>3<"), "count", ""},
		{"a post is missing", next, func(s string) string {
			s = strings.Replace(s, "<AntalPoster>2<", "<AntalPoster>3<", 1)
			return strings.Replace(s, "<AntalPosterTotalt>2<", "<AntalPosterTotalt>3<", 1)
		}, "count", "har 2 poster, men säger sig ha 3"},
		{"more posts than it says", next, replace("<AntalPoster>2<", "<AntalPoster>1<"), "count", "fler poster"},
		{"another total", next, replace("<AntalPosterTotalt>2<", "<AntalPosterTotalt>9<"), "count", "tillsammans 2 poster, men säger sig ha 9"},
		{"no number of files", next, replace("<AntalFiler>1</AntalFiler>", ""), "number", "AntalFiler"},
		{"no LopNr", next, replace("<LopNr>2</LopNr>", ""), "number", "saknar LopNr"},
		{"from the future", next, replace(">20260407<", ">20260501<"), "date", ""},
		{"no day", next, replace(">20260407<", ">20260000<"), "date", "ingen dag"},
		{"a gap", next, replace("<LopNr>2<", "<LopNr>4<"), "", "den här filen är ändringsfilen med LopNr 4, och härnäst behövs ändringsfilen med LopNr 2"},
		{"the second of two", next, func(s string) string {
			s = strings.Replace(s, "<AntalFiler>1<", "<AntalFiler>2<", 1)
			s = strings.Replace(s, "<AntalPosterTotalt>2<", "<AntalPosterTotalt>5<", 1)
			return strings.Replace(s, "<FilNr>1<", "<FilNr>2<", 1)
		}, "", "härnäst behövs ändringsfilen med LopNr 2"},
		{"a post without a number", next, replace(anna, "198604060000"), "post", "post 1, på rad 5"},
		{"a guardian without a number", next, func(s string) string {
			return strings.Replace(s, "</Personpost>", kirsim.Relations(kirsim.Relation("V", "123", "NY"))+"</Personpost>", 1)
		}, "post", "vårdnadshavare"},
		{"text beside posts", next, replace("<Folkbokforingsposter>", "<Folkbokforingsposter>fel"), "malformed", ""},
		{"another extract, but older", func(b *bed) string { return b.extractText(1) }, func(s string) string {
			return strings.Replace(strings.Replace(s, ">20260407<", ">20260406<", 1), "<JobbId>1001<", "<JobbId>7<", 1)
		}, "", "från en tidigare dag"},
		{"an empty extract", func(b *bed) string { return b.extractText(1) }, func(s string) string {
			return strings.Replace(strings.Replace(s, "<AntalPoster>5<", "<AntalPoster>0<", 1), "<AntalPosterTotalt>5<", "<AntalPosterTotalt>0<", 1)
		}, "count", "inga poster"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := fed(t)
			before := b.state()
			_, err := b.read(test.spoil(test.file(b)))
			var broken *hub.Malformed
			if isBroken := errors.As(err, &broken); test.kind != "" && (!isBroken || broken.Kind != test.kind) ||
				test.kind == "" && !errors.As(err, new(*hub.Misplaced)) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, want %q: %s", err, test.kind, test.says)
			}
			for _, number := range []string{anna, "0406", "Testsson", "Anna", "123"} {
				if err != nil && strings.Contains(err.Error(), number) {
					t.Errorf("the error repeats what came: %v", err)
				}
			}
			if b.state() != before {
				t.Errorf("it stands %+v, and stood %+v", b.state(), before)
			}
			if p := b.find(anna); p.Family != "Testsson" {
				t.Error("what was refused is told")
			}
			b.must(b.read(next(b)))
			if p := b.find(anna); p.Family != "Nysson" {
				t.Error("the right file is not taken afterwards")
			}
		})
	}
	empty := newBed(t, kirsim.Options{Persons: people})
	if _, err := empty.read(empty.changesText(1)); err == nil || !strings.Contains(err.Error(), "härnäst behövs ett grunduttag") {
		t.Errorf("changes into an empty register: %v", err)
	}
}

// next is the file that must come next.
func next(b *bed) string {
	return b.changesText(2, kirsim.Post{ID: anna, Parts: kirsim.Name("Anna", "Nysson")}, kirsim.Post{ID: child, Parts: kirsim.Name("Saga", "Nysson")})
}

// TestTheSameAgain: a file that has been read is not read again, and another in its place is told
// apart.
func TestTheSameAgain(t *testing.T) {
	b := fed(t)
	for range 2 {
		if done := b.must(b.read(b.extractText(1))); !done.Again {
			t.Errorf("the extract again: %+v", done)
		}
	}
	second := next(b)
	b.must(b.read(second))
	b.must(b.read(b.changesText(3)))
	for _, text := range []string{second, b.changesText(3), b.extractText(1)} {
		if done := b.must(b.read(text)); !done.Again {
			t.Errorf("again: %+v", done)
		}
	}
	if _, err := b.read(b.changesText(3, kirsim.Post{ID: anna})); !errors.As(err, new(*hub.Misplaced)) || !strings.Contains(err.Error(), "en annan fil") {
		t.Errorf("another file of the same number: %v", err)
	}
	if b.find(anna).Family != "Nysson" {
		t.Error("it was undone")
	}
}

// TestChanges: what a change carries is so, and what it does not is as it was.
func TestChanges(t *testing.T) {
	b := fed(t)
	b.change(kirsim.Post{ID: anna, Parts: kirsim.Registered("1285") + kirsim.Addresses(kirsim.Home("NYA VÄGEN 1", "24132", "ESLÖV"))})
	if p := b.find(anna); p.Address.Street != "NYA VÄGEN 1" || p.Given == "" || len(p.Children) != 1 || p.Protection != hub.NotProtected {
		t.Error("a move within the municipality")
	}
	b.change(kirsim.Post{ID: anna, Parts: "<Namn><Efternamn>Nysson</Efternamn></Namn><Adresser><Folkbokforingsadress/></Adresser>"})
	if p := b.find(anna); p.Family != "Nysson" || p.Given != "Anna Britt-Marie" || p.Calling != "Anna" || p.Address.Street != "NYA VÄGEN 1" {
		t.Error("a new family name, and blanks")
	}
	b.change(kirsim.Post{ID: anna, Parts: "<Namn><Tilltalsnamnsmarkering>23</Tilltalsnamnsmarkering></Namn>"})
	if p := b.find(anna); p.Calling != "Britt-Marie" || p.Given != "Anna Britt-Marie" {
		t.Error("another calling name")
	}
	b.change(
		kirsim.Post{ID: child, Parts: kirsim.Name("Saga", "Först")},
		kirsim.Post{ID: child, Parts: kirsim.Name("Saga", "Sedan")},
	)
	if b.find(child).Family != "Sedan" {
		t.Error("two posts about one person count in their order")
	}
	b.change() // a day without changes
	if s := b.state(); s.Next != "ändringsfilen med LopNr 7" {
		t.Errorf("next: %s", s.Next)
	}
}

// TestWhoLeaves: who moves away or emigrates is in the register no more; the dead are.
func TestWhoLeaves(t *testing.T) {
	b := fed(t)
	b.change(
		kirsim.Post{ID: anna, Parts: kirsim.Registered("1283")},
		kirsim.Post{ID: child, Parts: kirsim.Left("UV", "20260407", "")},
		kirsim.Post{ID: otto, Parts: kirsim.Left("AV", "20260406", "")},
	)
	b.fails(anna, hub.ErrNotFound)
	b.fails(child, hub.ErrNotFound)
	if p := b.find(otto); !p.Left.Deceased() || p.Left.Date != "2026-04-06" || p.Address != nil || p.Protection != hub.Marked || p.Registered != "" {
		t.Error("the dead")
	}
	b.change(kirsim.Post{ID: anna, Parts: kirsim.Registered("1285") + kirsim.Name("Anna", "Testsson")})
	if p := b.fails(anna, hub.ErrPartly); p.Protection != hub.ProtectionUnknown || p.Address != nil {
		t.Error("who comes back is known in part, and her protection is not")
	}
}

// TestRelations: a post that is whole lists them all, another tells what has become of some.
func TestRelations(t *testing.T) {
	b := fed(t)
	guardians := func() []string {
		var all []string
		for _, r := range b.find(child).Guardians {
			all = append(all, r.ID.Reveal())
		}
		return all
	}
	relation := func(kind, id, status string) string { return kirsim.Relations(kirsim.Relation(kind, id, status)) }
	b.change(kirsim.Post{ID: child, Parts: relation("V", nils, "NY")})
	if got := guardians(); !slices.Equal(got, []string{anna, nils}) {
		t.Errorf("one more: %v", got)
	}
	b.change(kirsim.Post{ID: child, Parts: relation("V", anna, "AS")})
	if got := guardians(); !slices.Equal(got, []string{nils}) {
		t.Errorf("one fewer: %v", got)
	}
	b.change(kirsim.Post{ID: child, Parts: relation("V", nils, "IV")})
	b.fails(child, hub.ErrPartly)
	b.change(kirsim.Post{ID: child, Total: true, Parts: relation("V", anna, "")})
	if got := guardians(); !slices.Equal(got, []string{anna}) {
		t.Errorf("all of them: %v", got)
	}
	b.change(kirsim.Post{ID: child, Parts: kirsim.Relations("<Relation><RelationId><PersonNr>" + anna +
		"</PersonNr></RelationId><Relationstyp>V</Relationstyp><RelationTomdatum>20260420</RelationTomdatum></Relation>")})
	if got := guardians(); !slices.Equal(got, []string{anna}) {
		t.Errorf("custody that ends: %v", got)
	}
	b.now = day.AddDate(0, 0, 14)
	if p, _ := b.lookup(child); len(p.Guardians) != 0 {
		t.Error("custody that has ended")
	}
	b = fed(t)
	b.now = time.Date(2033, 6, 9, 12, 0, 0, 0, time.UTC)
	if p, _ := b.lookup(child); len(p.Guardians) != 0 {
		t.Error("who has come of age has guardians")
	}
	if p, _ := b.lookup(anna); len(p.Children) != 0 {
		t.Error("who has come of age is still a child")
	}
}

// TestProtection: the strictest word holds, a blank never clears, and only an explicit N does.
func TestProtection(t *testing.T) {
	flags := func(secrecy, registration string) string {
		return kirsim.Flag("Sekretessmarkering", secrecy) + kirsim.Flag("SkyddadFolkbokforing", registration)
	}
	home := kirsim.Addresses(kirsim.Home("HEMLIGA GATAN 1", "24131", "ESLÖV"))
	moved := kirsim.Registered("1285") + home
	for _, test := range []struct {
		name, id string
		posts    []kirsim.Post
		want     hub.Protection
		address  bool
		partly   bool
	}{
		{"marked, and a blank", otto, []kirsim.Post{{Parts: moved}}, hub.Marked, true, false},
		{"marked, and an empty element", otto, []kirsim.Post{{Flags: "<Sekretessmarkering/>", Parts: moved}}, hub.Marked, true, false},
		{"marked, and a post that is whole", otto, []kirsim.Post{{Total: true, Parts: moved}}, hub.Marked, true, false},
		{"marked, and N", otto, []kirsim.Post{{Flags: flags("N", "")}}, hub.NotProtected, true, false},
		{"marked, and what cannot be read", otto, []kirsim.Post{{Flags: flags("?", "")}}, hub.Marked, true, false},
		{"not marked, and J", anna, []kirsim.Post{{Flags: flags("J", "")}}, hub.Marked, true, false},
		{"not marked, and what cannot be read", anna, []kirsim.Post{{Flags: flags("?", "")}}, hub.ProtectionUnknown, false, true},
		{"not marked, and skyddad folkbokföring", anna, []kirsim.Post{{Flags: flags("J", "J")}}, hub.ProtectedRegistration, false, false},
		{"skyddad folkbokföring, and a blank with an address", secret, []kirsim.Post{{Parts: moved}}, hub.ProtectedRegistration, false, false},
		{"skyddad folkbokföring, and N for the other", secret, []kirsim.Post{{Flags: flags("N", "")}}, hub.ProtectedRegistration, false, false},
		{"skyddad folkbokföring that ends, the mark does not", secret, []kirsim.Post{{Flags: flags("", "N"), Parts: moved}}, hub.Marked, true, false},
		{"both end", secret, []kirsim.Post{{Flags: flags("N", "N"), Parts: moved}}, hub.NotProtected, true, false},
		{"both end, and no address came", secret, []kirsim.Post{{Flags: flags("N", "N")}}, hub.NotProtected, false, true},
		{"begins and is followed by a blank", anna, []kirsim.Post{{Flags: flags("", "J")}, {Parts: moved}}, hub.ProtectedRegistration, false, false},
		{"begins and ends", anna, []kirsim.Post{{Flags: flags("J", "J")}, {Flags: flags("N", "N"), Parts: moved}}, hub.NotProtected, true, false},
		{"a mark beside one that cannot be read", anna, []kirsim.Post{{Flags: flags("J", "?")}}, hub.ProtectedRegistration, false, false},
		{"somebody new, and no flags", nils, []kirsim.Post{{Total: true, Parts: kirsim.Name("N", "T") + moved + kirsim.Relations(kirsim.Relation("B", child, ""))}}, hub.ProtectionUnknown, false, true},
		{"somebody new, and N", nils, []kirsim.Post{{Total: true, Flags: flags("N", "N"), Parts: kirsim.Name("N", "T") + moved + kirsim.Relations(kirsim.Relation("B", child, ""))}}, hub.NotProtected, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := fed(t)
			for _, p := range test.posts {
				p.ID = test.id
				b.change(p)
			}
			p, err := b.lookup(test.id)
			if errors.Is(err, hub.ErrPartly) != test.partly || err != nil && !test.partly {
				t.Errorf("%v", err)
			}
			if p.Protection != test.want || (p.Address != nil) != test.address {
				t.Errorf("protection %d and address %v, want %d and %v", p.Protection, p.Address != nil, test.want, test.address)
			}
		})
	}
}

// TestAnOrderWithoutMarks: nobody is said to be unprotected by who does not know.
func TestAnOrderWithoutMarks(t *testing.T) {
	b := fed(t, func(c *kir.Config) { c.Delivers = folkbokforing.Delivers{"names", "addresses", "relations"} })
	if p := b.fails(anna, hub.ErrPartly); p.Protection != hub.ProtectionUnknown || p.Address != nil {
		t.Error("unknown")
	}
	if p := b.find(otto); p.Protection != hub.Marked {
		t.Error("a J counts from any order")
	}
	b.change(kirsim.Post{ID: otto, Flags: kirsim.Flag("Sekretessmarkering", "N")})
	if p := b.find(otto); p.Protection != hub.Marked {
		t.Error("a N does not")
	}
}

// TestANewExtract: it takes the place of everybody, and lowers no mark by a blank.
func TestANewExtract(t *testing.T) {
	b := fed(t)
	b.change(kirsim.Post{ID: anna, Flags: kirsim.Flag("SkyddadFolkbokforing", "J")})
	later, err := kirsim.New(kirsim.Options{Persons: []kirsim.Person{people[0], people[1], {ID: nils, Given: "Nils", Family: "Ny"}}, Day: day.AddDate(0, 0, 7), Serial: 50})
	if err != nil {
		t.Fatal(err)
	}
	b.now = day.AddDate(0, 0, 7).Add(time.Hour)
	b.sim = later
	b.must(b.extract(1))
	b.fails(otto, hub.ErrNotFound)
	b.find(nils)
	if p := b.find(anna); p.Protection != hub.ProtectedRegistration || p.Address != nil {
		t.Error("a blank has cleared a mark, or an address has come back")
	}
	if p := b.find(child); p.Protection != hub.NotProtected {
		t.Error("who had none has one")
	}
	if s := b.state(); s.Next != "ändringsfilen med LopNr 51" || s.From != 3 {
		t.Errorf("it stands %+v", s)
	}
}

// TestAnExtractInVain: one that is not read to its end leaves the register as it was, and does not
// come into the next one.
func TestAnExtractInVain(t *testing.T) {
	b := fed(t)
	first := func(serial int, persons ...kirsim.Person) *kirsim.Sim {
		sim, err := kirsim.New(kirsim.Options{Persons: persons, Residents: 1000, Files: 2, Day: day, Serial: serial})
		if err != nil {
			t.Fatal(err)
		}
		return sim
	}
	b.sim = first(50, kirsim.Person{ID: nils, Given: "Nils", Family: "Ny"})
	b.must(b.extract(1))
	b.find(anna)
	b.fails(nils, hub.ErrNotFound)
	b.sim = first(60, people[0])
	b.must(b.extract(1))
	b.find(otto)
	b.must(b.extract(2))
	b.find(anna)
	b.fails(otto, hub.ErrNotFound)
	b.fails(nils, hub.ErrNotFound)
}

// TestAChangedNumber: the holder is known under the new number, also by who asks for the old one.
func TestAChangedNumber(t *testing.T) {
	b := fed(t)
	b.change(kirsim.Post{ID: oldNumber, Flags: kirsim.Flag("Sekretessmarkering", "J"), Parts: kirsim.Left("GN", "20260413", newOne)})
	for _, number := range []string{oldNumber, newOne} {
		p := b.find(number)
		if p.ID.Reveal() != newOne || p.Given != "Kim" || p.Address == nil || p.Protection != hub.Marked || !slices.Equal(reveal(p.Previous), []string{oldNumber}) || p.Left.Reason != "" {
			t.Errorf("%s: previous %v, protection %d", number, reveal(p.Previous), p.Protection)
		}
	}
	b.change(kirsim.Post{ID: newOne, Parts: kirsim.Name("Kim", "Nysson")})
	if p := b.find(oldNumber); p.Family != "Nysson" || p.Protection != hub.Marked {
		t.Error("a change of the new number")
	}

	b = fed(t)
	b.change(
		kirsim.Post{ID: newOne, Total: true, Flags: kirsim.Flag("Sekretessmarkering", "N") + kirsim.Flag("SkyddadFolkbokforing", "N"),
			Parts: kirsim.Name("Kim", "Nysson") + kirsim.Registered("1285") + kirsim.Addresses(kirsim.Home("NYA 1", "24131", "ESLÖV")) + kirsim.Relations(kirsim.Relation("B", child, ""))},
		kirsim.Post{ID: oldNumber, Flags: kirsim.Flag("SkyddadFolkbokforing", "J"), Parts: kirsim.Left("GN", "20260413", newOne)},
	)
	for _, number := range []string{oldNumber, newOne} {
		if p := b.find(number); p.Family != "Nysson" || p.Protection != hub.ProtectedRegistration || p.Address != nil {
			t.Errorf("%s, the new one first: protection %d", number, p.Protection)
		}
	}

	b = fed(t)
	b.change(kirsim.Post{ID: nils, Parts: kirsim.Left("GN", "20260413", newOne)})
	b.fails(nils, hub.ErrPartly) // whose new number nobody has told of
	b.change(kirsim.Post{ID: anna, Parts: kirsim.Left("GN", "20260413", child)}, kirsim.Post{ID: child, Parts: kirsim.Left("GN", "20260413", anna)})
	b.fails(anna, hub.ErrPartly) // a loop
}

// TestFresh: an old register says so, and a miss is still a miss.
func TestFresh(t *testing.T) {
	for _, test := range []struct {
		name   string
		fresh  time.Duration
		after  time.Duration // the day's beginning
		recent bool
	}{
		{"the same day", 0, 8 * time.Hour, true},
		{"the next day, late", 0, 49 * time.Hour, true},
		{"two days after, in the morning", 0, 51 * time.Hour, false},
		{"a week, of a weekly order", 8 * 24 * time.Hour, 7 * 24 * time.Hour, true},
		{"ten days, of a weekly order", 8 * 24 * time.Hour, 10 * 24 * time.Hour, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := fed(t, func(c *kir.Config) { c.Fresh = test.fresh })
			b.now = time.Date(2026, 4, 7, 0, 0, 0, 0, hub.Stockholm).Add(test.after)
			p, err := b.lookup(anna)
			if errors.Is(err, hub.ErrPartly) == test.recent || p.Family != "Testsson" {
				t.Errorf("%v", err)
			}
			b.fails(nils, hub.ErrNotFound)
		})
	}
}

// TestGoesOn: a reading that breaks off is gone on with where it was, by who sends the file again, and
// not by who sends another.
func TestGoesOn(t *testing.T) {
	b := newBed(t, kirsim.Options{Persons: people, Residents: 2000})
	whole := b.extractText(1)
	broke := errors.New("broke off")
	if _, err := b.system.Importer.Import(t.Context(), io.MultiReader(strings.NewReader(whole[:len(whole)*2/3]), failing{broke}), nil); !errors.Is(err, broke) {
		t.Fatal(err)
	}
	kept := b.state().Posts
	if kept == 0 || kept%500 != 0 {
		t.Fatalf("%d posts are kept", kept)
	}
	b.system = b.open() // another process
	another := strings.Replace(whole, "EXEMPELGATAN 12", "EXEMPELGATAN 99", 1)
	if _, err := b.read(another); !errors.As(err, new(*hub.Misplaced)) || b.state().Posts != 0 {
		t.Errorf("another file: %v, %d posts are kept", err, b.state().Posts)
	}
	if _, err := b.read(whole[:len(whole)*2/3]); err == nil {
		t.Fatal("cut short, and no error")
	}
	first := 0
	if _, err := b.system.Importer.Import(t.Context(), strings.NewReader(whole), func(i hub.Imported) {
		if first == 0 {
			first = i.Posts
		}
	}); err != nil {
		t.Fatal(err)
	}
	if first != kept+500 {
		t.Errorf("it went on at %d, and %d were kept", first, kept)
	}
	for n := range b.sim.Total() {
		b.find(b.sim.Person(n).ID)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.system.Importer.Import(ctx, strings.NewReader(b.changesText(2)), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestSamples reads the authority's own samples.
func TestSamples(t *testing.T) {
	dir := os.Getenv("KNUTPUNKT_FORMATS")
	if dir == "" {
		t.Skip("KNUTPUNKT_FORMATS names no folder")
	}
	folder := filepath.Join(dir, "navet/samples/avisering")
	samples, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	text := map[string]string{}
	for _, s := range samples {
		content, err := os.ReadFile(filepath.Join(folder, s.Name()))
		if err != nil {
			t.Fatal(err)
		}
		text[s.Name()] = string(content)
	}
	b := newBed(t, kirsim.Options{Persons: people, Serial: 41, Day: day.AddDate(0, 0, -1)})
	b.now = time.Date(2026, 4, 14, 12, 0, 0, 0, time.UTC)
	for name := range text {
		if _, err := b.read(text[name]); err == nil {
			t.Errorf("%s is read into an empty register", name)
		}
	}
	b.must(b.extract(1))
	b.must(b.read(text["20-navetavisering-fil.xml"]))
	b.now = time.Date(2026, 4, 7, 12, 0, 0, 0, time.UTC)
	if p := b.fails(nils, hub.ErrPartly); p.Family != "Testsson" || p.Calling != "Erik" || p.Registered != "1285" || len(p.Children) != 1 {
		t.Error("who moved in: her protection is not known, and the rest is")
	}
	if p := b.find(secret); p.Protection != hub.ProtectedRegistration {
		t.Error("skyddad folkbokföring")
	}
	b.now = time.Date(2026, 4, 14, 12, 0, 0, 0, time.UTC)
	late := text["22-navetavisering-latin1-fil-2-av-2.xml"]
	if _, err := b.read(late); !errors.As(err, new(*hub.Misplaced)) || !strings.Contains(err.Error(), "LopNr 43") {
		t.Errorf("the second file before the first: %v", err)
	}
	first := b.changesText(43, kirsim.Post{ID: anna}, kirsim.Post{ID: child}, kirsim.Post{ID: otto})
	for from, to := range map[string]string{
		"<AntalFiler>1<": "<AntalFiler>2<", "<AntalPosterTotalt>3<": "<AntalPosterTotalt>5<", ">20260407<": ">20260414<", "<JobbId>1043<": "<JobbId>123499<",
	} {
		first = strings.Replace(first, from, to, 1)
	}
	if done := b.must(b.read(first)); done.More != "fil 2 av 2 i ändringarna från 2026-04-14" {
		t.Errorf("%+v", done)
	}
	b.must(b.read(late))
	if p := b.find(oldNumber); p.ID.Reveal() != newOne || p.Given != "Kim" {
		t.Error("a changed number")
	}
	if p := b.find(secret); p.Protection != hub.ProtectedRegistration || p.Address != nil {
		t.Error("a change without flags has cleared a mark")
	}
	if _, err := b.read(text["21-termkod-post.txt"]); err == nil || !strings.Contains(err.Error(), "termkod") {
		t.Errorf("termkod: %v", err)
	}
	if _, known := text["20-navetavisering-fil.xml"]; !known || len(text) != 3 {
		t.Errorf("there are other samples: %d", len(text))
	}
}

// TestFilesFitTheContract holds the simulator against Skatteverket's schema.
func TestFilesFitTheContract(t *testing.T) {
	dir := os.Getenv("KNUTPUNKT_FORMATS")
	if dir == "" {
		t.Skip("KNUTPUNKT_FORMATS names no folder")
	}
	contract, err := document.CompileXSD(os.DirFS(filepath.Join(dir, "navet/contract/schema")), "Navetavisering.xsd")
	if err != nil {
		t.Fatal(err)
	}
	b := newBed(t, kirsim.Options{Persons: people, Residents: 600, Files: 2})
	news := b.sim.News(1)
	for name, text := range map[string]string{
		"an extract": b.extractText(1), "its second file": b.extractText(2), "changes": b.changesText(3, news...),
		"a changed number": b.changesText(4, kirsim.Post{ID: oldNumber, Parts: kirsim.Left("GN", "20260413", newOne)}),
	} {
		if err := contract.Validate([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if first, again := b.extractText(1), b.extractText(1); first != again || len(news) < 4 {
		t.Error("the same Options give other bytes, or nothing happens")
	}
}

// TestNobodyHasTheNumbers: those that are made up are in the series that is kept for tests, and nobody
// is there twice.
func TestNobodyHasTheNumbers(t *testing.T) {
	sim, err := kirsim.New(kirsim.Options{Residents: 70_000, Day: day})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for n := range sim.Total() {
		id := sim.Person(n).ID
		if _, err := hub.ParsePersonID(id); err != nil || seen[id] || id[8:11] < "980" {
			t.Fatalf("number %d: %v, seen before: %v, serial %s", n, err, seen[id], id[8:11])
		}
		seen[id] = true
	}
}

func TestConfigIsStrict(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*kir.Config)
		wrong  string
	}{
		{"good", func(*kir.Config) {}, ""},
		{"a name", func(c *kir.Config) { c.Municipality = "Eslöv" }, "municipality:"},
		{"an order too short", func(c *kir.Config) { c.Order = "236-FO01-0003" }, "order:"},
		{"an unknown block", func(c *kir.Config) { c.Delivers = folkbokforing.Delivers{"adresses"} }, "delivers:"},
		{"before now", func(c *kir.Config) { c.Fresh = -time.Hour }, "fresh:"},
		{"a LopNr too high", func(c *kir.Config) { c.FirstChange = 100_000 }, "first-change:"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := kir.Config{Municipality: "1285", Order: kirsim.Order}
			test.change(&c)
			_, err := kir.New.Open(t.Context(), hub.Env{}, func(into any) error { *into.(*kir.Config) = c; return nil })
			if (err != nil) != (test.wrong != "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("%v, want %q", err, test.wrong)
			}
		})
	}
}

// TestFirstChange: where extracts are not in the changes' series, configuration says where these begin.
func TestFirstChange(t *testing.T) {
	b := fed(t, func(c *kir.Config) { c.FirstChange = 42 })
	if s := b.state(); s.Next != "ändringsfilen med LopNr 42" {
		t.Errorf("next: %s", s.Next)
	}
	if _, err := b.read(b.changesText(43)); !errors.As(err, new(*hub.Misplaced)) {
		t.Errorf("a gap: %v", err)
	}
	if done := b.must(b.read(b.changesText(41))); !done.Again {
		t.Errorf("from before: %+v", done)
	}
	b.must(b.read(b.changesText(42)))
	b.must(b.read(b.changesText(43)))
}

// TestREADME opens the connector by the sample in the README.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```yaml\nkir:\n  connector: kir\n")
	entry, _, ended := strings.Cut(rest, "```")
	if !found || !ended {
		t.Fatal("the README has no sample")
	}
	decode := connectortest.Decode(t, kir.New)(strings.ReplaceAll(entry, "\n  ", "\n")[2:])
	if _, err := kir.New.Open(t.Context(), hub.Env{}, decode); err != nil {
		t.Error(err)
	}
	for _, f := range kir.New.Fields {
		if !strings.Contains(entry, f.Name+":") {
			t.Errorf("the README does not show %s", f.Name)
		}
	}
}

// TestNothingPrints: neither logs nor the bookmark hold anything of a person's.
func TestNothingPrints(t *testing.T) {
	b := fed(t)
	b.must(b.read(next(b)))
	b.read("<Navetavisering><Aviseringsinformation>" + anna)
	for _, text := range []string{b.log.String(), b.state().Note} {
		for _, person := range people {
			if strings.Contains(text, person.ID) || strings.Contains(text, person.Family) || strings.Contains(text, person.Given) {
				t.Errorf("it holds something of a person's: %s", text)
			}
		}
	}
}

// FuzzImport holds that no bytes whatever become somebody else's facts, lower a mark or repeat what
// came in an error.
func FuzzImport(f *testing.F) {
	sim, err := kirsim.New(kirsim.Options{Persons: people, Day: day})
	if err != nil {
		f.Fatal(err)
	}
	var extract, changes bytes.Buffer
	sim.Extract(&extract, 1)
	sim.Changes(&changes, 2, day, kirsim.Post{ID: otto, Flags: kirsim.Flag("Sekretessmarkering", "N")}, kirsim.Post{ID: anna, Parts: kirsim.Left("GN", "20260413", child)})
	f.Add(changes.Bytes())
	f.Add(extract.Bytes())
	f.Add(bytes.Replace(changes.Bytes(), []byte("<Sekretessmarkering>N"), []byte("<Sekretessmarkering>"), 1))
	f.Fuzz(func(t *testing.T, file []byte) {
		b := &bed{TB: t, sim: sim, residents: certify.NewResidents(), now: day.Add(8 * time.Hour)}
		b.system = b.open()
		b.must(b.read(extract.String()))
		if _, err := b.read(string(file)); err != nil && strings.Contains(err.Error(), anna) {
			t.Errorf("the error repeats what came: %v", err)
		}
		p, err := b.lookup(secret)
		if err == nil && p.Protection == hub.ProtectedRegistration && p.Address != nil {
			t.Error("an address under skyddad folkbokföring")
		}
		if err == nil && p.Protection == hub.NotProtected && !bytes.Contains(file, []byte("N")) {
			t.Error("a mark was cleared by nothing")
		}
		if !reflect.DeepEqual(reveal([]hub.PersonID{p.ID}), []string{secret}) && err == nil && len(p.Previous) == 0 {
			t.Error("facts about somebody else")
		}
	})
}
