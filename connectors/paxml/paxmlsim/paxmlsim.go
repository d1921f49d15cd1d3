// Package paxmlsim is a payroll system that reads PAXml files from a folder. It takes each file that is
// whole, right by its schema and by the rules that the standard has beside it, moves it to the done ones
// and remembers what it says; what it cannot use it puts aside. Where it has a folder for receipts it
// puts a copy of each file that it took there.
//
// Whoever owns a Sim calls Step as often as the system shall look.
package paxmlsim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/simfolder"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// Options are what a Sim is made of. The folders are made where they are missing.
type Options struct {
	Dir      string             // where the ledger is kept; "" keeps it in memory only
	Folder   string             // where files come
	Done     string             // where those that were taken go
	Refused  string             // where the others go
	Receipts string             // where a file is put back for each that was taken; "" for nowhere
	Schema   document.Validator // what a file must be
	Clock    func() time.Time
}

// An Entry is one file that was looked at.
type Entry struct {
	simfolder.Look
	Times []Time `json:"times,omitempty"`
}

// A Time is one record of absence or worked time, as the file has it.
type Time struct {
	Who    string `json:"who"` // persnr, or anstid where that is all there is
	Code   string `json:"code"`
	From   string `json:"from"` // a day, or a time of day
	To     string `json:"to"`
	Hours  string `json:"hours,omitempty"`
	Extent string `json:"extent,omitempty"` // in percent; "" is all of it, unless there are Hours
	Child  string `json:"child,omitempty"`
	Info   string `json:"info,omitempty"`
}

// A Sim is one payroll system. It is safe for concurrent use.
type Sim struct {
	*simfolder.Reader[Entry]
	Options
}

// New opens the ledger in o.Dir, if there is one, and remembers what is in it.
func New(o Options) (*Sim, error) {
	if o.Receipts != "" {
		if err := os.MkdirAll(o.Receipts, 0o770); err != nil {
			return nil, fmt.Errorf("make the folders: %w", err)
		}
	}
	places := simfolder.Places{Folder: o.Folder, Done: o.Done, Refused: o.Refused}
	reader, err := simfolder.New(o.Dir, "paxml.jsonl", places, o.Clock, office{o})
	if err != nil {
		return nil, err
	}
	return &Sim{reader, o}, nil
}

// An office decides what is taken, and gives receipts.
type office struct{ Options }

// Judge reads the records about time in a file.
func (o office) Judge(l simfolder.Look, path string) (Entry, error) {
	e := Entry{Look: l}
	if about, err := os.Stat(path); err != nil || about.IsDir() {
		e.Refused = "a folder is no file"
		return e, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return e, err
	}
	sum := sha256.Sum256(text)
	e.SHA256 = hex.EncodeToString(sum[:])
	if e.Refused == "" {
		e.Times, e.Refused = read(text, o.Schema)
	}
	return e, nil
}

// Acknowledge gives the receipt of a file: the same again, under the same name.
func (o office) Acknowledge(path string) error {
	if o.Receipts == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	name := filepath.Base(path)
	unfinished := filepath.Join(o.Receipts, "."+name+".part")
	if err := os.WriteFile(unfinished, text, 0o660); err != nil {
		return err
	}
	if err := os.Chtimes(unfinished, o.Clock(), o.Clock()); err != nil {
		return err
	}
	return os.Rename(unfinished, filepath.Join(o.Receipts, name))
}
