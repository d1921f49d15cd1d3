package config

import (
	"errors"
	"io/fs"
	"path"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

// A form is the schema of a form's answers, as the hub asks for it.
type form struct{ *document.Form }

// compileForm compiles schemas/NAME.
func compileForm(fsys fs.FS, file string) (*form, error) {
	schemas, err := fs.Sub(fsys, "schemas")
	if err != nil {
		return nil, err
	}
	compiled, err := document.CompileForm(schemas, relative(file))
	if err != nil {
		return nil, err
	}
	return &form{compiled}, nil
}

// relative gives a file's name under schemas/.
func relative(file string) string { return file[len("schemas/"):] }

// unusable tells why a schema cannot be used: at the schema's own line where it is wrong, and where
// the route names it when it is not there.
func (w *way) unusable(name word, file string, err error) {
	var wrong *document.SchemaError
	switch {
	case !fs.ValidPath(file) || path.Clean(file) != file:
		w.page.said(name, "a schema is named by its file's place under schemas/")
	case !exists(w.fsys, file):
		names := append(w.called("schemas/*", "schemas/", ""), w.called("schemas/*/*", "schemas/", "")...)
		w.page.said(name, "there is no file %s%s", file, perhaps(name.text, names))
	case errors.As(err, &wrong):
		w.problems = append(w.problems, mapping.SchemaProblem(wrong))
	default:
		w.page.said(name, "%s is no JSON Schema that can be used", file)
	}
}

// Fit types the answers by the schema.
func (f *form) Fit(a hub.Answers) (hub.Answers, error) {
	fitted, err := f.Form.Fit(a.Reveal())
	if err != nil {
		return a, err
	}
	return hub.NewAnswers(fitted), nil
}
