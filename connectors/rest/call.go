package rest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A call is one request.
type call struct {
	method   string
	end      string // of the address
	header   http.Header
	body     body               // the zero value is none
	statuses map[string]meaning // what systems.yaml says that they mean
	none     int                // the status that is hub.ErrNotFound; 0 for none
	lag      time.Duration      // how long to leave a system alone that says 503
}

// An answered is an answer that is no error: its body is still to be understood.
type answered struct{ body []byte }

const (
	maxAnswer = 1 << 20 // bytes of an answer about one thing
	maxList   = 8 << 20 // bytes of a list, and of a document
)

// call makes a call and reads its answer: one that says yes, or an error that is one of the hub's answers.
func (s *system) call(ctx context.Context, client *http.Client, c call) (answered, error) {
	resp, err := s.send(ctx, client, c)
	if err != nil {
		return answered{}, err
	}
	defer resp.Body.Close()
	text, cut := io.ReadAll(io.LimitReader(resp.Body, maxList+1))
	if err := s.answerTo(c, resp, text); err != nil {
		return answered{}, err
	}
	switch {
	case cut != nil:
		return answered{}, hub.Strange(errors.New("the answer is cut"))
	case isPage(resp, text):
		return answered{}, hub.Strange(errors.New("the answer is a page for people"))
	}
	return answered{text}, nil
}

// send sends a call with what lets us in. A 401 has a token fetched anew, once: a refused call has done
// nothing.
func (s *system) send(ctx context.Context, client *http.Client, c call) (*http.Response, error) {
	for again := false; ; again = true {
		req, err := s.request(ctx, c)
		if err != nil {
			return nil, err
		}
		stale, err := s.way.admit(ctx, req)
		if err != nil {
			req.Body.Close()
			return nil, err
		}
		resp, err := client.Do(req)
		if err != nil {
			req.Body.Close()
			return nil, hub.WithoutAddress(err)
		}
		resp.Body = exchange{resp.Body, req.Body}
		if resp.StatusCode != http.StatusUnauthorized || again || stale == nil {
			return resp, nil
		}
		resp.Body.Close()
		stale()
	}
}

// An exchange is an answer with what it answers. The HTTP library closes what was sent when
// it comes to it; who has heard the answer is not to leave a file open.
type exchange struct {
	io.ReadCloser
	sent io.Closer
}

func (e exchange) Close() error {
	e.sent.Close()
	return e.ReadCloser.Close()
}

func (s *system) request(ctx context.Context, c call) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, c.method, s.url+c.end, http.NoBody)
	if err != nil {
		return nil, hub.Reject(errors.New("the address cannot be called"))
	}
	if c.body.open != nil {
		content, err := c.body.open(ctx)
		if err != nil {
			return nil, hub.Later(err, 0)
		}
		req.Body, req.ContentLength = &reopened{ctx: ctx, body: c.body, now: content}, c.body.length
		// For where nothing was written. It is asked for, and left, before a redirect is not followed.
		req.GetBody = func() (io.ReadCloser, error) { return &reopened{ctx: ctx, body: c.body}, nil }
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "application/json")
	if s.xml {
		req.Header.Set("Accept", "application/xml, text/xml")
	}
	return req, nil
}

// answerTo gives the answer that a status stands for, by systems.yaml or else by what is usual; nil for
// one whose body counts.
func (s *system) answerTo(c call, resp *http.Response, text []byte) error {
	code := resp.StatusCode
	if code == c.none {
		return hub.ErrNotFound
	}
	said, written := c.statuses[strconv.Itoa(code)]
	if !written {
		said, written = c.statuses[strconv.Itoa(code/100)+"xx"]
	}
	if !written {
		return told(hub.ByStatus(resp, s.env.Clock()), text, c.lag)
	}
	err := fmt.Errorf("HTTP status %d", code)
	switch said {
	case accepted:
		return nil
	case refused:
		return told(hub.Reject(err), text, c.lag)
	case later:
		return told(hub.Later(err, hub.RetryAfter(resp.Header, s.env.Clock())), text, c.lag)
	case credentials:
		return hub.Unavailable(err, hub.Credentials)
	case addressChanged:
		return hub.Unavailable(err, hub.AddressChanged)
	}
	return err
}

// told adds to a *no* what its text may tell, and sees to it that a system which asks us to come back is left
// alone until what it may have made all the same can be seen.
func told(err error, text []byte, lag time.Duration) error {
	switch a, wait, _ := hub.AnswerOf(hub.Receipt{Number: "none"}, err); {
	case a == hub.No:
		return fmt.Errorf("%w, fingerprint %s", err, fingerprint(text))
	case a == hub.NotNow && wait > 0 && wait < lag:
		return hub.Later(err, lag)
	}
	return err
}

var digits = regexp.MustCompile(`[0-9]+`)

// fingerprint lets people see that two refusals say the same. The text itself may quote a person.
func fingerprint(text []byte) string {
	sum := sha256.Sum256(digits.ReplaceAll(text, []byte("#")))
	return hex.EncodeToString(sum[:4])
}

// isPage reports whether an answer is HTML, such as a login page.
func isPage(resp *http.Response, text []byte) bool {
	said := resp.Header.Get("Content-Type")
	return strings.Contains(said, "html") ||
		!strings.Contains(said, "xml") && strings.HasPrefix(http.DetectContentType(text), "text/html")
}

// read reads an answer of at most so many bytes. One that cannot be read is no answer at all.
func (s *system) read(a answered, most int64) (node, error) {
	tree, err := readNode(a.body, s.xml, most)
	if err != nil {
		return nil, hub.Strange(fmt.Errorf("the answer cannot be read: %w", err))
	}
	return tree, nil
}

func readNode(text []byte, isXML bool, most int64) (node, error) {
	limits := document.Limits{Bytes: most, Elements: 1_000_000, Text: int(most)}
	if !isXML {
		return document.ReadJSON(text, limits)
	}
	root, err := document.ReadXML(bytes.NewReader(text), limits)
	if err != nil {
		return nil, err
	}
	return &document.Element{Children: []*document.Element{root}}, nil // so that a path can name the root
}
