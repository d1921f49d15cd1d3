package mapping

import (
	"os"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub/document"
)

// TestTrace lists where something goes, whatever stands around it: loops, predicates, what
// an expression calls something itself.
func TestTrace(t *testing.T) {
	const text = `operation: x
output: json
tables:
  ort: { Karlskrona: K }
document:
  alla: ${answers.adress}
  ort: ${tables.ort[answers.adress.ort]}
  barn:
    $for: b, nr in answers.barn ?? []
    $if: b.namn != ""
    namn: ${trim(b.namn)}
    syskon:
      $for: s in filter(b.syskon, .namn != nil)
      $value: ${s.namn}
  namn: '${join(map(answers.barn, .namn), ", ")}'
  antal: ${count(answers.barn, .pnr != nil)}
  forsta: ${find(answers.barn, .namn == "Bo").pnr}
  kort: '${let a = answers.adress; a.gata}'
  sist: ${answers.barn[-1].pnr}
  val: '${answers.epost != nil ? answers.epost : parties.sökande.name}'
  vem: ${sökande.name}
  båda:
    $for: f in concat(answers.far, answers.mor)
    $value: ${f.namn}
`
	tests := []struct{ name, path, want, why string }{
		{"within a loop", "answers.barn.namn", "10 barn, $if|11 barn/namn|15 namn|17 forsta", ""},
		{"within two", "answers.barn.syskon.namn", "13 barn/syskon, $for|14 barn/syskon", ""},
		{"a list", "answers.barn", "9 barn, $for|10 barn, $if|11 barn/namn|13 barn/syskon, $for|14 barn/syskon|15 namn|16 antal|17 forsta|19 sist", "all that lies in it"},
		{"by number", "answers.barn[0].pnr", "16 antal|17 forsta|19 sist", "every child's"},
		{"taken whole", "answers.adress.gata", "6 alla|18 kort", "in a group that is sent whole"},
		{"a table's word", "answers.adress.ort", "6 alla|7 ort", ""},
		{"a table", "tables.ort", "7 ort", ""},
		{"in a choice", "answers.epost", "20 val", ""},
		{"a party", "parties.sökande", "20 val", ""},
		{"a register's field", "sökande.name", "21 vem", ""},
		{"another field", "sökande.address", "", ""},
		{"in two lists that are put together", "answers.mor.namn", "23 båda, $for", "whatever is read of each, it goes there"},
		{"nowhere", "answers.namn", "", "a name is not found in the middle of a path"},
	}
	m := compiled(t, text)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, p := range Trace(tt.path, nil, m) {
				_, rest, _ := strings.Cut(p.String(), "arende.yaml:")
				line, where, _ := strings.Cut(rest, ": ")
				where, _, _ = strings.Cut(where, " ←")
				got = append(got, line+" "+where)
			}
			if text := strings.Join(got, "|"); text != tt.want {
				t.Errorf("got\n%s, want\n%s (%s)", text, tt.want, tt.why)
			}
		})
	}
}

// TestTraceThroughARoute: what a party is found by goes on as the party, and as what the
// registers say of her.
func TestTraceThroughARoute(t *testing.T) {
	m := compiled(t, "operation: x\noutput: json\ndocument:\n  roll: ${parties.sökande.name}\n  ort: ${sökande.address.city}\n  pnr: ${answers.pnr}\n")
	values := []RouteValue{
		{"routes/k/r.yaml", 4, "parties: sökande", "${answers.pnr}", "parties.sökande"},
		{"routes/k/r.yaml", 5, "parties: sökande, email", "${answers.epost}", ""},
		{"routes/k/r.yaml", 7, "enrich: navet is asked for sökande", "${parties.sökande}", "sökande"},
	}
	want := []string{
		"routes/k/r.yaml:4: parties: sökande ← answers.pnr",
		"mappings/diarium/arende.yaml:6: pnr ← answers.pnr",
		"routes/k/r.yaml:7: enrich: navet is asked for sökande ← parties.sökande",
		"mappings/diarium/arende.yaml:4: roll ← parties.sökande.name, through parties.sökande",
		"mappings/diarium/arende.yaml:5: ort ← sökande.address.city, through sökande",
	}
	var got []string
	for _, p := range Trace("answers.pnr", values, m) {
		got = append(got, p.String())
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestUnknownAnswer(t *testing.T) {
	form, err := document.CompileForm(os.DirFS("../../schemas"), "services/bygglov-altan.json")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"answers.sokande.Email": "", "answers.sokande.Emial": "there is no Emial; is it Email?", "answers.sökande": "there is no sökande; is it sokande?",
		"answers.atgard.Alternative[0].ID": "", "answers.atgard.Alternative.Nr": "there is no Nr", "sökande.namn": "", "answers": "",
	} {
		if got := UnknownAnswer(path, form.Type()); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if UnknownAnswer("answers.a", nil) != "" {
		t.Error("nobody knows what a form without a schema has")
	}
}
