package verbs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// tallied posts what the portal says that it sent today, and gives what is missing.
func (s *site) tallied(service string, ids ...string) (missing []string) {
	s.Helper()
	body, _ := json.Marshal(map[string]any{
		"municipality": "1080", "source": "portal", "service": service, "day": hub.DayOf(time.Now()), "sent": len(ids), "ids": ids,
	})
	req, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.url("v1/tallies"), bytes.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ IDs []string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		s.Fatalf("the tally is answered with %d, %v", resp.StatusCode, err)
	}
	return answer.IDs
}

// reconciles runs knutpunkt reconcile over today, and gives the balances by e-service.
func (s *site) reconciles(want int) map[string]hub.Balance {
	s.Helper()
	p := startCommand(s.T, exec.Command(binary, "reconcile", "--config", s.dir, "--days", "1", "--json"))
	if code := p.finish(s.T); code != want {
		s.Errorf("it exits %d, want %d: %s", code, want, p.errs.String())
	}
	var balances []hub.Balance
	if err := json.Unmarshal([]byte(p.out.String()), &balances); err != nil {
		s.Fatalf("%v: %s", err, p.out.String())
	}
	all := map[string]hub.Balance{}
	for _, b := range balances {
		if b.Unexplained != 0 {
			s.Errorf("%s: %d unexplained: %+v", b.Service, b.Unexplained, b)
		}
		all[b.Service] = b
	}
	return all
}

// The tally of a bad Monday: a register that is down, systems that refuse, that do not
// answer and that are busy, a hub that is killed, people who decide, and a form that never
// left the platform. It adds up, with each gap named and owned; and when everything has been
// seen to it closes.
func TestTheTallyOfABadMonday(t *testing.T) {
	t.Parallel()
	s := newStaff(t)
	p := s.run()
	key := func(n int) string { return fmt.Sprintf("monday-%04d", n) }
	for _, form := range []answered{s.accepted("kept", key(1)), s.accepted("chain", key(2))} {
		await(t, "delivered", func() bool { return s.isAt(form.ID, hub.Delivered, hub.Confirmed) })
	}
	refused := s.rests("asked", key(3), 422)
	s.desk.answers("asked", 0)
	unclear := s.rests("forgot", key(4), 500)
	s.desk.answers("kept", 503)
	waiting := s.accepted("kept", key(5))
	homeless := s.accepted("nobody-knows", key(6))
	p.end(syscall.SIGKILL)
	p = s.run()
	if missing := s.tallied("kept", key(1), key(5), key(7)); !slices.Equal(missing, []string{key(7)}) {
		t.Errorf("the platform is told that %v are missing", missing)
	}
	s.tallied("chain", key(2))
	s.tallied("asked", key(3))
	s.tallied("forgot", key(4))
	s.tallied("nobody-knows", key(6))
	await(t, "held for having no route", func() bool { return s.row(homeless.ID, hub.Key(homeless.ID)).State == hub.Held })
	await(t, "waiting", func() bool { return s.row(waiting.ID, hub.KeyOf(waiting.ID, "kept")).State == hub.RetryWait })

	day := s.reconciles(1)
	for service, want := range map[string]hub.Gap{
		"kept":         {Kind: hub.NotReceived, Ref: key(7), Owner: hub.Owner{Who: hub.ThePlatform, Name: "karlskrona.portal"}},
		"asked":        {Kind: hub.Resting, Key: hub.Key(refused), Reason: hub.ReasonRefused, Owner: hub.Owner{Who: hub.TheRoute, Name: "chaos@karlskrona.example"}},
		"forgot":       {Kind: hub.Resting, Key: hub.Key(unclear), Reason: hub.ReasonUnclear, Owner: hub.Owner{Who: hub.TheRoute, Name: "chaos@karlskrona.example"}},
		"nobody-knows": {Kind: hub.Resting, Key: hub.Key(homeless.ID), Reason: hub.ReasonNoRoute, Owner: hub.Owner{Who: hub.TheOperations}},
	} {
		b := day[service]
		if len(b.Gaps) == 0 {
			t.Fatalf("%s has no gap", service)
		}
		if g := b.Gaps[0]; g.Kind != want.Kind || g.Ref != want.Ref || g.Key != want.Key || g.Reason != want.Reason || g.Owner != want.Owner {
			t.Errorf("%s: %+v, want %+v", service, g, want)
		}
	}
	if b := day["kept"]; b.Sent != 3 || b.Received != 2 || b.Count(hub.WaitsFor) != 1 || b.Legs[0].Accepted != 1 {
		t.Errorf("%+v", b)
	}

	s.accepted("kept", key(7)) // the platform sends what is missing
	s.desk.answers("kept", 0)
	s.desk.answers("forgot", 0)
	s.must("", "registrator", "release", refused, "--reason", "rättat i systemet")
	s.must("", "registrator", "waive", unclear, "--number", "F 17", "--reason", "finns redan i systemet")
	s.must("", "gruppledare", "approve", unclear, "--reason", "har tittat")
	s.must("", "registrator", "reject", string(homeless.ID), "--reason", "ingen e-tjänst hos oss")
	s.must("", "gruppledare", "approve", string(homeless.ID), "--reason", "har tittat")
	closed := func() bool {
		for _, b := range s.reconciles(0) {
			if !b.Closed() || !b.Told {
				return false
			}
		}
		return true
	}
	await(t, "closed", closed)
	day = s.reconciles(0)
	if b := day["forgot"]; b.Count(hub.ByHand) != 1 || b.Gaps[0].Number != "F 17" {
		t.Errorf("%+v", b)
	}
	if b := day["nobody-knows"]; b.Count(hub.TurnedAway) != 1 {
		t.Errorf("%+v", b)
	}
	if b := day["kept"]; b.Sent != 3 || b.Begun != 3 || b.Legs[0].Accepted != 3 {
		t.Errorf("%+v", b)
	}
	said := startCommand(t, exec.Command(binary, "reconcile", "--config", s.dir, "--days", "1"))
	said.finish(t)
	for _, want := range []string{"sent 3, received 3", "kept to karlskrona.kept", "3 of 3 accepted", "1 registered by hand", "5 balances, 0 open gaps, 0 unexplained"} {
		if !strings.Contains(said.out.String(), want) {
			t.Errorf("nothing says %q: %s", want, said.out.String())
		}
	}
	p.stops(t)
}
