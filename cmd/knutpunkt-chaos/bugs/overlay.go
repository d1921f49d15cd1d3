package bugs

import (
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// What the bugs need in the packages that they are planted in, a file for each. The
// folder's name begins with _, so that it is no package by itself.
//
//go:embed _planted/*.go
var planted embed.FS

// plantedIn says where the files of _planted lie when they lie over the code.
var plantedIn = map[string]string{
	"hub.go":      "hub/planted.go",
	"outbound.go": "hub/outbound/planted.go",
	"rows.go":     "hub/store/rows/planted.go",
	"sqlite.go":   "hub/store/sqlite/planted.go",
	"web.go":      "hub/web/planted.go",
}

// plant writes changed files into dir, and the list of what they lie over, in the form
// that go build -overlay wants. It gives the list's name.
func plant(root, dir string) (list string, err error) {
	texts, err := changed(root)
	if err != nil {
		return "", err
	}
	for from, to := range plantedIn {
		text, err := planted.ReadFile("_planted/" + from)
		if err != nil {
			return "", err
		}
		texts[to] = string(text)
	}
	replace := map[string]string{}
	for file, text := range texts {
		with := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(with, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root, filepath.FromSlash(file))] = with
	}
	over, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	list = filepath.Join(dir, "overlay.json")
	return list, os.WriteFile(list, over, 0o600)
}

// changed gives the files that the bugs change, as they become.
func changed(root string) (map[string]string, error) {
	texts := map[string]string{}
	for _, bug := range All {
		for _, e := range bug.edits {
			text, read := texts[e.file]
			if !read {
				b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(e.file)))
				if err != nil {
					return nil, fmt.Errorf("plant %s: %w", bug.Name, err)
				}
				text = string(b)
			}
			if n := strings.Count(text, e.find); n != 1 {
				return nil, fmt.Errorf("plant %s: %s has %d times, not once: %s", bug.Name, e.file, n, e.find)
			}
			texts[e.file] = strings.Replace(text, e.find, e.put, 1)
		}
	}
	return texts, nil
}
