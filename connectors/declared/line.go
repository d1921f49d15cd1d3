package declared

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Line leads to a system: it makes calls that are let in.
type Line struct {
	env    hub.Env
	way    *way
	accept string // what is asked to be answered in
}

// NewLine makes the line to a system whose answers are of the media types in accept.
func NewLine(env hub.Env, a Access, accept string) *Line {
	return &Line{env, newWay(env, a), accept}
}

// A Call is one request.
type Call struct {
	Method   string
	Address  string
	Header   http.Header
	Body     Body
	Statuses Meanings      // what systems.yaml says that they mean
	None     int           // the status that is hub.ErrNotFound; 0 for none
	Lag      time.Duration // how long to leave a system alone that says 503
}

// An Answer is what came back, whatever it says.
type Answer struct {
	Status int
	Header http.Header
	Text   []byte
	Cut    bool // it is not all of it
	call   Call
	now    time.Time
}

// Make makes a call and takes the answer in. An error means that there is none.
func (l *Line) Make(ctx context.Context, client *http.Client, c Call) (*Answer, error) {
	resp, err := l.send(ctx, client, c)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, cut := io.ReadAll(io.LimitReader(resp.Body, MaxList+1))
	return &Answer{resp.StatusCode, resp.Header, text, cut != nil, c, l.env.Clock()}, nil
}

// send sends a call with what lets us in. A 401 has a token fetched anew, once: a refused call has done
// nothing.
func (l *Line) send(ctx context.Context, client *http.Client, c Call) (*http.Response, error) {
	for again := false; ; again = true {
		req, err := l.request(ctx, c)
		if err != nil {
			return nil, err
		}
		stale, err := l.way.admit(ctx, req)
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

func (l *Line) request(ctx context.Context, c Call) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, c.Method, c.Address, http.NoBody)
	if err != nil {
		return nil, hub.Reject(errors.New("the address cannot be called"))
	}
	if c.Body.Open != nil {
		content, err := c.Body.Open(ctx)
		if err != nil {
			return nil, hub.Later(err, 0)
		}
		req.Body, req.ContentLength = &reopened{ctx: ctx, body: c.Body, now: content}, c.Body.Length
		// For where nothing was written. It is asked for, and left, before a redirect is not followed.
		req.GetBody = func() (io.ReadCloser, error) { return &reopened{ctx: ctx, body: c.Body}, nil }
	}
	for name, values := range c.Header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", l.accept)
	return req, nil
}

// Judge gives nil for an answer whose text counts, and else the hub's answer that it stands for: by its
// status, as systems.yaml or else custom has it, and by what no text can be understood of.
func (a *Answer) Judge() error {
	switch err := a.byStatus(); {
	case err != nil:
		return err
	case a.Cut:
		return hub.Strange(errors.New("the answer is cut"))
	case a.isPage():
		return hub.Strange(errors.New("the answer is a page for people"))
	}
	return nil
}

func (a *Answer) byStatus() error {
	if a.Status == a.call.None {
		return fmt.Errorf("%w: HTTP status %d", hub.ErrNotFound, a.Status)
	}
	said, written := a.call.Statuses[strconv.Itoa(a.Status)]
	if !written {
		said, written = a.call.Statuses[strconv.Itoa(a.Status/100)+"xx"]
	}
	if !written {
		return a.told(hub.ByStatus(&http.Response{StatusCode: a.Status, Header: a.Header}, a.now))
	}
	return a.Means(said, "HTTP status "+strconv.Itoa(a.Status))
}

// isPage reports whether an answer is HTML, such as a login page.
func (a *Answer) isPage() bool {
	said := a.Header.Get("Content-Type")
	return strings.Contains(said, "html") ||
		!strings.Contains(said, "xml") && strings.HasPrefix(http.DetectContentType(a.Text), "text/html")
}
