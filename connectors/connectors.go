// Package connectors lists the kinds of system that can be connected. The list is
// explicit: what is in it can be read here, in order, and nothing else is.
//
// A connector of your own needs no place here: a main of three lines hands it to verbs.Main.
package connectors

import (
	"github.com/knutpunkt/knutpunkt/connectors/filedrop"
	"github.com/knutpunkt/knutpunkt/connectors/json"
	"github.com/knutpunkt/knutpunkt/connectors/mail"
	"github.com/knutpunkt/knutpunkt/connectors/messaging"
	"github.com/knutpunkt/knutpunkt/connectors/navet"
	"github.com/knutpunkt/knutpunkt/connectors/oep"
	"github.com/knutpunkt/knutpunkt/connectors/rest"
	"github.com/knutpunkt/knutpunkt/connectors/sif"
	"github.com/knutpunkt/knutpunkt/connectors/webhook"
	"github.com/knutpunkt/knutpunkt/hub"
)

// All are the connectors that ship with Knutpunkt.
var All = []hub.Connector{
	oep.New, json.New, navet.New, sif.New, rest.New, filedrop.New, webhook.New, mail.New, messaging.New,
}
