package folder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
)

// An opener gives the bytes of a file, as hub.File does.
type opener = func(ctx context.Context) (io.ReadCloser, error)

func inMemory(b []byte) opener {
	return func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}

// write puts the layout in the folder. Until it has its own name, what fails is a *not now*. After
// that it is a *don't know*: it may have been read.
func (f Folder) write(ctx context.Context, l Layout) (hub.Receipt, error) {
	if err := f.clear(l); err != nil {
		return hub.Receipt{}, Unavailable("clear away an earlier attempt", err)
	}
	hidden, err := os.MkdirTemp(f.Path, "."+l.name+".*.part")
	if err != nil {
		return hub.Receipt{}, Unavailable("make a hidden folder", err)
	}
	defer os.RemoveAll(hidden)
	if err := f.prepare(ctx, l, hidden); err != nil {
		return hub.Receipt{}, err
	}
	if r, err := f.found(ctx, l); !errors.Is(err, hub.ErrNotFound) {
		return r, err // somebody else was quicker
	}
	return f.name(ctx, l, hidden)
}

// clear removes what a crash has left under a hidden name. Whoever should still be at it cannot give it
// its own name any more.
func (f Folder) clear(l Layout) error {
	left, err := filepath.Glob(filepath.Join(escaped(f.Path), "."+l.name+".*.part"))
	for _, hidden := range left {
		err = errors.Join(err, os.RemoveAll(hidden))
	}
	return err
}

// prepare writes the layout's files into the hidden folder, durably.
func (f Folder) prepare(ctx context.Context, l Layout, hidden string) error {
	if err := os.Chmod(hidden, 0o770); err != nil {
		return Unavailable("open the hidden folder", err)
	}
	for _, c := range l.files {
		if err := f.writeFile(ctx, filepath.Join(hidden, c.name), c); err != nil {
			return err
		}
	}
	if err := syncFolder(hidden); err != nil {
		return Unavailable("make the hidden folder durable", err)
	}
	return f.date(hidden)
}

// name gives what lies in the hidden folder its own name, durably.
func (f Folder) name(ctx context.Context, l Layout, hidden string) (hub.Receipt, error) {
	if l.alone {
		hidden = filepath.Join(hidden, l.name)
	}
	about, err := os.Stat(hidden)
	if err != nil {
		return hub.Receipt{}, Unavailable("look at the file", err)
	}
	if err := hub.Announce(ctx); err != nil {
		return hub.Receipt{}, err
	}
	if err := os.Rename(hidden, filepath.Join(f.Path, l.name)); err != nil {
		return hub.Receipt{}, Unavailable("give the file its name", err)
	}
	if err := syncFolder(f.Path); err != nil {
		return hub.Receipt{}, fmt.Errorf("make the name durable: %s", reason(err))
	}
	return l.receipt(about.ModTime()), nil
}

func (f Folder) writeFile(ctx context.Context, name string, c content) error {
	from, err := c.open(ctx)
	if err != nil {
		return errUnread
	}
	defer from.Close()
	to, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o660)
	if err != nil {
		return Unavailable("make the file", err)
	}
	defer to.Close()
	sum := sha256.New()
	switch _, err := io.Copy(io.MultiWriter(to, sum), reader{ctx, from}); {
	case errors.Is(err, errUnread), err == nil && [32]byte(sum.Sum(nil)) != c.sha256:
		return errUnread
	case err != nil:
		return Unavailable("write the file", err)
	}
	if err := to.Sync(); err != nil {
		return Unavailable("make the file durable", err)
	}
	return f.date(name)
}

// errUnread says that it is the hub that cannot give the file now.
var errUnread = hub.Later(errors.New("a file could not be read, or is not what it is known as"), 0)

// A reader reads until ctx is done. What fails is errUnread.
type reader struct {
	ctx  context.Context
	from io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, errUnread
	}
	n, err := r.from.Read(b)
	if err != nil && err != io.EOF {
		err = errUnread
	}
	return n, err
}

// date gives a file the hub's time: the receipt's, whenever it is asked for.
func (f Folder) date(name string) error {
	now := f.Clock()
	if err := os.Chtimes(name, now, now); err != nil {
		return Unavailable("date the file", err)
	}
	return nil
}

// syncFolder makes names in a folder durable.
func syncFolder(name string) error {
	folder, err := os.Open(name)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

// escaped gives a path as a pattern that means itself.
func escaped(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
