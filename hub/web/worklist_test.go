package web_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/web"
)

// hold has a row rest for a reason, as the hub itself does when it finds out: a form, or
// the delivery of one to a system that nothing else is delivered to.
func (b *bed) hold(t testing.TB, n int, r hub.Reason, kind hub.Kind) (key string) {
	t.Helper()
	for {
		key, err := b.tryToHold(t, n, r, kind)
		if err == nil {
			return key
		}
		if !errors.Is(err, hub.ErrLost) {
			t.Fatal(err)
		}
		n += 1000 // the hub that runs was quicker to take it in hand
	}
}

func (b *bed) tryToHold(t testing.TB, n int, r hub.Reason, kind hub.Kind) (key string, err error) {
	t.Helper()
	lease := hub.Lease{Boot: b.boot, Token: int64(1000 + n), Until: time.Now().Add(time.Minute)}
	intake, err := b.store.Intake(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer intake.Close()
	arrived, err := b.store.Receive(t.Context(), hub.Arrival{
		Submission: hub.Submission{
			Municipality: "1080", Service: "altan", Answers: hub.NewAnswers(map[string]any{}),
			Source: hub.Ref{System: "karlskrona.portal", ID: fmt.Sprint("held-", n), Version: "1"},
		},
		Client: "portal", Fingerprint: [32]byte{byte(n), byte(n >> 8)}, Intake: intake, Now: time.Now(), Lease: lease,
	})
	if err != nil {
		t.Fatal(err)
	}
	form, of := hub.Key(arrived.Submission.ID), arrived.Case.ID
	apply := func(e hub.Event) {
		if err == nil {
			_, _, err = b.store.Apply(t.Context(), of, e)
		}
	}
	now := hub.When{At: time.Now()}
	if kind == hub.FormKind {
		apply(hub.Stopped{When: now, Key: form, Lease: lease, Reason: r, Note: "rad 12"})
		return string(form), err
	}
	apply(hub.Planned{When: now, Key: form, Lease: lease, Revision: "r1", Deliveries: []hub.Plan{{Leg: "arkiv", System: "karlskrona.arkiv", Level: hub.Lookup}}})
	delivery := hub.KeyOf(arrived.Submission.ID, "arkiv")
	apply(hub.Claimed{When: now, Key: delivery, Lease: lease})
	apply(hub.Stopped{When: now, Key: delivery, Lease: lease, Reason: r, Note: "rad 12"})
	return string(delivery), err
}

// TestEveryHeldStateIsOnTheWorkList: whatever a form or a delivery rests for, it is on the
// page, once, with what has happened, what it means, who can put it right and what is
// safe; and its own page says the same and offers something to do.
func TestEveryHeldStateIsOnTheWorkList(t *testing.T) {
	b := newBed(t)
	type resting struct {
		key    string
		reason hub.Reason
	}
	var all []resting
	for i, r := range hub.Reasons {
		all = append(all, resting{b.hold(t, 2*i, r, hub.FormKind), r}, resting{b.hold(t, 2*i+1, r, hub.DocumentKind), r})
	}
	var list struct {
		Cards []struct {
			ID, Sort, Title, Happened, Applicant, Who, Safe, Note, Command string
			Reason                                                         hub.Reason
			Keys                                                           []string
		}
	}
	decode(t, ask(t, b.operator, "GET", "/v1/worklist", "", registrator), &list)
	page, _, _ := strings.Cut(ask(t, b.operator, "GET", "/console", "").body, "Senast rörda ärenden")
	for _, rests := range all {
		cards := 0
		for _, c := range list.Cards {
			for _, key := range c.Keys {
				if key != rests.key {
					continue
				}
				cards++
				if c.Reason != rests.reason || c.Title == "" || c.Note != "rad 12" || !strings.HasPrefix(c.Command, "knutpunkt deliveries ") {
					t.Errorf("%s: %+v", rests.reason, c)
				}
				for _, told := range []string{c.Happened, c.Applicant, c.Who, c.Safe} {
					if told == "" || !strings.Contains(html.UnescapeString(page), told) {
						t.Errorf("%s: the page does not say %q", rests.reason, told)
					}
				}
			}
		}
		if links := strings.Count(page, "<code>"+rests.key+"</code>"); cards != 1 || links != 1 {
			t.Errorf("%s: %s is on %d cards, and is named %d times on the page", rests.reason, rests.key, cards, links)
		}
		if of := ask(t, b.operator, "GET", "/console/cases/"+rests.key[:26], "").body; !strings.Contains(of, "Vad är säkert att göra?") || !strings.Contains(of, "<form") {
			t.Errorf("%s: its own page has nothing to do", rests.reason)
		}
	}
	if len(list.Cards) != len(all) {
		t.Errorf("%d cards for %d causes", len(list.Cards), len(all))
	}
	if other := ask(t, b.operator, "GET", "/console", "", eslovare).body; !strings.Contains(other, "Inget ligger i felkorgen.") {
		t.Error("another municipality sees it")
	}
	checkSilent(t, page)
}

// TestAnOutageIsOneCard: however many wait, a system that is out of order is one incident;
// a planned window is none; and when it is over nothing is left on the list.
func TestAnOutageIsOneCard(t *testing.T) {
	b := newBed(t)
	b.diarium.say(hub.Unavailable(errors.New("HTTP status 401"), hub.Credentials))
	b.submit(t, "1")
	awaitPage(t, b, "Diarium (Karlskrona kommun) svarar 401 sedan ")
	for i := range 3 {
		b.submit(t, fmt.Sprint(2+i))
	}
	page := awaitPage(t, b, "4 ärenden väntar")
	for _, want := range []string{"nyckel eller certifikat inte gäller", "Den sökande ser att ärendet är inkommet", "Den som förvaltar systemet", "skickar allt, i ordning"} {
		if !strings.Contains(page, want) {
			t.Errorf("nothing says %q", want)
		}
	}
	if n := strings.Count(page, `<article class="card`); n != 1 || strings.Contains(page, "På väg") {
		t.Errorf("%d cards: %s", n, page)
	}
	if other := ask(t, b.operator, "GET", "/console", "", eslovare).body; strings.Contains(other, "401") {
		t.Error("another municipality is told of it")
	}
	b.closed.Store(true)
	page = awaitPage(t, b, "Planerade stopp")
	if strings.Contains(page, `<article class="card`) {
		t.Errorf("a planned window is an incident: %s", page)
	}
	b.closed.Store(false)
}

// awaitPage asks for the work list until it says something.
func awaitPage(t *testing.T, b *bed, want string) string {
	t.Helper()
	for range 500 {
		if page := ask(t, b.operator, "GET", "/console", "").body; strings.Contains(page, want) {
			return page
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
	t.Fatalf("the work list never says %q: %s", want, ask(t, b.operator, "GET", "/console", "").body)
	return ""
}

// TestWhatOfOursIsOutOfOrder: a disk that takes no more, and a database that is an older
// copy, are on the list too.
func TestWhatOfOursIsOutOfOrder(t *testing.T) {
	b := makeBed(t)
	restored := time.Now().Add(-time.Hour)
	b.tune = func(o *web.Options) {
		o.Restored = func(context.Context) (time.Time, int, error) { return restored, 7, nil }
	}
	b.start(t)
	page := ask(t, b.operator, "GET", "/console", "").body
	if !strings.Contains(page, "Databasen är en äldre kopia") || !strings.Contains(page, "7 ärenden var inte klara") {
		t.Errorf("nothing tells of the restore: %s", page)
	}
	report := hub.Report{ID: "r-1", Ref: "SBN 2026/404", Step: hub.Beslutat, At: time.Now()}
	if _, err := b.store.Report(t.Context(), "karlskrona.diarium", []hub.Report{report}, "1", time.Now().Add(-25*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if page := ask(t, b.operator, "GET", "/console", "").body; !strings.Contains(page, "1 rapport från system passar inget ärende") {
		t.Errorf("nothing tells of a report that fits nothing: %s", page)
	}
	restored = time.Now().Add(-30 * 24 * time.Hour)
	b.disk.Store(1)
	b.stop()
	b.start(t)
	page = ask(t, b.operator, "GET", "/console", "").body
	if !strings.Contains(page, "Inget tas emot") || strings.Contains(page, "äldre kopia") {
		t.Errorf("nothing tells of the disk, or the restore is told of for ever: %s", page)
	}
	if a := ask(t, b.operator, "GET", "/readyz", ""); a.status != http.StatusServiceUnavailable {
		t.Errorf("ready: %d", a.status)
	}
}
