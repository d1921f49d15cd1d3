package certify

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A trial is the connector opened against one new fake. When it is closed, what was
// logged and called is looked through.
type trial struct {
	*exam
	line   *line
	folder Folder
	home   string // holds the next two
	dir    string
	secret string
	system hub.System
	broken bool // could not be opened
	log    journal
	start  tally
	doubts map[int]time.Time // when each delivery was first handed over that may have been taken

	mu   sync.Mutex
	now  time.Time
	open int // files that were opened and not closed
}

// patience is how long a connector may take to give up, and a whole call to end. Who
// has been waited for in vain is not waited for so long again, and who has much to do is
// waited for longer.
func (e *exam) patience() time.Duration {
	if e.stuck {
		return 100 * time.Millisecond
	}
	return cmp.Or(e.Patience, 3*time.Second) + e.more
}

// trial opens the connector. What goes wrong is a Finding.
func (e *exam) trial() *trial {
	t := &trial{exam: e, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), doubts: map[int]time.Time{}}
	var fake Fake
	var peer Peer
	if e.Fake != nil {
		fake = e.Fake()
	} else if e.Peer != nil {
		peer = e.Peer()
	}
	var err error
	if err = t.furnish(); err != nil {
		e.fail("the kit finds no place for its temporary files")
	}
	if e.Folder != nil {
		t.folder = e.Folder(t.dir)
	}
	if t.line, err = newLine(fake, peer); err != nil {
		e.fail("%v", err)
		t.line, t.broken = &line{}, true
		return t
	}
	t.start = t.has()
	if t.system, err = e.open(t, e.Config); err != nil {
		e.fail("Open: %s", e.text(err))
		t.broken = true
	}
	t.feed()
	return t
}

// furnish makes the trial's folder and the file of its secret, where the config has
// any use for them.
func (t *trial) furnish() (err error) {
	folder, secret := strings.Contains(t.Config, "{{DIR}}"), strings.Contains(t.Config, "{{SECRET}}")
	if !folder && !secret {
		return nil
	}
	if t.home, err = os.MkdirTemp("", "certify"); err != nil {
		return err
	}
	t.dir, t.secret = filepath.Join(t.home, "folder"), filepath.Join(t.home, "secret")
	if folder {
		err = os.Mkdir(t.dir, 0o700)
	}
	if secret && err == nil {
		err = os.WriteFile(t.secret, []byte(Secret), 0o600)
	}
	return err
}

// faulty runs f on a new system with a fault. Without a fake that answers calls there
// is nothing that could go wrong so.
func (e *exam) faulty(f fault, run func(*trial)) {
	if f.do != nil && e.Fake == nil {
		return
	}
	t := e.trial()
	defer t.close()
	if t.broken {
		return
	}
	t.line.inject(f)
	run(t)
}

// close ends the trial and reports what no answer shows.
func (t *trial) close() {
	if t.system.Close != nil {
		if err := t.system.Close(); err != nil {
			t.fail("Close: %s", t.text(err))
		}
	}
	if t.line.listener != nil {
		t.line.close()
	}
	t.listen()
	if t.home != "" {
		t.walk()
		os.RemoveAll(t.home)
	}
}

