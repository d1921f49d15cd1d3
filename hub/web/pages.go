package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

//go:embed pages
var pageFiles embed.FS

var (
	pages  = template.Must(template.New("").Funcs(inPages).ParseFS(pageFiles, "pages/*.html"))
	style  = readPage("pages/style.css")
	script = readPage("pages/case.js")
)

// policyFor lets a page use its own styles and script and nothing else in the world.
func policyFor(styles []template.CSS, script template.JS) string {
	var allowed strings.Builder
	for _, s := range styles {
		allowed.WriteString(" '" + hashOf(string(s)) + "'")
	}
	return "default-src 'none'; style-src" + allowed.String() + "; script-src '" + hashOf(string(script)) +
		"'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
}

// inPages are what templates say with more than a value.
var inPages = template.FuncMap{
	"clock": clock,
	"exact": func(t time.Time) string { return t.Format(time.RFC3339Nano) },
	"form":  func(k hub.Key) string { id, _, _ := strings.Cut(string(k), "-"); return id }, // whose row it is
	"field": func(k hub.Key, verb string) string { return "r-" + verb + "-" + string(k) },  // what a field of it is called
}

func readPage(name string) string {
	text, err := pageFiles.ReadFile(name)
	if err != nil {
		panic("web: a page is not embedded: " + name)
	}
	return string(text)
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// A page is what stands around a body.
type page struct {
	Language, Title string
	Console         bool
	More            []string // styles beside the usual one
	Styles          []template.CSS
	Script          template.JS
	Body            template.HTML
}

// page answers with the template body, filled with v.
func (c *call) page(status int, p page, body string, v any) error {
	inner, err := render(body, v)
	if err != nil {
		return err
	}
	p.Body = template.HTML(inner)
	for _, s := range append([]string{style}, p.More...) {
		p.Styles = append(p.Styles, template.CSS(s))
	}
	whole, err := render("page", p)
	if err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", p.Language)
	h.Set("Content-Security-Policy", policyFor(p.Styles, p.Script))
	if h.Get("Referrer-Policy") == "" {
		h.Set("Referrer-Policy", "same-origin") // or a form of ours would have no Origin
	}
	c.w.WriteHeader(status)
	c.w.Write(whole)
	return nil
}

func render(name string, v any) ([]byte, error) {
	var out bytes.Buffer
	if err := pages.ExecuteTemplate(&out, name, v); err != nil {
		return nil, errPage // the template's own error may quote what was to be shown
	}
	return out.Bytes(), nil
}

// explain answers with what a problem means and what can be done about it.
func (s *Server) explain(c *call) error {
	slug := c.r.PathValue("slug")
	k, known := catalogue[slug]
	if !known {
		return refusal("not-found")
	}
	c.w.Header().Set("Vary", "Accept, Accept-Language")
	if accepts(c.r.Header, "text/html") {
		return c.problemPage(http.StatusOK, refusal(slug))
	}
	if !accepts(c.r.Header, jsonType) {
		return refusal("not-acceptable")
	}
	text := k.in(language(c.r.Header))
	return c.json(http.StatusOK, map[string]any{
		"type": "/problems/" + slug, "title": text.title, "status": k.status, "detail": text.means,
	})
}

// explainPage answers a person's browser with a problem.
func (f *face) explainPage(c *call, p *problem) {
	show := f.sorry
	if f.pages {
		show = func(c *call, p *problem) error { return c.problemPage(p.status, p) }
	}
	if err := show(c, p); err != nil {
		c.w.WriteHeader(p.status)
	}
}

func (c *call) problemPage(status int, p *problem) error {
	l := language(c.r.Header)
	title := catalogue[p.slug].in(l).title
	return c.page(status, page{Language: l, Title: title, Console: c.pages}, "problem", map[string]any{
		"Title": title, "Means": p.means(l), "Faults": faultTextsOf(p.faults), "Status": p.status, "Slug": p.slug, "Language": l,
	})
}
