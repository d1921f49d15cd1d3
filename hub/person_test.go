package hub

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestParsePersonID(t *testing.T) {
	for _, tc := range []struct {
		number string
		ok     bool
		why    string
	}{
		{"199001012385", true, "an official test number"},
		{"198206822390", true, "a samordningsnummer: day + 60"},
		{"192004912388", true, "an official samordningsnummer whose day no calendar has"},
		{"199001012386", false, "checksum"},
		{"9001012385", false, "ten digits"},
		{"19900101-2385", false, "a hyphen"},
		{"19900101+238", false, "a plus"},
		{"199002312389", false, "31 February"},
		{"162021004748", false, "an organisationsnummer"},
		{"************", false, "masked"},
		{"", false, "nothing"},
		{"１９９００１０１２３８５", false, "digits of another script"},
	} {
		id, err := ParsePersonID(tc.number)
		if (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.why, err)
		}
		if tc.ok && id.Reveal() != tc.number {
			t.Errorf("%s: does not give back its digits", tc.why)
		}
		if err != nil && tc.number != "" && strings.Contains(err.Error(), tc.number) {
			t.Errorf("%s: the error repeats the number", tc.why)
		}
	}
}

func TestParseOrgNumber(t *testing.T) {
	for number, ok := range map[string]bool{
		"2021004748": true, "162021004748": true, "9001012385": false, "2021004749": false, "202100-4748": false,
	} {
		if _, err := ParseOrgNumber(number); (err == nil) != ok {
			t.Errorf("%s: %v", number, err)
		}
	}
}

// canaries are what must never be seen in anything that prints.
var canaries = []string{"199001012385", "2021004748", "Alva", "Exempelsson", "Provgatan", "hemligt", "intyg.pdf", "320342", "altan"}

// hiding holds what a careless struct may hold: unexported, and printed whole.
type hiding struct {
	id      PersonID
	org     OrgNumber
	secret  Secret
	answers Answers
	doc     Document
}

func TestPersonsDoNotPrint(t *testing.T) {
	id, _ := ParsePersonID(canaries[0])
	org, _ := ParseOrgNumber(canaries[1])
	address := &Address{Street: "Provgatan 12"}
	relative := Relative{ID: id, Given: "Alva", Family: "Exempelsson"}
	person := Person{ID: id, Previous: []PersonID{id}, Given: "Alva", Family: "Exempelsson", Address: address, Guardians: []Relative{relative}}
	party := Party{Role: "sökande", ID: id, Org: org, Given: "Alva", Family: "Exempelsson"}
	answers := NewAnswers(map[string]any{"vad": "altan"})
	attachment := Attachment{Name: "intyg.pdf"}
	submission := Submission{ID: "01S", Source: Ref{ID: "320342"}, Parties: []Party{party}, Answers: answers, Attachments: []Attachment{attachment}}
	doc := NewDocument("text/xml", []byte("<Namn>Alva</Namn>"))
	for _, v := range []any{
		id, org, NewSecret("hemligt"), address, *address, relative, person, party, answers, attachment, submission, doc,
		submission.Source, Delivery{Key: "01S-x", Document: doc, Files: []File{{Attachment: attachment}}},
		Known{Submission: submission, Answers: map[string]RegisterAnswer{"sökande": {Persons: []Person{person}}}},
		hiding{id, org, NewSecret("hemligt"), answers, doc}, &hiding{id, org, NewSecret("hemligt"), answers, doc},
	} {
		var seen strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
			fmt.Fprintf(&seen, verb+"\n", v)
		}
		slog.New(slog.NewJSONHandler(&seen, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&seen, nil)).Info("x", "v", v)
		b, err := json.Marshal(v)
		if err == nil {
			seen.Write(b)
		}
		for _, c := range canaries {
			for _, form := range []string{c, fmt.Sprintf("%x", c)} {
				if strings.Contains(seen.String(), form) {
					t.Errorf("%T prints %q", v, c)
				}
			}
		}
	}
}

