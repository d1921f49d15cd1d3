package sif

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

const (
	// beginning is how far back the empty cursor reaches.
	beginning = 30 * 24 * time.Hour
	// overlap is what each question repeats of the one before, besides the lag: a case may change
	// while the pages are read.
	overlap = 5 * time.Second
)

// Changes tells the Status of every case of the hub's that has changed since the cursor, which is the
// system's own time of the latest change that was seen, less what may have been invisible.
//
// It asks for cases and not for GetEvents, since an event does not say which Status the case has, nor
// by which number people know it.
func (s *site) Changes(ctx context.Context, since hub.Cursor) ([]hub.Report, hub.Cursor, error) {
	from := s.env.Clock().Add(-beginning)
	if since != "" {
		var err error
		if from, err = time.Parse(cursorTime, string(since)); err != nil {
			return nil, since, errors.New("the cursor is none of ours")
		}
	}
	var reports []hub.Report
	latest, tomorrow := from, s.env.Clock().Add(24*time.Hour) // one case dated 9999 is not to end all listening
	err := s.pages(ctx, s.env.Reads, "CaseService/GetCases", "Cases", map[string]any{
		"LastDate": from.UTC().Format(cursorTime), "MaxReturnedCases": pageSize,
	}, func(c map[string]any) error {
		report, ours, err := s.report(c)
		if err != nil {
			return err
		}
		if report.At.After(latest) && !report.At.After(tomorrow) {
			latest = report.At
		}
		if ours {
			reports = append(reports, report)
		}
		return nil
	})
	if err != nil {
		return nil, since, err
	}
	if next := latest.Add(-s.conf.Lag - overlap); next.After(from) {
		since = hub.Cursor(next.UTC().Format(cursorTime))
	}
	return reports, since, nil
}

// cursorTime is how the product's adapters write a time.
const cursorTime = "2006-01-02T15:04:05.000Z"

// report reads one case, and tells whether it is one that the hub has made. A change is known by the
// case, its time and its word, so that a word can come again later and be heard.
func (s *site) report(c map[string]any) (r hub.Report, ours bool, err error) {
	at, ok := parseTime(text(c, "LastChangedDate"))
	recno, number := reply(c).recno(), text(c, "CaseNumber")
	if !ok || recno == "" || number == "" {
		return r, false, hub.Strange(errors.New("CaseService/GetCases: a case without LastChangedDate, Recno or CaseNumber"))
	}
	word := text(c, "Status")
	sum := sha256.Sum256([]byte(word))
	r = hub.Report{
		ID:  fmt.Sprintf("%s@%s.%s", recno, at.UTC().Format(cursorTime), hex.EncodeToString(sum[:4])),
		Ref: number, Word: word, At: at,
	}
	external, _ := c["ExternalId"].(map[string]any)
	return r, text(external, "Type") == s.conf.ExternalType && word != "", nil
}
