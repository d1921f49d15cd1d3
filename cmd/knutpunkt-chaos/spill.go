package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"unicode/utf16"
)

// A spill is what was found where it must not be: words that are personal or a municipality's own, in
// what the hub says to anybody and in what it leaves on the disk.
type spill struct {
	words []string

	mu    sync.Mutex
	found []string
	heard int // answers looked at
}

// newSpill looks for everybody's words.
func newSpill(p *plan) *spill {
	s := &spill{words: []string{canary, strings.ToUpper(canary[:1]) + canary[1:], "Alva Exempelsson"}}
	for _, m := range p.municipalities {
		for _, person := range append(m.people, m.hidden...) {
			s.words = append(s.words, writings(person.ID)...)
		}
		s.words = append(s.words, writings(spoiledNumber(m.people[0].ID))...)
	}
	return s
}

// writings are the ways in which a personnummer of twelve digits is written.
func writings(id string) []string {
	return []string{id, id[2:], id[:8] + "-" + id[8:], id[2:8] + "-" + id[8:], id[2:8] + "+" + id[8:]}
}

// answer looks through what the hub said to a client. No answer of the API holds content.
func (s *spill) answer(to string, text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard++
	for _, w := range s.words {
		if bytes.Contains(text, []byte(w)) {
			s.found = append(s.found, fmt.Sprintf("an answer to %s holds %.12q", to, w))
		}
	}
}

// text looks through something that is read whole.
func (s *spill) text(what string, text []byte) {
	for word := range newNeedles(s.words).in(text) {
		s.mu.Lock()
		s.found = append(s.found, fmt.Sprintf("%s holds %.12q", what, word))
		s.mu.Unlock()
	}
}

// ballast ends the name of what the store keeps room free with, 64 MiB of nothing.
const ballast = ".ballast"

// search looks through every file below a folder, as text of any usual encoding, and gives how many
// there were.
func (s *spill) search(dir string) (files int, err error) {
	n := newNeedles(s.words)
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.HasSuffix(path, ballast) {
			return nil // a file may go while we look
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		files++
		name, _ := filepath.Rel(dir, path)
		s.mu.Lock()
		defer s.mu.Unlock()
		for word := range n.in(append(content, name...)) {
			s.found = append(s.found, fmt.Sprintf("the file %s holds %.12q", name, word))
		}
		return nil
	})
	return files, err
}

// Needles are words as they may be written, by their first two bytes: many are looked for in one pass.
type needles [1 << 16][]needle

type needle struct {
	word    string
	written []byte
}

// newNeedles writes every word in UTF-8, in Latin-1 and in both orders of UTF-16.
func newNeedles(words []string) *needles {
	var n needles
	for _, w := range words {
		var latin, little, big []byte
		for _, unit := range utf16.Encode([]rune(w)) {
			latin = append(latin, byte(unit))
			little = binary.LittleEndian.AppendUint16(little, unit)
			big = binary.BigEndian.AppendUint16(big, unit)
		}
		for _, written := range [][]byte{[]byte(w), latin, little, big} {
			at := binary.BigEndian.Uint16(written)
			n[at] = append(n[at], needle{w, written})
		}
	}
	return &n
}

// in gives the words that stand in a text. The texts are large, and nobody else has them: the
// race detector would take most of a test's time to watch each byte of them.
//
//go:norace
func (n *needles) in(text []byte) map[string]bool {
	found := map[string]bool{}
	for i := range max(len(text)-1, 0) {
		for _, x := range n[binary.BigEndian.Uint16(text[i:])] {
			if bytes.HasPrefix(text[i:], x.written) {
				found[x.word] = true
			}
		}
	}
	return found
}

// findings gives what was found, each once.
func (s *spill) findings() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[string]bool{}
	for _, f := range s.found {
		if !seen[f] {
			seen[f] = true
			all = append(all, f)
		}
	}
	return all
}
