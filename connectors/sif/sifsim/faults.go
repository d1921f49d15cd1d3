package sifsim

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/simfault"
)

// A Fault is one way to fail. It strikes one call, the next that fits, unless it is Always.
type Fault struct {
	Way    Way
	At     string // the call that it strikes, such as CaseService/CreateCase; "" for where the Way belongs
	Always bool   // strikes until Heal
}

// A Way to fail.
type Way string

const (
	Refuse           Way = "refuse"            // status 200, Successful false: CreateCase
	RefuseSuccessful Way = "refuse-successful" // an error text although Successful is true: CreateCase
	Blank            Way = "blank"             // Successful, a blank error text and no id, nothing made: CreateCase
	Lost             Way = "lost"              // made, and the line is cut: CreateCase
	FailBefore       Way = "500-before"        // status 500, nothing made: CreateCase
	FailAfter        Way = "500-after"         // made, and status 500: CreateCase
	Hang             Way = "hang"              // made, and never answered: CreateCase
	Trickle          Way = "trickle"           // made, and an answer that never ends: CreateCase
	Truncated        Way = "truncated"         // made, and half an answer: CreateCase
	LoginPage        Way = "login-page"        // status 200 and HTML, nothing made: CreateCase
	Redirect         Way = "redirect"          // status 302, nothing made: CreateCase
	Unauthorized     Way = "401"               // any call
	NotFound         Way = "404"               // any call
	Busy             Way = "503"               // Retry-After: 7; any call
	TwoHits          Way = "two-hits"          // two cases under one ExternalId: GetCases
	Crossed          Way = "crossed"           // somebody else's case: GetCases
	Late             Way = "late"              // the case is invisible for ten times the lag, a minute at least: CreateCase
)

// Fail chooses faults, in the order in which they shall strike.
func (s *Sim) Fail(faults ...Fault) { s.faults.Fail(faults...) }

// Heal clears all faults that have been chosen.
func (s *Sim) Heal() { s.faults.Heal() }

func (s *Sim) fault(method string) Fault {
	return s.faults.Next(func(f Fault) simfault.Terms {
		return simfault.Terms{Fits: f.strikes(method), Always: f.Always}
	})
}

func (f Fault) strikes(method string) bool {
	switch {
	case f.At != "":
		return f.At == method
	case f.Way == Unauthorized || f.Way == NotFound || f.Way == Busy:
		return true
	case f.Way == TwoHits || f.Way == Crossed:
		return method == "CaseService/GetCases"
	}
	return method == "CaseService/CreateCase"
}

// instead answers without making the call.
func (f Fault) instead(w http.ResponseWriter) bool {
	switch f.Way {
	case Unauthorized:
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
	case NotFound:
		http.Error(w, "Not Found", http.StatusNotFound)
	case Busy:
		simfault.Busy(w)
	case FailBefore:
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
	case LoginPage:
		simfault.LoginPage(w)
	case Redirect:
		simfault.Redirect(w, http.StatusFound)
	default:
		return false
	}
	return true
}

// refusal is a reply that makes nothing; nil for none.
func (f Fault) refusal() object {
	switch f.Way {
	case Refuse:
		return refused("SI.Biz.Core.ServiceFramework.BizException: CaseType is not allowed for 199001012385 Alva Exempelsson <operation>CreateCase</operation>")
	case RefuseSuccessful:
		return object{"Recno": 0, "CaseNumber": nil, "Successful": true, "ErrorMessage": "The contact 199001012385 Alva Exempelsson is locked", "ErrorDetails": ""}
	case Blank:
		return object{"Recno": 0, "CaseNumber": nil, "Successful": true, "ErrorMessage": "\n", "ErrorDetails": nil}
	}
	return nil
}

func refused(text string) object {
	return object{"Recno": 0, "Successful": false, "ErrorMessage": text, "ErrorDetails": nil}
}

// reply sends the answer, or what the fault leaves of it.
func (f Fault) reply(w http.ResponseWriter, r *http.Request, answer object) {
	body, err := json.Marshal(answer)
	if err != nil {
		panic(err) // it is made of texts and numbers
	}
	switch f.Way {
	case Lost:
		panic(http.ErrAbortHandler)
	case FailAfter:
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	case Truncated:
		body = body[:len(body)/2]
	case Hang:
		<-r.Context().Done()
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if f.Way == Trickle {
		simfault.Stall(w, r, body)
		return
	}
	w.Write(body)
}

// invisible is how long a new case cannot be found.
func (s *Sim) invisible(f Fault) time.Duration {
	if f.Way == Late {
		return max(10*s.Lag, time.Minute)
	}
	return s.Lag
}

// find gives the cases that a search by ExternalId finds, as Crossed and TwoHits have it.
func (f Fault) find(found []*aCase, key string) []*aCase {
	made := time.Date(2026, 1, 15, 7, 41, 10, 0, time.UTC)
	other := &aCase{Entry: Entry{
		At: made, Recno: 199001, Number: "BUN 2026/90001", Title: "Ett annat ärende", Key: key, Type: "KNUTPUNKT",
	}, word: Words[0], changed: made}
	if f.Way == Crossed {
		other.Key = "another-" + key
		return []*aCase{other}
	}
	return append(slices.Clone(found), other, other)[:2]
}
