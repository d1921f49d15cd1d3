package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/navet/navetsim"
)

// A plan is all that is going to happen, drawn from the seed: who sends what and in what manner. What
// fails is drawn from the same seed where it fails, by chance.
type plan struct {
	seed           uint64
	municipalities []*municipality
	cases          []*aCase
}

// canary begins every word that is personal or a municipality's own. Where it is found, something has
// leaked.
const canary = "kanarie"

// A municipality shares the hub with the others.
type municipality struct {
	Folder  string // under routes/
	Code    string // kommunkod
	Canary  string // stands in all of its forms, and in nobody else's
	Diarium bool   // it has a diarium of the shipped kind, too
	people  []navetsim.Person
	hidden  []navetsim.Person // whose identity is protected
}

// A case is what one citizen sends in: a first form, and completions of it.
type aCase struct {
	At    time.Duration // when the first form is sent, after forms begin to come in
	Forms []*form
}

// A form is one form as its platform has it.
type form struct {
	Municipality *municipality
	Service      *service
	Source       string // the platform's number of it, the same for all forms of a case
	Version      string
	Key          string // Idempotency-Key
	Submitted    string // as it is said; "" for nothing
	Applicant    *navetsim.Person
	Text         string
	Amount       json.Number
	Lines        []string
	Child        string // what stands where a child's number is asked for
	Files        []file
	Manner       manner
	Oddity       oddity
	Later        time.Duration // how long after the one before it in its case

	salt int // made anew when the same key is to be used for other content
}

// name is how a form is known to everybody who keeps a ledger.
func (f *form) name() string { return f.Source + "@" + f.Version }

// first reports whether the form begins its case.
func (f *form) first() bool { return f.Version == "1" }

// A file comes with a form. Its bytes follow from its seed.
type file struct {
	Name, Type string
	Size       int
	seed       uint64
}

func (f file) bytes() []byte {
	content := make([]byte, f.Size)
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], f.seed)
	rand.NewChaCha8(key).Read(content)
	copy(content, pdf+canary) // so that it is what its name says, and can be found where it must not be
	return content
}

const pdf = "%PDF-1.7\n%"

func (f file) sha256() string { return hexSHA256(f.bytes()) }

func hexSHA256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// A manner is how a platform behaves.
type manner string

const (
	good      manner = "good"      // the same key until somebody has answered for it
	noRetry   manner = "no-retry"  // once, whatever comes
	newKey    manner = "new-key"   // the same form again under another key
	twins     manner = "twins"     // the same form several times at once
	changes   manner = "changes"   // other content under the same key, afterwards
	strangers manner = "stranger"  // first by somebody else's credential
	impatient manner = "impatient" // hangs up after milliseconds, and tries again
	regretful manner = "withdraws" // takes it back
)

// An oddity is what is wrong with a form's content. The hub must receive it, and a person must see it.
type oddity string

const (
	noRoute    oddity = "no-route"
	unreadable oddity = "unreadable"
	badNumber  oddity = "rule"
	protected  oddity = "protected"
)

// draw makes the plan of a run.
func draw(seed uint64, municipalities, forms int, during time.Duration) *plan {
	rng := rand.New(rand.NewPCG(seed, 1))
	p := &plan{seed: seed, municipalities: drawMunicipalities(rng, municipalities)}
	for drawn := 0; drawn < forms; {
		c := p.drawCase(rng, len(p.cases), during)
		c.Forms = c.Forms[:min(len(c.Forms), forms-drawn)]
		drawn += len(c.Forms)
		p.cases = append(p.cases, c)
	}
	return p
}

func drawMunicipalities(rng *rand.Rand, n int) []*municipality {
	people := registered()
	var all []*municipality
	for i := range n {
		m := &municipality{
			Folder: fmt.Sprintf("m%02d", i+1), Code: fmt.Sprintf("%04d", 101+i), Canary: canary + letters(rng, 10), Diarium: i%4 == 0,
		}
		for j := i; j < len(people); j += n {
			m.people = append(m.people, renamed(people[j], m, rng))
		}
		if len(m.people) == 0 {
			m.people = all[i%len(people)].people
		}
		for _, p := range navetsim.Persons() {
			if p.Kind == navetsim.Marked && p.ID != exampleHidden {
				m.hidden = append(m.hidden, p)
			}
		}
		all = append(all, m)
	}
	return all
}

