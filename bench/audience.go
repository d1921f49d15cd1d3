package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// An audience follows streams, in a process of its own: this program again, which has the
// addresses on its standard input and tells on its standard output what it has seen.
type audience struct {
	process *exec.Cmd
	in      io.WriteCloser
	out     *json.Decoder
}

// asAudience in the environment makes this program one.
const asAudience = "KNUTPUNKT_BENCH_AUDIENCE"

// What an audience is told, and what it has seen.
type (
	invitation struct {
		Host  string
		Paths []string
	}
	seen struct {
		Open  int   // streams that have begun
		Ended int   // streams that have ended again, or went on with what was told before
		Lines int64 // lines of status
	}
)

// gather has an audience open a stream for each path, and waits until all have begun.
func gather(url string, paths []string) (*audience, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	a := &audience{process: exec.Command(program)}
	a.process.Env, a.process.Stderr = append(os.Environ(), asAudience+"=1"), os.Stderr
	if a.in, err = a.process.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := a.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	a.out = json.NewDecoder(out)
	if err := a.process.Start(); err != nil {
		return nil, err
	}
	if err := json.NewEncoder(a.in).Encode(invitation{strings.TrimPrefix(url, "http://"), paths}); err != nil {
		return nil, err
	}
	s, err := a.until(func(s seen) bool { return s.Open+s.Ended >= len(paths) })
	if err == nil && s.Open < len(paths) {
		err = fmt.Errorf("%d of %d streams were opened", s.Open, len(paths))
	}
	if err != nil {
		a.leave()
	}
	return a, err
}

// hear waits until so many lines have been seen, and gives what has, also when they do not
// come.
func (a *audience) hear(lines uint64) (seen, error) {
	return a.until(func(s seen) bool { return uint64(s.Lines) >= lines })
}

// until reads what has been seen, up to a minute without anything new.
func (a *audience) until(enough func(seen) bool) (seen, error) {
	var last seen
	since := time.Now()
	for {
		var s seen
		if err := a.out.Decode(&s); err != nil {
			return s, fmt.Errorf("the audience has gone: %w", err)
		}
		if s != last {
			last, since = s, time.Now()
		}
		if enough(s) || time.Since(since) > time.Minute {
			return s, nil
		}
	}
}

func (a *audience) leave() {
	a.in.Close()
	a.process.Wait()
}

// attend is the audience itself. It tells what it has seen ten times a second, until its
// standard input ends.
func attend() error {
	var in invitation
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		return err
	}
	var c crowd
	go c.gather(in)
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	out := json.NewEncoder(os.Stdout)
	for {
		select {
		case <-ended:
			return nil
		case <-tick.C:
			if err := out.Encode(seen{int(c.open.Load()), int(c.ended.Load()), c.lines.Load()}); err != nil {
				return err
			}
		}
	}
}

type crowd struct{ open, ended, lines atomic.Int64 }

// gather opens a stream for each path, some at a time.
func (c *crowd) gather(in invitation) {
	const atOnce = 64
	paths := make(chan string)
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for path := range paths {
				body, err := begin(in.Host, path)
				if err != nil {
					fmt.Fprintln(os.Stderr, "audience:", err)
					c.ended.Add(1)
					continue
				}
				c.open.Add(1)
				go c.read(body)
			}
		})
	}
	for _, path := range in.Paths {
		paths <- path
	}
	close(paths)
	all.Wait()
}

// begin opens a stream.
func begin(host, path string) (io.Reader, error) {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nAccept: text/event-stream\r\n\r\n", path, host, token)
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 1024), nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New("a stream was refused: " + resp.Status)
	}
	return resp.Body, nil
}

// read counts the lines of a stream until it ends. One that tells what it has told, or goes
// back, has ended as far as who follows it can tell.
func (c *crowd) read(body io.Reader) {
	defer c.ended.Add(1)
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 512), 64<<10)
	for last := uint64(0); lines.Scan(); {
		id, is := strings.CutPrefix(lines.Text(), "id: ")
		if !is {
			continue
		}
		seq, err := strconv.ParseUint(id, 10, 64)
		if err != nil || seq <= last {
			return
		}
		last = seq
		c.lines.Add(1)
	}
}
