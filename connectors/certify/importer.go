package certify

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
)

// What is asked of an Importer.
var importerCases = []struct {
	test
	run func(*importer)
}{
	{test{"fed", "a register says how far its files have been read, and what must come next"}, (*importer).fed},
	{test{"again", "the same file twice counts once"}, (*importer).again},
	{test{"no file at all", "what is no file of the register's changes nothing"}, (*importer).nonsense},
	{test{"cut short", "half a file changes nothing, and the whole one counts afterwards"}, (*importer).cut},
	{test{"broken off", "a reading that breaks off is gone on with"}, (*importer).brokenOff},
}

// An importer is an Importer under examination.
type importer struct{ *exam }

func (e *exam) importer() {
	e.begin("importer", importerCases[0].test)
	if len(e.Feed) == 0 {
		e.fail("the Subject has no Feed")
		return
	}
	for _, c := range importerCases {
		e.begin("importer", c.test)
		c.run(&importer{e})
	}
}

// feed makes a register that files feed the one that has the Persons.
func (t *trial) feed() {
	if t.broken || t.system.Importer == nil {
		return
	}
	for _, file := range t.Feed {
		if _, err := t.importFile(strings.NewReader(file)); err != nil {
			t.fail("Import of a file of Feed: %s", plainly(err))
			t.broken = true
			return
		}
	}
}

func (t *trial) importFile(file io.Reader) (hub.Imported, error) {
	return attempt(t, t.ctx, "Import", func(ctx context.Context) (hub.Imported, error) {
		return t.system.Importer.Import(ctx, file, nil)
	})
}

func (t *trial) state() hub.Fed {
	fed, err := attempt(t, t.ctx, "Fed", t.system.Importer.Fed)
	if err != nil {
		t.fail("Fed: %s", plainly(err))
	}
	return fed
}

func (i *importer) fed() {
	i.faulty(fault{}, func(t *trial) {
		switch fed := t.state(); {
		case fed.Files != len(i.Feed) || fed.AsOf.IsZero():
			i.fail("after Feed the register does not say that %d files have been read, and as of when", len(i.Feed))
		case fed.Next == "":
			i.fail("the register does not say which file must come next")
		}
	})
}

func (i *importer) again() {
	i.faulty(fault{}, func(t *trial) {
		before := t.state()
		done, err := t.importFile(strings.NewReader(i.Feed[len(i.Feed)-1]))
		if err != nil || !done.Again {
			i.fail("a file that has been read is not Again: %s", plainly(err))
		}
		if t.state() != before {
			i.fail("a file that has been read changes how the register stands")
		}
	})
}

func (i *importer) nonsense() {
	for name, text := range map[string]string{
		"nothing": "", "a page": "<html><body>Logga in</body></html>", "a text": "hej", "a DOCTYPE": `<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>`,
	} {
		i.faulty(fault{}, func(t *trial) {
			before := t.state()
			if _, err := t.importFile(strings.NewReader(text)); !errors.As(err, new(*hub.Malformed)) {
				i.fail("Import of %s gives %s, not *hub.Malformed", name, plainly(err))
			}
			if t.state() != before {
				i.fail("Import of %s changes how the register stands", name)
			}
		})
	}
}

func (i *importer) cut() {
	i.unread(func(t *trial, file string) {
		if _, err := t.importFile(strings.NewReader(file[:len(file)*2/3])); !errors.As(err, new(*hub.Malformed)) {
			i.fail("Import of half a file gives %s, not *hub.Malformed", plainly(err))
		}
	})
}

func (i *importer) brokenOff() {
	i.unread(func(t *trial, file string) {
		half := io.MultiReader(strings.NewReader(file[:len(file)/2]), unplugged{})
		if _, err := t.importFile(half); err == nil || errors.As(err, new(*hub.Malformed)) {
			i.fail("Import of a file whose reading breaks off gives %s, and not why it did", plainly(err))
		}
	})
}

// unread goes wrong with the first file of an empty register, which must then say that it knows
// nobody, and take the whole file all the same.
func (i *importer) unread(wrong func(*trial, string)) {
	feed := i.Feed
	i.Feed = nil
	defer func() { i.Feed = feed }()
	i.faulty(fault{}, func(t *trial) {
		wrong(t, feed[0])
		if t.state().Files != 0 {
			i.fail("half a file counts as one")
		}
		known, _ := hub.ParsePersonID(i.Persons.Known)
		if p, err := t.lookup(i.ctx, known); !errors.Is(err, hub.ErrNotFound) {
			i.fail("after half a file Lookup gives %s, not ErrNotFound", found(p, err))
		}
		if _, err := t.importFile(strings.NewReader(feed[0])); err != nil {
			i.fail("the whole file afterwards: %s", plainly(err))
		}
	})
}

// unplugged is where a reading breaks off.
type unplugged struct{}

func (unplugged) Read([]byte) (int, error) { return 0, errBreaksOff }

func plainly(err error) string {
	if err == nil {
		return "no error"
	}
	return word(err)
}
