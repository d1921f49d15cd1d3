package oep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// Tell sets the flow instance's status to what systems.yaml calls the Step, and, at
// Registrerat, confirms the delivery with the diarienummer. Both may be sent any
// number of times: the platform answers a status that is already set with event 0,
// and ignores a second confirmation. A Step without a name in systems.yaml sets no
// status.
//
// With events a line is added too, when the status was not that already. The next time
// it is, so that a line is never added twice; one whose call fails may never be.
func (p *platform) Tell(ctx context.Context, t hub.Telling) error {
	ref, s := t.Ref, t.Status
	if !isNumber(ref.ID) {
		return hub.Reject(errors.New("tell: the form has no number at the platform"))
	}
	if number := diarienummer(s, t.Receipts); s.Step == hub.Registrerat && number != "" {
		if _, err := p.call(ctx, p.confirmDelivery(ref.ID, number)); err != nil {
			return fmt.Errorf("confirm delivery: %w", err)
		}
	}
	name, told := p.conf.Statuses[s.Step]
	if !told {
		return nil
	}
	said, err := p.call(ctx, p.setStatus(ref.ID, name))
	if err != nil {
		return fmt.Errorf("set status: %w", err)
	}
	if event := said.Value("eventID"); !p.conf.Events || event == "" || event == "0" {
		return nil
	}
	if _, err := p.call(ctx, p.addEvent(ref.ID, line(s, t.Receipts), s.At)); err != nil {
		return fmt.Errorf("add event: %w", err)
	}
	return nil
}

// line is what the citizen reads among all that has happened in her case.
func line(s hub.Status, rs []hub.Receipt) string {
	if number := diarienummer(s, rs); s.Step == hub.Registrerat && number != "" {
		return "Registrerat med diarienummer " + number
	}
	return s.Step.Swedish()
}

// diarienummer is what the case is called, or, where no Status has said so yet, the
// number of the first receipt.
func diarienummer(s hub.Status, rs []hub.Receipt) string {
	if s.Ref != "" {
		return s.Ref
	}
	for _, r := range rs {
		if r.Number != "" {
			return r.Number
		}
	}
	return ""
}

const (
	soapSpace     = "http://schemas.xmlsoap.org/soap/envelope/"
	callbackSpace = "http://www.oeplatform.org/version/1.0/schemas/integration/callback"
)

// The order of the elements is the contract's. A flow instance is always named by
// its own number: the platform's open source answers a look-up by externalID with
// "not implemented".

func (p *platform) setStatus(instance, name string) *document.Element {
	return operation("setStatus", leaf("flowInstanceID", instance), leaf("statusAlias", name), p.principal())
}

func (p *platform) addEvent(instance, text string, at time.Time) *document.Element {
	return operation("addEvent",
		leaf("flowInstanceID", instance),
		leaf("date", at.In(hub.Stockholm).Format("2006-01-02T15:04:05")),
		leaf("message", text),
		p.principal())
}

func (p *platform) principal() *document.Element {
	return tree("principal", leaf("name", p.conf.Principal), leaf("userID", p.conf.Principal))
}

func (p *platform) confirmDelivery(instance, number string) *document.Element {
	return operation("confirmDelivery",
		leaf("flowInstanceID", instance),
		tree("externalID", leaf("ID", number), leaf("System", p.conf.Numbers)),
		leaf("delivered", "true"))
}

func operation(name string, children ...*document.Element) *document.Element {
	o := tree(name, children...)
	o.Attrs = []document.Attr{{Name: "xmlns", Value: callbackSpace}}
	return o
}

func tree(name string, children ...*document.Element) *document.Element {
	return &document.Element{Name: name, Children: children}
}

func leaf(name, text string) *document.Element {
	return &document.Element{Name: name, Text: text}
}

// call sends one operation and gives the answer to it.
func (p *platform) call(ctx context.Context, operation *document.Element) (*document.Element, error) {
	envelope := tree("soap:Envelope", tree("soap:Body", operation))
	envelope.Attrs = []document.Attr{{Name: "xmlns:soap", Value: soapSpace}}
	body, err := document.WriteXML(envelope, document.Style{})
	if err != nil {
		return nil, hub.Reject(err)
	}
	address := p.conf.URL + "/api/callback"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the address cannot be used")
	}
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	req.Header.Set("SOAPAction", `""`)
	resp, err := p.do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return p.answer(resp, operation.Name)
}

// largestAnswer is many times what the platform has to say.
const largestAnswer = 1 << 20

// answer reads what the platform says: a fault first, whatever the HTTP status, then
// the status, then whether it is the answer to what was asked.
func (p *platform) answer(resp *http.Response, operation string) (*document.Element, error) {
	envelope, err := document.ReadXML(io.LimitReader(resp.Body, largestAnswer), document.Limits{})
	said := envelope.Child("Body")
	if fault := said.Child("Fault"); err == nil && fault != nil {
		return nil, readFault(fault)
	}
	if err := hub.ByStatus(resp, p.Clock()); err != nil {
		return nil, err
	}
	answer := said.Child(operation + "Response")
	if err != nil || envelope.Space() != soapSpace || answer.Space() != callbackSpace {
		return nil, hub.Strange(errors.New("what came is no answer of the platform's callback"))
	}
	return answer, nil
}

// readFault knows the three faults of the contract by the name of their detail, or,
// since recorded answers carry none, by their text. No repeat will mend them; all
// else that a fault may say is a don't know.
func readFault(fault *document.Element) error {
	name := ""
	if detail := fault.Child("detail"); detail != nil && len(detail.Children) > 0 {
		name = detail.Children[0].Local()
	}
	text := strings.ToLower(fault.Value("faultstring"))
	notFound := strings.Contains(text, "not found")
	switch {
	case name == "FlowInstanceNotFoundFault" || notFound && strings.Contains(text, "flow instance"):
		return hub.Reject(errors.New("the platform has no such flow instance"))
	case name == "StatusNotFoundFault" || notFound && strings.Contains(text, "status"):
		return hub.Reject(errors.New("the flow has no status of the name that systems.yaml gives"))
	case name == "AccessDeniedFault" || strings.Contains(text, "access denied"):
		return hub.Reject(errors.New("the hub's account has no access to the flow family at the platform"))
	}
	return errors.New("the platform answered with a fault")
}
