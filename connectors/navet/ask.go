package navet

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

const (
	soapSpace   = "http://schemas.xmlsoap.org/soap/envelope/"
	personSpace = "http://xmls.skatteverket.se/se/skatteverket/folkbokforing/na/epersondata/V1"
)

// ask makes one call and reads the one post that comes back.
func (r *register) ask(ctx context.Context, id hub.PersonID) (post, error) {
	body, err := document.WriteXML(r.question(id), document.Style{})
	if err != nil {
		return post{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.conf.URL, bytes.NewReader(body))
	if err != nil {
		return post{}, errors.New("the address cannot be called")
	}
	req.Header.Set("Content-Type", "text/xml;charset=UTF-8")
	req.Header.Set("SOAPAction", `""`)
	resp, err := r.env.Reads.Do(req)
	if err != nil {
		return post{}, unanswered(ctx, err)
	}
	defer resp.Body.Close()
	list, err := r.answer(resp)
	switch {
	case err != nil && ctx.Err() != nil:
		return post{}, ctx.Err()
	case err != nil:
		return post{}, err
	}
	return r.readPost(list, id)
}

// question is what Navet is asked, in the schema's element order. The number stands here and nowhere
// else in the call.
func (r *register) question(id hub.PersonID) *document.Element {
	return &document.Element{
		Name: "soapenv:Envelope",
		Attrs: []document.Attr{
			{Name: "xmlns:soapenv", Value: soapSpace},
			{Name: "xmlns:v1", Value: personSpace},
		},
		Children: []*document.Element{
			{Name: "soapenv:Header"},
			{Name: "soapenv:Body", Children: []*document.Element{
				{Name: "v1:PersonpostRequest", Children: []*document.Element{
					{Name: "v1:Bestallning", Children: []*document.Element{
						{Name: "v1:OrgNr", Text: "16" + r.org.Reveal()},
						{Name: "v1:BestallningsId", Text: r.conf.Order},
					}},
					{Name: "v1:PersonId", Text: id.Reveal()},
				}},
			}},
		},
	}
}

// answerLimit bounds one answer. A post with history is some twenty kilobytes.
const answerLimit = 1 << 20

// answer gives the list of posts in an answer. A fault comes with status 500, and is then Navet's own
// word; every other status but 200 is that of a doorman before it.
func (r *register) answer(resp *http.Response) (*document.Element, error) {
	status := hub.ByStatus(resp, r.env.Clock())
	switch {
	case resp.StatusCode/100 == 3:
		return nil, hub.Unavailable(status, hub.AddressChanged)
	case status != nil && resp.StatusCode != http.StatusInternalServerError:
		return nil, status
	}
	root, err := document.ReadXML(resp.Body, document.Limits{Bytes: answerLimit})
	var body *document.Element
	if root.Local() == "Envelope" {
		body = root.Child("Body")
	}
	list := body.Path("PersonpostXMLResponse/Folkbokforingsposter")
	switch fault := body.Child("Fault"); {
	case fault != nil:
		return nil, r.refusal(fault)
	case status != nil:
		return nil, status
	case err != nil:
		return nil, unread(err)
	case list == nil:
		return nil, hub.Strange(errors.New("the answer is no personpost"))
	}
	return list, nil
}

// unread tells why an answer could not be read, in no words of the answer's own.
func unread(err error) error {
	var broken *document.SyntaxError
	if errors.As(err, &broken) {
		return hub.Strange(fmt.Errorf("the answer cannot be read: %w", broken))
	}
	return errors.New("the answer broke off")
}

// unanswered tells why no answer came. What the door out has judged is passed on, without what net/http
// puts around it; the rest quotes addresses, so that only what it means is.
func unanswered(ctx context.Context, err error) error {
	err = hub.WithoutAddress(err)
	var (
		untrusted *tls.CertificateVerificationError
		alert     *net.OpError
	)
	judged, _, _ := hub.AnswerOf(hub.Receipt{}, err)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &untrusted):
		return hub.Unavailable(errors.New("its certificate is not trusted"), hub.Credentials)
	case errors.As(err, &alert) && alert.Op == "remote error":
		return hub.Unavailable(errors.New("it does not accept our certificate"), hub.Credentials)
	case judged != hub.DontKnow:
		return err
	}
	return errors.New("no answer")
}
