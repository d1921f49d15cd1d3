package verbs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Children who learn to play in Eslöv, with the one who applies for them: Skatteverket's
// official test numbers. The first two have cases in Karlskrona too.
var musicians = []struct{ child, applicant string }{
	{"202302142399", "199001012385"}, {"202301012395", "199409272383"}, {"202201022387", "199803282384"},
}

// employees are some of Karlstad, with what they ask for: Skatteverket's official test
// numbers. The last one is protected, and rests with a person.
var employees = []struct {
	number, employment, reason string
	periods                    []map[string]any
}{
	{"199001012385", "101", "Semester", []map[string]any{{"från": "2026-06-22", "till": "2026-07-17"}, {"dag": "2026-08-03", "timmar": "4,5"}}},
	{"198310159283", "2077", "Vård av barn", []map[string]any{{"dag": "2026-03-02", "barn": "202001022389"}, {"dag": "2026-03-03", "omfattning": "50 %", "barn": "202203312380"}}},
	{"199606272392", "310", "Tjänstledighet", []map[string]any{{"från": "2026-04-01", "till": "2026-06-30", "omfattning": "50 %"}}},
	{"198206822390", "3001", "Utbildning", []map[string]any{{"dag": "2026-05-04"}}},
	{"197910039283", "4004", "Semester", []map[string]any{{"dag": "2026-03-09"}}},
}

// Children of Eslöv whose school is chosen, with the guardian who chooses. Each is chosen for
// once: another's choice for the same child would rest with a person.
var pupils = []struct{ child, applicant string }{
	{"202101012397", "199409272383"}, {"201801012392", "199803282384"},
}

// postMusic posts Eslöv's own form as Knutpunkt's own JSON.
func (s *simulators) postMusic(ctx context.Context, seed int) (id string, err error) {
	who := musicians[seed/10%len(musicians)]
	body, _ := json.Marshal(map[string]any{
		"municipality": "1285", "service": "kulturskola",
		"source":    map[string]any{"system": "hemsidan", "id": fmt.Sprintf("K-%06d", seed), "version": "1"},
		"applicant": map[string]any{"personalIdentityNumber": who.applicant},
		"answers": map[string]any{
			"barn": map[string]any{"personnummer": who.child}, "instrument": []string{"fiol", "trumpet"}, "årskurs": seed % 10,
		},
	})
	return s.send(ctx, posting{"hemsidan-client", "/v1/submissions", fmt.Sprintf("kulturskola-%06d", seed), body})
}

// postChoice posts which schools a guardian in Eslöv chooses.
func (s *simulators) postChoice(ctx context.Context, seed int) (id string, err error) {
	who := pupils[seed/10]
	body, _ := json.Marshal(map[string]any{
		"municipality": "1285", "service": "skolval",
		"source":    map[string]any{"system": "hemsidan", "id": fmt.Sprintf("S-%06d", seed), "version": "1"},
		"applicant": map[string]any{"personalIdentityNumber": who.applicant},
		"answers": map[string]any{
			"barn": map[string]any{"personnummer": who.child}, "årskurs": 0,
			"skolor": []any{
				map[string]any{"enhet": 3011, "namn": "Centralskolan", "syskonförtur": true},
				map[string]any{"enhet": 3017, "namn": "Sundskolan"},
				map[string]any{"enhet": 4102, "namn": "Friskolan Linden", "fristående": true},
			},
			"epost": "vardnadshavare@eslov.example", "telefon": "031-390 06 50",
		},
	})
	return s.send(ctx, posting{"hemsidan-client", "/v1/submissions", fmt.Sprintf("skolval-%06d", seed), body})
}

// postLeave posts what an employee of Karlstad asks for, in the intranet's own JSON.
func (s *simulators) postLeave(ctx context.Context, seed int) (id string, err error) {
	who := employees[seed/10%len(employees)]
	body, _ := json.Marshal(map[string]any{
		"blankett": "ledighetsansokan", "blankettversion": 3, "arende": fmt.Sprintf("L-%06d", seed), "utgava": 1,
		"inskickad": time.Now().In(hub.Stockholm).Format("2006-01-02T15:04:05"),
		"svar": map[string]any{
			"anställd": map[string]any{"personnummer": who.number, "anställningsnummer": who.employment, "epost": "anstalld@karlstad.example"},
			"orsak":    who.reason, "perioder": who.periods,
		},
	})
	return s.send(ctx, posting{"intranat-client", "/v1/sources/intranat", "", body})
}

// A posting is one form that a municipality's own pages hand over.
type posting struct {
	secret string // the name of the file with what the hub knows them by
	path   string
	key    string // the Idempotency-Key; "" for none
	body   []byte
}

// send posts a form as a good platform does: the same again until somebody has answered for
// it.
func (s *simulators) send(ctx context.Context, p posting) (id string, err error) {
	token, err := os.ReadFile(filepath.Join(s.dir, "secrets", p.secret))
	if err != nil {
		return "", err
	}
	for {
		id, again, err := s.postJSON(ctx, p, strings.TrimSpace(string(token)))
		if !again {
			return id, err
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (s *simulators) postJSON(ctx context.Context, p posting, token string) (id string, again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.settings.Listen+p.path, bytes.NewReader(p.body))
	if err != nil {
		return "", false, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	if p.key != "" {
		req.Header.Set("Idempotency-Key", p.key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", ctx.Err() == nil, ctx.Err()
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	switch {
	case resp.StatusCode >= 500, resp.StatusCode == http.StatusTooManyRequests:
		return "", true, nil
	case resp.StatusCode != http.StatusAccepted:
		return "", false, fmt.Errorf("the hub refused the form with HTTP status %d: %s", resp.StatusCode, strings.TrimSpace(string(answer)))
	}
	var receipt struct{ ID string }
	err = json.Unmarshal(answer, &receipt)
	return receipt.ID, false, err
}
