package kafkasim

import (
	"net"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/hub"
)

// Subject is what it takes to examine a connector that writes documents to a topic and takes forms from one.
func Subject() certify.Subject {
	return certify.Subject{
		Config:     "brokers: [\"kafka://{{ADDRESS}}\"]\ndocuments: { topic: arenden }\nforms: { topic: formular, group: knutpunkt }\n",
		Peer:       func() certify.Peer { return &peer{New(1)} },
		Deliveries: map[string]hub.Delivery{"record": {}},
		Patience:   10 * time.Second, // a delivery is a handful of calls: who leads, what is there, who we are
		Forms:      []certify.Form{posted("form", jsonType, form), posted("CloudEvent", eventType, event)},
		Broken: []certify.Form{
			posted("no answers", jsonType, `{"service":"702","source":{"id":"1"}}`),
			posted("an event without a type", eventType, `{"specversion":"1.0","id":"1","source":"/a","data":`+form+`}`),
			posted("an event of text", eventType, `{"specversion":"1.0","id":"1","source":"/a","type":"form","data":"`+certify.Name+`"}`),
			posted("another platform", jsonType, `{"service":"702","source":{"system":"`+certify.Name+`","id":"1"},"answers":{}}`),
			posted("a file that is no base64", jsonType, `{"service":"702","source":{"id":"1"},"answers":{},"attachments":[{"name":"a.txt","content":"`+certify.Number+`-"}]}`),
		},
	}
}

const (
	jsonType  = "application/json"
	eventType = "application/cloudevents+json"
)

func posted(name, mediaType, body string) certify.Form {
	return certify.Form{Name: name, Type: mediaType, Body: body}
}

const form = `{"municipality":"1080","service":"702","source":{"id":"4711","version":"1"},"submitted":"2026-03-02T09:00:00+01:00",
	"applicant":{"personalIdentityNumber":"` + certify.Number + `"},"answers":{"namn":"` + certify.Name + `"},
	"attachments":[{"name":"hej.txt","type":"text/plain","content":"aGVq"}]}`

const event = `{"specversion":"1.0","id":"a1","source":"/portal","type":"se.karlskrona.form","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	"datacontenttype":"application/json","data":` + form + `}`

// A peer is the simulator, as the certificate wants it.
type peer struct{ sim *Sim }

func (p *peer) Serve(conn net.Conn) { p.sim.Serve(conn) }
func (p *peer) Cases() int          { return p.sim.Records() }
func (p *peer) Told() int           { return 0 }

func (p *peer) Turn(a hub.Answer) {
	p.sim.Refuse(map[hub.Answer]int16{hub.No: TooLarge, hub.NotNow: NotEnoughReplicas}[a])
}
