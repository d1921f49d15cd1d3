package certify

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// A fault is what happens to a call instead of being passed on.
type fault struct {
	at int // which call, from 1; 0 is every one
	do effect
}

// An effect answers a call, or does not.
type effect = func(*line, http.ResponseWriter, *http.Request)

// A variant is one of the ways in which the same thing goes wrong.
type variant struct {
	name string
	do   effect
}

// say answers in the system's place: the call never reaches it.
func say(status int, header http.Header, body string) effect {
	return func(_ *line, w http.ResponseWriter, _ *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// serve answers in the system's place by a handler.
func serve(h http.HandlerFunc) effect {
	return func(_ *line, w http.ResponseWriter, r *http.Request) { h(w, r) }
}

// elsewhere is where redirects lead.
const elsewhere = "/certify/elsewhere"

var (
	html      = http.Header{"Content-Type": {"text/html; charset=utf-8"}}
	json      = http.Header{"Content-Type": {"application/json"}}
	xml       = http.Header{"Content-Type": {"text/xml; charset=utf-8"}}
	plain     = http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
	loginPage = "<!DOCTYPE html><html><head><title>Logga in</title></head><body>" +
		"<form action=/login><input name=user value=\"" + Name + " " + Number + "\"></form></body></html>"
	quoting = fmt.Sprintf(`{"error":"%s, %s-%s, kan inte registreras"}`, Name, Number[:8], Number[8:])

	refuses   = say(http.StatusUnprocessableEntity, json, quoting)
	isBusy    = say(http.StatusServiceUnavailable, http.Header{"Retry-After": {"7"}}, quoting)
	isBroken  = say(http.StatusInternalServerError, plain, "unexpected: "+quoting)
	asksLogin = say(http.StatusOK, html, loginPage)
	isEmpty   = say(http.StatusOK, nil, "")
	moves     = say(http.StatusFound, http.Header{"Location": {elsewhere}}, "")
	movesBody = say(http.StatusTemporaryRedirect, http.Header{"Location": {elsewhere}}, "")
)

// cuts has the fake take the call, and then the line is cut, for good.
func cuts(l *line, w http.ResponseWriter, r *http.Request) {
	l.pass(l.count(), r)
	l.cut(w)
}

// cutsHalf has half of the fake's answer come through, and then the line is cut.
func cutsHalf(l *line, w http.ResponseWriter, r *http.Request) {
	a := l.pass(l.count(), r)
	if a.body.Len() > 0 {
		w.Header().Set("Content-Length", strconv.Itoa(a.body.Len()))
		a.body.Truncate(a.body.Len() / 2)
		a.copyTo(w)
		http.NewResponseController(w).Flush()
	}
	l.cut(w)
}

// forgets has the fake take the call, and answers with half of what it said as if it
// were all. Of nothing there is no half: then the line is cut.
func forgets(l *line, w http.ResponseWriter, r *http.Request) {
	a := l.pass(l.count(), r)
	if a.body.Len() == 0 {
		l.cut(w)
		return
	}
	a.header.Del("Content-Length")
	a.body.Truncate(a.body.Len() / 2)
	a.copyTo(w)
}

// stumbles has the fake take the call, and answers that something went wrong.
func stumbles(l *line, w http.ResponseWriter, r *http.Request) {
	l.pass(l.count(), r)
	isBroken(l, w, r)
}

// trickles answers with a single byte and then holds the line until the caller gives
// up. It closes begun when it has come so far.
func trickles(begun chan struct{}) effect {
	var once sync.Once
	return func(_ *line, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		io.WriteString(w, "{")
		http.NewResponseController(w).Flush()
		once.Do(func() { close(begun) })
		<-r.Context().Done()
	}
}

// losses are the ways in which an answer is lost when everything has been done.
var losses = []variant{
	{"a cut line", cuts}, {"half an answer and a cut line", cutsHalf},
	{"half an answer", forgets}, {"500", stumbles},
}

// unanswers say nothing of what was asked.
var unanswers = append(losses[:len(losses):len(losses)],
	variant{"a login page", asksLogin}, variant{"an empty 200", isEmpty},
	variant{"503", isBusy}, variant{"a redirect", moves},
)

// records keeps what the fake answers.
func records(into *[]*answer) effect {
	return func(l *line, w http.ResponseWriter, r *http.Request) {
		a := l.pass(l.count(), r)
		kept := &answer{status: a.status, header: a.header.Clone()}
		kept.body.Write(a.body.Bytes())
		*into = append(*into, kept)
		a.copyTo(w)
	}
}

// replays answers what was recorded, in the same order, to whatever is asked.
func replays(from *[]*answer) effect {
	return func(_ *line, w http.ResponseWriter, _ *http.Request) {
		a := (*from)[0]
		if len(*from) > 1 {
			*from = (*from)[1:]
		}
		a.copyTo(w)
	}
}