func TestContentsComeBackWhole(t *testing.T) {
	id, _ := ParsePersonID("199001012385")
	old, _ := ParsePersonID("198206822390")
	s := Submission{
		Source:      Ref{System: "shared.oep", ID: "320342", Version: "2026-01-27T16:05:44"},
		Parties:     []Party{{Role: "sökande", ID: id, Follows: true}, {Role: "vårdnadshavare", Given: "Sambalina", Birth: "1975-02-02"}},
		Answers:     NewAnswers(map[string]any{"antal": json.Number("191212121212345678"), "lista": []any{"a", nil, true}}),
		Attachments: []Attachment{{Name: "intyg.pdf", Size: 3, Blob: Blob{ID: "b", Size: 3}, Fetch: Fetch{Kind: "file", File: "9"}}},
	}
	b, err := s.RevealContents()
	if err != nil {
		t.Fatal(err)
	}
	var back Submission
	if err := back.RestoreContents(b); err != nil {
		t.Fatal(err)
	}
	again, _ := back.RevealContents()
	if string(again) != string(b) || back.Parties[0].ID != id || back.Attachments[0].Name != "intyg.pdf" {
		t.Errorf("came back as %s, was %s", again, b)
	}
	if err := back.RestoreContents([]byte(`{"Format":99}`)); err == nil {
		t.Error("a format of the future was read")
	}
	p := Person{
		ID: id, Previous: []PersonID{old}, Given: "Alva", Protection: Marked, Address: &Address{Street: "Provgatan 12"},
		Special: &Address{City: "GÖTEBORG"}, Abroad: &Foreign{Lines: []string{"a"}, Country: "NORGE"},
		Guardians: []Relative{{ID: old}, {Given: "Sambalina", Birth: "1975-02-02"}}, Left: Departure{Reason: "UV", Date: "2020"},
		Delivered: Blocks{Name: true}, AsOf: t0,
	}
	b, err = RevealAnswers([]RegisterAnswer{{As: "sökande", Register: "k.navet", Persons: []Person{p}, AsOf: t0}})
	if err != nil {
		t.Fatal(err)
	}
	answers, err := RestoreAnswers(b)
	if err != nil {
		t.Fatal(err)
	}
	again, _ = RevealAnswers(answers)
	got := answers[0].Persons[0]
	if string(again) != string(b) || got.ID != id || got.Guardians[0].ID != old || got.Address.Street != "Provgatan 12" || got.Previous[0] != old {
		t.Errorf("came back as %s, was %s", again, b)
	}
}

func TestProtectionFailsClosed(t *testing.T) {
	var unknown Protection
	if !unknown.Protected() || NotProtected.Protected() || !Marked.Protected() {
		t.Error("unknown must count as protected, and no mark must not")
	}
	for _, tc := range []struct{ a, b, want Protection }{
		{NotProtected, Marked, Marked}, {ProtectedRegistration, Marked, ProtectedRegistration},
		{ProtectionUnknown, NotProtected, ProtectionUnknown}, {Marked, ProtectionUnknown, Marked},
	} {
		if got, turned := tc.a.Strictest(tc.b), tc.b.Strictest(tc.a); got != tc.want || turned != tc.want {
			t.Errorf("strictest of %d and %d is %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}

func TestEveryStepHasItsPlaceAndItsName(t *testing.T) {
	if len(Steps) != len(ranks) || len(Steps) != len(swedish) {
		t.Errorf("%d steps, %d ranks, %d names", len(Steps), len(ranks), len(swedish))
	}
	for i, s := range Steps {
		if s.Rank() == 0 || s.Swedish() == "" || i > 0 && s.Rank() < Steps[i-1].Rank() {
			t.Errorf("%s has rank %d and is called %q", s, s.Rank(), s.Swedish())
		}
	}
}

func TestTheDayOfReceipt(t *testing.T) {
	received := time.Date(2026, 1, 17, 8, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name      string
		submitted time.Time
		own       bool
		want      time.Time
	}{
		{"the municipality's own platform", received.Add(-20 * time.Hour), true, received.Add(-20 * time.Hour)},
		{"somebody else's", received.Add(-20 * time.Hour), false, received},
		{"from the future", received.Add(time.Hour), true, received},
		{"the year 1900", time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), true, received},
		{"not said", time.Time{}, true, received},
	} {
		if got := InkommenAt(tc.submitted, received, tc.own); !got.Equal(tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestWorkingDays(t *testing.T) {
	for day, want := range map[string]bool{
		"2026-04-02": true, "2026-04-03": false, "2026-04-06": false, "2026-05-14": false, "2026-06-19": false,
		"2026-12-24": false, "2026-12-23": true, "2027-01-06": false, "2026-11-21": false, "2026-11-23": true,
	} {
		at, _ := time.ParseInLocation(time.DateOnly, day, Stockholm)
		if got := IsWorkingDay(at); got != want {
			t.Errorf("%s: %v, want %v", day, got, want)
		}
	}
	friday := time.Date(2026, 4, 1, 23, 59, 59, 0, time.UTC) // already Thursday in Sweden
	two := Term{2, WorkingDays}.After(friday).Format(time.DateOnly)
	if two != "2026-04-08" {
		t.Errorf("two working days after Maundy Thursday: %s, want 2026-04-08", two)
	}
	for text, ok := range map[string]bool{"10 veckor": true, "1 dag": true, "2 arbetsdagar": true, "10": false, "veckor": false, "-1 dagar": false, "3 fortnights": false} {
		if _, err := ParseTerm(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