// listen looks through what was logged and called.
func (t *trial) listen() {
	if t.betrays(t.log.String()) {
		t.failFor(silence, "a log record holds a personnummer, a name or a secret")
	}
	t.line.mu.Lock()
	defer t.line.mu.Unlock()
	for _, address := range t.line.asked {
		if t.betrays(address) {
			t.failFor(silence, "an address that it calls holds a personnummer, a name or a secret")
		}
	}
	if t.line.answered > t.line.dialed {
		t.line.wrong = append(t.line.wrong, "it dials by itself: use Env.Dial")
	}
	for _, what := range t.line.wrong {
		t.failFor("a connector owns nothing: every call goes through the one door out, once", "%s", what)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open > 0 {
		t.failFor("who opens a file closes it", "%d opened files are not closed", t.open)
	}
}

// walk looks at what the files in the folder are called.
func (t *trial) walk() {
	filepath.WalkDir(t.dir, func(path string, _ fs.DirEntry, _ error) error {
		if t.betrays(strings.TrimPrefix(path, t.home)) {
			t.failFor(silence, "the name of a file holds a personnummer, a name or a secret")
		}
		return nil
	})
}

// open opens the connector by a config text.
func (e *exam) open(t *trial, config string) (hub.System, error) {
	env := hub.Env{
		ID:    hub.SystemID("karlskrona." + e.Connector.Name),
		HTTP:  t.line.client(deliveries),
		Reads: t.line.client(reads),
		Dial:  t.line.dial,
		Log:   slog.New(slog.NewTextHandler(&t.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Clock: t.clock, Mapping: e.Mapping, Residents: NewResidents(),
	}
	text := strings.NewReplacer(
		"{{URL}}", t.line.url, "{{ADDRESS}}", strings.TrimPrefix(t.line.url, "http://"), "{{DIR}}", t.dir, "{{SECRET}}", "file:"+t.secret,
	).Replace(config)
	return attempt(t, e.ctx, "Open", func(ctx context.Context) (hub.System, error) {
		return e.Connector.Open(ctx, env, e.Decode(text))
	})
}

func (t *trial) clock() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now
}

// pass has time pass, also for a fake that is slow to show what it has.
func (t *trial) pass(d time.Duration) {
	t.mu.Lock()
	t.now = t.now.Add(d)
	t.mu.Unlock()
	t.line.with(func(f Fake) {
		if slow, ok := f.(Slow); ok {
			slow.Pass(d)
		}
	})
}

// has is what the system has, all in all.
func (t *trial) has() tally {
	if t.folder != nil {
		return count(t.folder)
	}
	return t.line.taken()
}

// got is what the system has been given in this trial.
func (t *trial) got() tally {
	n := t.has()
	return tally{n.cases - t.start.cases, n.parts - t.start.parts}
}

var (
	errPanic = errors.New("the connector panicked")
	errStuck = errors.New("the connector does not return")
)

// attempt calls the connector: no longer than patience, and whatever it does. The
// error that it gives must not say too much.
func attempt[T any](t *trial, ctx context.Context, what string, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		value T
		err   error
	}
	ended := make(chan outcome, 1)
	go func() {
		o := outcome{err: errPanic}
		defer func() {
			if o.err == errPanic {
				recover()
			}
			ended <- o
		}()
		value, err := f(ctx)
		o = outcome{value, err}
	}()
	late := time.NewTimer(t.patience())
	defer late.Stop()
	select {
	case o := <-ended:
		t.hear(what, o.err)
		return o.value, o.err
	case <-late.C:
		t.stuck = true
		t.fail("%s does not return", what)
		var nothing T
		return nothing, errStuck
	}
}

func (t *trial) hear(what string, err error) {
	switch {
	case err == errPanic:
		t.fail("%s panics", what)
	case err != nil && t.betrays(fmt.Sprintf("%s %+v", err.Error(), err)):
		t.failFor(silence, "the error of %s repeats a personnummer, a name or a secret", what)
	}
}

// A journal keeps what is logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// lend gives a file to the connector and watches that it is closed. Reading breaks
// off in the middle while fails says so.
func (t *trial) lend(f hub.File, fails func() bool) hub.File {
	open := f.Open
	f.Open = func(ctx context.Context) (io.ReadCloser, error) {
		r, err := open(ctx)
		if err != nil {
			return nil, err
		}
		t.mu.Lock()
		t.open++
		t.mu.Unlock()
		return &lentFile{ReadCloser: r, trial: t, fails: fails(), left: f.Size / 2}, nil
	}
	return f
}

// A lentFile is a file in a connector's hands.
type lentFile struct {
	io.ReadCloser
	trial  *trial
	fails  bool
	left   int64
	closed bool
}

var errBreaksOff = errors.New("the stored file cannot be read")

func (f *lentFile) Read(b []byte) (int, error) {
	if !f.fails {
		return f.ReadCloser.Read(b)
	}
	if f.left <= 0 {
		return 0, errBreaksOff
	}
	n, err := f.ReadCloser.Read(b[:min(int64(len(b)), f.left)])
	f.left -= int64(n)
	return n, err
}

func (f *lentFile) Close() error {
	f.trial.mu.Lock()
	defer f.trial.mu.Unlock()
	if !f.closed {
		f.closed = true
		f.trial.open--
	}
	return f.ReadCloser.Close()
}
