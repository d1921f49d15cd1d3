package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/knutpunkt/knutpunkt/hub"
)

// files is how the files of a delivery follow its document.
type files struct {
	method      string
	path        template
	form        bool
	field       string
	fields      map[string]template
	sumHeader   string
	disposition bool
	ref         pointer
	find        *findFiles // nil when it cannot be asked
}

// findFiles is how a system is asked which files it has of a case.
type findFiles struct {
	path              template
	list              pointer
	n, sum, name, ref pointer
}

// landsTwice reports whether a file that is sent again takes its own place.
func (f *files) landsTwice() bool {
	return f.method == http.MethodPut && (f.path.has("n") || f.path.has("sha256"))
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

func (t *tally) whole() bool {
	for _, there := range t.there {
		if !there {
			return false
		}
	}
	return true
}

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
func (s *system) handFiles(ctx context.Context, o *operation, d hub.Delivery, r hub.Receipt, isNew bool) (
	*tally, error) {
	there := newTally(d)
	switch {
	case o.files == nil:
		return &tally{}, nil
	case len(d.Files) == 0:
		return there, nil
	case o.files.find != nil && !isNew:
		found, err := s.lookForFiles(ctx, s.env.HTTP, o, d, r)
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
		ref, err := s.handFile(ctx, o, d, r, there, i)
		if err != nil {
			return there, err
		}
		there.there[i], there.refs[i], there.made = true, ref, true
	}
	return there, nil
}

// lookForFiles asks which of d's files are there. A file counts once for each place in the list, so that
// of two equal ones both must be there.
func (s *system) lookForFiles(ctx context.Context, client *http.Client, o *operation, d hub.Delivery, r hub.Receipt) (
	*tally, error) {
	there, look := newTally(d), o.files.find
	if len(d.Files) == 0 {
		return there, nil
	}
	tree, err := s.ask(ctx, client, look.path, valuesWith(d, r), 0)
	if err != nil {
		return there, err
	}
	list, isList := look.list.list(tree)
	if !isList {
		return there, hub.Strange(errors.New("no list of files in the answer"))
	}
	for _, item := range list {
		for i := range d.Files {
			if !there.there[i] && look.is(item, i, there) {
				there.there[i], there.refs[i] = true, look.ref.text(item)
				break
			}
		}
	}
	return there, nil
}

// is reports whether an item of the list is the file with that number, from 0.
func (l *findFiles) is(item node, i int, t *tally) bool {
	return (l.n == nil || l.n.text(item) == strconv.Itoa(i+1)) &&
		(l.sum == nil || strings.EqualFold(l.sum.text(item), sumOf(t.files[i]))) &&
		(l.name == nil || l.name.text(item) == t.names[i])
}

// valuesWith gives what is known of a delivery whose document has a receipt.
func valuesWith(d hub.Delivery, r hub.Receipt) values {
	v := valuesOf(d)
	v["number"], v["ref"] = r.Number, refOf(r)
	return v
}

// handFile sends one file and gives what the system calls it, where it says.
func (s *system) handFile(ctx context.Context, o *operation, d hub.Delivery, r hub.Receipt, t *tally, i int) (
	ref string, err error) {
	f, v := o.files, valuesWith(d, r)
	v["n"], v["sha256"] = strconv.Itoa(i+1), sumOf(t.files[i])
	end, err := f.path.fill(v)
	if err != nil {
		return "", hub.Reject(err)
	}
	c := call{method: f.method, end: end, statuses: o.statuses, lag: o.lag}
	if f.form {
		c.body, c.header = f.formWith(t.files[i], t.names[i], v)
	} else {
		c.body = fileBody(t.files[i])
		c.header = http.Header{"Content-Type": {typeOf(t.files[i])}}
		if f.disposition {
			named := map[string]string{"filename": t.names[i]}
			c.header.Set("Content-Disposition", mime.FormatMediaType("attachment", named))
		}
	}
	if f.sumHeader != "" {
		c.header.Set(f.sumHeader, v["sha256"])
	}
	a, err := s.call(ctx, s.env.HTTP, c)
	if err != nil || f.ref == nil {
		return "", err
	}
	tree, err := s.read(a, maxAnswer)
	if err != nil {
		return "", err
	}
	if ref = f.ref.text(tree); ref == "" {
		return "", hub.Strange(errors.New("the answer does not say what the file is called"))
	}
	return ref, nil
}

// formWith makes a form with the file and the fields beside it. Its boundary is made of the file's own
// hash, which no file can hold; the name stands in UTF-8 as it is, as RFC 7578 has it.
func (f *files) formWith(file hub.File, name string, v values) (body, http.Header) {
	var before bytes.Buffer
	form := multipart.NewWriter(&before)
	form.SetBoundary("knutpunkt-" + v["sha256"][:40])
	for _, field := range slices.Sorted(maps.Keys(f.fields)) {
		form.WriteField(field, f.fields[field].plain(v))
	}
	form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {fmt.Sprintf(`form-data; name="%s"; filename="%s"`, f.field, name)},
		"Content-Type":        {typeOf(file)},
	})
	start := bytes.Clone(before.Bytes())
	before.Reset()
	form.Close()
	end := before.Bytes()
	return wrapped(start, fileBody(file), end), http.Header{"Content-Type": {form.FormDataContentType()}}
}

// typeOf gives a file's media type, or the one that says nothing when it has none that can be sent.
func typeOf(f hub.File) string {
	if _, _, err := mime.ParseMediaType(f.Type); err != nil {
		return "application/octet-stream"
	}
	return f.Type
}

// errFile says that a file could not be read.
var errFile = errors.New("a file could not be read")

// A body is what a call carries. It can be opened again.
type body struct {
	open   func(context.Context) (io.ReadCloser, error)
	length int64 // in bytes; -1 when nobody knows
}

func bytesBody(b []byte) body {
	open := func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
	return body{open, int64(len(b))}
}

// fileBody streams a file: however large, it costs a buffer.
func fileBody(f hub.File) body {
	return body{func(ctx context.Context) (io.ReadCloser, error) {
		r, err := f.Open(ctx)
		if err != nil {
			return nil, errFile
		}
		return r, nil
	}, f.Blob.Size}
}

// A reopened is a body that is opened when it is first read, unless it is open already. The HTTP library
// may close it while it is being read.
type reopened struct {
	ctx  context.Context
	body body

	mu     sync.Mutex
	now    io.ReadCloser
	closed bool
}

func (r *reopened) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, errFile
	}
	if r.now == nil {
		now, err := r.body.open(r.ctx)
		if err != nil {
			return 0, err
		}
		r.now = now
	}
	return r.now.Read(p)
}

func (r *reopened) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.now == nil {
		return nil
	}
	return r.now.Close()
}

// wrapped puts something before and after a body.
func wrapped(before []byte, b body, after []byte) body {
	return body{func(ctx context.Context) (io.ReadCloser, error) {
		inner, err := b.open(ctx)
		if err != nil {
			return nil, err
		}
		all := io.MultiReader(bytes.NewReader(before), inner, bytes.NewReader(after))
		return struct {
			io.Reader
			io.Closer
		}{all, inner}, nil
	}, int64(len(before)) + b.length + int64(len(after))}
}
