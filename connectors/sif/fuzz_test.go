package sif_test

import (
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// FuzzChanges: from whatever place and whatever is told, each report is whole, and the
// next place is one that can be gone on from.
func FuzzChanges(f *testing.F) {
	const one = `{"Successful":true,"Cases":[{"Recno":1,"CaseNumber":"BUN 2026/00001","ExternalId":{"Id":"01JH-diarium","Type":"KNUTPUNKT"},"LastChangedDate":"2026-01-15T07:41:10","Status":"Beslutat"}],"TotalCount":1,"TotalPageCount":1}`
	f.Add("", one)
	f.Add("2026-01-15T07:41:10.000Z", strings.Replace(one, "2026-01-15T07:41:10", "2026-07-15T07:41:10.123+02:00", 1))
	f.Add("now", one)
	f.Add("2026-01-15T07:41:10.000Z", strings.Replace(one, "Beslutat", "<b>\\u0000", 1))
	f.Add("9999-12-31T23:59:59.999Z", strings.Replace(one, "2026", "0001", 1))
	answer := ""
	system := answering(f, &answer)
	f.Fuzz(func(t *testing.T, since, said string) {
		answer = said
		reports, next, err := system.Tracker.Changes(t.Context(), hub.Cursor(since))
		if err != nil {
			if next != hub.Cursor(since) || len(reports) > 0 {
				t.Errorf("over an error the place became %q, with %d reports", next, len(reports))
			}
			return
		}
		for _, r := range reports {
			if r.ID == "" || r.Ref == "" || r.Word == "" || r.At.IsZero() || r.At.After(time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)) {
				t.Errorf("half a report: %+v", r)
			}
		}
		answer = `{"Successful":true,"Cases":[],"TotalCount":0,"TotalPageCount":0}`
		if _, _, err := system.Tracker.Changes(t.Context(), next); err != nil {
			t.Errorf("from %q there is no going on: %v", next, err)
		}
	})
}
