package rows

import (
	"context"
	"fmt"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// ReceiveAndFail writes a form in a transaction that fails afterwards.
func (s *Store) ReceiveAndFail(a hub.Arrival, failure error) (func(*Tx) error, error) {
	in, err := s.prepare(a)
	return func(b *Tx) error {
		if _, err := b.receive(in); err != nil {
			return err
		}
		return failure
	}, err
}

// A Question is what is asked often, and how SQLite is to answer it: by which index, and
// whether it may sort.
type Question struct {
	Name, Text, Want string
	Sorts            bool
}

// Questions are all of them.
func (s *Store) Questions(anna hub.PersonID, noon time.Time) []Question {
	citizen, handler := hub.AsCitizen(anna), hub.AsHandler("h", "1080")
	client := hub.AsClient("c", []hub.Municipality{"1080", "1082"}, nil)
	feed := func(v hub.Viewer, c hub.CaseID) string { text, _ := s.feedQuery(v, c, 0); return text }
	list := func(v hub.Viewer, f hub.Filter) string { text, _ := s.listQuery(v, f); return text }
	overdue, _ := s.overdueQuery(citizen, noon)
	days := hub.Filter{From: noon, Until: noon.Add(time.Hour)}
	return []Question{
		{"claim", s.dialect.Due, "INDEX progress_due (queue=? AND municipality=? AND due<?)", false},
		{"whose turn", waitingMunicipalities, "INDEX progress_due (queue=? AND municipality>?)", false},
		{"oldest", nextDue, "INDEX progress_due (queue=? AND municipality>?)", false},
		{"recover", leasedRows(1), "INDEX progress_leased", false},
		{"report", byRef, "INDEX progress_ref (system=? AND ref=?)", false},
		{"feed of the hub", feed(hub.AsHub(), ""), "SEARCH feed USING INTEGER PRIMARY KEY (rowid>?)", false},
		{"feed of a case", feed(handler, "x"), "INDEX feed_case (case_id=? AND seq>?)", false},
		{"feed of a municipality", feed(handler, ""), "INDEX feed_municipality (municipality=? AND seq>?)", false},
		{"feed of several", feed(client, ""), "SEARCH feed USING INTEGER PRIMARY KEY (rowid>?)", false},
		{"feed of a citizen", feed(citizen, ""), "INDEX feed_case (case_id=? AND seq>?)", true},
		{"list of a municipality", list(handler, hub.Filter{}), "INDEX submissions_municipality (municipality=? AND n>?)", false},
		{"list of several", list(client, hub.Filter{}), "SEARCH s USING INTEGER PRIMARY KEY (rowid>?)", false},
		{"list of a citizen", list(citizen, hub.Filter{}), "INDEX submissions_case (case_id=? AND n>?)", true},
		{"what is held", list(handler, hub.Filter{State: hub.Held}), "INDEX progress_held", true},
		{"what is held for a reason", list(handler, hub.Filter{Reason: hub.ReasonRefused}), "INDEX progress_held (reason=?)", true},
		{"list of some days", list(handler, days), "INDEX submissions_municipality (municipality=? AND n>? AND n<?)", false},
		{"where some days begin and end", list(handler, days), "SEARCH submissions USING COVERING INDEX submissions_inkommen (inkommen>? AND inkommen<?)", false},
		{"list of some days of several", list(client, days), "SEARCH s USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)", false},
		{"what is held of some days", list(handler, hub.Filter{State: hub.Held, From: noon}), "INDEX progress_held", true},
		{"who follows a case", whoFollows, "COVERING INDEX followers_case (case_id=?)", false},
		{"who else follows", anyOthers, "COVERING INDEX followers_case (case_id=?)", false},
		{"what is overdue", overdue, "SEARCH followers USING PRIMARY KEY (person=?)", false},
		{"handling times", handlingTimes, "SEARCH f USING INDEX feed_service (municipality=? AND service=? AND at>?)", false},
		{"the first time of a step", handlingTimes, "SEARCH earlier USING INDEX feed_case (case_id=? AND seq<?)", false},
		{"a reference of ours", byOurs, "SEARCH submissions USING INDEX sqlite_autoindex_submissions_1 (id=?)", false},
		{"a diarienummer", byOurs, "SEARCH cases USING COVERING INDEX cases_ref (ref=?)", false},
		{"whose number it may be", nextSystem, "COVERING INDEX progress_ref (system>?)", false},
		{"a system's number", byTheirs, "INDEX progress_ref (system=? AND ref=?)", true},
		{"reports that wait for a word", waitingReports(3), "INDEX reports_marked (system=? AND mark=?)", true},
		{"what was told since", toldSince, "INDEX reports_case (case_id=? AND rowid>?)", false},
		{"how much was told", countTold, "SEARCH p USING INDEX progress_told (system=? AND since>? AND since<?)", true},
		{"how much was told after it", countTold, "SEARCH p USING INDEX progress_case (case_id=? AND place>?)", true},
		{"what was told", casesTold, "SEARCH p USING INDEX progress_told (system=? AND since>? AND since<?)", false},
		{"which systems are paused", presentPauses, "SCAN pauses USING INDEX pauses_present", false},
		{"untranslated words", fmt.Sprintf(usedWords, s.dialect.First), "SEARCH r USING INTEGER PRIMARY KEY (rowid=?)", true},
		{"what words were used of last", fmt.Sprintf(usedWords, s.dialect.First), "SEARCH reports USING COVERING INDEX reports_marked (system=? AND mark=?)", true},
		{"how many words", countWords, "SCAN words", false},
		{"what a register says of somebody", saysOf, "SEARCH residents USING PRIMARY KEY (register=? AND person=? AND file>? AND file<?)", false},
		{"what a file said in vain", idle[0].rows, "SEARCH residents USING COVERING INDEX residents_file (register=? AND file>?)", false},
		{"what was said before an extract", idle[1].rows, "SEARCH residents USING COVERING INDEX residents_file (register=? AND file<?)", false},
		{"what a later file replaced", idle[2].rows, "SEARCH n EXISTS USING PRIMARY KEY (register=? AND person=? AND file>? AND file<?)", false},
		{"who is gone", idle[3].rows, "SEARCH residents USING", false},
		{"what is not decided", undecided, "SEARCH p USING INDEX progress_ref (system=? AND (ref,key)>(?,?))", false},
	}
}

// Write commits as any method does.
func (s *Store) Write(ctx context.Context, do func(*Tx) error) error { return s.commit(ctx, do) }
