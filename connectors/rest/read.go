package rest

import (
	"net/http"

	"github.com/knutpunkt/knutpunkt/connectors/declared"
	"github.com/knutpunkt/knutpunkt/hub"
)

// A reader reads a Config into what is used at each call.
type reader struct {
	declared.Reader
	env hub.Env
	at  *system
}

// system reads how the system is reached.
func (r *reader) system(c Config) {
	r.at = &system{env: r.env, url: r.Base("url", c.URL), xml: r.OneOf("format", c.Format, "json", "xml") == "xml"}
	accept := "application/json"
	if r.at.xml {
		accept = "application/xml, text/xml"
	}
	r.at.line = declared.NewLine(r.env, r.Access(declared.Access{
		Token: c.Token, User: c.User, Secret: c.Secret, OAuth2: c.OAuth2,
		Headers: c.Headers, SecretHeaders: c.SecretHeaders,
	}), accept)
	if len(c.Operations) == 0 && declared.IsLeftOut(c.Changes) {
		r.Add("operations", "there is nothing to do: neither operations nor changes")
	}
}

// operation reads one of the operations.
func (r *reader) operation(name string, c Operation) declared.Operation {
	at := func(key string) string { return "operations." + name + "." + key }
	q := sending{
		method:   r.OneOf(at("method"), c.Method, http.MethodPost, http.MethodPut, http.MethodPatch),
		path:     r.Address(at("path"), c.Path, "key"),
		statuses: r.Statuses(at("errors"), c.Errors),
		outcome:  r.Result(at("result"), c.Result, false),
	}
	o := declared.Operation{
		Name: name, Protected: c.Protected,
		KeyHeader: c.Key.Header, Key: r.Pointer(at("key.document"), c.Key.Document),
		Receipt: r.Receipt(at("receipt"), c.Receipt), Find: r.find(at("find"), c.Find),
	}
	o.Level, o.Lag = r.Level(at, c.Level, c.Lag)
	q.lag = o.Lag
	o.Make, o.Files = r.at.making(q, o.KeyHeader), r.files(at("files"), c.Files, q)
	r.Check(at, o, q.path.Has("key"), "key.header, key.document or {key} in path")
	if o.Level == hub.Idempotent && o.Files != nil && o.Files.Find == nil && !o.Files.LandsTwice {
		r.Add(at("files"), "idempotent needs files.find, or PUT at a path with {n} or {sha256}")
	}
	return o
}

func (r *reader) find(key string, c Find) *declared.Find {
	if declared.IsLeftOut(c) {
		return nil
	}
	path := r.Address(key+".path", c.Path, "key")
	if path.Lacks("key") {
		r.Add(key+".path", "must say {key}: which case is asked for?")
	}
	none := r.notFound(key, c.NotFound, c.List != "")
	return r.Find(key, r.at.question(path, none, r.Result(key+".result", c.Result, true)), declared.FindList{
		List: c.List, Number: c.Number, Ref: c.Ref, Echo: c.Echo, At: c.At, Among: c.Among,
	})
}

// notFound reads the status that says that there is none: where there is a list, that is an empty one.
func (r *reader) notFound(key string, status int, isList bool) int {
	switch {
	case status == 0 && isList:
		return 0
	case status == 0:
		return http.StatusNotFound
	case status/100 != 4 && status != http.StatusNoContent:
		r.Add(key+".not-found", "must be 204 or a status from 400 to 499")
	}
	return status
}

// files reads how files follow; what is said of the operation's errors holds for them too.
func (r *reader) files(key string, c Files, q sending) *declared.Files {
	if c.Path == "" {
		return nil
	}
	places := []string{"key", "number", "ref", "n", "sha256"}
	q.method = r.OneOf(key+".method", c.Method, http.MethodPut, http.MethodPost)
	q.path = r.Address(key+".path", c.Path, places...)
	q.outcome = r.Result(key+".result", c.Result, false)
	p := &parcel{
		sending: q, form: r.OneOf(key+".as", c.As, "body", "multipart") == "multipart",
		field: c.Field, fields: map[string]declared.Template{},
		sumHeader: c.SHA256, disposition: c.Disposition, silent: c.Ref == "" && q.outcome == nil,
	}
	if p.field == "" {
		p.field = "file"
	}
	if !declared.IsToken(p.field) {
		r.Add(key+".field", "the name of a field is letters, digits and -")
	}
	for name, text := range c.Fields {
		p.fields[name] = r.Text(key+".fields", text, places...)
	}
	if !p.form && (c.Field != "" || len(c.Fields) > 0) {
		r.Add(key+".fields", "field and fields are of a form: as: multipart")
	}
	if c.SHA256 != "" {
		r.Header(key+".sha256", c.SHA256)
	}
	return &declared.Files{
		Hand: r.at.handing(p), Ref: r.Pointer(key+".ref", c.Ref),
		Find: r.findFiles(key+".find", c.Find), LandsTwice: p.landsTwice(),
	}
}

func (r *reader) findFiles(key string, c FindFiles) *declared.FindFiles {
	if declared.IsLeftOut(c) {
		return nil
	}
	ask := r.at.question(r.Address(key+".path", c.Path, "key", "number", "ref"), 0, r.Result(key+".result", c.Result, true))
	return r.FindFiles(key, ask, declared.FileList{List: c.List, N: c.N, SHA256: c.SHA256, Name: c.Name, Ref: c.Ref})
}

func (r *reader) changes(c Changes) *declared.Changes {
	if declared.IsLeftOut(c) {
		return nil
	}
	path := r.Address("changes.path", c.Path, "cursor")
	if path.Lacks("cursor") {
		r.Add("changes.path", "must say {cursor}: where does the question begin?")
	}
	if path.Places() > 1 {
		r.Add("changes.path", "can say nothing but {cursor}: it is about no case")
	}
	ask := r.at.question(path, 0, r.Result("changes.result", c.Result, false))
	return r.Changes(r.env, ask, declared.History{
		News: declared.News{List: c.List, ID: c.ID, Word: c.Word, At: c.At, Correction: c.Correction},
		Next: c.Next, First: c.First, Overlap: c.Overlap, Ref: c.Ref, Key: c.Key,
	})
}

func (r *reader) status(c Status) *declared.Status {
	if declared.IsLeftOut(c) {
		return nil
	}
	path := r.Address("status.path", c.Path, "key", "number", "ref")
	if path.Lacks("ref", "number", "key") {
		r.Add("status.path", "must say {ref}, {number} or {key}: which case is asked about?")
	}
	none := r.notFound("status", c.NotFound, false)
	ask := r.at.question(path, none, r.Result("status.result", c.Result, true))
	return r.Status(r.env, ask, declared.News{List: c.List, ID: c.ID, Word: c.Word, At: c.At, Correction: c.Correction})
}
