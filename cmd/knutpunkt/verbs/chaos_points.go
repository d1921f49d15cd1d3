//go:build chaos

package verbs

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Failpoints are places that a run of the hub passes, each with what is to happen there
// and when. They are written NAME[@DETAIL]:WHEN:ACTION, several with a comma between.
//
// NAME is one of
//
//	in-headers in-half in-answered                 a call to the public API: its headers were
//	                                               read, half its body was, its answer was sent
//	before-X after-X                               a call of the Store, where X is receive, submission,
//	                                               report, recover, claim-forms, claim-deliveries, bundle, or
//	                                               apply-EVENT such as apply-Started; of the Bus, where
//	                                               it is wake; of a system, where it is deliver, find,
//	                                               lookup, changes, fetch or tell; of a move, where it is
//	                                               carry-TABLE, keep-file, left or whole
//	out-connected out-headers out-half out-sent    a call to a system by HTTP: there is a connection;
//	out-answering out-answered out-body            the request's headers were written, half its body
//	                                               read, all of it sent; the first byte of the answer
//	                                               has come, all its headers, all of its body
//
// DETAIL is a part of what the place is about: a Key, a system, a path. WHEN counts the
// times that the place is passed: 3 is the third alone, 3+ the third and all after it.
// ACTION is kill (SIGKILL, to itself), sleep=DURATION, or error.
type failpoints []*failpoint

type failpoint struct {
	name, detail string
	first        int64
	andAfter     bool
	act          func() error
	passed       atomic.Int64
}

func parseFailpoints(text string) (failpoints, error) {
	var all failpoints
	for one := range strings.SplitSeq(text, ",") {
		if one == "" {
			continue
		}
		p, err := parseFailpoint(one)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func parseFailpoint(text string) (*failpoint, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return nil, fmt.Errorf("a failpoint is NAME[@DETAIL]:WHEN:ACTION, and %q is none", text)
	}
	p := &failpoint{}
	p.name, p.detail, _ = strings.Cut(parts[0], "@")
	when, andAfter := strings.CutSuffix(parts[1], "+")
	first, err := strconv.ParseInt(when, 10, 64)
	if err != nil || first < 1 {
		return nil, fmt.Errorf("WHEN is a number from 1, and %q is none", when)
	}
	p.first, p.andAfter = first, andAfter
	if p.act, err = actionFor(parts[2]); err != nil {
		return nil, err
	}
	return p, nil
}

// errChaos is what fails at a failpoint.
var errChaos = errors.New("a failpoint")

func actionFor(text string) (func() error, error) {
	name, of, _ := strings.Cut(text, "=")
	switch name {
	case "kill":
		return killItself, nil
	case "error":
		return func() error { return errChaos }, nil
	case "sleep":
		d, err := time.ParseDuration(of)
		return func() error { time.Sleep(d); return nil }, err
	}
	return nil, fmt.Errorf("ACTION is kill, sleep=DURATION or error, and %q is neither", text)
}

// killItself ends the process as a machine does that loses its power: nothing is tidied.
func killItself() error {
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// pass does what is to happen at a place, and gives an error where it is to fail.
func (ps failpoints) pass(name, detail string) error {
	for _, p := range ps {
		if p.name != name || !strings.Contains(detail, p.detail) {
			continue
		}
		n := p.passed.Add(1)
		if n != p.first && !(p.andAfter && n > p.first) {
			continue
		}
		fmt.Fprintf(os.Stderr, `{"msg":"failpoint","name":%q,"time":%d}`+"\n", name, n)
		if err := p.act(); err != nil {
			return err
		}
	}
	return nil
}

// around passes the places before f and, when f has come about, after it.
func (ps failpoints) around(name, detail string, f func() error) error {
	if err := ps.pass("before-"+name, detail); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return ps.pass("after-"+name, detail)
}
