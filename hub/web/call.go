package web

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A face is one listener: its routes, and who is let in. It is not a ServeMux, since
// that cleans paths by redirecting and answers in text of its own.
type face struct {
	*Server
	routes []route
	admit  func(*call) error
	pages  bool // people read its refusals in a browser
}

// A route is one address that is answered.
type route struct {
	method, pattern string
	gives           string // media type of what it answers, "" when it chooses itself
	serve           func(*call) error
}

const (
	jsonType   = "application/json"
	streamType = "text/event-stream"
	anyType    = ""
)

// A call is one request, with what has been found out about it.
type call struct {
	r        *http.Request
	w        *recorder
	id       string     // a UUID of ours
	client   *caller    // who calls; nil on the operators' listener, and where nobody needs to be known
	operator string     // who calls there, by name; "" for who has not said
	citizen  *citizen   // who is logged in; nil but behind mustBeCitizen
	as       hub.Viewer // on whose behalf the Store is read
	route    string     // the pattern that matched
	pages    bool
}

func (f *face) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{r: r, w: &recorder{ResponseWriter: w}, id: newRequestID(), pages: f.pages}
	begun := f.Hub.Clock()
	defer f.note(c, begun)
	defer f.rescue(c)
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Request-Id", c.id)
	if r.TLS != nil {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	if len(r.TransferEncoding) > 0 {
		h.Set("Connection", "close") // it may have had a length too, by which a server before us sees another call behind it
	}
	if err := f.answer(c); err != nil {
		f.refuse(c, err)
	}
}

// answer lets the caller in before it says what is there.
func (f *face) answer(c *call) error {
	found, missing := f.find(c)
	if err := f.admit(c); err != nil {
		return err
	}
	if missing != nil {
		return missing
	}
	if found.gives != anyType && !accepts(c.r.Header, found.gives) {
		return refusal("not-acceptable")
	}
	return found.serve(c)
}

// find gives the route of a call. Paths are compared as they were written, so that
// nothing can hide in an escape.
func (f *face) find(c *call) (route, error) {
	var allowed []string
	path := strings.Split(c.r.URL.EscapedPath(), "/")
	for _, r := range f.routes {
		if !matches(r.pattern, path, c.r) {
			continue
		}
		c.route = r.pattern
		if r.method == c.r.Method || r.method == http.MethodGet && c.r.Method == http.MethodHead && r.gives != streamType {
			return r, nil
		}
		if allowed = append(allowed, r.method); r.method == http.MethodGet && r.gives != streamType {
			allowed = append(allowed, http.MethodHead)
		}
	}
	if allowed == nil {
		return route{}, refusal("not-found")
	}
	p := refusal("method-not-allowed")
	p.header = http.Header{"Allow": {strings.Join(allowed, ", ")}}
	return route{}, p
}

// What may stand in the place of a name in a pattern.
var segments = map[string]*regexp.Regexp{
	"{id}":           regexp.MustCompile(`^[0-9A-Za-z_-]{10,40}$`),
	"{system}":       regexp.MustCompile(`^[a-z0-9_-]{1,60}(\.[a-z0-9_-]{1,60})?$`),
	"{key}":          regexp.MustCompile(`^[0-9A-Za-z_-]{10,120}$`),
	"{municipality}": regexp.MustCompile(`^[0-9]{4}$`),
	"{slug}":         regexp.MustCompile(`^[a-z-]{1,60}$`),
}

// matches reports whether a path is of a pattern, and gives r what stands for its names.
func matches(pattern string, path []string, r *http.Request) bool {
	i := 0
	for want := range strings.SplitSeq(pattern, "/") {
		if i == len(path) {
			return false
		}
		form := segments[want]
		switch {
		case form == nil && want != path[i], form != nil && !form.MatchString(path[i]):
			return false
		case form != nil:
			r.SetPathValue(strings.Trim(want, "{}"), path[i])
		}
		i++
	}
	return i == len(path)
}

// note writes the line of the access log: our own ids and words, nothing that the
// caller chose.
func (f *face) note(c *call, begun time.Time) {
	method := c.r.Method
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT":
	default:
		method = "other"
	}
	client := c.operator
	switch {
	case c.client != nil:
		client = c.client.Name
	case c.citizen != nil:
		client = "citizen"
	}
	f.Hub.Log.LogAttrs(c.r.Context(), slog.LevelInfo, "request",
		slog.String("method", method), slog.String("route", c.route), slog.Int("status", c.w.status),
		slog.Int64("ms", f.Hub.Clock().Sub(begun).Milliseconds()), slog.String("client", client),
		slog.String("request", c.id))
}

// rescue keeps the process up when a call panics. What was panicked with may be
// content, so only that it happened is told.
func (f *face) rescue(c *call) {
	switch p := recover(); {
	case p == nil:
	case p == any(http.ErrAbortHandler) || c.w.status != 0:
		f.Hub.Log.Error("call broken off", "request", c.id, "route", c.route)
		panic(http.ErrAbortHandler)
	default:
		f.Hub.Log.Error("call panicked", "request", c.id, "route", c.route)
		f.refuse(c, errPanicked)
	}
}

var errPanicked = errors.New("the call panicked")

// json answers with v.
func (c *call) json(status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return errors.New("answer: cannot be written as JSON")
	}
	c.w.Header().Set("Content-Type", jsonType)
	c.w.WriteHeader(status)
	c.w.Write(append(body, '\n'))
	return nil
}

// submission gives the ID in the path.
func (c *call) submission() hub.ID { return hub.ID(c.r.PathValue("id")) }

// A recorder remembers which status was answered.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// newRequestID gives a random UUID, version 4.
func newRequestID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	text := hex.EncodeToString(b[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}
