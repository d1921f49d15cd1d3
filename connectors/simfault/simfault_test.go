package simfault_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/knutpunkt/knutpunkt/connectors/simfault"
)

type fault struct {
	way, at string
	after   int
	always  bool
}

// strikes makes calls at places, and gives the ways in which they fail.
func strikes(q *simfault.Queue[fault], places ...string) (ways []string) {
	for _, place := range places {
		f := q.Next(func(f fault) simfault.Terms {
			return simfault.Terms{Fits: f.at == place, After: f.after, Always: f.always}
		})
		ways = append(ways, f.way)
	}
	return ways
}

func TestWhichFaultStrikes(t *testing.T) {
	for _, c := range []struct {
		name, why string
		chosen    []fault
		calls     []string
		want      []string
	}{
		{"none", "a simulator that nobody told to fail is well", nil, []string{"a"}, []string{""}},
		{"each once", "in the order in which they were chosen",
			[]fault{{way: "1", at: "a"}, {way: "2", at: "a"}}, []string{"a", "a", "a"}, []string{"1", "2", ""}},
		{"the next that fits", "what fits another call waits for it",
			[]fault{{way: "1", at: "b"}, {way: "2", at: "a"}}, []string{"a", "b", "b"}, []string{"2", "1", ""}},
		{"after", "only calls that fit are let by",
			[]fault{{way: "1", at: "a", after: 2}}, []string{"a", "b", "a", "a", "a"}, []string{"", "", "", "1", ""}},
		{"a later one meanwhile", "a call that one fault lets by, another may strike",
			[]fault{{way: "1", at: "a", after: 1}, {way: "2", at: "a"}}, []string{"a", "a"}, []string{"2", "1"}},
		{"always", "it strikes again and again, once it has let by what it lets by",
			[]fault{{way: "1", at: "a", after: 1, always: true}}, []string{"a", "a", "b", "a"}, []string{"", "1", "", "1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var q simfault.Queue[fault]
			q.Fail(c.chosen...)
			if got := strikes(&q, c.calls...); !slices.Equal(got, c.want) {
				t.Errorf("the calls fail %q, want %q: %s", got, c.want, c.why)
			}
		})
	}
}

func TestHealClearsAll(t *testing.T) {
	var q simfault.Queue[fault]
	q.Fail(fault{way: "1", at: "a", always: true})
	q.Fail(fault{way: "2", at: "a"})
	q.Heal()
	if got := strikes(&q, "a"); got[0] != "" {
		t.Errorf("healed, it still fails %q", got)
	}
}

func TestOnceStrikesAnything(t *testing.T) {
	var q simfault.Queue[string]
	q.Fail("1", "2")
	if got := []string{q.Next(simfault.Once), q.Next(simfault.Once), q.Next(simfault.Once)}; !slices.Equal(got, []string{"1", "2", ""}) {
		t.Errorf("it fails %q", got)
	}
}

// TestAStalledAnswerHasBegun: whoever waits for the rest gives up by his own clock, not for want of an answer.
func TestAStalledAnswerHasBegun(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		simfault.Stall(w, r, []byte(`{"number":"ÄR 1"}`))
	}))
	defer server.Close()
	ctx, giveUp := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	begun := make([]byte, 1)
	if _, err := io.ReadFull(answer.Body, begun); err != nil || begun[0] != '{' {
		t.Errorf("it begins with %q: %v", begun, err)
	}
	giveUp()
	if rest, err := io.ReadAll(answer.Body); err == nil {
		t.Errorf("it ends, with %q", rest)
	}
}
