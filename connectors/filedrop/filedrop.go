// Package filedrop puts each document as a file in a folder that another system reads.
//
// A file appears in the folder whole or not at all: it is written under a hidden name, made durable and
// then given its own. Its name is made from the delivery's Key and from nothing else, so that the same
// delivery is the same file, and nothing that a citizen wrote becomes a path.
package filedrop

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// New is the connector, for connectors.All.
var New = hub.Define("filedrop", "Puts each document as a file in a folder that another system reads.", open)

// Config is what systems.yaml says about one folder.
type Config struct {
	Folder      string `yaml:"folder" doc:"where the other system looks for files"`
	Done        string `yaml:"done,omitempty" doc:"where it moves what it has taken, under the same name; without it nobody can tell what was taken from what was never written"`
	Ending      string `yaml:"ending,omitempty" doc:"of the file's name, such as .xml; that of the document's media type when left out"`
	Attachments bool   `yaml:"attachments,omitempty" doc:"yes: a folder for each delivery, with the document and all files; no: the document alone"`
}

// operationFile is the one operation that a mapping can name.
const operationFile = "file"

func open(_ context.Context, env hub.Env, c Config) (hub.System, error) {
	if c.Folder == "" || c.Done != "" && filepath.Clean(c.Done) == filepath.Clean(c.Folder) {
		return hub.System{}, errors.New("folder: must be there, and be another one than done")
	}
	if c.Ending != "" && (!strings.HasPrefix(c.Ending, ".") || strings.ContainsAny(c.Ending, `/\`)) {
		return hub.System{}, errors.New("ending: must begin with a dot, and have no slash")
	}
	d := &drop{env, c}
	return hub.System{Destination: d, Can: hub.Capabilities{operationFile: d.capability()}}, nil
}

// A drop is one folder.
type drop struct {
	env  hub.Env
	conf Config
}

// capability: a file that is there, or among the done ones, is recognised. Where the taken ones are not
// kept, a second file could be a second case.
func (p *drop) capability() hub.Capability {
	if p.conf.Done == "" {
		return hub.Capability{Level: hub.Blind, Protected: true, Announces: true}
	}
	return hub.Capability{Level: hub.Idempotent, Protected: true}
}

// Deliver writes d, unless it is there already. A file of that name with other bytes is a Reject: it is
// never written over. The receipt's Number is the name of the file, and its time that of the file.
func (p *drop) Deliver(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	l := p.lay(d)
	r, err := p.found(ctx, l)
	if !errors.Is(err, hub.ErrNotFound) {
		return r, err
	}
	return p.write(ctx, l)
}

// Find looks for d in the folder and among what has been taken. Where the taken ones are not kept,
// what is not in the folder is hub.ErrCannotTell.
func (p *drop) Find(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	if p.conf.Done == "" {
		return hub.Receipt{}, hub.ErrCannotTell
	}
	return p.found(ctx, p.lay(d))
}

// found gives the receipt of what lies in one of the two folders; hub.ErrNotFound when it lies in
// neither, and a Reject when something else does.
func (p *drop) found(ctx context.Context, l layout) (hub.Receipt, error) {
	for _, folder := range []string{p.conf.Folder, p.conf.Done} {
		if folder == "" {
			continue
		}
		if err := ctx.Err(); err != nil {
			return hub.Receipt{}, hub.Later(err, 0)
		}
		if err := isFolder(folder); err != nil {
			return hub.Receipt{}, err
		}
		at, err := l.in(folder)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case errors.Is(err, errOther):
			return hub.Receipt{}, hub.Reject(err)
		case err != nil:
			return hub.Receipt{}, unavailable("read the file", err)
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
		return unavailable("open the folder", err)
	case !about.IsDir():
		return hub.Unavailable(errors.New("the folder is no folder"), hub.AddressChanged)
	}
	return nil
}

// errOther says that the place is taken by something else.
var errOther = errors.New("there is a file of that name with other content, which is not written over")

// unavailable says what the machine refused. Nothing has been taken: a file without its own name is
// read by nobody.
func unavailable(what string, err error) error {
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

// A layout is how a delivery lies in a folder: as one file, or as a folder of files.
type layout struct {
	name  string // in the folder
	files []content
	alone bool // the one file is name itself
	given []hub.File
}

// A content is one file of a layout.
type content struct {
	name   string
	sha256 [32]byte
	open   opener
}

// lay decides the names. That of an attachment is its number: what a citizen called it stands in the
// document, if anywhere.
func (p *drop) lay(d hub.Delivery) layout {
	ending := p.conf.Ending
	if ending == "" {
		ending = endingOf(d.Document.Type, "")
	}
	base := safe(string(d.Key))
	document := content{base + ending, d.Document.SHA256(), inMemory(d.Document.Reveal())}
	if !p.conf.Attachments {
		return layout{name: document.name, files: []content{document}, alone: true}
	}
	l := layout{name: base, files: []content{document}, given: d.Files}
	for i, f := range d.Files {
		name := fmt.Sprintf("bilaga-%02d%s", i+1, endingOf(f.Type, f.Name))
		l.files = append(l.files, content{name, f.Blob.SHA256, f.Open})
	}
	return l
}

func (l layout) receipt(at time.Time) hub.Receipt {
	r := hub.Receipt{Number: l.name, At: at}
	for i, f := range l.given {
		r.Parts = append(r.Parts, hub.Part{SHA256: hex.EncodeToString(f.Blob.SHA256[:]), Ref: l.name + "/" + l.files[i+1].name})
	}
	return r
}

// in compares what lies in folder with the layout, and tells when it was written. It gives an
// fs.ErrNotExist when nothing has the name, and errOther when what has it is not the same.
func (l layout) in(folder string) (time.Time, error) {
	place := filepath.Join(folder, l.name)
	about, err := os.Lstat(place)
	switch {
	case err != nil:
		return time.Time{}, err
	case about.IsDir() == l.alone:
		return time.Time{}, errOther
	}
	for _, f := range l.files {
		file := place
		if !l.alone {
			file = filepath.Join(place, f.name)
		}
		switch sum, err := sumOf(file); {
		case errors.Is(err, fs.ErrNotExist):
			if _, err := os.Lstat(place); err != nil {
				return time.Time{}, err // it has just been taken
			}
			return time.Time{}, errOther
		case err != nil:
			return time.Time{}, err
		case sum != f.sha256:
			return time.Time{}, errOther
		}
	}
	return about.ModTime(), nil
}

func sumOf(file string) (sum [32]byte, err error) {
	about, err := os.Lstat(file)
	if err == nil && !about.Mode().IsRegular() {
		return sum, errOther
	}
	f, err := os.Open(file)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, err
	}
	return [32]byte(h.Sum(nil)), nil
}
