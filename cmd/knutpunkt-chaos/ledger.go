package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// A ledger is a file of JSON lines that is only added to. An entry is on disk when add returns, so that
// what the ledger says is true whoever is killed afterwards.
type ledger[E any] struct {
	mu      sync.Mutex
	file    *os.File
	entries []E
	slowest time.Duration // of the fsyncs: how slow this disk is just now
	loose   bool          // nothing is synced: where only speed is asked for, the ledger is not to be what is slow
}

func openLedger[E any](path string) (*ledger[E], error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &ledger[E]{file: file}, nil
}

// add makes an entry durable.
func (l *ledger[E]) add(e E) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
	if _, err := l.file.Write(append(line, '\n')); err != nil {
		return err
	}
	if l.loose {
		return nil
	}
	began := time.Now()
	err = l.file.Sync()
	l.slowest = max(l.slowest, time.Since(began))
	return err
}

// all gives what has been added, oldest first.
func (l *ledger[E]) all() []E {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.entries)
}

func (l *ledger[E]) close() error { return l.file.Close() }
