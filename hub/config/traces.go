package config

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Traces are where it is told how long each part of a submission's journey takes.
type Traces struct {
	To    string     // the collector's own address for traces
	Ratio float64    // of the submissions that are traced, above 0 and at most 1
	Token hub.Secret // by which the collector knows us; none where it need not
	TLS   TLS
	Line  int // where it stands in knutpunkt.yaml
}

type tracesText struct {
	To    word        `yaml:"to" doc:"the collector's address for OTLP over HTTP, such as https://HOST:4318/v1/traces"`
	Ratio word        `yaml:"ratio,omitempty" doc:"how many of the submissions are traced, such as 10%; all when left out"`
	Token *hub.Secret `yaml:"token,omitempty" doc:"by which the collector knows us, sent as a bearer token: env:NAME or file:PATH"`
	TLS   *tlsText    `yaml:"tls,omitempty" doc:"PEM files: what we show the collector, and whom we trust to be it"`
	Line  int
}

// traces reads where traces go; nil where they go nowhere.
func (p *page) traces(text *tracesText) *Traces {
	if text == nil {
		return nil
	}
	t := &Traces{To: text.To.text, Ratio: p.ratio(text.Ratio), TLS: p.tls(text.TLS), Line: text.Line}
	if text.Token != nil {
		t.Token = *text.Token
	}
	if text.To.text == "" {
		return t
	}
	at, err := url.Parse(text.To.text)
	switch problem := wrongAddress(text.To.text); {
	case problem != "":
		p.said(text.To, "%s", problem)
	case err != nil || !strings.HasPrefix(at.Scheme, "http"):
		p.said(text.To, "traces are sent by OTLP over HTTP: write the address as https://HOST:4318/v1/traces")
	case strings.Trim(at.Path, "/") == "":
		p.said(text.To, "the address ends with the collector's path for traces, which most often is /v1/traces")
	}
	return t
}

func (p *page) ratio(w word) float64 {
	if w.text == "" {
		return 1
	}
	number, isPercent := strings.CutSuffix(w.text, "%")
	percent, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !isPercent || err != nil || !(percent > 0 && percent <= 100) {
		p.said(w, "%s", "ratio is how many of the submissions are traced, above 0% and at most 100%: 10% traces one of ten")
	}
	return percent / 100
}
