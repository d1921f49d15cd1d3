package navetsim_test

import (
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"encoding/csv"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/navet/navetsim"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

const known = "199001012385"

func clock() time.Time { return time.Date(2026, 4, 10, 9, 0, 0, 0, time.UTC) }

func start(t *testing.T, o navetsim.Options) (*navetsim.Sim, string) {
	t.Helper()
	o.Clock = clock
	sim, err := navetsim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(func() { sim.Close(); server.Close() })
	return sim, server.URL + navetsim.Path
}

// question is a good question about number, as a caller of any make may write it.
func question(number string) string {
	return `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>` +
		`<PersonpostRequest xmlns="http://xmls.skatteverket.se/se/skatteverket/folkbokforing/na/epersondata/V1">` +
		`<Bestallning><OrgNr>162021004748</OrgNr><BestallningsId>00000236-FO01-0002</BestallningsId></Bestallning>` +
		`<PersonId>` + number + `</PersonId></PersonpostRequest></e:Body></e:Envelope>`
}

func ask(t *testing.T, client *http.Client, url, contentType, body string) (status int, answer string) {
	t.Helper()
	resp, err := client.Post(url, contentType, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(read)
}

const xmlType = "text/xml;charset=UTF-8"

func TestRefusesWhatTheRealOneRefuses(t *testing.T) {
	sim, url := start(t, navetsim.Options{})
	swap := func(old, new string) string {
		changed := strings.Replace(question(known), old, new, 1)
		if changed == question(known) {
			t.Fatalf("nothing to change: %s", old)
		}
		return changed
	}
	tests := []struct {
		name, url, contentType, body string
		status                       int
		holds                        string
	}{
		{"a good question", url, xmlType, question(known), 200, known},
		{"nobody", url, xmlType, question("189001019802"), 200, "<ns0:Folkbokforingsposter/>"},
		{"another organisation", url, xmlType, swap("162021004748", "162120000142"), 500, "Felaktiga inparametrar"},
		{"another order", url, xmlType, swap("-0002", "-0001"), 500, "Felaktiga inparametrar"},
		{"another namespace", url, xmlType, swap("epersondata/V1", "epersondata/V2"), 500, "Felaktiga inparametrar"},
		{"SOAP 1.2", url, xmlType, swap("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"),
			500, "Felaktiga inparametrar"},
		{"another order of elements", url, xmlType, swap("<OrgNr>162021004748</OrgNr><BestallningsId>00000236-FO01-0002</BestallningsId>",
			"<BestallningsId>00000236-FO01-0002</BestallningsId><OrgNr>162021004748</OrgNr>"), 500, "Felaktiga inparametrar"},
		{"a number with a hyphen", url, xmlType, question("19900101-2385"), 500, "Felaktiga inparametrar"},
		{"no XML", url, xmlType, "{}", 500, "Felaktiga inparametrar"},
		{"SOAP 1.2's media type", url, "application/soap+xml;charset=UTF-8", question(known), 415, "<html>"},
		{"another path", strings.Replace(url, "V4", "V3", 1), xmlType, question(known), 404, "<html>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, answer := ask(t, http.DefaultClient, tt.url, tt.contentType, tt.body)
			if status != tt.status || !strings.Contains(answer, tt.holds) {
				t.Errorf("status %d, want %d and %q in: %s", status, tt.status, tt.holds, answer)
			}
		})
	}
	if got := sim.Counts(); got[navetsim.Registered] != 1 || got[navetsim.NoHit] != 1 || len(sim.Ledger()) != 2 {
		t.Errorf("only what was answered is counted, not %v", got)
	}
}

// The simulator's answers are Navet's own, as far as Skatteverket has published what those are.
func TestAnswersFitTheContract(t *testing.T) {
	formats := formatsFolder(t)
	contract, err := document.CompileXSD(os.DirFS(filepath.Join(formats, "navet/contract/schema")), "Epersondata.xsd")
	if err != nil {
		t.Fatal(err)
	}
	_, url := start(t, navetsim.Options{})
	for _, p := range navetsim.Persons() {
		_, answer := ask(t, http.DefaultClient, url, xmlType, question(p.ID))
		root, err := document.ReadXML(strings.NewReader(answer), document.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		inner, err := document.WriteXML(root.Child("Body").Children[0], document.Style{})
		if err != nil {
			t.Fatal(err)
		}
		if err := contract.Validate(inner); (err == nil) == p.Release2026 {
			t.Errorf("the post about %s (%s): %v", p.ID, p.Kind, err)
		}
	}
}

func TestNumbersAreOfficialTestNumbers(t *testing.T) {
	f, err := os.Open(filepath.Join(formatsFolder(t), "testnumbers/skatteverket-test-identities-all.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(unzipped).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	official := make(map[string]bool)
	for _, row := range rows {
		official[row[0]] = true
	}
	for _, p := range navetsim.Persons() {
		for _, number := range append([]string{p.ID, p.Spouse}, p.References...) {
			if number != "" && !official[number] {
				t.Errorf("%s is no official test number", number)
			}
		}
	}
}

func TestPersonsAreWhole(t *testing.T) {
	all := navetsim.Persons()
	exists := func(number string) bool {
		return slices.ContainsFunc(all, func(p navetsim.Person) bool { return p.ID == number })
	}
	for i, p := range all {
		if _, err := hub.ParsePersonID(p.ID); err != nil {
			t.Errorf("%s: %v", p.ID, err)
		}
		if slices.ContainsFunc(all[:i], func(q navetsim.Person) bool { return q.ID == p.ID }) {
			t.Errorf("%s is there twice", p.ID)
		}
		for _, number := range slices.Concat(p.Guardians, p.References, []string{p.Spouse}) {
			if number != "" && !strings.HasSuffix(number, "0000") && !exists(number) {
				t.Errorf("%s refers to %s, who is nobody", p.ID, number)
			}
		}
	}
}

func TestLedgerRemembersAndHoldsNoNumber(t *testing.T) {
	dir := t.TempDir()
	sim, url := start(t, navetsim.Options{Dir: dir})
	ask(t, http.DefaultClient, url, xmlType, question(known))
	ask(t, http.DefaultClient, url, xmlType, question(known))
	sim.Close()

	name := filepath.Join(dir, "navet-ledger.jsonl")
	written, err := os.ReadFile(name)
	if err != nil || strings.Contains(string(written), known[2:]) {
		t.Fatalf("a number lies in the ledger, or there is none: %v", err)
	}
	if err := os.WriteFile(name, append(written, `{"at":"2026-`...), 0o600); err != nil {
		t.Fatal(err)
	}
	again, url := start(t, navetsim.Options{Dir: dir})
	ask(t, http.DefaultClient, url, xmlType, question(known))
	entries := again.Ledger()
	if len(entries) != 3 || entries[0].Person != entries[2].Person {
		t.Errorf("after a restart with a torn last line the ledger has %d entries, want 3 of the same person", len(entries))
	}
}

func TestTLSWantsACertificate(t *testing.T) {
	dir := t.TempDir()
	sim, err := navetsim.New(navetsim.Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	server := httptest.NewUnstartedServer(sim)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if server.TLS, err = navetsim.TLS(dir); err != nil {
		t.Fatal(err)
	}
	server.StartTLS()
	defer server.Close()

	ca, err := os.ReadFile(filepath.Join(dir, navetsim.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	mine, err := tls.LoadX509KeyPair(filepath.Join(dir, navetsim.CertificateFile), filepath.Join(dir, navetsim.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	client := func(shown ...tls.Certificate) *http.Client {
		return &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: shown},
		}}
	}
	if status, _ := ask(t, client(mine), server.URL+navetsim.Path, xmlType, question(known)); status != 200 {
		t.Errorf("with a certificate: status %d", status)
	}
	resp, err := client().Post(server.URL+navetsim.Path, xmlType, strings.NewReader(question(known)))
	if err == nil {
		resp.Body.Close()
		t.Errorf("without a certificate: status %d, want no answer at all", resp.StatusCode)
	}
	before, _ := os.ReadFile(filepath.Join(dir, navetsim.CertificateFile))
	if _, err := navetsim.TLS(dir); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(filepath.Join(dir, navetsim.CertificateFile)); string(after) != string(before) {
		t.Error("a second start made new certificates")
	}
}

// formatsFolder is where the authorities' own files are.
func formatsFolder(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("KNUTPUNKT_FORMATS")
	if dir == "" {
		t.Skip("KNUTPUNKT_FORMATS names no folder")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}
