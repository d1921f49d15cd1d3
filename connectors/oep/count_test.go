package oep_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/oep"
	"github.com/knutpunkt/knutpunkt/connectors/oep/oepsim"
	"github.com/knutpunkt/knutpunkt/hub"
)

// TestCountADay: what was first submitted within the day is counted once, whatever has
// become of it since; what came before or after, and other families', is not.
func TestCountADay(t *testing.T) {
	sim, url, forms := platform(t)
	day, next, _ := hub.DayOf(noon).Bounds()
	evening := oepsim.Fill(oepsim.Deck, 4, next.Add(-time.Second))
	for _, f := range []oepsim.Form{
		oepsim.Fill(oepsim.Deck, 1, day), evening, evening.Complete(next.Add(time.Hour)),
		oepsim.Fill(oepsim.Deck, 2, day.Add(-time.Second)), oepsim.Fill(oepsim.Deck, 3, next),
	} {
		if err := sim.SendIn(f); err != nil {
			t.Fatal(err)
		}
	}
	system := open(t, oep.Config{URL: url, Statuses: names})
	ref := hub.Ref{ID: strconv.Itoa(evening.Instance)}
	if err := system.Teller.Tell(t.Context(), hub.Telling{Ref: ref, Status: hub.Status{Step: hub.Beslutat}}); err != nil {
		t.Fatal(err)
	}
	sim.Break(oepsim.BareList)
	sim.Fail(oepsim.TwiceInList)
	sent, err := system.Counter.Sent(t.Context(), string(oepsim.Deck), day, next)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]time.Time{
		strconv.Itoa(forms[0].Instance): noon, strconv.Itoa(evening.Instance): next.Add(-time.Second),
		strconv.Itoa(oepsim.Fill(oepsim.Deck, 1, day).Instance): day,
	}
	got := map[string]time.Time{}
	for _, s := range sent {
		got[s.ID] = s.At.In(time.UTC)
	}
	for id, at := range want {
		want[id] = at.In(time.UTC)
	}
	if len(sent) != len(want) || !reflect.DeepEqual(got, want) {
		t.Errorf("it says that %v were sent, and not %v", sent, want)
	}
}

// TestCountWhatGoesWrong: half an answer is none, and nothing of what came is told.
func TestCountWhatGoesWrong(t *testing.T) {
	sim, url, _ := platform(t)
	day, next, _ := hub.DayOf(noon).Bounds()
	for _, c := range []struct {
		name, why string
		fault     oepsim.Fault
		family    string
		answer    hub.Answer
	}{
		{"no family", "only numbers go into an address", "", "702/../../x", hub.DontKnow},
		{"busy", "it says when to come back", oepsim.Busy, "702", hub.NotNow},
		{"login page", "a page is no list", oepsim.LoginPage, "702", hub.DontKnow},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim.Fail(c.fault)
			defer sim.Heal()
			sent, err := open(t, oep.Config{URL: url}).Counter.Sent(t.Context(), c.family, day, next)
			if answer, _, _ := hub.AnswerOf(hub.Receipt{Number: "counted"}, err); err == nil || answer != c.answer || sent != nil {
				t.Errorf("%d forms, %v: %s", len(sent), err, c.why)
			}
		})
	}
	for name, body := range map[string]string{
		"numbers that are none":  "<FlowInstances><FlowInstance><flowInstanceID>7</flowInstanceID><firstSubmittedInMilliseconds>198206822390x</firstSubmittedInMilliseconds></FlowInstance></FlowInstances>",
		"an instance without ID": "<FlowInstances><FlowInstance><firstSubmittedInMilliseconds>1</firstSubmittedInMilliseconds></FlowInstance></FlowInstances>",
		"half a list":            "<FlowInstances><FlowInstance><flowInstanceID>198206822390",
		"another document":       "<Status/>",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := answering(t, 200, []byte(body)).Counter.Sent(t.Context(), "702", day, next)
			if err == nil || strings.Contains(err.Error(), "198206822390") {
				t.Errorf("%v", err)
			}
		})
	}
	_, err := open(t, oep.Config{URL: url}).Counter.Sent(t.Context(), "x", day, next)
	if !errors.Is(err, hub.ErrCannotTell) {
		t.Errorf("who has no number cannot be asked about: %v", err)
	}
}

// TestCountARealList reads a list as a municipality's platform wrote it.
func TestCountARealList(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(formats(t), "oep", "samples", "rest-getinstances-family.xml"))
	if err != nil {
		t.Fatal(err)
	}
	counter := answering(t, 200, text).Counter
	for day, want := range map[hub.Date][]string{"2025-02-14": {"4933", "4932"}, "2025-02-18": {"4965"}, "2025-02-27": {"4999"}, "2025-02-28": nil} {
		from, until, _ := day.Bounds()
		sent, err := counter.Sent(t.Context(), "702", from, until)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, s := range sent {
			ids = append(ids, s.ID)
		}
		if !reflect.DeepEqual(ids, want) {
			t.Errorf("on %s %v were sent, want %v", day, ids, want)
		}
	}
}

// FuzzCount: whatever a platform answers is a list, or an error that repeats nothing of it.
func FuzzCount(f *testing.F) {
	f.Add(200, []byte("<FlowInstances/>"))
	f.Add(503, []byte(""))
	f.Add(200, []byte("<FlowInstances><FlowInstance><flowInstanceID>7\n</flowInstanceID>"+
		"<firstSubmittedInMilliseconds>1772449200000\n</firstSubmittedInMilliseconds></FlowInstance></FlowInstances>"))
	f.Add(200, []byte("<html><body>Logga in</body></html>"))
	from, until, _ := hub.DayOf(noon).Bounds()
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		sent, err := answering(t, status, body).Counter.Sent(t.Context(), "702", from, until)
		if err != nil && len(body) > 20 && strings.Contains(err.Error(), string(body)) {
			t.Error("the error repeats what came")
		}
		for _, s := range sent {
			if n, err := strconv.Atoi(s.ID); err != nil || n <= 0 || s.At.Before(from) || !s.At.Before(until) {
				t.Errorf("%s is no form of the day", s.ID)
			}
		}
	})
}
