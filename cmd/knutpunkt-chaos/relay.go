package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// A relay stands between the hub and one kind of system, and spoils what goes through it while it is
// told to.
type relay struct {
	name     string
	listener net.Listener
	upstream string

	mu     sync.Mutex
	toxic  toxic
	links  map[*link]bool
	spells []spell
}

// A spell is a while in which a relay spoiled connections.
type spell struct {
	System string    `json:"system"`
	What   toxic     `json:"what"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
}

// A toxic is one way to spoil a connection.
type toxic string

const (
	latency      toxic = "latency"       // everything takes a while
	reset        toxic = "reset"         // by the first byte of the answer
	cutAnswers   toxic = "cut answers"   // after some bytes
	cutQuestions toxic = "cut questions" // after some bytes
	blackHole    toxic = "black hole"    // everything is swallowed, and the line breaks in the end
	bySpoon      toxic = "by the spoon"  // a few bytes at a time
)

var toxics = []toxic{latency, reset, cutAnswers, cutQuestions, blackHole, bySpoon}

// A link is one connection of the hub, and ours to the system.
type link struct {
	near, far net.Conn
	lossy     bool // something that went into it did not come out
}

func newRelay(name, upstream string) (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start a relay: %w", err)
	}
	r := &relay{name: name, listener: l, upstream: upstream, links: map[*link]bool{}}
	go r.accept()
	return r, nil
}

func (r *relay) address() string { return r.listener.Addr().String() }

func (r *relay) accept() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return // it is closed
		}
		far, err := net.Dial("tcp", r.upstream)
		if err != nil {
			near.Close()
			continue
		}
		l := &link{near: near, far: far}
		r.mu.Lock()
		r.links[l] = true
		r.mu.Unlock()
		go r.pass(l, far, near, cutQuestions)
		go r.pass(l, near, far, cutAnswers)
	}
}

// someBytes go through before a line is cut: less than a request, less than an answer.
const someBytes = 120

// pass hands on what comes from one end to the other, as far as the toxic of the moment lets it. cut is
// the one that cuts in this direction.
func (r *relay) pass(l *link, to io.Writer, from io.Reader, cut toxic) {
	defer r.end(l)
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		switch t := r.now(); {
		case t == latency:
			time.Sleep(250 * time.Millisecond)
		case t == reset && cut == cutAnswers:
			return
		case t == cut:
			to.Write(buffer[:min(n, someBytes)])
			return
		case t == blackHole:
			r.lose(l)
			continue
		case t == bySpoon:
			spoon(to, buffer[:n])
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// spoon writes a text a few bytes at a time. Whoever no longer takes them is found out at the next.
func spoon(to io.Writer, text []byte) {
	for len(text) > 0 {
		n := min(len(text), 200)
		if _, err := to.Write(text[:n]); err != nil {
			return
		}
		text = text[n:]
		time.Sleep(5 * time.Millisecond)
	}
}

func (r *relay) now() toxic {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.toxic
}

func (r *relay) lose(l *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.lossy = true
}

// end breaks a link: whoever writes to it from now on gets a reset.
func (r *relay) end(l *link) {
	r.mu.Lock()
	delete(r.links, l)
	r.mu.Unlock()
	for _, c := range []net.Conn{l.near, l.far} {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

// spoil spoils what goes through for a while. Links that have lost something are broken in the end.
func (r *relay) spoil(ctx context.Context, t toxic, d time.Duration) {
	from := time.Now()
	r.mu.Lock()
	r.toxic = t
	r.mu.Unlock()
	pause(ctx, d)
	r.mu.Lock()
	r.toxic = ""
	var lossy []*link
	for l := range r.links {
		if l.lossy {
			lossy = append(lossy, l)
		}
	}
	r.spells = append(r.spells, spell{r.name, t, from, time.Now()})
	r.mu.Unlock()
	for _, l := range lossy {
		r.end(l)
	}
}

// history gives the spells so far.
func (r *relay) history() []spell {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]spell(nil), r.spells...)
}

func (r *relay) close() {
	r.listener.Close()
	r.mu.Lock()
	all := make([]*link, 0, len(r.links))
	for l := range r.links {
		all = append(all, l)
	}
	r.mu.Unlock()
	for _, l := range all {
		r.end(l)
	}
}
