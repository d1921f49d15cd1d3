package folder

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Layout is how a delivery lies in a Folder: as one file, or as a folder of files.
type Layout struct {
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

// OneFile lays out the document of a delivery alone, in a file named from the Key. An empty ending is
// that of the document's media type.
func OneFile(d hub.Delivery, ending string) Layout {
	document := documentOf(d, ending)
	return Layout{name: document.name, files: []content{document}, alone: true}
}

// ManyFiles lays out a delivery as a folder named from the Key, with the document and all files in it.
// The name of an attachment is its number: what a citizen called it stands in the document, if
// anywhere.
func ManyFiles(d hub.Delivery, ending string) Layout {
	l := Layout{name: safe(string(d.Key)), files: []content{documentOf(d, ending)}, given: d.Files}
	for i, f := range d.Files {
		name := fmt.Sprintf("bilaga-%02d%s", i+1, endingOf(f.Type, f.Name))
		l.files = append(l.files, content{name, f.Blob.SHA256, f.Open})
	}
	return l
}

func documentOf(d hub.Delivery, ending string) content {
	if ending == "" {
		ending = endingOf(d.Document.Type, "")
	}
	return content{safe(string(d.Key)) + ending, d.Document.SHA256(), inMemory(d.Document.Reveal())}
}

func (l Layout) receipt(at time.Time) hub.Receipt {
	r := hub.Receipt{Number: l.name, At: at}
	for i, f := range l.given {
		r.Parts = append(r.Parts, hub.Part{SHA256: hex.EncodeToString(f.Blob.SHA256[:]), Ref: l.name + "/" + l.files[i+1].name})
	}
	return r
}

// in compares what lies in folder with the layout, and tells when it was written. It gives an
// fs.ErrNotExist when nothing has the name, and errOther when what has it is not the same.
func (l Layout) in(folder string) (time.Time, error) {
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
