package web

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A tongue is the language that a citizen's page is in: "sv" or "en".
type tongue string

// languageCookie remembers which language somebody has chosen.
const languageCookie = "language"

// tongueOf gives the language of a call: what its address says, which is remembered; what
// was remembered; or what the browser asks for.
func (s *Server) tongueOf(c *call) tongue {
	if chosen, ok := tongueNamed(c.r.URL.Query().Get("lang")); ok {
		http.SetCookie(c.w, &http.Cookie{
			Name: languageCookie, Value: string(chosen), Path: "/", MaxAge: 365 * 24 * 60 * 60,
			HttpOnly: true, Secure: s.isSecure(c.r), SameSite: http.SameSiteLaxMode,
		})
		return chosen
	}
	if kept, err := c.r.Cookie(languageCookie); err == nil {
		if chosen, ok := tongueNamed(kept.Value); ok {
			return chosen
		}
	}
	return tongue(language(c.r.Header))
}

func tongueNamed(name string) (t tongue, ok bool) { return tongue(name), name == "sv" || name == "en" }

// Other is the language that the page can be had in instead.
func (t tongue) Other() tongue {
	if t == "en" {
		return "sv"
	}
	return "en"
}

// Language is the tongue as HTML names it.
func (t tongue) Language() string { return string(t) }

var errText = errors.New("a page says what there is no text for")

// Say gives one of the texts.
func (t tongue) Say(name string) (string, error) {
	said, known := texts[name]
	if !known {
		return "", errText
	}
	return t.of(said), nil
}

func (t tongue) of(said text) string {
	if t == "en" {
		return said.en
	}
	return said.sv
}

// put fills a text that has places for others.
func (t tongue) put(name string, values ...any) string {
	return fmt.Sprintf(t.of(texts[name]), values...)
}

// day writes a date as people say it, with its year when that is not the present one.
func (t tongue) day(at, now time.Time) string {
	at, now = at.In(hub.Stockholm), now.In(hub.Stockholm)
	written := strconv.Itoa(at.Day()) + " " + t.of(monthTexts[at.Month()-1])
	if at.Year() != now.Year() {
		written += " " + strconv.Itoa(at.Year())
	}
	return written
}

// moment writes when something happened, in Swedish time.
func (t tongue) moment(at, now time.Time) string {
	at, now = at.In(hub.Stockholm), now.In(hub.Stockholm)
	written := t.day(at, now)
	switch at.Format(time.DateOnly) {
	case now.Format(time.DateOnly):
		written = t.of(texts["today"])
	case now.AddDate(0, 0, -1).Format(time.DateOnly):
		written = t.of(texts["yesterday"])
	}
	return t.put("clock", written, at.Format("15:04"))
}

// A dated word has its time in a form for machines too.
type dated struct {
	Text string
	ISO  string // "" for no time
}

// HTML marks the time up.
func (d dated) HTML() template.HTML {
	text := template.HTMLEscapeString(d.Text)
	if d.ISO == "" {
		return template.HTML(text)
	}
	return template.HTML(`<time datetime="` + template.HTMLEscapeString(d.ISO) + `">` + text + `</time>`)
}

func (t tongue) dated(at, now time.Time) dated {
	return dated{t.moment(at, now), at.In(hub.Stockholm).Format(time.RFC3339)}
}

// Units of time that people use beside those that a municipality promises by.
const (
	minutes hub.Unit = "minuter"
	hours   hub.Unit = "timmar"
)

// within writes a time that something is done in, rounded up to what people reckon in.
func (t tongue) within(d time.Duration) string {
	const day = 24 * time.Hour
	for _, u := range []struct {
		unit hub.Unit
		size time.Duration
		upTo time.Duration
	}{{minutes, time.Minute, time.Hour}, {hours, time.Hour, 2 * day}, {hub.Days, day, 14 * day}, {hub.Weeks, 7 * day, 14 * 7 * day}} {
		if d <= u.upTo {
			return t.term(hub.Term{N: max(1, int((d+u.size-1)/u.size)), Unit: u.unit})
		}
	}
	const month = 365 * day / 12
	return t.term(hub.Term{N: int((d + month - 1) / month), Unit: hub.Months})
}

// term writes a time that a municipality promises something in.
func (t tongue) term(d hub.Term) string {
	names := unitTexts[d.Unit]
	name := names[1]
	if d.N == 1 {
		name = names[0]
	}
	return t.put("within", strconv.Itoa(d.N)+" "+t.of(name))
}
