package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// Neighbours are the systems around a junction, as small as they can be: a register
// that knows everybody, and a diarium and a building system that take every document.
// They run in the process that is measured, so they weigh the same on both sides.
type neighbours struct {
	port          string
	server        http.Server
	diarium, bygg ledger
}

// A ledger is what a system has been given: by the number of the property, which each
// form has its own of.
type ledger struct {
	mu    sync.Mutex
	taken map[string]string
	twice int // documents about a property that it had one about
}

func openNeighbours() (*neighbours, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n := &neighbours{}
	_, n.port, _ = net.SplitHostPort(listener.Addr().String())
	n.diarium.taken, n.bygg.taken = map[string]string{}, map[string]string{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /register", register)
	mux.HandleFunc("POST /diarium", n.diarium.take)
	mux.HandleFunc("POST /bygg", n.bygg.take)
	n.server.Handler = mux
	go n.server.Serve(listener)
	return n, nil
}

func (n *neighbours) url(system string) string { return "http://127.0.0.1:" + n.port + "/" + system }
func (n *neighbours) close()                   { n.server.Close() }

// A question is put to the register, and an entry is what it answers.
type question struct {
	Personnummer string `json:"personnummer"`
}

type entry struct {
	Personnummer string `json:"personnummer"`
	Given        string `json:"given"`
	Family       string `json:"family"`
	Street       string `json:"street"`
	Postcode     string `json:"postcode"`
	City         string `json:"city"`
	Protected    bool   `json:"protected"`
}

// A receipt is what a system answers to a document.
type receipt struct {
	Number string `json:"number"`
}

func register(w http.ResponseWriter, r *http.Request) {
	var q question
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	answer(w, entry{q.Personnummer, "Tolvan", "Tolvansson", "Storgatan 12", "37131", "Karlskrona", false})
}

func (l *ledger) take(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	property := propertyIn(string(text))
	if err != nil || property == "" || r.Header.Get("Idempotency-Key") == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	l.mu.Lock()
	if _, had := l.taken[property]; had {
		l.twice++
	}
	l.taken[property] = string(text)
	l.mu.Unlock()
	answer(w, receipt{"SBN 2026-" + property})
}

// has gives how many properties the system has a document about, and how many documents
// were one too many.
func (l *ledger) has() (properties, twice int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.taken), l.twice
}

// propertyIn finds the number of the property that a document is about.
func propertyIn(text string) string {
	_, after, _ := strings.Cut(text, block)
	end := strings.IndexFunc(after, func(r rune) bool { return r < '0' || r > '9' })
	return after[:max(end, 0)]
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}
