package soap

import (
	"maps"
	"slices"
	"strings"

	"github.com/knutpunkt/knutpunkt/connectors/declared"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A reader reads a Config into what is used at each call.
type reader struct {
	declared.Reader
	env    hub.Env
	at     *system
	frame  *frame
	faults declared.Meanings
	always []string // places that every envelope can have: those of the header
}

// system reads how the system is reached, and what stands in every envelope.
func (r *reader) system(c Config) {
	space := space11
	if r.OneOf("version", c.Version, "1.1", "1.2") == "1.2" {
		space = space12
	}
	r.at = &system{env: r.env, url: r.Base("url", c.URL), space: space, secrets: map[string]hub.Secret{}}
	r.at.line = declared.NewLine(r.env, r.Access(declared.Access{
		Token: c.Token, User: c.User, Secret: c.Secret, OAuth2: c.OAuth2,
		Headers: c.Headers, SecretHeaders: c.SecretHeaders,
	}), "text/xml, application/soap+xml")
	for name := range c.Headers {
		if strings.EqualFold(name, "SOAPAction") {
			r.Add("headers", "SOAPAction is said by the connector itself: see action")
		}
	}
	r.faults = maps.Clone(usual)
	maps.Copy(r.faults, r.Names("faults", c.Faults))
	r.header(c)
	if len(c.Operations) == 0 && declared.IsLeftOut(c.Changes) {
		r.Add("operations", "there is nothing to do: neither operations nor changes")
	}
}

// header reads what stands around each Body.
func (r *reader) header(c Config) {
	for prefix, space := range c.Namespaces {
		if prefix == "soap" || prefix == "xml" || prefix == "xmlns" || !declared.IsToken(prefix) || space == "" {
			r.Add("namespaces", "a prefix is letters and digits, and none of soap, xml and xmlns; what it is for is not empty")
		}
	}
	r.frame = newFrame(r.at.space, c.Namespaces)
	r.always = []string{"action"}
	for name, secret := range c.Secrets {
		r.secret("secret."+name, secret)
	}
	if c.UsernameToken.User != "" {
		r.secret("username-token.secret", c.UsernameToken.Secret)
		r.frame.headers = append(r.frame.headers, usernameToken(c.UsernameToken.User))
	}
	if c.Header == "" {
		return
	}
	own, err := r.frame.parse(c.Header)
	if err != nil {
		r.Add("header", "%v", err)
	}
	r.frame.headers = append(r.frame.headers, own...)
	if written, err := r.frame.around(bodyPlace); err == nil {
		r.Text("header", written, slices.Concat(r.always, []string{"body"})...)
	}
}

func (r *reader) secret(place string, secret hub.Secret) {
	r.at.secrets[place] = secret
	r.always = append(r.always, place)
}

const (
	securitySpace = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	passwordText  = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText"
)

// usernameToken says who calls. It must be understood: a system that passed it over would let anybody in.
func usernameToken(user string) *document.Element {
	return &document.Element{
		Name:  "wsse:Security",
		Attrs: []document.Attr{{Name: "xmlns:wsse", Value: securitySpace}, {Name: "soap:mustUnderstand", Value: "1"}},
		Children: []*document.Element{{Name: "wsse:UsernameToken", Children: []*document.Element{
			{Name: "wsse:Username", Text: user},
			{Name: "wsse:Password", Attrs: []document.Attr{{Name: "Type", Value: passwordText}}, Text: "{username-token.secret}"},
		}}},
	}
}

// demand begins to read one call.
func (r *reader) demand(key, action string) *demand {
	if strings.ContainsFunc(action, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '"' || c == '\\' }) {
		r.Add(key+".action", "an action is an address or a name, without blanks and quotes")
	}
	return &demand{action: action, faults: r.faults}
}

// asking reads a call whose Body is written in systems.yaml.
func (r *reader) asking(key, action, request string, places ...string) *demand {
	q := r.demand(key, action)
	if q.envelope = r.Text(key+".request", request, places...); q.envelope.Unread() {
		return q
	}
	inside, err := r.frame.parse(request)
	switch {
	case err != nil:
		r.Add(key+".request", "%v", err)
		return q
	case len(inside) != 1:
		r.Add(key+".request", "a request is one element, which is the operation's")
		return q
	}
	r.write(q, key, &document.Element{Name: "soap:Body", Children: inside}, places...)
	return q
}

// write writes the envelope of a call, with its places.
func (r *reader) write(q *demand, key string, body *document.Element, places ...string) {
	envelope, err := r.frame.around(body)
	if err != nil {
		r.Add(key+".request", "%v", err)
		return
	}
	q.envelope = r.Text(key+".request", envelope, slices.Concat(places, r.always)...)
	if q.action == "" && q.envelope.Has("action") {
		r.Add(key+".action", "the header says {action}: which is it?")
	}
}

