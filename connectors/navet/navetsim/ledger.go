package navetsim

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// An Entry is one look-up that was answered. Person tells the same person again and is not the
// number: it is a hash under a key that lies beside the ledger.
type Entry struct {
	At     time.Time `json:"at"`
	Kind   Kind      `json:"kind"`
	Person string    `json:"person"`
}

// A ledger is an append-only file of entries, on disk before the answer leaves.
type ledger struct {
	key []byte

	mu   sync.Mutex
	file *os.File // nil for one in memory
	all  []Entry
}

func openLedger(dir string) (*ledger, error) {
	if dir == "" {
		return &ledger{key: newKey()}, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	key, err := keyIn(filepath.Join(dir, "navet-ledger.key"))
	if err != nil {
		return nil, err
	}
	name := filepath.Join(dir, "navet-ledger.jsonl")
	written, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	l := &ledger{key: key}
	whole := l.read(written)
	l.file, err = os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		err = l.file.Truncate(whole)
	}
	if err == nil {
		_, err = l.file.Seek(whole, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	return l, nil
}

// read takes the entries of an earlier run and gives how many bytes were whole: a last line that was
// torn in a crash belongs to an answer that never left.
func (l *ledger) read(written []byte) (whole int64) {
	for {
		line, rest, ended := bytes.Cut(written, []byte("\n"))
		var e Entry
		if !ended || json.Unmarshal(line, &e) != nil {
			return whole
		}
		l.all = append(l.all, e)
		whole, written = whole+int64(len(line))+1, rest
	}
}

func (l *ledger) add(e Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		if _, err := l.file.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("write ledger: %w", err)
		}
		if err := l.file.Sync(); err != nil {
			return fmt.Errorf("write ledger: %w", err)
		}
	}
	l.all = append(l.all, e)
	return nil
}

func (l *ledger) entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

func (l *ledger) close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

func newKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

func keyIn(name string) ([]byte, error) {
	key, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		key = newKey()
		err = os.WriteFile(name, key, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	return key, nil
}
