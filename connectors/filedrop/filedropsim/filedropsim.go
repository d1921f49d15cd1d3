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
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/simledger"
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
	At           time.Time `json:"at"`
	Key          string    `json:"key"` // the file's name without its ending
	Name         string    `json:"name"`
	SHA256       string    `json:"sha256"` // of the document, hexadecimal
	Diarienummer string    `json:"diarienummer,omitempty"`
	Files        []string  `json:"files,omitempty"`   // SHA-256 of each file beside the document, by name
	Refused      string    `json:"refused,omitempty"` // why it was not taken; "" when it was
}

// A Fault is one way to fail. It lasts until Heal.
type Fault string

const (
	Idle   Fault = "idle"   // takes nothing
	Absent Fault = "absent" // the folder is not there, as a share that is not mounted
	Strict Fault = "strict" // refuses whatever comes
)

// A Sim is one building system. It is safe for concurrent use.
type Sim struct {
	Options

	ledger *simledger.Ledger[Entry]

	mu     sync.Mutex
	faults map[Fault]bool
}

// New opens the ledger in o.Dir, if there is one, and remembers what is in it.
func New(o Options) (*Sim, error) {
	s := &Sim{Options: o, faults: map[Fault]bool{}}
	for _, folder := range []string{o.Folder, o.Done, o.Refused} {
		if err := os.MkdirAll(folder, 0o770); err != nil {
			return nil, fmt.Errorf("make the folders: %w", err)
		}
	}
	var err error
	if s.ledger, err = simledger.Open[Entry](o.Dir, "filedrop.jsonl"); err != nil {
		return nil, err
	}
	return s, nil
}

// Close closes the ledger.
func (s *Sim) Close() error { return s.ledger.Close() }

// Fail chooses faults.
func (s *Sim) Fail(faults ...Fault) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		if f == Absent && !s.faults[Absent] {
			if err := os.Rename(s.Folder, s.away()); err != nil {
				return err
			}
		}
		s.faults[f] = true
	}
	return nil
}

// Heal clears all faults.
func (s *Sim) Heal() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer clear(s.faults)
	if s.faults[Absent] {
		return os.Rename(s.away(), s.Folder)
	}
	return nil
}

func (s *Sim) away() string { return filepath.Clean(s.Folder) + ".away" }

// Ledger gives all that has been looked at, in order.
func (s *Sim) Ledger() []Entry { return s.ledger.Entries() }

// Taken counts how often what has a key was taken.
func (s *Sim) Taken(key string) (n int) {
	for _, e := range s.Ledger() {
		if e.Key == key && e.Refused == "" {
			n++
		}
	}
	return n
}

// Step looks once, and tells how many it took or refused.
func (s *Sim) Step() (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults[Idle] || s.faults[Absent] {
		return 0, nil
	}
	names, err := os.ReadDir(s.Folder)
	if err != nil {
		return 0, err
	}
	for _, f := range names {
		if isUnfinished(f.Name()) {
			continue
		}
		if err := s.take(f.Name(), f.IsDir()); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// isUnfinished tells names that somebody still writes under.
func isUnfinished(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".part") || strings.HasSuffix(name, ".tmp")
}

// take looks at one file and puts it where it belongs. What the ledger has, and the done ones have not,
// was interrupted between the two, and is only moved.
func (s *Sim) take(name string, isFolder bool) error {
	e, err := s.read(name, isFolder)
	if err != nil {
		return err
	}
	to := s.Done
	if e.Refused != "" {
		to = s.Refused
	}
	_, err = os.Lstat(filepath.Join(to, name))
	known := slices.ContainsFunc(s.ledger.Entries(), func(k Entry) bool { return k.Name == name && k.SHA256 == e.SHA256 })
	if !known || err == nil {
		if err := s.ledger.Append(e); err != nil {
			return err
		}
	}
	return os.Rename(filepath.Join(s.Folder, name), unused(to, name))
}

// unused gives a place for a name that may have been there before.
func unused(folder, name string) string {
	place := filepath.Join(folder, name)
	for n := 2; ; n++ {
		if _, err := os.Lstat(place); err != nil {
			return place
		}
		place = filepath.Join(folder, fmt.Sprintf("%s.%d", name, n))
	}
}

// read judges a file, or a folder in which the document has the folder's name.
func (s *Sim) read(name string, isFolder bool) (Entry, error) {
	e := Entry{At: s.Clock(), Name: name, Key: strings.TrimSuffix(name, filepath.Ext(name))}
	text, err := []byte(nil), error(nil)
	if isFolder {
		e.Key = name
		text, e.Files, err = readFolder(filepath.Join(s.Folder, name))
	} else {
		text, err = os.ReadFile(filepath.Join(s.Folder, name))
	}
	if err != nil {
		return e, err
	}
	e.SHA256 = sumOf(text)
	e.Diarienummer, e.Refused = s.judge(text)
	return e, nil
}

// readFolder gives the document in a folder, and the digests of what lies beside it.
func readFolder(folder string) (text []byte, sums []string, err error) {
	inside, err := os.ReadDir(folder)
	for _, f := range inside {
		content, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			return nil, nil, err
		}
		if strings.TrimSuffix(f.Name(), filepath.Ext(f.Name())) == filepath.Base(folder) {
			text = content
		} else {
			sums = append(sums, sumOf(content))
		}
	}
	return text, sums, err
}

func sumOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// judge tells the document's diarienummer, or why it is refused.
func (s *Sim) judge(text []byte) (diarienummer, refused string) {
	root, err := document.ReadXML(bytes.NewReader(text), document.Limits{})
	switch {
	case s.faults[Strict]:
		return "", "not today"
	case err != nil:
		return "", "no XML, or half a file"
	case s.Schema != nil && s.Schema.Validate(text) != nil:
		return "", "not right by the schema"
	}
	diarienummer = root.Value("Diarienummer")
	if diarienummer == "" {
		return "", "without a diarienummer"
	}
	return diarienummer, ""
}
