// Package simledger is what simulators remember by: a file of JSON lines that is only added
// to. What a simulator took is on disk before it answers, so that whoever counts afterwards
// can believe it, whatever was killed. It is for simulators alone, and for all of them: they
// share nothing with the connectors that they test.
package simledger

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// A Ledger holds entries, oldest first. Its methods may be called at the same time.
type Ledger[E any] struct {
	mu      sync.Mutex
	file    *os.File // nil when nothing is kept on disk
	entries []E
}

// Open opens the ledger of that name in dir, or makes it. In no folder, "", nothing is kept
// on disk. A last line that is half written was never answered for, and is cut off; any
// other that is no entry is an error.
func Open[E any](dir, name string) (*Ledger[E], error) {
	l := &Ledger[E]{}
	if dir == "" {
		return l, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	var err error
	if l.file, err = os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	if err := l.read(); err != nil {
		l.file.Close()
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	return l, nil
}

func (l *Ledger[E]) read() error {
	whole := int64(0)
	for lines := bufio.NewReader(l.file); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var e E
		if json.Unmarshal(line, &e) != nil {
			return fmt.Errorf("byte %d begins no entry", whole)
		}
		whole += int64(len(line))
		l.entries = append(l.entries, e)
	}
	if err := l.file.Truncate(whole); err != nil {
		return err
	}
	_, err := l.file.Seek(whole, io.SeekStart)
	return err
}

// Append makes entries durable, all of them by one fsync. After an error none of them is
// among the entries.
func (l *Ledger[E]) Append(entries ...E) error {
	var lines []byte
	for _, e := range entries {
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("write the ledger: %w", err)
		}
		lines = append(append(lines, line...), '\n')
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil && len(lines) > 0 {
		if _, err := l.file.Write(lines); err != nil {
			return fmt.Errorf("write the ledger: %w", err)
		}
		if err := l.file.Sync(); err != nil {
			return fmt.Errorf("write the ledger: %w", err)
		}
	}
	l.entries = append(l.entries, entries...)
	return nil
}

// Entries gives all that has been added.
func (l *Ledger[E]) Entries() []E {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.entries)
}

// Close lets go of the file.
func (l *Ledger[E]) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
