package config

import (
	"io/fs"
	"path"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
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

// unusable says why a schema cannot be used.
func unusable(fsys fs.FS, file string, err error) string {
	if !fs.ValidPath(file) || path.Clean(file) != file {
		return "a schema is named by its file's place under schemas/"
	}
	if !exists(fsys, file) {
		return "there is no file " + file
	}
	return file + " is no JSON Schema that can be used: " + err.Error()
}

// Fit types the answers by the schema.
func (f *form) Fit(a hub.Answers) (hub.Answers, error) {
	fitted, err := f.Form.Fit(a.Reveal())
	if err != nil {
		return a, err
	}
	return hub.NewAnswers(fitted), nil
}
