package certify_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
)

// A fake is a diarium with a register, a form platform and a list of what happens.
type fake struct {
	cases  map[string]*arende
	notes  int
	events []handelse
	told   map[string]bool
	late   time.Duration // how long a case cannot be found
	passed time.Duration
	made   map[string]time.Duration // when, for the late ones
}

func newFake() certify.Fake {
	return &fake{cases: map[string]*arende{}, told: map[string]bool{}, made: map[string]time.Duration{}}
}

// lateFake shows its cases two seconds after they were made.
func lateFake() certify.Fake {
	f := newFake().(*fake)
	f.late = 2 * time.Second
	return f
}

func (f *fake) Pass(d time.Duration) { f.passed += d }

var registered = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func (f *fake) Cases() int { return len(f.cases) + f.notes }
func (f *fake) Told() int  { return len(f.told) }

func (f *fake) Parts() (n int) {
	for _, a := range f.cases {
		n += len(a.Files)
	}
	return n
}

func (f *fake) Move(number, word string, at time.Time) {
	f.events = append(f.events, handelse{fmt.Sprint(len(f.events) + 1), number, word, at})
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+certify.Secret {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch key := r.Header.Get("Nyckel"); r.Method + " " + r.URL.Path {
	case "POST /arenden":
		// One kind of case is known by its key; the other is not, and only found by it.
		a, there := f.cases[key]
		switch {
		case !there:
			a = &arende{Key: key, Number: fmt.Sprintf("SÖ 2026/%05d", len(f.cases)+1), Registered: registered}
			f.cases[key], f.made[key] = a, f.passed
		case r.FormValue("kind") == "handlingar":
			a = &arende{Key: key, Number: "dubblett", Registered: registered}
			f.cases[fmt.Sprint(key, "-", len(f.cases))] = a
		}
		say(w, a)
	case "POST /handlingar":
		for _, a := range f.cases {
			if a.Number == r.FormValue("nr") {
				a.Files = append(a.Files, r.FormValue("sha"))
				say(w, a)
			}
		}
	case "GET /arenden":
		key := r.FormValue("nyckel")
		if a := f.cases[key]; a != nil && f.passed-f.made[key] >= f.late {
			say(w, a)
			return
		}
		say(w, arende{None: true})
	case "POST /anteckningar":
		f.notes++
		say(w, arende{Number: fmt.Sprint("A ", f.notes), Registered: registered})
	case "POST /personer":
		number, _ := io.ReadAll(r.Body)
		say(w, people[string(number)])
	case "GET /handelser":
		if number := r.FormValue("nr"); number != "" {
			say(w, map[string]any{"Events": f.of(number)})
			return
		}
		since, _ := strconv.Atoi(r.FormValue("efter"))
		say(w, map[string]any{"Events": f.events[min(since, len(f.events)):]})
	case "POST /besked":
		f.told[key] = true
		say(w, arende{Number: "hört"})
	case "GET /filer":
		io.WriteString(w, drawing)
	}
}

// of gives what has happened to one case.
func (f *fake) of(number string) []handelse {
	events := []handelse{}
	for _, e := range f.events {
		if e.Number == number {
			events = append(events, e)
		}
	}
	return events
}

func say(w http.ResponseWriter, v any) { json.NewEncoder(w).Encode(v) }

const drawing = "%PDF-1.7 en ritning"

const (
	known     = "199001012385"
	another   = "198707012392"
	unknown   = "199306302382"
	protected = "201803022399"
)

var people = map[string]person{
	known:     {Number: known, Street: "Provgatan 12"},
	another:   {Number: another, Street: "Skeppsbrokajen 5"},
	unknown:   {Missing: true},
	protected: {Number: protected, Protected: true},
}
