// Package simfolder is what simulators of systems that read a folder have in common: each file that is whole
// is looked at once, noted on disk, and moved to the done ones or put aside. What a file must be, and what is
// noted of it, is each simulator's own. It is for simulators alone: they share nothing with the connectors
// that they test.
//
// Whoever owns a Reader calls Step as often as the system shall look.
package simfolder

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/simledger"
)

// Places are the folders of a system. They are made where they are missing.
type Places struct {
	Folder  string // where files come
	Done    string // where those that were taken go
	Refused string // where the others go
}

// A Look is what every system notes of a file, or a folder of files, that it has looked at.
type Look struct {
	At      time.Time `json:"at"`
	Key     string    `json:"key"` // the file's name without its ending
	Name    string    `json:"name"`
	SHA256  string    `json:"sha256"`            // of the document, hexadecimal
	Refused string    `json:"refused,omitempty"` // why it was not taken; "" when it was
}

func (l Look) noted() Look { return l }

// An Entry is a Look, with what else a system notes.
type Entry interface{ noted() Look }

// A Fault is one way to fail. It lasts until Heal.
type Fault string

const (
	Idle   Fault = "idle"   // takes nothing
	Absent Fault = "absent" // the folder is not there, as a share that is not mounted
	Strict Fault = "strict" // refuses whatever comes
)

// A System is what is a simulator's own.
type System[E Entry] interface {
	// Judge completes what is noted of what lies at path. One that is Refused already stays so.
	Judge(l Look, path string) (E, error)
	// Acknowledge does what the system does beside moving a file that it has taken, and before that.
	Acknowledge(path string) error
}

// A Reader reads a folder for a System. It is safe for concurrent use.
type Reader[E Entry] struct {
	places Places
	system System[E]
	clock  func() time.Time
	ledger *simledger.Ledger[E]

	mu     sync.Mutex
	faults map[Fault]bool
}

// New makes a Reader. It opens the ledger of that name in dir and remembers what is in it; with "" it keeps
// one in memory only.
func New[E Entry](dir, ledger string, p Places, clock func() time.Time, s System[E]) (*Reader[E], error) {
	r := &Reader[E]{places: p, system: s, clock: clock, faults: map[Fault]bool{}}
	for _, folder := range []string{p.Folder, p.Done, p.Refused} {
		if err := os.MkdirAll(folder, 0o770); err != nil {
			return nil, fmt.Errorf("make the folders: %w", err)
		}
	}
	var err error
	if r.ledger, err = simledger.Open[E](dir, ledger); err != nil {
		return nil, err
	}
	return r, nil
}

// Close closes the ledger.
func (r *Reader[E]) Close() error { return r.ledger.Close() }

// Step looks once, and tells how many it took or refused.
func (r *Reader[E]) Step() (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.faults[Idle] || r.faults[Absent] {
		return 0, nil
	}
	found, err := os.ReadDir(r.places.Folder)
	if err != nil {
		return 0, err
	}
	for _, f := range found {
		if isUnfinished(f.Name()) {
			continue
		}
		if err := r.take(f.Name(), f.IsDir()); err != nil {
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

// take looks at one file and puts it where it belongs. What the ledger has, and the done ones have not, was
// interrupted between the two, and is only moved.
func (r *Reader[E]) take(name string, isFolder bool) error {
	path := filepath.Join(r.places.Folder, name)
	e, err := r.system.Judge(r.look(name, isFolder), path)
	if err != nil {
		return err
	}
	to, l := r.places.Done, e.noted()
	if l.Refused != "" {
		to = r.places.Refused
	}
	if !r.knows(l) || isThere(filepath.Join(to, name)) {
		if err := r.ledger.Append(e); err != nil {
			return err
		}
	}
	if l.Refused == "" {
		if err := r.system.Acknowledge(path); err != nil {
			return err
		}
	}
	return os.Rename(path, unused(to, name))
}

// look begins what is noted of a file. A folder's name has no ending.
func (r *Reader[E]) look(name string, isFolder bool) Look {
	l := Look{At: r.clock(), Name: name, Key: name}
	if !isFolder {
		l.Key = strings.TrimSuffix(name, filepath.Ext(name))
	}
	if r.faults[Strict] {
		l.Refused = "not today"
	}
	return l
}

func (r *Reader[E]) knows(l Look) bool {
	return slices.ContainsFunc(r.ledger.Entries(), func(e E) bool {
		return e.noted().Name == l.Name && e.noted().SHA256 == l.SHA256
	})
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// unused gives a place for a name that may have been there before.
func unused(folder, name string) string {
	place := filepath.Join(folder, name)
	for n := 2; isThere(place); n++ {
		place = filepath.Join(folder, fmt.Sprintf("%s.%d", name, n))
	}
	return place
}

// Ledger gives all that has been looked at, in order.
func (r *Reader[E]) Ledger() []E { return r.ledger.Entries() }

// Taken counts how often what has a key was taken.
func (r *Reader[E]) Taken(key string) (n int) {
	for _, e := range r.Ledger() {
		if e.noted().Key == key && e.noted().Refused == "" {
			n++
		}
	}
	return n
}

// Fail chooses faults.
func (r *Reader[E]) Fail(faults ...Fault) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range faults {
		if f == Absent && !r.faults[Absent] {
			if err := os.Rename(r.places.Folder, r.away()); err != nil {
				return err
			}
		}
		r.faults[f] = true
	}
	return nil
}

// Heal clears all faults.
func (r *Reader[E]) Heal() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer clear(r.faults)
	if r.faults[Absent] {
		return os.Rename(r.away(), r.places.Folder)
	}
	return nil
}

// away is what the folder is called while it is Absent.
func (r *Reader[E]) away() string { return filepath.Clean(r.places.Folder) + ".away" }
