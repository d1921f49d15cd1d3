package edlevo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf16"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// The namespaces of the two interfaces.
const (
	schoolSearch      = "http://open.tieto.com/edu/schoolsearch/v4"
	applicationStatus = "http://open.tieto.com/edu/applicationstatus/v1"
)

// Where the license key is said, as LicenseKey.
const (
	inQuery    = "query"
	inHeader   = "header"
	licenseKey = "LicenseKey"
)

// look asks what Edlevo has of a wish.
func (s *site) look(ctx context.Context, client *http.Client, w *wish) (finding, error) {
	if w.operation == operationConsent {
		return s.lookForAnswer(ctx, client, w)
	}
	child, err := s.childOf(ctx, client, w.child)
	if err != nil {
		return finding{}, err
	}
	return w.in(child, s.conf.Stamps)
}

// lookForAnswer finds the application that is answered among those of the guardian's children: the answer
// itself does not say whose it is.
func (s *site) lookForAnswer(ctx context.Context, client *http.Client, w *wish) (finding, error) {
	const service = "GetChildren"
	root, err := s.ask(ctx, client, s.conf.URL, service, url.Values{"ssn": {w.sent.Value("answeringguardianssn")}})
	if err != nil {
		return finding{}, err
	}
	for _, person := range root.All("person") {
		child, err := s.childOf(ctx, client, number(person.Value("ssn")))
		if err != nil {
			return finding{}, err
		}
		for _, k := range kinds {
			if application := child.Child(k.element); strings.EqualFold(application.Value("applicationid"), w.about) {
				return w.answered(application), nil
			}
		}
	}
	return finding{}, hub.Reject(fmt.Errorf("%s: none of the guardian's children has the application that is answered", service))
}

// childOf asks for a child with its applications.
func (s *site) childOf(ctx context.Context, client *http.Client, child string) (*document.Element, error) {
	const service = "GetChildWithApplication"
	root, err := s.ask(ctx, client, s.conf.URL, service, url.Values{"child": {child}})
	if err != nil {
		return nil, err
	}
	found := root.Child("child")
	switch {
	case found == nil:
		return nil, hub.Strange(fmt.Errorf("%s: no child in the answer", service))
	case number(found.Value("ssn")) != child:
		return nil, hub.Reject(fmt.Errorf("%s: the answer is about another number: was it changed?", service))
	}
	return found, nil
}

// save has a wish saved. When it returns without an error Edlevo has said so.
func (s *site) save(ctx context.Context, w *wish, d hub.Delivery) error {
	root, err := s.call(ctx, s.env.HTTP, s.conf.URL, w.saves, nil, &d.Document)
	if err != nil {
		return err
	}
	if root.Path("result").Attr("status") != "OK" {
		return hub.Strange(fmt.Errorf("%s: the answer says neither OK nor ERROR", w.saves))
	}
	return nil
}

// ask makes a call that changes nothing.
func (s *site) ask(ctx context.Context, client *http.Client, base, service string, about url.Values) (*document.Element, error) {
	return s.call(ctx, client, base, service, about, nil)
}

// call makes one call, a POST when it has a body, and reads its answer: the root of what was answered, or an
// error that is one of the hub's answers.
func (s *site) call(ctx context.Context, client *http.Client, base, service string, about url.Values, body *hub.Document) (*document.Element, error) {
	req, err := s.request(ctx, base, service, about, body)
	if err != nil {
		return nil, hub.Reject(fmt.Errorf("%s: %w", service, err))
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", service, hub.WithoutAddress(err))
	}
	defer resp.Body.Close()
	if err := hub.ByStatus(resp, s.env.Clock()); err != nil {
		return nil, fmt.Errorf("%s: %w", service, err)
	}
	root, err := readAnswer(resp.Body)
	if err != nil {
		return nil, hub.Strange(fmt.Errorf("%s: %w", service, err))
	}
	if result := root.Child("result"); result.Attr("status") == "ERROR" {
		return nil, hub.Reject(fmt.Errorf("%s: %s", service, refusal(result)))
	}
	return root, nil
}

func (s *site) request(ctx context.Context, base, service string, about url.Values, body *hub.Document) (*http.Request, error) {
	query := url.Values{}
	for name, values := range about {
		query[name] = values
	}
	if s.conf.LicenseIn == inQuery {
		query.Set(licenseKey, s.conf.License.Reveal())
	}
	address := strings.TrimRight(base, "/") + "/" + service
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	method, content := http.MethodGet, io.Reader(http.NoBody)
	if body != nil {
		method, content = http.MethodPost, bytes.NewReader(body.Reveal())
	}
	req, err := http.NewRequestWithContext(ctx, method, address, content)
	if err != nil {
		return nil, errors.New("the address cannot be called")
	}
	if body != nil {
		req.Header.Set("Content-Type", body.Type)
	}
	if s.conf.LicenseIn == inHeader {
		req.Header.Set(licenseKey, s.conf.License.Reveal())
	}
	req.Header.Set("Accept", "application/xml, text/xml")
	return req, nil
}

// readAnswer reads what one of the two interfaces answers.
func readAnswer(body io.Reader) (*document.Element, error) {
	text, err := io.ReadAll(io.LimitReader(body, maxDocument+1))
	if err != nil {
		return nil, errors.New("the answer is cut")
	}
	root, err := document.ReadXML(bytes.NewReader(inUTF8(text)), document.Limits{Bytes: maxDocument})
	if err != nil {
		return nil, fmt.Errorf("the answer is none: %w", err)
	}
	known := root.Local() == "schoolsearch" && root.Space() == schoolSearch ||
		root.Local() == "PersonApplication" && root.Space() == applicationStatus
	if !known {
		return nil, errors.New("the answer is none of Edlevo's, or of another version")
	}
	return root, nil
}

// saidUTF16 is what the vendor's platform writes at the top of a document that was a text in its memory. It
// stands in the vendor's own examples; what comes over the wire is mostly UTF-8 all the same.
var saidUTF16 = regexp.MustCompile(`^\x{FEFF}?<\?xml[^>]{0,100}encoding=["'](?i:utf-16)["'][^>]{0,40}\?>`)

// inUTF8 gives a document that is, or says that it is, in UTF-16 as UTF-8, and any other as it is.
func inUTF8(text []byte) []byte {
	switch {
	case bytes.HasPrefix(text, []byte("\xFF\xFE")):
		text = decoded(text[2:], binary.LittleEndian)
	case bytes.HasPrefix(text, []byte("\xFE\xFF")):
		text = decoded(text[2:], binary.BigEndian)
	}
	return text[len(saidUTF16.Find(text)):]
}

func decoded(text []byte, order binary.ByteOrder) []byte {
	units := make([]uint16, len(text)/2)
	for i := range units {
		units[i] = order.Uint16(text[2*i:])
	}
	return []byte(string(utf16.Decode(units)))
}

var digits = regexp.MustCompile(`[0-9]+`)

// refusal says what Edlevo's messages may tell: how many there are, and a fingerprint by which equal ones are
// known. The messages themselves may quote a person.
func refusal(result *document.Element) string {
	messages := result.All("errormessage")
	sum := sha256.New()
	for _, m := range messages {
		sum.Write(digits.ReplaceAll([]byte(strings.TrimSpace(m.Text)+"\n"), []byte("#")))
	}
	return fmt.Sprintf("refused with %d messages, fingerprint %s", len(messages), hex.EncodeToString(sum.Sum(nil)[:4]))
}