// Two persons who stand in the examples beside the mappings, and therefore in no form.
const (
	examplePerson = "198810032386"
	exampleHidden = "197910039283"
)

// registered gives those of the register's people whom nothing is said to be special about.
func registered() (people []navetsim.Person) {
	for _, p := range navetsim.Persons() {
		if p.Kind == navetsim.Registered && p.ID != examplePerson {
			people = append(people, p)
		}
	}
	return people
}

// renamed gives a person a name that can be found wherever it is written.
func renamed(p navetsim.Person, m *municipality, rng *rand.Rand) navetsim.Person {
	p.Given, p.Calling, p.Middle = canary+"å"+letters(rng, 8), "10", ""
	p.Family = m.Canary + "prov"
	return p
}

func letters(rng *rand.Rand, n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = "bcdfghjklmnpqrstvwxz"[rng.IntN(20)]
	}
	return string(text)
}

func (p *plan) drawCase(rng *rand.Rand, n int, during time.Duration) *aCase {
	m := p.municipalities[n%len(p.municipalities)]
	c := &aCase{At: time.Duration(rng.Int64N(int64(during)))}
	s := services[rng.IntN(len(services))]
	for s.diarium && !m.Diarium {
		s = services[rng.IntN(len(services))]
	}
	f := p.drawForm(rng, m, s, fmt.Sprintf("C-%s-%04d", m.Folder, n), 1)
	f.Oddity = drawOddity(rng, s)
	if f.Oddity != "" {
		f.Manner = good
	}
	f.spoil(rng)
	c.Forms = append(c.Forms, f)
	if f.Oddity != "" || f.Manner == regretful {
		return c
	}
	for v := 2; v <= 3 && rng.IntN(10) < 4; v++ {
		next := p.drawForm(rng, m, s, f.Source, v)
		next.Applicant, next.Later = f.Applicant, time.Duration(rng.IntN(3000))*time.Millisecond
		if next.Manner == regretful || next.Manner == noRetry {
			next.Manner = good
		}
		c.Forms = append(c.Forms, next)
	}
	if f.Manner == noRetry && len(c.Forms) > 1 {
		f.Manner = good // what was never received cannot be completed
	}
	return c
}

func (p *plan) drawForm(rng *rand.Rand, m *municipality, s *service, source string, version int) *form {
	f := &form{
		Municipality: m, Service: s, Source: source, Version: fmt.Sprint(version),
		Key:  fmt.Sprintf("%s.%d.%s", source, version, letters(rng, 8)),
		Text: m.Canary + " " + oddTexts[rng.IntN(len(oddTexts))], Amount: amounts[rng.IntN(len(amounts))],
		Manner: manners[rng.IntN(len(manners))], Submitted: drawTime(rng),
	}
	if s.register || rng.IntN(2) == 0 {
		f.Applicant = &m.people[rng.IntN(len(m.people))]
	}
	for range rng.IntN(4) {
		f.Lines = append(f.Lines, canary+letters(rng, 1+rng.IntN(20)))
	}
	if s.files && rng.IntN(3) > 0 {
		for i := range 1 + rng.IntN(3) {
			f.Files = append(f.Files, file{
				Name: fmt.Sprintf("%s-%d.pdf", m.Canary, i), Type: "application/pdf",
				Size: len(pdf+canary) + rng.IntN(1<<(10+rng.IntN(9))), seed: rng.Uint64(),
			})
		}
	}
	return f
}

// manners are drawn from: most platforms are good most of the time.
var manners = []manner{
	good, good, good, good, good, good, good, good, good, good, good, good, good, good, good, good,
	noRetry, noRetry, newKey, newKey, twins, twins, twins, changes, changes, strangers,
	impatient, impatient, regretful,
}

