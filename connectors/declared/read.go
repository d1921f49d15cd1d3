package declared

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Reader reads what systems.yaml says into what is used at each call, and collects all that is wrong with
// it, each thing with the key that it stands at.
type Reader struct{ wrong []error }

// Err gives all that was wrong.
func (r *Reader) Err() error { return errors.Join(r.wrong...) }

// Add notes what is wrong with a key.
func (r *Reader) Add(key, format string, args ...any) {
	r.wrong = append(r.wrong, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
}

// IsLeftOut reports whether systems.yaml says nothing of a part of an entry.
func IsLeftOut(part any) bool { return reflect.ValueOf(part).IsZero() }

// OneOf gives text, or the first of the words when it is left out.
func (r *Reader) OneOf(key, text string, words ...string) string {
	switch {
	case text == "":
		return words[0]
	case !slices.Contains(words, text):
		r.Add(key, "must be one of %s", strings.Join(words, ", "))
	}
	return text
}

// Pointer reads a path into an answer or a document.
func (r *Reader) Pointer(key, text string) Pointer {
	p, err := parsePointer(text)
	if err != nil {
		r.Add(key, "%v", err)
	}
	return p
}

// word reads one path, or several with + between.
func (r *Reader) word(key, text string) (w Word) {
	if text == "" {
		return nil
	}
	for path := range strings.SplitSeq(text, " + ") {
		w = append(w, r.Pointer(key, strings.TrimSpace(path)))
	}
	return w
}

// Address reads the end of an address.
func (r *Reader) Address(key, text string, allowed ...string) Template {
	t, err := parseAddress(text, allowed...)
	if t.unread = err != nil; t.unread {
		r.Add(key, "%v", err)
	}
	return t
}

// Text reads a text with places; allowed are those that have a value there. case.LEG.number and
// case.LEG.ref always have.
func (r *Reader) Text(key, text string, allowed ...string) Template {
	t, _, err := parseTemplate(text, allowed)
	if t.unread = err != nil; t.unread {
		r.Add(key, "%v", err)
	}
	return t
}

// Base reads an address that others are added to.
func (r *Reader) Base(key, address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" ||
		u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.User != nil {
		r.Add(key, "must be an http or https address without query and user")
	}
	return strings.TrimRight(address, "/")
}

// Access reads how the hub is let in.
func (r *Reader) Access(a Access) Access {
	if a.OAuth2.URL != "" {
		r.Base("oauth2.url", a.OAuth2.URL)
		r.OneOf("oauth2.in", a.OAuth2.In, "header", "form")
	}
	ways := 0
	for _, is := range []bool{a.Token.Reveal() != "", a.User != "", a.OAuth2.URL != ""} {
		if is {
			ways++
		}
	}
	if ways > 1 {
		r.Add("token", "only one of token, user and oauth2 can be the way in")
	}
	if (a.User == "") != (a.Secret.Reveal() == "") {
		r.Add("user", "user and secret belong together")
	}
	for name, value := range a.Headers {
		r.Header("headers", name)
		if strings.ContainsFunc(value, isControl) {
			r.Add("headers", "%s has a character that no header can have", name)
		}
	}
	for name := range a.SecretHeaders {
		r.Header("secret-headers", name)
	}
	return a
}

// ours are the headers that a connector says itself.
var ours = []string{"Authorization", "Content-Type", "Content-Length", "Content-Disposition", "Accept-Encoding",
	"Host", "Transfer-Encoding", "Connection", "Expect"}

// Header reads the name of a header that is the system's own. It may not be one that makes the HTTP library
// take a call for idempotent.
func (r *Reader) Header(key, name string) {
	switch canonical := http.CanonicalHeaderKey(name); {
	case !IsToken(name):
		r.Add(key, "the name of a header is letters, digits and -")
	case key == "secret-headers" && canonical == "Authorization":
	case slices.Contains(ours, canonical), resends(name):
		r.Add(key, "%s is said by the connector itself", canonical)
	}
}

// resends reports whether net/http sends a call with that header again when a connection breaks.
func resends(header string) bool {
	name := http.CanonicalHeaderKey(header)
	return name == "Idempotency-Key" || name == "X-Idempotency-Key"
}

// IsToken reports whether a text can be the name of a header or a field.
func IsToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

var levels = []string{string(hub.Blind), string(hub.Lookup), string(hub.Idempotent)}

// Level reads the level of an operation, and the lag of one that is looked for.
func (r *Reader) Level(at func(string) string, level hub.Level, lag time.Duration) (hub.Level, time.Duration) {
	level = hub.Level(r.OneOf(at("level"), string(level), levels...))
	if level == hub.Lookup && lag == 0 {
		lag = 2 * time.Second
	}
	return level, lag
}

// Check sees to it that an operation can keep what its level promises. The system gets the Key by its header
// or its document, or says so otherwise; ways are how that can be.
func (r *Reader) Check(at func(string) string, o Operation, saysKey bool, ways string) {
	saysKey = saysKey || o.KeyHeader != "" || o.Key != nil
	if o.Receipt.Number == nil {
		r.Add(at("receipt.number"), "without a number there is no receipt")
	}
	if o.KeyHeader != "" {
		switch {
		case !resends(o.KeyHeader):
			r.Header(at("key.header"), o.KeyHeader)
		case o.Level != hub.Idempotent:
			r.Add(at("key.header"), "the HTTP library sends calls with %s again: for level idempotent only", o.KeyHeader)
		}
	}
	if o.Receipt.Echo != nil && !saysKey {
		r.Add(at("receipt.echo"), "the system cannot repeat a key that it does not get: say %s", ways)
	}
	switch files := o.Files; {
	case o.Level == hub.Blind && (o.Find != nil || files != nil && files.Find != nil):
		r.Add(at("level"), "who can be asked is not blind: leave out find, or have the operation certified as lookup")
	case o.Level != hub.Blind && !saysKey:
		r.Add(at("level"), "%s needs the key at the system: say %s", o.Level, ways)
	case o.Level == hub.Lookup && o.Find == nil:
		r.Add(at("level"), "lookup needs find")
	case o.Level == hub.Lookup && files != nil && files.Find == nil:
		r.Add(at("files"), "lookup needs files.find")
	}
}

// Receipt reads where a receipt stands.
func (r *Reader) Receipt(key string, c Receipt) ReceiptPlace {
	return ReceiptPlace{
		r.Pointer(key+".number", c.Number), r.Pointer(key+".ref", c.Ref),
		r.Pointer(key+".echo", c.Echo), r.Pointer(key+".at", c.At),
	}
}

// Find reads where the hits of a question stand.
func (r *Reader) Find(key string, ask Question, c FindList) *Find {
	f := &Find{
		Ask: ask, List: r.Pointer(key+".list", c.List), Among: c.Among,
		Receipt: r.Receipt(key, Receipt{c.Number, c.Ref, c.Echo, c.At}),
	}
	if f.Receipt.Number == nil || f.Receipt.Echo == nil {
		r.Add(key, "number and echo are needed: a hit is known as ours by its key")
	}
	if f.Among && f.List == nil {
		r.Add(key+".among", "others' cases can only stand in a list")
	}
	return f
}

// FindFiles reads where the files of a case stand.
func (r *Reader) FindFiles(key string, ask Question, c FileList) *FindFiles {
	f := &FindFiles{
		Ask: ask, List: r.Pointer(key+".list", c.List), N: r.Pointer(key+".n", c.N),
		Sum: r.Pointer(key+".sha256", c.SHA256), Name: r.Pointer(key+".name", c.Name), Ref: r.Pointer(key+".ref", c.Ref),
	}
	if f.List == nil {
		r.Add(key+".list", "where do the files stand?")
	}
	if f.N == nil && f.Sum == nil && f.Name == nil {
		r.Add(key, "a file is known by one of n, sha256 and name, or by several")
	}
	return f
}

func (r *Reader) telling(key string, c News) Telling {
	return Telling{
		List: r.Pointer(key+".list", c.List), ID: r.Pointer(key+".id", c.ID), Word: r.word(key+".word", c.Word),
		At: r.Pointer(key+".at", c.At), Correction: r.Pointer(key+".correction", c.Correction),
	}
}

// Changes reads where the changes of all cases stand.
func (r *Reader) Changes(env hub.Env, ask Question, c History) *Changes {
	h := &Changes{
		Env: env, Ask: ask, Next: r.Pointer("changes.next", c.Next), First: c.First, Overlap: c.Overlap,
		Ref: r.Pointer("changes.ref", c.Ref), Key: r.Pointer("changes.key", c.Key), Telling: r.telling("changes", c.News),
	}
	if h.Overlap == 0 {
		h.Overlap = time.Minute
	}
	switch {
	case h.List == nil || h.Word == nil || h.At == nil:
		r.Add("changes", "list, word and at are needed")
	case h.Ref == nil && h.Key == nil:
		r.Add("changes", "ref or key is needed: which case is a change of?")
	case h.First != "" && h.Next == nil:
		r.Add("changes.first", "it is what next begins with: without next the beginning is thirty days ago")
	}
	return h
}

// Status reads how one case's news stand. The question must be about the case.
func (r *Reader) Status(env hub.Env, ask Question, c News) *Status {
	s := &Status{Env: env, Ask: ask, Telling: r.telling("status", c)}
	if s.Word == nil {
		r.Add("status", "word is needed: what does the case say?")
	}
	return s
}

// Result reads where a code stands and what codes mean; nil when there is none. Only a question can mean
// not-found.
func (r *Reader) Result(key string, c Result, asks bool) *Outcome {
	if c.Path == "" {
		return nil
	}
	o := &Outcome{At: r.Pointer(key+".path", c.Path), Means: Meanings{}}
	allowed := meanings
	if asks {
		allowed = append(slices.Clone(meanings), string(NotFound))
	}
	for code, word := range c.Values {
		o.Means[code] = r.meaning(key+".values", "a code", word, allowed)
	}
	if !slices.Contains(slices.Collect(maps.Values(o.Means)), Accepted) {
		r.Add(key+".values", "which code says that all is well? Write it with %s", Accepted)
	}
	return o
}

var meanings = []string{
	string(Accepted), string(Refused), string(Later), string(DontKnow),
	string(Credentials), string(AddressChanged), string(ContractBroken),
}

// meaning reads what a thing means; allowed are the words for it.
func (r *Reader) meaning(key, thing, word string, allowed []string) Meaning {
	if !slices.Contains(allowed, word) {
		r.Add(key, "%s means one of %s", thing, strings.Join(allowed, ", "))
	}
	return Meaning(word)
}

// Statuses reads the table from 409, or 5xx, to what it means.
func (r *Reader) Statuses(key string, table map[string]string) Meanings {
	read := Meanings{}
	for status, word := range table {
		class, isClass := strings.CutSuffix(status, "xx")
		code, err := strconv.Atoi(class)
		if isClass {
			code *= 100
		}
		if err != nil || code < 400 || code > 599 || isClass && len(class) != 1 {
			r.Add(key, "a status is 400 to 599, or 4xx or 5xx")
		}
		read[status] = r.meaning(key, "a status", word, meanings)
		if isClass && word == string(Accepted) {
			r.Add(key, "a whole class of statuses cannot be %s", word)
		}
	}
	return read
}

// Names reads a table from names, such as those of Faults, to what they mean. None of them is a yes.
func (r *Reader) Names(key string, table map[string]string) Meanings {
	read := Meanings{}
	for name, word := range table {
		read[name] = r.meaning(key, "a Fault", word, meanings[1:])
	}
	return read
}
