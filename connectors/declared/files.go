package declared

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Files are how the files of a delivery follow its document, one by one.
type Files struct {
	Hand       Handing
	Ref        Pointer    // in the answer: what the system calls the file; nil when it does not say
	Find       *FindFiles // nil when it cannot be asked
	LandsTwice bool       // a file that is sent again takes its own place
}

// A Handing hands over a file and gives what was answered, or nil where nothing need be understood.
type Handing func(ctx context.Context, f Handed, v Values) (Node, error)

// A Handed is a file on its way, with the name that no other file of its delivery has. Of what is known,
// n is its number, from 1, and sha256 its hash.
type Handed struct {
	hub.File
	As string
}

// FindFiles is how a system is asked which files it has of a case.
type FindFiles struct {
	Ask               Question
	List              Pointer
	N, Sum, Name, Ref Pointer
}

// A tally is which of a delivery's files the system has.
type tally struct {
	files []hub.File
	names []string
	there []bool
	refs  []string
	blank bool // nobody could be asked what is there
	made  bool // this attempt has sent one
}

func newTally(d hub.Delivery) *tally {
	n := len(d.Files)
	return &tally{files: d.Files, names: namesOf(d.Files), there: make([]bool, n), refs: make([]string, n)}
}

func (t *tally) whole() bool { return !slices.Contains(t.there, false) }

// String says how far a delivery has come.
func (t *tally) String() string {
	if t.blank {
		return "the document is there, and its files could not be asked for"
	}
	n := 0
	for _, there := range t.there {
		if there {
			n++
		}
	}
	return fmt.Sprintf("the document and %d of %d files are there", n, len(t.files))
}

// parts are the receipts of the files that are there.
func (t *tally) parts() []hub.Part {
	var parts []hub.Part
	for i, f := range t.files {
		if t.there[i] {
			parts = append(parts, hub.Part{SHA256: sumOf(f), Ref: t.refs[i]})
		}
	}
	return parts
}

// handFiles sends the files that are not there. Of a new document it need not ask, and could not where what
// is new is invisible. What it gives counts also when it fails.
func (s *Destination) handFiles(ctx context.Context, o *Operation, d hub.Delivery, r hub.Receipt, isNew bool) (
	*tally, error) {
	there := newTally(d)
	switch {
	case o.Files == nil:
		return &tally{}, nil
	case len(d.Files) == 0:
		return there, nil
	case o.Files.Find != nil && !isNew:
		found, err := s.lookForFiles(ctx, s.Env.HTTP, o, d, r)
		if err != nil {
			there.blank = true
			return there, onlyAsked(err)
		}
		there = found
	}
	for i := range d.Files {
		if there.there[i] {
			continue
		}
		ref, err := o.Files.hand(ctx, d, r, there, i)
		if err != nil {
			return there, err
		}
		there.there[i], there.refs[i], there.made = true, ref, true
	}
	return there, nil
}

// lookForFiles asks which of d's files are there: none, where the system says that there are none. A file
// counts once for each place in the list, so that of two equal ones both must be there.
func (s *Destination) lookForFiles(ctx context.Context, client *http.Client, o *Operation, d hub.Delivery, r hub.Receipt) (
	*tally, error) {
	there, look := newTally(d), o.Files.Find
	if len(d.Files) == 0 {
		return there, nil
	}
	tree, err := look.Ask(ctx, client, valuesWith(d, r))
	switch {
	case errors.Is(err, hub.ErrNotFound):
		return there, nil
	case err != nil:
		return there, err
	}
	list, isList := look.List.list(tree)
	if !isList {
		return there, noList(look.List)
	}
	for _, item := range list {
		for i := range d.Files {
			if !there.there[i] && look.is(item, i, there) {
				there.there[i], there.refs[i] = true, look.Ref.text(item)
				break
			}
		}
	}
	return there, nil
}

// is reports whether an item of the list is the file with that number, from 0.
func (l *FindFiles) is(item Node, i int, t *tally) bool {
	return (l.N == nil || l.N.text(item) == strconv.Itoa(i+1)) &&
		(l.Sum == nil || strings.EqualFold(l.Sum.text(item), sumOf(t.files[i]))) &&
		(l.Name == nil || l.Name.text(item) == t.names[i])
}

// hand sends one file and gives what the system calls it, where it says.
func (f *Files) hand(ctx context.Context, d hub.Delivery, r hub.Receipt, t *tally, i int) (ref string, err error) {
	v := valuesWith(d, r).With("n", strconv.Itoa(i+1)).With("sha256", sumOf(t.files[i]))
	answer, err := f.Hand(ctx, Handed{t.files[i], t.names[i]}, v)
	if err != nil || f.Ref == nil {
		return "", err
	}
	if ref = f.Ref.text(answer); ref == "" {
		return "", hub.Strange(errors.New("the answer does not say what the file is called"))
	}
	return ref, nil
}

// MediaType gives a file's media type, or the one that says nothing when it has none that can be sent.
func (f Handed) MediaType() string {
	if _, _, err := mime.ParseMediaType(f.Type); err != nil {
		return "application/octet-stream"
	}
	return f.Type
}

// Sum is the file's SHA-256, hexadecimal.
func (f Handed) Sum() string { return sumOf(f.File) }

// sumOf is a file's SHA-256 as it is written.
func sumOf(f hub.File) string { return hex.EncodeToString(f.Blob.SHA256[:]) }

// namesOf gives each file the name that the citizen gave it, and a number where two have the same.
func namesOf(files []hub.File) []string {
	var names []string
	for i, f := range files {
		name := strings.Map(printable, strings.ToValidUTF8(f.Name, "_"))
		name = cmp.Or(strings.TrimSpace(name), fmt.Sprintf("fil-%02d", i+1))
		stem, ending := name, ""
		if dot := strings.LastIndexByte(name, '.'); dot > 0 {
			stem, ending = name[:dot], name[dot:]
		}
		for n := 2; slices.Contains(names, name); n++ {
			name = fmt.Sprintf("%s (%d)%s", stem, n, ending)
		}
		names = append(names, name)
	}
	return names
}

// printable takes away what could end a header or begin a folder.
func printable(r rune) rune {
	if isControl(r) || r == '/' || r == '\\' || r == '"' {
		return '_'
	}
	return r
}
