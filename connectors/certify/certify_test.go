package certify_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/hub"
)

func subject(t *testing.T, f flaw, role string) certify.Subject {
	c := diariumWith(f, role)
	s := certify.Subject{
		Connector: c,
		Decode:    connectortest.Decode(t, c),
		Config:    "url: {{URL}}\ntoken: {{SECRET}}\n",
		Fake:      lateFake,
		Persons:   certify.Persons{Known: known, Another: another, Unknown: unknown, Protected: protected},
		Forms: []certify.Form{{
			Name: "en ansökan", Type: "application/json",
			Body: `{"id":"1001","tjanst":"702","svar":{"namn":"` + certify.Name + `","nr":"` + certify.Number + `"}}`,
		}},
		Broken: []certify.Form{{Name: "en lista", Type: "application/json", Body: `["` + certify.Name + `"]`}},
		Files:  map[hub.Fetch]string{{Kind: "fil", File: "1"}: drawing},
		Told:   hub.Ref{System: "karlskrona.diarium", ID: "1001", Version: "1"},
		To:     two(t),
	}
	if role == "" || role == "destination handlingar" {
		s.Deliveries = map[string]hub.Delivery{"handlingar": {Files: []hub.File{
			certify.File("ritning.pdf", "application/pdf", "en ritning"),
			certify.File(certify.Name+".pdf", "application/pdf", "en skrivelse"),
		}}}
	}
	return s
}

func TestGoodConnector(t *testing.T) {
	connectortest.Run(t, subject(t, none, ""))
}

// A certificate that never refused anybody proves nothing.
func TestSeededFlaws(t *testing.T) {
	for _, c := range []struct {
		flaw flaw
		role string
		name string // of the case that finds it
	}{
		{newKey, "destination arende", "yes"},
		{hidesLag, "destination handlingar", "yes"},
		{createsTwice, "destination handlingar", "yes"},
		{sharesState, "destination arende", "yes"},
		{forgetsFile, "destination handlingar", "yes"},
		{noReceiptParts, "destination handlingar", "yes"},
		{findsNoParts, "destination handlingar", "yes"},
		{leavesOpen, "destination handlingar", "yes"},
		{readsMakes, "destination arende", "yes"},
		{ownClient, "destination arende", "yes"},
		{logsBody, "destination arende", "yes"},
		{quotesBody, "destination arende", "no"},
		{doubtsRefusal, "destination arende", "no"},
		{busyIsNo, "destination arende", "not now"},
		{downIsDoubt, "destination arende", "not there"},
		{pageIsReceipt, "destination arende", "nonsense"},
		{panicsOnHTML, "destination arende", "nonsense"},
		{neverFinds, "destination arende", "don't know"},
		{cannotTellLookup, "destination handlingar", "don't know"},
		{lossIsLater, "destination arende", "don't know"},
		{blindFinds, "destination anteckning", "don't know"},
		{retriesInside, "destination anteckning", "don't know"},
		{alwaysFinds, "destination handlingar", "cut between calls"},
		{follows, "destination arende", "redirect"},
		{ignoresContext, "destination arende", "cancelled"},
		{findTrustsPage, "destination arende", "find"},
		{okIsTaken, "destination handlingar", "fault inside"},
		{anyCharset, "destination arende", "charset"},
		{anyKey, "destination arende", "answers twice"},
		{boasts, "destination handlingar", "sent twice"},
		{oneRead, "destination arende", "slow"},
		{readsOn, "destination arende", "slow"},
		{pageIsNobody, "register", "nonsense"},
		{numberInURL, "register", "found"},
		{anyAnswer, "register", "mismatch"},
		{forgetsMark, "register", "protected"},
		{freshIDs, "tracker", "a word twice"},
		{cursorSkips, "tracker", "goes on"},
		{pageIsSilence, "tracker", "nonsense"},
		{renamesWord, "tracker", "out of order"},
		{pollsFreshIDs, "poller", "a word twice"},
		{pollsNobodys, "poller", "a word twice"},
		{pollsNewest, "poller", "goes on"},
		{pollsPage, "poller", "nonsense"},
		{pollsStuck, "poller", "cancelled"},
		{tellsTwice, "teller", "told twice"},
		{tellsFirst, "teller", "each"},
		{tellsNobody, "teller", "nobody"},
		{quotesForm, "source", "malformed"},
		{refusesForm, "source", "malformed"},
		{readsTime, "source", "the same form twice"},
		{goneWhenDown, "fetcher", "nonsense"},
		{halfFile, "fetcher", "nonsense"},
		{neverGone, "fetcher", "gone"},
		{callsAtOpen, "connector", "config"},
		{undocumented, "connector", "config"},
	} {
		t.Run(string(c.flaw), func(t *testing.T) {
			t.Parallel()
			findings := certify.Check(t.Context(), subject(t, c.flaw, c.role))
			if !slices.ContainsFunc(findings, func(f certify.Finding) bool {
				return f.Role == c.role && f.Case == c.name
			}) {
				t.Errorf("not found by %s, %s; these were:\n%v", c.role, c.name, findings)
			}
			for _, f := range findings {
				if strings.Contains(f.String(), certify.Number[2:]) || strings.Contains(f.String(), certify.Name) {
					t.Errorf("a Finding repeats what must not be said: %v", f)
				}
			}
		})
	}
}

// TestGoodFolder examines a connector that calls nobody.
func TestGoodFolder(t *testing.T) {
	connectortest.Run(t, folderSubject(dropWith(none)))
}

func TestSeededFolderFlaws(t *testing.T) {
	for _, c := range []struct {
		flaw flaw
		name string
	}{
		{namesFile, "yes"}, {noFolderIsDoubt, "not there"}, {halfDrop, "broken file"}, {neverFinds, "yes"},
		{forgetsDone, "taken away"},
	} {
		t.Run(string(c.flaw), func(t *testing.T) {
			s := folderSubject(dropWith(c.flaw))
			s.Decode = connectortest.Decode(t, s.Connector)
			findings := certify.Check(t.Context(), s)
			if !slices.ContainsFunc(findings, func(f certify.Finding) bool { return f.Case == c.name }) {
				t.Errorf("not found by %s; these were:\n%v", c.name, findings)
			}
		})
	}
}

func folderSubject(c hub.Connector) certify.Subject {
	return certify.Subject{
		Connector: c,
		Config:    "folder: '{{DIR}}/in'\ndone: '{{DIR}}/done'\n",
		Folder: func(dir string) certify.Folder {
			f := dropFolder{filepath.Join(dir, "in"), filepath.Join(dir, "done")}
			os.Mkdir(f.in, 0o700)
			os.Mkdir(f.done, 0o700)
			return f
		},
		Deliveries: map[string]hub.Delivery{"fil": {Files: []hub.File{
			certify.File(certify.Name+".pdf", "application/pdf", "en ritning"),
		}}},
	}
}
