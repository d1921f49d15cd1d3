// Package filedropsim is a building system that reads applications from a folder: it takes each file
// that is whole and right by its schema, moves it to the done ones and remembers it, and puts aside what
// it cannot read.
//
// Whoever owns a Sim calls Step as often as the system shall look.
package filedropsim

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/simfolder"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// Options are what a Sim is made of. The folders are made where they are missing.
type Options struct {
	Dir     string             // where the ledger is kept; "" keeps it in memory only
	Folder  string             // where files come
	Done    string             // where those that were taken go
	Refused string             // where the others go
	Schema  document.Validator // what a document must be; nil takes any XML
	Clock   func() time.Time
}

// An Entry is one file, or folder of files, that was looked at.
type Entry struct {
	simfolder.Look
	Diarienummer string   `json:"diarienummer,omitempty"`
	Files        []string `json:"files,omitempty"` // SHA-256 of each file beside the document, by name
}

// A Sim is one building system. It is safe for concurrent use.
type Sim struct {
	*simfolder.Reader[Entry]
	Options
}

// New opens the ledger in o.Dir, if there is one, and remembers what is in it.
func New(o Options) (*Sim, error) {
	places := simfolder.Places{Folder: o.Folder, Done: o.Done, Refused: o.Refused}
	reader, err := simfolder.New(o.Dir, "filedrop.jsonl", places, o.Clock, judge{o.Schema})
	if err != nil {
		return nil, err
	}
	return &Sim{reader, o}, nil
}

// A judge decides what is taken.
type judge struct{ schema document.Validator }

// Judge judges a file, or a folder in which the document has the folder's name.
func (j judge) Judge(l simfolder.Look, path string) (Entry, error) {
	e := Entry{Look: l}
	text, beside, err := read(path)
	if err != nil {
		return e, err
	}
	e.SHA256, e.Files = sumOf(text), beside
	if e.Refused == "" {
		e.Diarienummer, e.Refused = j.diarienummer(text)
	}
	return e, nil
}

// Acknowledge does nothing: such a system gives no receipts.
func (judge) Acknowledge(string) error { return nil }

// read gives the document of what lies at path, and the digests of what lies beside it.
func read(path string) (text []byte, beside []string, err error) {
	about, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !about.IsDir() {
		text, err = os.ReadFile(path)
		return text, nil, err
	}
	inside, err := os.ReadDir(path)
	for _, f := range inside {
		content, err := os.ReadFile(filepath.Join(path, f.Name()))
		if err != nil {
			return nil, nil, err
		}
		if strings.TrimSuffix(f.Name(), filepath.Ext(f.Name())) == filepath.Base(path) {
			text = content
		} else {
			beside = append(beside, sumOf(content))
		}
	}
	return text, beside, err
}

func sumOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// diarienummer tells the document's, or why it is refused.
func (j judge) diarienummer(text []byte) (number, refused string) {
	root, err := document.ReadXML(bytes.NewReader(text), document.Limits{})
	switch {
	case err != nil:
		return "", "no XML, or half a file"
	case j.schema != nil && j.schema.Validate(text) != nil:
		return "", "not right by the schema"
	case root.Value("Diarienummer") == "":
		return "", "without a diarienummer"
	}
	return root.Value("Diarienummer"), ""
}
