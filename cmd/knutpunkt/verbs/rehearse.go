package verbs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

// A rehearsal is what the hub's workplace tells of a draft that it has tried.
type rehearsal struct {
	Case     hub.CaseID
	Delivery hub.Key
	System   hub.SystemID
	State    hub.State
	Type     string
	Document []byte
	Why      string
	Fault    *struct{ Where, Text string }
	Made     *struct {
		Same              bool
		Where, Has, Draft string
	}
}

// rehearse has the hub try the mapping as it stands here on a form that it has stored.
func (t *trial) rehearse(ctx context.Context, w io.Writer, m *mapping.Mapping) error {
	if t.reason == "" {
		return usage{errors.New("--reason TEXT says why you look at the form's document")}
	}
	files, err := textsOf(os.DirFS(t.dir), m)
	if err != nil {
		return err
	}
	at, err := t.open(t.dir)
	if err != nil {
		return err
	}
	var r rehearsal
	members := map[string]any{
		"submission": t.submission, "mapping": m.Path(), "files": files, "leg": t.leg, "reason": t.reason, "why": t.why,
	}
	if err := at.call(ctx, http.MethodPost, "/v1/rehearsals", members, &r); err != nil {
		return err
	}
	return r.print(w)
}

// textsOf gives the mapping's own text and those of the schemas that it is held against:
// all that compiling it reads.
func textsOf(fsys fs.FS, m *mapping.Mapping) (map[string][]byte, error) {
	read := noting{fsys, map[string]bool{}}
	if _, problems := mapping.Compile(read, m.Path()); len(problems) > 0 {
		return nil, errors.New(m.Path() + " changed while it was read")
	}
	files := map[string][]byte{}
	for name := range read.names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("%s cannot be read", name)
		}
		files[name] = text
	}
	return files, nil
}

// noting is a folder that remembers which files were opened.
type noting struct {
	fs.FS
	names map[string]bool
}

func (n noting) Open(name string) (fs.File, error) {
	f, err := n.FS.Open(name)
	if err != nil {
		return nil, err
	}
	if about, err := f.Stat(); err == nil && !about.IsDir() {
		n.names[name] = true
	}
	return f, nil
}

// print shows the document, or its explanation, and then whether it is what was sent.
func (r rehearsal) print(w io.Writer) error {
	switch {
	case r.Why != "":
		fmt.Fprint(w, r.Why)
	case r.Fault == nil:
		w.Write(mapping.Pretty(hub.NewDocument(r.Type, r.Document)))
	}
	if r.Fault != nil {
		return fmt.Errorf("%s: %s", r.Fault.Where, r.Fault.Text)
	}
	fmt.Fprintf(w, "\n%s\n", r.verdict())
	return nil
}

func (r rehearsal) verdict() string {
	of := fmt.Sprintf("%s to %s", r.Delivery, r.System)
	switch {
	case r.Made == nil && r.State == "":
		return fmt.Sprintf("there is no delivery %s yet; nothing was sent", of)
	case r.Made == nil:
		return fmt.Sprintf("%s is %s and has no document yet; nothing was sent", of, r.State)
	case r.Made.Same:
		return fmt.Sprintf("the same, byte for byte, as the document of %s, which is %s", of, r.State)
	case r.Made.Where == "":
		return fmt.Sprintf("the same, but written otherwise, as the document of %s, which is %s", of, r.State)
	}
	return fmt.Sprintf("another than the document of %s, which is %s; first at %s: it has %s, the draft makes %s",
		of, r.State, r.Made.Where, visible(r.Made.Has), visible(r.Made.Draft))
}
