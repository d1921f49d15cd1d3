package certify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// What is asked of a Source about each form.
var sourceCases = []struct {
	test
	run func(*source)
}{
	{test{"the same form twice", "a form that is posted again is the same form"}, (*source).twice},
	{test{"malformed", "who sent it must be told what is wrong, and nobody else what was in it"}, (*source).malformed},
	{test{"large", "a large form must not take the memory that all the others need"}, (*source).large},
	{test{"cancelled", "the hub must be able to stop"}, (*source).cancelled},
}

// A source is a Source under examination, with one form.
type source struct {
	*exam
	form Form
}

func (e *exam) source() {
	e.begin("source", sourceCases[0].test)
	if len(e.Forms) == 0 {
		e.fail("the Subject has no Forms")
	}
	for _, f := range e.Forms {
		for _, c := range sourceCases {
			e.begin("source", c.test)
			c.run(&source{e, f})
		}
	}
	e.begin("source", sourceCases[1].test)
	for _, f := range e.Broken {
		(&source{e, f}).refused("", f.Body)
	}
}

func (s *source) twice() {
	s.faulty(fault{}, func(t *trial) {
		first, files, err := t.read(s.ctx, s.form.Type, strings.NewReader(s.form.Body))
		if err != nil {
			s.fail("%s: Read gives %s: what it cannot understand is a Submission too", s.form.Name, word(err))
			return
		}
		second, sameFiles, _ := t.read(s.ctx, s.form.Type, strings.NewReader(s.form.Body))
		once, err := first.RevealContents()
		twice, _ := second.RevealContents()
		switch {
		case err != nil:
			s.fail("%s: the Answers are not what a Store can keep", s.form.Name)
		case first.Source.ID == "":
			s.fail("%s: the Submission has no Source.ID", s.form.Name)
		case first.Source != second.Source || first.Service != second.Service ||
			first.Municipality != second.Municipality || !first.Submitted.Equal(second.Submitted):
			s.fail("%s: read twice it has another Source, Service, Municipality or Submitted", s.form.Name)
		case !bytes.Equal(once, twice), fmt.Sprint(files) != fmt.Sprint(sameFiles):
			s.fail("%s: read twice it has other contents", s.form.Name)
		case first.Service == "":
			s.fail("%s: the Submission has no Service", s.form.Name)
		}
		s.givenByTheHub(first)
	})
}

// givenByTheHub demands that what the hub decides is left to it.
func (s *source) givenByTheHub(sub hub.Submission) {
	if sub.ID != "" || sub.Case != "" || !sub.Received.IsZero() || !sub.Inkommen.IsZero() {
		s.fail("%s: Read fills in ID, Case, Received or Inkommen, which are the hub's", s.form.Name)
	}
}

// malformed breaks the form in the ways that break any format.
func (s *source) malformed() {
	s.refused(", cut in half", s.form.Body[:len(s.form.Body)/2])
	s.refused(", without content", "")
	s.refused(" as a login page", loginPage)
	if prolog, rest, ok := strings.Cut(s.form.Body, "?>"); ok && strings.HasPrefix(s.form.Body, "<?xml") {
		s.refused(" with a DOCTYPE", prolog+`?><!DOCTYPE form [<!ENTITY who "`+Name+`">]>`+rest)
	}
}

func (s *source) refused(how, body string) {
	s.faulty(fault{}, func(t *trial) {
		_, _, err := t.read(s.ctx, s.form.Type, strings.NewReader(body))
		var malformed *hub.Malformed
		switch {
		case !errors.As(err, &malformed):
			s.fail("%s%s: Read gives %s, not a *hub.Malformed", s.form.Name, how, told(err))
		case malformed.Kind == "" || malformed.Detail == "":
			s.fail("%s%s: the Malformed says nothing", s.form.Name, how)
		case t.betrays(malformed.Kind + " " + malformed.Detail):
			s.failFor(silence, "%s%s: the Malformed repeats a personnummer or a name", s.form.Name, how)
		}
	})
}

// The large form is one with a great many blanks before its end. Reading it may take as much
// memory as largeCost, and a busy machine so much longer.
const (
	largeSize = 50 << 20
	largeCost = 300 << 20
	largeTime = 20 * time.Second
)

func (s *source) large() {
	end := strings.LastIndexAny(s.form.Body, "<}")
	if end < 0 {
		return
	}
	s.more = largeTime
	defer func() { s.more = 0 }()
	s.faulty(fault{}, func(t *trial) {
		body := io.MultiReader(strings.NewReader(s.form.Body[:end]), io.LimitReader(blanks{}, largeSize),
			strings.NewReader(s.form.Body[end:]))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		t.read(s.ctx, s.form.Type, body)
		runtime.ReadMemStats(&after)
		if cost := after.TotalAlloc - before.TotalAlloc; cost > largeCost {
			s.fail("%s, of 50 MB: Read takes %d MB of memory in all", s.form.Name, cost>>20)
		}
	})
}

// blanks has no end.
type blanks struct{}

func (blanks) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

func (s *source) cancelled() {
	s.faulty(fault{}, func(t *trial) {
		ctx, cancel := context.WithCancel(s.ctx)
		defer cancel()
		body := &endless{begin: s.form.Body[:len(s.form.Body)/2], stop: ctx.Done(), ask: cancel}
		if _, _, err := t.read(ctx, s.form.Type, body); err == nil {
			s.fail("%s, broken off by its sender: Read gives no error", s.form.Name)
		}
	})
}

// endless is a body whose sender goes away in the middle.
type endless struct {
	begin string
	stop  <-chan struct{}
	ask   func()
}

func (e *endless) Read(b []byte) (int, error) {
	if e.begin != "" {
		n := copy(b, e.begin)
		e.begin = e.begin[n:]
		return n, nil
	}
	e.ask()
	<-e.stop
	return 0, context.Canceled
}

// read has the source read a body, and gives the files that it put aside.
func (t *trial) read(ctx context.Context, mediaType string, body io.Reader) (hub.Submission, []hub.Blob, error) {
	store := &blobs{}
	sub, err := attempt(t, ctx, "Read", func(ctx context.Context) (hub.Submission, error) {
		return t.system.Source.Read(ctx, hub.Incoming{Type: mediaType, Body: body}, store)
	})
	return sub, store.all, err
}

// blobs takes files, and keeps only what they are known by.
type blobs struct {
	mu  sync.Mutex
	all []hub.Blob
}

func (b *blobs) Put(_ context.Context, r io.Reader) (hub.Blob, error) {
	sum := sha256.New()
	size, err := io.Copy(sum, r)
	if err != nil {
		return hub.Blob{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	blob := hub.Blob{ID: fmt.Sprintf("blob%d", len(b.all)+1), Size: size, SHA256: [32]byte(sum.Sum(nil))}
	b.all = append(b.all, blob)
	return blob, nil
}
