package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// A fault is one way in which a business system answers otherwise than it should.
type fault string

const (
	errorBefore  fault = "500-before" // and nothing is made
	errorAfter   fault = "500-after"  // and the case is made
	lost         fault = "lost"       // the case is made and the line is cut
	late         fault = "late"       // the case is made, seconds pass, and the line is cut
	cut          fault = "cut"        // nothing is made and the line is cut
	loginPage    fault = "login-page" // 200 and a page for people; nothing is made
	noNumber     fault = "no-number"  // the case is made and the answer has no number
	truncated    fault = "truncated"  // the case is made and half an answer comes
	crossed      fault = "crossed"    // the case is made and the answer is about another
	found302     fault = "302"        // nothing is made
	redirect307  fault = "307"        // nothing is made
	seeOther303  fault = "303-after"  // the case is made
	endless      fault = "endless"    // the case is made and the answer does not end
	trickle      fault = "trickle"    // the case is made and the answer comes slowly
	refuses      fault = "400"        // this document will never be taken
	unauthorized fault = "401"
	missing      fault = "404"
	tooMany      fault = "429"          // asks for a second
	busyGarbage  fault = "503-garbage"  // with a Retry-After that is no time
	busyPast     fault = "503-1999"     // with a Retry-After in 1999
	busyNegative fault = "503-negative" // with a Retry-After of -1
)

// stores reports whether the case is made in spite of the fault.
func (f fault) stores() bool {
	switch f {
	case "", errorAfter, lost, late, noNumber, truncated, crossed, seeOther303, endless, trickle:
		return true
	}
	return false
}

// clean reports whether the answer says that nothing was taken.
func (f fault) clean() bool {
	switch f {
	case refuses, unauthorized, missing, tooMany, busyGarbage, busyPast, busyNegative:
		return true
	}
	return false
}

// said reports whether the answer says that the case was made, and which.
func (f fault) said() bool { return f == "" || f == trickle }

// The faults that are drawn, the frequent ones several times. What opens a circuit for ten seconds is
// rare, so that the rest gets its turn.
var drawn = []fault{
	errorBefore, errorBefore, errorAfter, errorAfter, errorAfter, lost, lost, lost, lost, late, late, cut, cut,
	loginPage, noNumber, truncated, crossed, found302, redirect307, seeOther303, endless, trickle, trickle,
	refuses, unauthorized, missing, tooMany, tooMany, busyGarbage, busyPast, busyNegative,
}

// How often a delivery meets a fault, by how often it has been sent.
var odds = []float64{0.3, 0.08}

// drawFault gives what befalls the nth post of a delivery. chance is between 0 and 1.
func drawFault(kind string, chance float64, nth int) fault {
	if nth > len(odds) || chance >= odds[nth-1] {
		return ""
	}
	f := drawn[int(chance/odds[nth-1]*float64(len(drawn)))]
	if f == crossed && kind == forgets {
		return lost // who hears no echo of its key cannot tell whose answer it is
	}
	return f
}

// answer says what the fault leaves of the answer.
func (f fault) answer(w http.ResponseWriter, r *http.Request, sink string, answer any) {
	whole, _ := json.Marshal(answer)
	switch f {
	case "":
		writeJSON(w, http.StatusCreated, answer)
	case errorBefore, errorAfter:
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
	case lost, cut:
		panic(http.ErrAbortHandler)
	case late:
		waitFor(r, 2*time.Second)
		panic(http.ErrAbortHandler)
	case loginPage:
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<!DOCTYPE html><title>Logga in</title>")
	case noNumber, crossed:
		writeJSON(w, http.StatusCreated, answer)
	case truncated:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		w.Write(whole[:len(whole)/2])
	case found302, redirect307, seeOther303:
		f.redirect(w, sink)
	case endless:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		for range 64 {
			if _, err := io.WriteString(w, strings.Repeat(" ", 64<<10)); err != nil {
				return
			}
		}
	case trickle:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		for _, b := range whole {
			w.Write([]byte{b})
			http.NewResponseController(w).Flush()
			waitFor(r, 10*time.Millisecond)
		}
	default:
		f.refuse(w)
	}
}

// elsewhere is where redirects lead at the system itself; nobody is to go there.
const elsewhere = "elsewhere"

// redirect sends the caller to another place of the system, or to another system.
func (f fault) redirect(w http.ResponseWriter, sink string) {
	to, status := "../m/"+elsewhere, http.StatusFound
	switch f {
	case redirect307:
		to, status = "/m/"+elsewhere, http.StatusTemporaryRedirect
	case seeOther303:
		to, status = "http://"+sink+"/", http.StatusSeeOther
	}
	w.Header().Set("Location", to)
	w.WriteHeader(status)
}

// refuse says in one way or another that nothing was taken.
func (f fault) refuse(w http.ResponseWriter) {
	after := map[fault]string{tooMany: "1", busyGarbage: "strax", busyPast: "Fri, 31 Dec 1999 23:59:59 GMT", busyNegative: "-1"}[f]
	if after != "" {
		w.Header().Set("Retry-After", after)
	}
	status := map[fault]int{refuses: 400, unauthorized: 401, missing: 404, tooMany: 429}[f]
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	http.Error(w, http.StatusText(status), status)
}

// waitFor lets time pass, unless the caller leaves.
func waitFor(r *http.Request, d time.Duration) {
	select {
	case <-r.Context().Done():
	case <-time.After(d):
	}
}
