package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
)

// secrets reads what a configuration only refers to: secrets, and the files beside
// it. The zero value reads nothing and checks only how the references are written,
// for those who check a configuration where its secrets are not.
type secrets struct {
	dir string // what a relative path is relative to
	env func(name string) (value string, ok bool)
}

var (
	errNotReference = errors.New("must be written env:NAME or file:PATH, never as the secret itself")
	errNoVariable   = errors.New("names an environment variable that is not set")
	errNoFile       = errors.New("names a file that cannot be read: make it, readable for its owner alone (chmod 600)")
	errOpenFile     = errors.New("names a file that others may read: take the rights away (chmod 600)")
	errEmpty        = errors.New("is empty where it is kept")
)

// read gives the secret that env:NAME or file:PATH refers to. Its errors name
// neither.
func (s secrets) read(reference string) (hub.Secret, error) {
	kind, name, _ := strings.Cut(reference, ":")
	if name == "" || kind != "env" && kind != "file" {
		return hub.Secret{}, errNotReference
	}
	if s.env == nil {
		return hub.NewSecret("not read: " + reference), nil // so that two that are the same are seen to be
	}
	text, err := s.text(kind, name)
	if err != nil {
		return hub.Secret{}, err
	}
	if text = strings.TrimRight(text, "\r\n"); text == "" {
		return hub.Secret{}, errEmpty
	}
	return hub.NewSecret(text), nil
}

func (s secrets) text(kind, name string) (string, error) {
	if kind == "env" {
		value, ok := s.env(name)
		if !ok {
			return "", errNoVariable
		}
		return value, nil
	}
	path := s.path("file:" + name)
	if err := private(path); err != nil {
		return "", err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", errNoFile
	}
	return string(text), nil
}

// private reports whether a file is there and is kept as a secret is.
func private(path string) error {
	about, err := os.Stat(path)
	switch {
	case err != nil || !about.Mode().IsRegular():
		return errNoFile
	case !hub.IsPrivate(about):
		return errOpenFile
	}
	return nil
}

// path gives the place that file:PATH means: PATH is relative to the folder of the
// configuration. Any other text is given as it is.
func (s secrets) path(text string) string {
	name, refers := strings.CutPrefix(text, "file:")
	if !refers || s.dir == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(s.dir, filepath.FromSlash(name))
}
