package certify

import (
	"bytes"
	"context"
	"errors"
	"net/http"

	"github.com/knutpunkt/knutpunkt/hub"
)

// What is asked of a Fetcher.
var fetcherCases = []struct {
	test
	run func(*fetcher)
}{
	{test{"yes", "a file is fetched whole"}, (*fetcher).yes},
	{test{"gone", "what is no longer to be had is a person's business, at once"}, (*fetcher).gone},
	{test{"nonsense", "what is down for a while is not gone, and half a file is no file"}, (*fetcher).nonsense},
	{test{"not there", "a platform that is down has not lost its files"}, (*fetcher).notThere},
	{test{"slow", "one slow platform must not hold the hub"}, (*fetcher).slow},
}

// A fetcher is a Fetcher under examination, with one reference.
type fetcher struct {
	*exam
	ref   hub.Fetch
	want  string
	calls int // how many calls one file is
}

func (e *exam) fetcher() {
	e.begin("fetcher", fetcherCases[0].test)
	if len(e.Files) == 0 {
		e.fail("the Subject has no Files")
	}
	for ref, want := range e.Files {
		f := &fetcher{exam: e, ref: ref, want: want}
		for _, c := range fetcherCases {
			e.begin("fetcher", c.test)
			c.run(f)
		}
	}
}

func (f *fetcher) yes() {
	f.faulty(fault{}, func(t *trial) {
		got, err := t.fetch(f.ctx, f.ref)
		if err != nil || got != f.want {
			f.fail("Fetch gives %d bytes of %d, and %s", len(got), len(f.want), fetched(err))
		}
		f.calls = t.line.count()
	})
}

func (f *fetcher) gone() {
	for _, status := range []int{http.StatusNotFound, http.StatusGone} {
		f.faulty(fault{f.calls, say(status, html, loginPage)}, func(t *trial) {
			if _, err := t.fetch(f.ctx, f.ref); !errors.Is(err, hub.ErrGone) {
				f.fail("to %d Fetch gives %s, not ErrGone", status, fetched(err))
			}
		})
	}
}

func (f *fetcher) nonsense() {
	for _, v := range []variant{
		{"a cut line", cuts}, {"half a file and a cut line", cutsHalf}, {"500", isBroken}, {"503", isBusy},
		{"a redirect", moves}, {"401", say(http.StatusUnauthorized, html, loginPage)},
	} {
		for at := 1; at <= f.calls; at++ {
			f.faulty(fault{at, v.do}, func(t *trial) {
				if _, err := t.fetch(f.ctx, f.ref); err == nil || errors.Is(err, hub.ErrGone) {
					f.fail("to %s Fetch gives %s", v.name, fetched(err))
				}
			})
		}
	}
}

func (f *fetcher) notThere() {
	f.faulty(fault{}, func(t *trial) {
		t.line.vanish()
		if _, err := t.fetch(f.ctx, f.ref); err == nil || errors.Is(err, hub.ErrGone) {
			f.fail("when nobody is there Fetch gives %s", fetched(err))
		}
	})
}

func (f *fetcher) slow() {
	begun := make(chan struct{})
	f.faulty(fault{f.calls, trickles(begun)}, func(t *trial) {
		ctx, cancel := cancelWhen(f.ctx, begun)
		defer cancel()
		if _, err := t.fetch(ctx, f.ref); err == nil || errors.Is(err, hub.ErrGone) {
			f.fail("of a file that never ends, given up, Fetch makes %s", fetched(err))
		}
	})
}

func (t *trial) fetch(ctx context.Context, ref hub.Fetch) (string, error) {
	return attempt(t, ctx, "Fetch", func(ctx context.Context) (string, error) {
		var file bytes.Buffer
		err := t.system.Fetcher.Fetch(ctx, ref, &file)
		return file.String(), err
	})
}

func fetched(err error) string {
	if err == nil {
		return "no error"
	}
	return word(err)
}
