package restsim

import (
	"encoding/json"
	"io"
	"net/http"

	"github.com/knutpunkt/knutpunkt/connectors/simfault"
)

// A Fault is one way to fail. It strikes one call, the next that fits, unless it is Always.
type Fault struct {
	Way    Way
	At     Place // "" means Create
	After  int   // so many calls that fit are let by first
	Always bool  // strikes until Heal
}

// A Place is one of the calls.
type Place string

const (
	Create  Place = "create"
	Find    Place = "find"
	File    Place = "file"
	Files   Place = "files"
	Changes Place = "changes"
	Status  Place = "status"
	Any     Place = "any"
)

// A Way to fail.
type Way string

const (
	Lost        Way = "lost"         // taken, and the line is cut
	Dropped     Way = "dropped"      // the line is cut, and nothing was taken
	Busy        Way = "503"          // nothing taken, Retry-After: 7
	Denied      Way = "401"          // nothing taken
	Redirect    Way = "302"          // nothing taken
	RedirectAll Way = "307"          // nothing taken
	Gone        Way = "404"          // nothing taken
	Html        Way = "html"         // status 200 and a login page, nothing taken
	Empty       Way = "empty"        // taken, and status 200 with nothing in it
	Truncated   Way = "truncated"    // taken, and half an answer
	NoNumber    Way = "no-number"    // taken, status 201, and no number and no id
	WrongEcho   Way = "wrong-echo"   // taken, and the answer names another key
	Refused     Way = "422"          // nothing taken; it quotes a person
	FailBefore  Way = "500-before"   // nothing taken
	FailAfter   Way = "500-after"    // taken
	Slow        Way = "slow"         // taken, and an answer that begins and never ends
	Twice       Way = "twice"        // taken twice: a doubled case, whatever the level
	Exists      Way = "409-existing" // taken, and 409 with the receipt
)

// Fail chooses faults, in the order in which they shall strike.
func (s *Sim) Fail(faults ...Fault) { s.faults.Fail(faults...) }

// Heal clears all faults that have been chosen.
func (s *Sim) Heal() { s.faults.Heal() }

// fault gives the fault that strikes a call.
func (s *Sim) fault(p Place) Fault {
	return s.faults.Next(func(f Fault) simfault.Terms {
		fits := f.At == p || f.At == Any || f.At == "" && p == Create
		return simfault.Terms{Fits: fits, After: f.After, Always: f.Always}
	})
}

// instead answers without making the call.
func (f Fault) instead(w http.ResponseWriter) bool {
	switch f.Way {
	case Dropped:
		panic(http.ErrAbortHandler)
	case Busy:
		simfault.Busy(w)
	case Denied:
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
	case Redirect:
		simfault.Redirect(w, http.StatusFound)
	case RedirectAll:
		simfault.Redirect(w, http.StatusTemporaryRedirect)
	case Gone:
		http.Error(w, "Not Found", http.StatusNotFound)
	case Html:
		simfault.LoginPage(w)
	case Refused:
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		io.WriteString(w, `{"title":"Alva Exempelsson, 199001012385, is not in the register"}`)
	case FailBefore:
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
	default:
		return false
	}
	return true
}

// reply sends the answer, or what the fault leaves of it.
func (f Fault) reply(w http.ResponseWriter, r *http.Request, status int, answer object) {
	switch f.Way {
	case Lost:
		panic(http.ErrAbortHandler)
	case FailAfter:
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	case Empty:
		w.WriteHeader(http.StatusOK)
		return
	case NoNumber:
		answer = object{"reference": answer["reference"]}
	case WrongEcho:
		answer["reference"] = "another-key"
	case Exists:
		status = http.StatusConflict
	}
	body, err := json.Marshal(answer)
	if err != nil {
		panic(err) // it is made of texts and numbers
	}
	if f.Way == Truncated {
		body = body[:len(body)/2]
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if f.Way == Slow {
		simfault.Stall(w, r, body)
		return
	}
	w.Write(body)
}
