package main

import (
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors"
	tested "github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
)

// certificates writes what a vendor's test systems would have proved of ours before anybody went into
// production with them. It is all that the harness has of the hub's own code.
func (w *writer) certificates() {
	if w.err != nil {
		return
	}
	systems, err := config.Systems(w.dir, connectors.All)
	if err != nil {
		w.err = err
		return
	}
	levels := map[string]tested.Level{recognises: tested.Idempotent, tells: tested.Lookup}
	for _, s := range systems {
		_, name, _ := strings.Cut(string(s.ID), ".")
		if level := levels[name]; level != "" {
			w.certificate(s, level)
		}
	}
}

func (w *writer) certificate(s config.System, level tested.Level) {
	text, err := tested.Certificate{
		Connector: s.Connector, System: s.ID, Entry: s.Entry, Against: tested.TestSystem, Kit: 1,
		At: time.Now().UTC(), Operations: map[string]tested.Level{"case": level},
	}.Text()
	if err != nil {
		w.err = err
		return
	}
	w.file(config.CertificateFile(s.ID), text)
}
