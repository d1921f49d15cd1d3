package oepsim

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// An Entry is one line of the ledger. It says which forms there are and what became
// of them, and nothing that a citizen wrote.
type Entry struct {
	At       time.Time `json:"at"`
	What     What      `json:"what"`
	Instance int       `json:"instance"`
	Version  string    `json:"version,omitempty"` // of what was sent in or posted: its LastSubmitted

	// Of a form that was sent in: what it is filled from.
	Kind      Kind      `json:"kind,omitempty"`
	Seed      int       `json:"seed,omitempty"`
	Submitted time.Time `json:"submitted,omitzero"`
	Completed time.Time `json:"completed,omitzero"`
	SHA256    string    `json:"sha256,omitempty"`

	Status  int    `json:"status,omitempty"`  // the HTTP status that a post came to
	Receipt string `json:"receipt,omitempty"` // the hub's ID for what was posted

	Word   string `json:"word,omitempty"`   // the status that was set
	Event  int    `json:"event,omitempty"`  // what was answered; 0 for a repeat
	Number string `json:"number,omitempty"` // the diarienummer that was confirmed
	System string `json:"system,omitempty"` // and whose it is
}

// What tells the entries apart.
type What string

const (
	SentIn    What = "sent-in"   // a citizen sent a form in
	Posted    What = "posted"    // the hub answered for it, with 2xx or with a refusal
	StatusSet What = "status"    // a status was set
	Repeated  What = "repeated"  // a status that was set already, or a delivery that was confirmed already
	Confirmed What = "confirmed" // a delivery was confirmed
)

func sentIn(f Form) Entry {
	sum := sha256.Sum256(f.Body)
	return Entry{
		What: SentIn, Instance: f.Instance, Version: f.Version, Kind: f.Kind, Seed: f.Seed,
		Submitted: f.Submitted, Completed: f.Completed, SHA256: hex.EncodeToString(sum[:]),
	}
}

// form fills the form in again, as it was.
func (e Entry) form() Form {
	f := Fill(e.Kind, e.Seed, e.Submitted)
	if !e.Completed.IsZero() {
		f = f.Complete(e.Completed)
	}
	return f
}

// A ledger is a file that only grows. A line is on disk before anybody is answered.
type ledger struct {
	file    *os.File // nil in memory
	entries []Entry
}

func openLedger(dir string) (*ledger, error) {
	if dir == "" {
		return &ledger{}, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "oepsim.jsonl"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	l := &ledger{file: f}
	if err := l.read(); err != nil {
		f.Close()
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	return l, nil
}

// read remembers the lines that are whole. The last may have been cut by a crash
// before anybody was answered; it is cut away.
func (l *ledger) read() error {
	lines := bufio.NewReader(l.file)
	whole := int64(0)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return l.file.Truncate(whole)
		}
		var e Entry
		if err := json.Unmarshal(bytes.TrimSpace(line), &e); err != nil {
			return fmt.Errorf("line %d cannot be read", len(l.entries)+1)
		}
		l.entries = append(l.entries, e)
		whole += int64(len(line))
	}
}

func (l *ledger) write(e Entry) error {
	if l.file != nil {
		line, err := json.Marshal(e)
		if err != nil {
			return errNotRecorded
		}
		if _, err := l.file.Write(append(line, '\n')); err != nil {
			return errNotRecorded
		}
		if err := l.file.Sync(); err != nil {
			return errNotRecorded
		}
	}
	l.entries = append(l.entries, e)
	return nil
}

func (l *ledger) close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
