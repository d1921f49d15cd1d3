// Package folder is a folder that another system reads, for the connectors that hand over files.
//
// A file appears in the folder whole or not at all: it is written under a hidden name, made durable and
// then given its own. Its name is made from the delivery's Key and from nothing else, so that the same
// delivery is the same file, and nothing that a citizen wrote becomes a path.
package folder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Folder is one that another system reads.
type Folder struct {
	Path  string           // where the other system looks
	Done  string           // where it moves what it has taken, under the same name; "" where that is not kept
	Clock func() time.Time // what files are dated by
}

// Check finds what cannot be a Folder.
func (f Folder) Check() error {
	if f.Path == "" || f.Done != "" && filepath.Clean(f.Done) == filepath.Clean(f.Path) {
		return errors.New("folder: must be there, and be another one than done")
	}
	return nil
}

// CheckEnding finds what cannot be the ending of a file's name; "" can.
func CheckEnding(ending string) error {
	if ending != "" && (!strings.HasPrefix(ending, ".") || strings.ContainsAny(ending, `/\`)) {
		return errors.New("ending: must begin with a dot, and have no slash")
	}
	return nil
}

// Capability tells what follows a *don't know*. A file that is there, or among the done ones, is
// recognised. Where the taken ones are not kept, a second file could be a second case.
func (f Folder) Capability() hub.Capability {
	if f.Done == "" {
		return hub.Capability{Level: hub.Blind, Announces: true}
	}
	return hub.Capability{Level: hub.Idempotent}
}

// Put writes l, unless it is there already. A file of that name with other bytes is a Reject: it is
// never written over. The receipt's Number is the name of the file, and its time that of the file.
func (f Folder) Put(ctx context.Context, l Layout) (hub.Receipt, error) {
	r, err := f.found(ctx, l)
	if !errors.Is(err, hub.ErrNotFound) {
		return r, err
	}
	return f.write(ctx, l)
}

// Find looks for l in the folder and among what has been taken. Where the taken ones are not kept,
// what is not in the folder is hub.ErrCannotTell.
func (f Folder) Find(ctx context.Context, l Layout) (hub.Receipt, error) {
	if f.Done == "" {
		return hub.Receipt{}, hub.ErrCannotTell
	}
	return f.found(ctx, l)
}

// found gives the receipt of what lies in one of the two folders; hub.ErrNotFound when it lies in
// neither, and a Reject when something else does.
func (f Folder) found(ctx context.Context, l Layout) (hub.Receipt, error) {
	for _, path := range []string{f.Path, f.Done} {
		if path == "" {
			continue
		}
		if err := ctx.Err(); err != nil {
			return hub.Receipt{}, hub.Later(err, 0)
		}
		if err := isFolder(path); err != nil {
			return hub.Receipt{}, err
		}
		at, err := l.in(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case errors.Is(err, errOther):
			return hub.Receipt{}, hub.Reject(err)
		case err != nil:
			return hub.Receipt{}, Unavailable("read the file", err)
		}
		return l.receipt(at), nil
	}
	return hub.Receipt{}, hub.ErrNotFound
}

// isFolder looks for a folder that is gone, such as a share that is not mounted: nothing could be said
// about what lies in it.
func isFolder(name string) error {
	about, err := os.Stat(name)
	switch {
	case err != nil:
		return Unavailable("open the folder", err)
	case !about.IsDir():
		return hub.Unavailable(errors.New("the folder is no folder"), hub.AddressChanged)
	}
	return nil
}

// errOther says that the place is taken by something else.
var errOther = errors.New("there is a file of that name with other content, which is not written over")

// Unavailable says what the machine refused, without the path. Nothing has been taken: a file without its
// own name is read by nobody.
func Unavailable(what string, err error) error {
	cause := hub.Down
	switch {
	case errors.Is(err, fs.ErrNotExist):
		cause = hub.AddressChanged
	case errors.Is(err, fs.ErrPermission):
		cause = hub.Credentials
	}
	return hub.Unavailable(fmt.Errorf("%s: %s", what, reason(err)), cause)
}

// reason gives the machine's word without the path.
func reason(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return "it failed"
}