// oddTexts are what people write, and those who are no people.
var oddTexts = []string{
	"vanlig text", "Åsa & Örjan <script>alert(1)</script>", "=cmd|' /C calc'!A0", "${jndi:ldap://127.0.0.1/a}", "{{7*7}}",
	"'; DROP TABLE submissions; --", "a\u030a 𠮷 👩‍👩‍👧 \u202eomvänt", "rad ett\nrad två\tflik", `"citat" \ bakstreck`,
}

// amounts keep their digits all the way.
var amounts = []json.Number{"0", "1250.50", "12345678901234567890.10", "1e3", "-0.000000001"}

// drawTime gives when a citizen pressed Send, as platforms write it; also as they should not.
func drawTime(rng *rand.Rand) string {
	switch rng.IntN(10) {
	case 0:
		return ""
	case 1:
		return "2999-01-01T00:00:00Z"
	}
	zone := time.FixedZone("", []int{0, 3600, 7200, -5 * 3600}[rng.IntN(4)])
	at := time.Date(2026, time.Month(1+rng.IntN(6)), 1+rng.IntN(28), rng.IntN(24), rng.IntN(60), rng.IntN(60), 0, zone)
	return at.Format(time.RFC3339)
}

// drawOddity gives what is wrong with one form in twelve.
func drawOddity(rng *rand.Rand, s *service) oddity {
	if rng.IntN(12) > 0 {
		return ""
	}
	all := []oddity{noRoute, unreadable}
	if s.register {
		all = append(all, badNumber, protected)
	}
	return all[rng.IntN(len(all))]
}

// spoil makes the content as odd as it was drawn.
func (f *form) spoil(rng *rand.Rand) {
	switch f.Oddity {
	case unreadable:
		f.Amount = json.Number(fmt.Sprintf("%q", "cirka "+f.Municipality.Canary))
	case badNumber:
		f.Child = spoiledNumber(f.Municipality.people[0].ID)
	case protected:
		f.Applicant = &f.Municipality.hidden[rng.IntN(len(f.Municipality.hidden))]
	}
}

// spoiledNumber gives a number with a wrong check digit: nobody's.
func spoiledNumber(id string) string {
	return id[:11] + string('0'+(id[11]-'0'+1)%10)
}

// envelope is the form as it is posted.
func (f *form) envelope() []byte {
	type object = map[string]any
	answers := object{"canary": f.Municipality.Canary, "text": f.Text, "amount": json.RawMessage(f.Amount), "lines": f.lines()}
	if f.salt > 0 {
		answers["text"] = fmt.Sprintf("%s %d", f.Text, f.salt)
	}
	if f.Child != "" {
		answers["child"] = f.Child
	}
	e := object{
		"municipality": f.Municipality.Code, "service": f.serviceName(), "formVersion": "1", "answers": answers,
		"source": object{"system": "portal", "id": f.Source, "version": f.Version},
	}
	if f.Submitted != "" {
		e["submitted"] = f.Submitted
	}
	if f.Applicant != nil {
		e["applicant"] = object{"personalIdentityNumber": f.Applicant.ID}
	}
	text, err := json.Marshal(e)
	if err != nil {
		panic(err) // it is made of texts and numbers
	}
	return text
}

func (f *form) lines() []string {
	if f.Lines == nil {
		return []string{}
	}
	return f.Lines
}

func (f *form) serviceName() string {
	if f.Oddity == noRoute {
		return "unknown-service"
	}
	return f.Service.Name
}

// chance gives a number between 0 and 1 that follows from the seed and what it is about, in whatever
// order things happen.
func (p *plan) chance(about ...any) float64 {
	var seed [8]byte
	binary.LittleEndian.PutUint64(seed[:], p.seed)
	sum := sha256.Sum256([]byte(string(seed[:]) + strings.TrimSpace(fmt.Sprintln(about...))))
	return float64(binary.LittleEndian.Uint64(sum[:])>>11) / (1 << 53)
}

// forms gives every form of the plan.
func (p *plan) forms() (all []*form) {
	for _, c := range p.cases {
		all = append(all, c.Forms...)
	}
	return all
}
