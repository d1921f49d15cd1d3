package hub_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/knutpunkt/knutpunkt/hub"
)

// levelled is a connector with an operation of each level, and two whose level somebody has
// written.
var levelled = hub.Define("levelled", "Has an operation of each level.", func(context.Context, hub.Env, struct{}) (hub.System, error) {
	return hub.System{Can: hub.Capabilities{
		"known":   {Level: hub.Idempotent},
		"found":   {Level: hub.Lookup, Lag: time.Second},
		"fax":     {Level: hub.Blind},
		"written": {Level: hub.Lookup, Claimed: true},
		"rumour":  {Level: hub.Blind, Claimed: true},
	}}, nil
})

func TestWhatIsNotProvedIsBlind(t *testing.T) {
	kind := func(operations map[string]hub.Level) hub.Certificate {
		return hub.Certificate{Connector: "levelled", Operations: operations}
	}
	own := kind(map[string]hub.Level{"written": hub.Lookup})
	own.System = "karlskrona.levelled"
	other, stranger := own, own
	other.System = "karlskrona.other"
	stranger.Connector = "stranger"
	for _, c := range []struct {
		name, why string
		connector hub.Connector
		sure      string // the operations above blind
	}{
		{"as its code says", "the kit must see what it is to examine", levelled, "found known written"},
		{"as its code says again", "the kit must see it however it comes", levelled.Certified(own).AsCoded(), "found known written"},
		{"no certificate", "what nobody tried is not certified", levelled.Certified(), ""},
		{"one operation", "one operation says nothing of another", levelled.Certified(kind(map[string]hub.Level{"found": hub.Lookup})), "found"},
		{"another level", "who can be asked may not know a Key", levelled.Certified(kind(map[string]hub.Level{"known": hub.Lookup})), ""},
		{"of the kind", "what is written of one system says nothing of the kind, nor the kind of it",
			levelled.Certified(kind(map[string]hub.Level{"written": hub.Lookup, "known": hub.Idempotent})), "known"},
		{"of the system", "it was this system that was tried", levelled.Certified(own), "written"},
		{"of another system", "no two systems are set up alike", levelled.Certified(other), ""},
		{"of another connector", "", levelled.Certified(stranger), ""},
		{"twice", "certificates add up", levelled.Certified(kind(map[string]hub.Level{"found": hub.Lookup})).Certified(own), "found written"},
	} {
		t.Run(c.name, func(t *testing.T) {
			system, err := c.connector.Open(t.Context(), hub.Env{ID: "karlskrona.levelled"}, func(any) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			var sure []string
			for _, operation := range []string{"fax", "found", "known", "rumour", "written"} {
				can := system.Can.Of(operation)
				if can.Level != hub.Blind {
					sure = append(sure, operation)
				}
				if (can.Unproved != "") != (can.Level == hub.Blind && operation != "fax" && operation != "rumour") {
					t.Errorf("%s is %s, and %q is not proved", operation, can.Level, can.Unproved)
				}
			}
			if got := strings.Join(sure, " "); got != c.sure {
				t.Errorf("above blind are %q, not %q: %s", got, c.sure, c.why)
			}
		})
	}
}

func TestCertificatesAreReadAsTheyAreWritten(t *testing.T) {
	written := hub.Certificate{
		Connector: "rest", System: "karlskrona.arende", Entry: "0123456789abcdef", Against: hub.TestSystem, Kit: 2,
		At: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), Operations: map[string]hub.Level{"case": hub.Lookup},
	}
	text, err := written.Text()
	if err != nil {
		t.Fatal(err)
	}
	read, err := hub.ReadCertificate(text)
	if err != nil || !cmp.Equal(read, written) {
		t.Errorf("read is %v, and %v", read, err)
	}
	for _, c := range []struct{ name, old, new string }{
		{"a level that is none", `"lookup"`, `"sure"`},
		{"a ground that is none", `"test-system"`, `"hearsay"`},
		{"a field that is none", `"kit"`, `"tool"`},
		{"of a system, and no entry", `"0123456789abcdef"`, `""`},
		{"of nothing", `"rest"`, `""`},
		{"cut short", "}\n}\n", ""},
		{"two", "}\n}\n", "}\n}\n{}"},
		{"a brace too many", "}\n}\n", "}\n}\n}"},
	} {
		if broken := bytes.Replace(text, []byte(c.old), []byte(c.new), 1); bytes.Equal(broken, text) {
			t.Errorf("%s: nothing is broken", c.name)
		} else if _, err := hub.ReadCertificate(broken); err == nil {
			t.Errorf("%s: it is read", c.name)
		}
	}
}
