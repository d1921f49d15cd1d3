// Package connectors lists the kinds of system that can be connected. The list is
// explicit: what is in it can be read here, in order, and nothing else is.
//
// What each can be trusted with stands in its certificate.json, which `knutpunkt connectors
// certify NAME --write` writes. A connector without one is blind.
//
// A connector of your own needs no place here: a main of three lines hands it to verbs.Main.
package connectors

import (
	"embed"

	"github.com/knutpunkt/knutpunkt/connectors/edlevo"
	"github.com/knutpunkt/knutpunkt/connectors/filedrop"
	"github.com/knutpunkt/knutpunkt/connectors/form"
	"github.com/knutpunkt/knutpunkt/connectors/json"
	"github.com/knutpunkt/knutpunkt/connectors/kafka"
	"github.com/knutpunkt/knutpunkt/connectors/kir"
	"github.com/knutpunkt/knutpunkt/connectors/mail"
	"github.com/knutpunkt/knutpunkt/connectors/messaging"
	"github.com/knutpunkt/knutpunkt/connectors/navet"
	"github.com/knutpunkt/knutpunkt/connectors/oep"
	"github.com/knutpunkt/knutpunkt/connectors/paxml"
	"github.com/knutpunkt/knutpunkt/connectors/rest"
	"github.com/knutpunkt/knutpunkt/connectors/sif"
	"github.com/knutpunkt/knutpunkt/connectors/soap"
	"github.com/knutpunkt/knutpunkt/connectors/webhook"
	"github.com/knutpunkt/knutpunkt/hub"
)

// All are the connectors that ship with Knutpunkt.
var All = certified(
	oep.New, json.New, form.New, navet.New, kir.New, sif.New, rest.New, soap.New, edlevo.New, filedrop.New, paxml.New, kafka.New, webhook.New, mail.New, messaging.New,
)

//go:embed */certificate.json
var certificates embed.FS

// certified holds each connector to its certificate.
func certified(all ...hub.Connector) []hub.Connector {
	for i, c := range all {
		all[i] = c.Certified()
		if text, err := certificates.ReadFile(c.Name + "/certificate.json"); err == nil {
			all[i] = c.Certified(hub.MustCertificate(text))
		}
	}
	return all
}
