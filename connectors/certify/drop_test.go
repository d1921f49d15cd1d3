package certify_test

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/hub"
)

const (
	namesFile       flaw = "a file that is called as the citizen called it"
	noFolderIsDoubt flaw = "a missing folder as a don't know"
	halfDrop        flaw = "half a file that stays"
	forgetsDone     flaw = "what was taken away as what never was there"
)

type dropConfig struct {
	Folder string `yaml:"folder" doc:"where the files are put"`
	Done   string `yaml:"done" doc:"where the system puts them when it has taken them"`
}

// dropWith is a connector that puts a delivery's document and file in a folder, the
// document last, with one mistake.
func dropWith(f flaw) hub.Connector {
	return hub.Define("drop", "Puts files in a folder.", func(_ context.Context, env hub.Env, c dropConfig) (hub.System, error) {
		return hub.System{Destination: drop{env, c.Folder, c.Done, f}, Can: hub.Capabilities{"fil": {Level: hub.Lookup}}}, nil
	})
}

type drop struct {
	env    hub.Env
	folder string
	done   string
	flaw   flaw
}

func (d drop) Deliver(ctx context.Context, del hub.Delivery) (hub.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return hub.Receipt{}, errors.New("stopped")
	}
	if _, err := os.Stat(d.folder); err != nil && d.flaw != noFolderIsDoubt {
		return hub.Receipt{}, hub.Unavailable(errors.New("no folder"), hub.AddressChanged)
	}
	if r, err := d.Find(ctx, del); err == nil {
		return r, nil
	}
	for _, f := range del.Files {
		name := string(del.Key) + ".del"
		if d.flaw == namesFile {
			name = f.Name
		}
		if err := d.put(ctx, name, f); err != nil {
			return hub.Receipt{}, err
		}
	}
	if err := os.WriteFile(filepath.Join(d.folder, string(del.Key)+".xml"), del.Document.Reveal(), 0o600); err != nil {
		return hub.Receipt{}, errors.New("cannot write")
	}
	return d.Find(ctx, del)
}

func (d drop) put(ctx context.Context, name string, f hub.File) error {
	r, err := f.Open(ctx)
	if err != nil {
		return hub.Later(errors.New("cannot read"), 0)
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil && d.flaw != halfDrop {
		return hub.Later(errors.New("cannot read"), 0)
	}
	return os.WriteFile(filepath.Join(d.folder, name), body, 0o600)
}

func (d drop) Find(ctx context.Context, del hub.Delivery) (hub.Receipt, error) {
	if ctx.Err() != nil {
		return hub.Receipt{}, errors.New("stopped")
	}
	if _, err := os.Stat(d.folder); err != nil {
		return hub.Receipt{}, errors.New("no folder")
	}
	if !d.has(del) || d.flaw == neverFinds {
		return hub.Receipt{}, hub.ErrNotFound
	}
	r := hub.Receipt{Number: string(del.Key) + ".xml", At: d.env.Clock()}
	for _, f := range del.Files {
		r.Parts = append(r.Parts, hub.Part{SHA256: hex.EncodeToString(f.Blob.SHA256[:])})
	}
	return r, nil
}

// has reports whether a document is in the folder, or among what was taken from it.
func (d drop) has(del hub.Delivery) bool {
	places := []string{d.folder, d.done}
	if d.flaw == forgetsDone {
		places = places[:1]
	}
	return slices.ContainsFunc(places, func(place string) bool {
		_, err := os.Stat(filepath.Join(place, string(del.Key)+".xml"))
		return err == nil
	})
}

// A dropFolder is a system that reads pairs of files.
type dropFolder struct{ in, done string }

var _ certify.PartsCounter = dropFolder{}

func (f dropFolder) Cases() int { return f.count("*.xml") }
func (f dropFolder) Parts() int { return f.count("*.del") }

func (f dropFolder) count(pattern string) int {
	waiting, _ := filepath.Glob(filepath.Join(f.in, pattern))
	taken, _ := filepath.Glob(filepath.Join(f.done, pattern))
	return len(waiting) + len(taken)
}

func (f dropFolder) Take() {
	files, _ := filepath.Glob(filepath.Join(f.in, "*"))
	for _, file := range files {
		os.Rename(file, filepath.Join(f.done, filepath.Base(file)))
	}
}
