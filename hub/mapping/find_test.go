package mapping

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
)

const route = "routes/karlskrona/bygglov-altan.yaml"

func TestFind(t *testing.T) {
	form := `{"pnr": "189001019802", "streck": "18900101-9802", "tom": " ", "org": "202100-4748", "masked": "************",
	  "fel": "189001019803", "barn": [{"pnr": "189104019816"}, {"pnr": "189001019802"}], "tal": 189104019816}`
	tests := []struct{ name, text, want, why string }{
		{"text", "${answers.pnr}", applicant, ""},
		{"hyphen", "${answers.streck}", applicant, ""},
		{"number", "${answers.tal}", guardian, ""},
		{"absent", "${answers.inget.alls}", "", "nobody"},
		{"blank", "${answers.tom}", "", "platforms send empty elements"},
		{"organisation", "${answers.org}", "2021004748", ""},
		{"list", "${map(answers.barn, .pnr)}", guardian + " " + applicant, ""},
		{"role", "${parties.sökande}", "sökande:" + applicant, "a known party comes as it is"},
		{"role of several", "${parties.barn}", "barn:Bo Ek 2020-01-02 barn:" + guardian, ""},
		{"register", "${sökande}", applicant, ""},
		{"relatives", "${sökande.guardians}", guardian + " Ali Ek 1990-05", "who has no number keeps what was delivered"},
		{"missed look-up", "${gammal.guardians}", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			parties, err := found(t, tt.text, known(t, form))
			if err != nil {
				t.Fatal(err)
			}
			if got := reveal(parties); got != tt.want {
				t.Errorf("got %q, want %q (%s)", got, tt.want, tt.why)
			}
		})
	}
	refusals := []struct {
		name, text, want string
		reason           hub.Reason
	}{
		{"checksum", "${answers.fel}", "${answers.fel} holds no Swedish identity number", hub.ReasonRule},
		{"masked", "${answers.masked}", "${answers.masked} holds no Swedish identity number", hub.ReasonRule},
		{"one of a list", `${["189001019802", answers.fel]}`, `${["189001019802", answers.fel]} holds no Swedish identity number`, hub.ReasonRule},
		{"group", "${answers.barn[0]}", "${answers.barn[0]} is neither a person nor a text", hub.ReasonMapping},
		{"wrong", "${answers.pnr.nr}", "${answers.pnr.nr} asks a single value for nr", hub.ReasonMapping},
	}
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			_, err := found(t, tt.text, known(t, form))
			var failed *hub.MappingError
			if !errors.As(err, &failed) || failed.Reason != tt.reason || err.Error() != route+":7: "+tt.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

func found(t *testing.T, text string, k hub.Known) ([]hub.Party, error) {
	t.Helper()
	env := Env{
		Parties: map[string]bool{"sökande": false, "barn": true},
		Lookups: map[string]bool{"sökande": false, "gammal": false},
	}
	find, _, problems := CompileFind(text, env, route, 7)
	if problems != nil {
		t.Fatal(problems)
	}
	return find(k)
}

// reveal writes parties down for comparison: the numbers are test numbers.
func reveal(parties []hub.Party) string {
	var all []string
	for _, p := range parties {
		s := p.ID.Reveal() + p.Org.Reveal()
		if s == "" {
			s = fmt.Sprintf("%s %s %s", p.Given, p.Family, p.Birth)
		}
		if p.Role != "" {
			s = p.Role + ":" + s
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}

func TestFindProblems(t *testing.T) {
	env := Env{
		Parties: map[string]bool{"sökande": false, "barn": true},
		Lookups: map[string]bool{"barnet": false, "alla": true},
	}
	tests := []struct {
		text, want string
		list       bool
	}{
		{"${parties.sökande}", "", false},
		{"${parties.barn}", "", true},
		{"${barnet.guardians}", "", true},
		{"${alla}", "", true},
		{"${answers.x}", "", false},
		{"189001019802", "7: write one value and nothing around it, such as ${answers.personnummer}", false},
		{"nr ${answers.x}", "7: write one value and nothing around it, such as ${answers.personnummer}", false},
		{"${inkommen}", "7: ${inkommen} is a time and no person", false},
		{"${parties.sokande}", "7: unknown field sokande; is it sökande?\n | parties.sokande\n | ........^", false},
		{"${now()}", "7: there is no now(): a document must be the same whenever it is made; dates have isodate, isodatetime and formatdate\n | now()\n | ^", false},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			find, list, problems := CompileFind(tt.text, env, arende, 7)
			checkProblems(t, problems, tt.want)
			if list != tt.list || (find == nil) != (tt.want != "") {
				t.Errorf("list %v, find %v", list, find != nil)
			}
		})
	}
}
