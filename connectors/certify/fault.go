package certify

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
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

	soapFault = `<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>` +
		`<soap:Fault><faultcode>soap:Server</faultcode><faultstring>` + Name + " " + Number + `</faultstring></soap:Fault></soap:Body></soap:Envelope>`

	refuses   = say(http.StatusUnprocessableEntity, json, quoting)
	isBusy    = say(http.StatusServiceUnavailable, http.Header{"Retry-After": {"7"}}, quoting)
	isBroken  = say(http.StatusInternalServerError, plain, "unexpected: "+quoting)
	asksLogin = say(http.StatusOK, html, loginPage)
	isEmpty   = say(http.StatusOK, nil, "")
	moves     = say(http.StatusFound, http.Header{"Location": {elsewhere}}, "")
	movesBody = say(http.StatusTemporaryRedirect, http.Header{"Location": {elsewhere}}, "")
)

// faultsInside say with 200 OK that something went wrong.
var faultsInside = []variant{
	{"200 with a fault in JSON", say(http.StatusOK, json, quoting)}, {"200 with a SOAP fault", say(http.StatusOK, xml, soapFault)},
}

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

// comesTwice has the fake take the call twice, and say what it said the second time.
func comesTwice(l *line, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		hangUp(w)
		return
	}
	var a *answer
	for range 2 {
		r.Body = io.NopCloser(bytes.NewReader(body))
		a = l.pass(l.count(), r)
	}
	a.copyTo(w)
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

// drips answers with nothing but blanks, byte by byte, until the caller gives up. It closes
// begun when a few have come.
func drips(begun chan struct{}) effect {
	var once sync.Once
	return func(_ *line, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		for n := 0; r.Context().Err() == nil; n++ {
			if _, err := io.WriteString(w, " "); err != nil || http.NewResponseController(w).Flush() != nil {
				return
			}
			if n == 16 {
				once.Do(func() { close(begun) })
			}
		}
	}
}

// spells has the fake take the call, and its answer come byte by byte.
func spells(l *line, w http.ResponseWriter, r *http.Request) {
	a := l.pass(l.count(), r)
	body := a.body.Bytes()
	a.body = bytes.Buffer{}
	a.copyTo(w)
	for i := range body {
		w.Write(body[i : i+1])
		http.NewResponseController(w).Flush()
	}
}

// charsets are the ways in which an answer is in another charset than it says.
var charsets = []variant{{"Latin-1 that is called UTF-8", miswrites}, {"UTF-8 that is called Latin-1", miscalls}}

// miswrites has the fake take the call, and answers in Latin-1, whatever the answer says.
func miswrites(l *line, w http.ResponseWriter, r *http.Request) {
	a := l.pass(l.count(), r)
	var body []byte
	for _, r := range a.body.String() {
		if r > 0xff {
			r = '?'
		}
		body = append(body, byte(r))
	}
	a.header.Del("Content-Length")
	a.body = *bytes.NewBuffer(body)
	a.copyTo(w)
}

// miscalls has the fake take the call, and calls its answer Latin-1.
func miscalls(l *line, w http.ResponseWriter, r *http.Request) {
	a := l.pass(l.count(), r)
	kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	a.header.Set("Content-Type", cmp.Or(kind, "text/plain")+"; charset=iso-8859-1")
	a.header.Del("Content-Length")
	a.body = *bytes.NewBuffer(utf8Said.ReplaceAll(a.body.Bytes(), []byte("${1}ISO-8859-1$2")))
	a.copyTo(w)
}

// utf8Said is where an XML document says that it is in UTF-8.
var utf8Said = regexp.MustCompile(`(?i)^(<\?xml[^>]*encoding=["'])utf-8(["'])`)

// losses are the ways in which an answer is lost when everything has been done.
var losses = []variant{
	{"a cut line", cuts}, {"half an answer and a cut line", cutsHalf},
	{"half an answer", forgets}, {"500", stumbles},
}

// unanswers say nothing of what was asked.
var unanswers = slices.Concat(losses, faultsInside, []variant{
	{"a login page", asksLogin}, {"an empty 200", isEmpty}, {"503", isBusy}, {"a redirect", moves},
})

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
