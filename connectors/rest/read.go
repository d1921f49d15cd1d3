package rest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A reader reads a Config into what is used at each call, and collects all that is wrong with it.
type reader struct{ wrong []error }

func (r *reader) add(key, format string, args ...any) {
	r.wrong = append(r.wrong, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
}

func (r *reader) pointer(key, text string) pointer {
	p, err := parsePointer(text)
	if err != nil {
		r.add(key, "%v", err)
	}
	return p
}

func (r *reader) address(key, text string, allowed ...string) template {
	t, err := parseAddress(text, allowed...)
	if err != nil {
		r.add(key, "%v", err)
	}
	return t
}

// oneOf gives text, or the first of the words when it is left out.
func (r *reader) oneOf(key, text string, words ...string) string {
	switch {
	case text == "":
		return words[0]
	case !slices.Contains(words, text):
		r.add(key, "must be one of %s", strings.Join(words, ", "))
	}
	return text
}

// system reads everything but the operations and the changes.
func (r *reader) system(c Config) {
	r.base("url", c.URL)
	if c.OAuth2.URL != "" {
		r.base("oauth2.url", c.OAuth2.URL)
		r.oneOf("oauth2.in", c.OAuth2.In, "header", "form")
	}
	ways := 0
	for _, is := range []bool{c.Token.Reveal() != "", c.User != "", c.OAuth2.URL != ""} {
		if is {
			ways++
		}
	}
	if ways > 1 {
		r.add("token", "only one of token, user and oauth2 can be the way in")
	}
	if (c.User == "") != (c.Secret.Reveal() == "") {
		r.add("user", "user and secret belong together")
	}
	for name, value := range c.Headers {
		r.header("headers", name)
		if strings.ContainsFunc(value, isControl) {
			r.add("headers", "%s has a character that no header can have", name)
		}
	}
	for name := range c.SecretHeaders {
		r.header("secret-headers", name)
	}
	if len(c.Operations) == 0 && c.Changes.Path == "" {
		r.add("operations", "there is nothing to do: neither operations nor changes")
	}
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func (r *reader) base(key, address string) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" ||
		u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.User != nil {
		r.add(key, "must be an http or https address without query and user")
	}
}

// ours are the headers that the connector says itself.
var ours = []string{"Authorization", "Content-Type", "Content-Length", "Content-Disposition", "Accept-Encoding",
	"Host", "Transfer-Encoding", "Connection", "Expect"}

// header reads the name of a header that is the system's own. It may not be one that makes the HTTP library
// take a call for idempotent.
func (r *reader) header(key, name string) {
	switch canonical := http.CanonicalHeaderKey(name); {
	case !isToken(name):
		r.add(key, "the name of a header is letters, digits and -")
	case key == "secret-headers" && canonical == "Authorization":
	case slices.Contains(ours, canonical), resends(name):
		r.add(key, "%s is said by the connector itself", canonical)
	}
}

// resends reports whether net/http sends a call with that header again when a connection breaks.
func resends(header string) bool {
	name := http.CanonicalHeaderKey(header)
	return name == "Idempotency-Key" || name == "X-Idempotency-Key"
}

func isToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

var levels = []string{string(hub.Blind), string(hub.Lookup), string(hub.Idempotent)}

// operation reads one of the operations.
func (r *reader) operation(name string, c Operation) operation {
	at := func(key string) string { return "operations." + name + "." + key }
	o := operation{
		name:   name,
		method: r.oneOf(at("method"), c.Method, http.MethodPost, http.MethodPut, http.MethodPatch),
		path:   r.address(at("path"), c.Path, "key"),
		level:  hub.Level(r.oneOf(at("level"), string(c.Level), levels...)),
		lag:    c.Lag, protected: c.Protected,
		keyHeader:   c.Key.Header,
		keyDocument: r.pointer(at("key.document"), c.Key.Document),
		receipt:     r.receipt(at("receipt"), c.Receipt),
		statuses:    r.statuses(at("errors"), c.Errors),
		find:        r.find(at("find"), c.Find),
		files:       r.files(at("files"), c.Files),
	}
	if o.level == hub.Lookup && o.lag == 0 {
		o.lag = 2 * time.Second
	}
	if o.receipt.number == nil {
		r.add(at("receipt.number"), "without a number there is no receipt")
	}
	r.key(at, o)
	r.level(at, o)
	return o
}

func (r *reader) receipt(key string, c Receipt) receiptPlace {
	return receiptPlace{
		r.pointer(key+".number", c.Number), r.pointer(key+".ref", c.Ref),
		r.pointer(key+".echo", c.Echo), r.pointer(key+".at", c.At),
	}
}

// key checks that the Key goes where the system can know it by.
func (r *reader) key(at func(string) string, o operation) {
	if o.keyHeader != "" {
		switch {
		case !resends(o.keyHeader):
			r.header(at("key.header"), o.keyHeader)
		case o.level != hub.Idempotent:
			r.add(at("key.header"), "the HTTP library sends calls with %s again: for level idempotent only", o.keyHeader)
		}
	}
	if o.receipt.echo != nil && !o.saysKey() {
		r.add(at("receipt.echo"), "the system cannot repeat a key that it does not get: %s", sayKey)
	}
}

const sayKey = "say key.header, key.document or {key} in path"

// level checks that what the level promises can be done.
func (r *reader) level(at func(string) string, o operation) {
	switch {
	case o.level == hub.Blind && (o.find != nil || o.files != nil && o.files.find != nil):
		r.add(at("level"), "who can be asked is not blind: leave out find, or have the operation certified as lookup")
	case o.level != hub.Blind && !o.saysKey():
		r.add(at("level"), "%s needs the key at the system: %s", o.level, sayKey)
	case o.level == hub.Lookup && o.find == nil:
		r.add(at("level"), "lookup needs find")
	case o.level == hub.Lookup && o.files != nil && o.files.find == nil:
		r.add(at("files"), "lookup needs files.find")
	case o.level == hub.Idempotent && o.files != nil && o.files.find == nil && !o.files.landsTwice():
		r.add(at("files"), "idempotent needs files.find, or PUT at a path with {n} or {sha256}")
	}
}

// A meaning is what systems.yaml says that a status means.
type meaning string

const (
	accepted       meaning = "accepted" // the answer is a receipt
	refused        meaning = "refused"  // no
	later          meaning = "later"    // not now
	dontKnow       meaning = "dont-know"
	credentials    meaning = "credentials"     // not now, until a person has seen to it
	addressChanged meaning = "address-changed" // not now, until a person has seen to it
)

var meanings = []string{
	string(accepted), string(refused), string(later), string(dontKnow), string(credentials), string(addressChanged),
}

// statuses reads the table from 409, or 5xx, to what it means.
func (r *reader) statuses(key string, table map[string]string) map[string]meaning {
	read := map[string]meaning{}
	for status, word := range table {
		class, isClass := strings.CutSuffix(status, "xx")
		code, err := strconv.Atoi(class)
		if isClass {
			code *= 100
		}
		if err != nil || code < 400 || code > 599 || isClass && len(class) != 1 {
			r.add(key, "a status is 400 to 599, or 4xx or 5xx")
		}
		if !slices.Contains(meanings, word) {
			r.add(key, "a status means one of %s", strings.Join(meanings, ", "))
		}
		if isClass && word == string(accepted) {
			r.add(key, "a whole class of statuses cannot be %s", word)
		}
		read[status] = meaning(word)
	}
	return read
}

func (r *reader) find(key string, c Find) *find {
	if c == (Find{}) {
		return nil
	}
	f := &find{
		path: r.address(key+".path", c.Path, "key"), list: r.pointer(key+".list", c.List),
		receipt: r.receipt(key, Receipt{c.Number, c.Ref, c.Echo, c.At}), none: c.NotFound,
	}
	if f.none == 0 && f.list == nil {
		f.none = http.StatusNotFound
	}
	if f.none != 0 && f.none/100 != 4 && f.none != http.StatusNoContent {
		r.add(key+".not-found", "must be 204 or a status from 400 to 499")
	}
	if !f.path.has("key") {
		r.add(key+".path", "must say {key}: which case is asked for?")
	}
	if f.receipt.number == nil || f.receipt.echo == nil {
		r.add(key, "number and echo are needed: a hit is known as ours by its key")
	}
	return f
}

func (r *reader) files(key string, c Files) *files {
	if c.Path == "" {
		return nil
	}
	places := []string{"key", "number", "ref", "n", "sha256"}
	f := &files{
		method: r.oneOf(key+".method", c.Method, http.MethodPut, http.MethodPost),
		path:   r.address(key+".path", c.Path, places...),
		form:   r.oneOf(key+".as", c.As, "body", "multipart") == "multipart",
		field:  c.Field, fields: map[string]template{},
		sumHeader: c.SHA256, disposition: c.Disposition, ref: r.pointer(key+".ref", c.Ref),
		find: r.findFiles(key+".find", c.Find),
	}
	if f.field == "" {
		f.field = "file"
	}
	if !isToken(f.field) {
		r.add(key+".field", "the name of a field is letters, digits and -")
	}
	for name, text := range c.Fields {
		t, _, err := parseTemplate(text, places)
		if err != nil {
			r.add(key+".fields", "%v", err)
		}
		f.fields[name] = t
	}
	if !f.form && (c.Field != "" || len(c.Fields) > 0) {
		r.add(key+".fields", "field and fields are of a form: as: multipart")
	}
	if c.SHA256 != "" {
		r.header(key+".sha256", c.SHA256)
	}
	return f
}

func (r *reader) findFiles(key string, c FindFiles) *findFiles {
	if c == (FindFiles{}) {
		return nil
	}
	f := &findFiles{
		path: r.address(key+".path", c.Path, "key", "number", "ref"), list: r.pointer(key+".list", c.List),
		n: r.pointer(key+".n", c.N), sum: r.pointer(key+".sha256", c.SHA256),
		name: r.pointer(key+".name", c.Name), ref: r.pointer(key+".ref", c.Ref),
	}
	if f.list == nil {
		r.add(key+".list", "where do the files stand?")
	}
	if f.n == nil && f.sum == nil && f.name == nil {
		r.add(key, "a file is known by one of n, sha256 and name, or by several")
	}
	return f
}

func (r *reader) changes(c Changes) *changes {
	if c == (Changes{}) {
		return nil
	}
	h := &changes{
		path: r.address("changes.path", c.Path, "cursor"), list: r.pointer("changes.list", c.List),
		next: r.pointer("changes.next", c.Next), overlap: c.Overlap,
		id:  r.pointer("changes.id", c.ID),
		ref: r.pointer("changes.ref", c.Ref), key: r.pointer("changes.key", c.Key),
		word: r.pointer("changes.word", c.Word), at: r.pointer("changes.at", c.At),
		correction: r.pointer("changes.correction", c.Correction),
	}
	if h.overlap == 0 {
		h.overlap = time.Minute
	}
	switch {
	case !h.path.has("cursor"):
		r.add("changes.path", "must say {cursor}: where does the question begin?")
	case len(h.path.places) > 1:
		r.add("changes.path", "can say nothing but {cursor}: it is about no case")
	case h.list == nil || h.id == nil || h.word == nil || h.at == nil:
		r.add("changes", "list, id, word and at are needed")
	case h.ref == nil && h.key == nil:
		r.add("changes", "ref or key is needed: which case is a change of?")
	}
	return h
}

func (r *reader) err() error { return errors.Join(r.wrong...) }