// operation reads one of the operations.
func (r *reader) operation(name string, c Operation) declared.Operation {
	key := "operations." + name
	at := func(k string) string { return key + "." + k }
	o := declared.Operation{
		Name: name, Protected: c.Protected,
		KeyHeader: c.Key.Header, Key: r.Pointer(at("key.document"), c.Key.Document),
		Receipt: r.Receipt(at("receipt"), c.Receipt), Find: r.find(at("find"), c.Find),
	}
	o.Level, o.Lag = r.Level(at, c.Level, c.Lag)
	q := r.making(key, c)
	q.statuses, q.lag, q.outcome = r.Statuses(at("errors"), c.Errors), o.Lag, r.Result(at("result"), c.Result, false)
	q.faults = maps.Clone(r.faults)
	maps.Copy(q.faults, r.Names(at("faults"), c.Faults))
	o.Make, o.Files = r.at.making(q, o.KeyHeader), r.files(at("files"), c.Files, *q)
	r.Check(at, o, q.envelope.Has("key"), "key.document, key.header or {key} in request")
	if o.Level == hub.Idempotent && o.Files != nil && o.Files.Find == nil && !o.Files.LandsTwice {
		r.Add(at("files"), "idempotent needs files.find, or {n} or {sha256} in the request, by which the system knows a file that it has")
	}
	return o
}

// making reads how a document is sent.
func (r *reader) making(key string, c Operation) *demand {
	if c.Request == "" {
		q := r.demand(key, c.Action)
		r.write(q, key, bodyPlace, "body")
		return q
	}
	q := r.asking(key, c.Action, c.Request, "document", "key")
	if !q.envelope.HasOnce("document") {
		r.Add(key+".request", "must say {document}, once: where is the document?")
	}
	return q
}

// about are the places of a question about what a delivery has become.
var about = []string{"key", "number", "ref", declared.DocumentPath}

func (r *reader) find(key string, c Find) *declared.Find {
	if declared.IsLeftOut(c) {
		return nil
	}
	q := r.asking(key, c.Action, c.Request, "key", declared.DocumentPath)
	q.none, q.outcome = c.NotFound, r.Result(key+".result", c.Result, true)
	if q.envelope.Lacks("key") && !c.Among {
		r.Add(key+".request", "must say {key}: which case is asked for? Or say among: yes")
	}
	if c.List == "" && c.NotFound == "" && q.outcome == nil {
		r.Add(key, "list, not-found or result is needed: how does the system say that there is none?")
	}
	return r.Find(key, r.at.question(q), declared.FindList{
		List: c.List, Number: c.Number, Ref: c.Ref, Echo: c.Echo, At: c.At, Among: c.Among,
	})
}

// files reads how files follow; what is said of the operation's Faults holds for them too.
func (r *reader) files(key string, c Files, of demand) *declared.Files {
	if declared.IsLeftOut(c) {
		return nil
	}
	q := r.asking(key, c.Action, c.Request,
		slices.Concat(about, []string{"n", "name", "type", "size", "sha256", "content"})...)
	q.faults, q.statuses, q.lag, q.outcome = of.faults, of.statuses, of.lag, r.Result(key+".result", c.Result, false)
	if !q.envelope.HasOnce("content") {
		r.Add(key+".request", "must say {content}, once: where are the file's bytes?")
	}
	return &declared.Files{
		Hand: r.at.handing(q), Ref: r.Pointer(key+".ref", c.Ref), Find: r.findFiles(key+".find", c.Find),
		LandsTwice: q.envelope.Has("n") || q.envelope.Has("sha256"),
	}
}

func (r *reader) findFiles(key string, c FindFiles) *declared.FindFiles {
	if declared.IsLeftOut(c) {
		return nil
	}
	q := r.asking(key, c.Action, c.Request, about...)
	q.outcome = r.Result(key+".result", c.Result, true)
	return r.FindFiles(key, r.at.question(q), declared.FileList{List: c.List, N: c.N, SHA256: c.SHA256, Name: c.Name, Ref: c.Ref})
}

func (r *reader) changes(c Changes) *declared.Changes {
	if declared.IsLeftOut(c) {
		return nil
	}
	q := r.asking("changes", c.Action, c.Request, "cursor", "now")
	q.outcome = r.Result("changes.result", c.Result, false)
	if q.envelope.Lacks("cursor") {
		r.Add("changes.request", "must say {cursor}: where does the question begin?")
	}
	return r.Changes(r.env, r.at.question(q), declared.History{
		News: declared.News{List: c.List, ID: c.ID, Word: c.Word, At: c.At, Correction: c.Correction},
		Next: c.Next, First: c.First, Overlap: c.Overlap, Ref: c.Ref, Key: c.Key,
	})
}

func (r *reader) status(c Status) *declared.Status {
	if declared.IsLeftOut(c) {
		return nil
	}
	q := r.asking("status", c.Action, c.Request, about...)
	q.none, q.outcome = c.NotFound, r.Result("status.result", c.Result, true)
	if q.envelope.Lacks("ref", "number", "key") {
		r.Add("status.request", "must say {ref}, {number} or {key}: which case is asked about?")
	}
	return r.Status(r.env, r.at.question(q), declared.News{List: c.List, ID: c.ID, Word: c.Word, At: c.At, Correction: c.Correction})
}
