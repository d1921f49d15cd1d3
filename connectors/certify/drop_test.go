package certify_test

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/hub"
)

const (
	namesFile       flaw = "a file that is called as the citizen called it"
	noFolderIsDoubt flaw = "a missing folder as a don't know"
	halfDrop        flaw = "half a file that stays"
)

type dropConfig struct {
	Folder string `yaml:"folder" doc:"where the files are put"`
}

// dropWith is a connector that puts a delivery's document and file in a folder, the
// document last, with one mistake.
func dropWith(f flaw) hub.Connector {
	return hub.Define("drop", "Puts files in a folder.", func(_ context.Context, env hub.Env, c dropConfig) (hub.System, error) {
		return hub.System{Destination: drop{env, c.Folder, f}, Can: hub.Capabilities{"fil": {Level: hub.Lookup}}}, nil
	})
}

type drop struct {
	env    hub.Env
	folder string
	flaw   flaw
}

func (d drop) Deliver(ctx context.Context, del hub.Delivery) (hub.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return hub.Receipt{}, errors.New("stopped")
	}
	if _, err := os.Stat(d.folder); err != nil && d.flaw != noFolderIsDoubt {
		return hub.Receipt{}, hub.Unavailable(errors.New("no folder"), hub.AddressChanged)
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
	if _, err := os.Stat(filepath.Join(d.folder, string(del.Key)+".xml")); err != nil || d.flaw == neverFinds {
		return hub.Receipt{}, hub.ErrNotFound
	}
	r := hub.Receipt{Number: string(del.Key) + ".xml", At: d.env.Clock()}
	for _, f := range del.Files {
		r.Parts = append(r.Parts, hub.Part{SHA256: hex.EncodeToString(f.Blob.SHA256[:])})
	}
	return r, nil
}

// A dropFolder is a system that reads pairs of files.
type dropFolder string

var _ certify.PartsCounter = dropFolder("")

func (f dropFolder) Cases() int { return f.count("*.xml") }
func (f dropFolder) Parts() int { return f.count("*.del") }

func (f dropFolder) count(pattern string) int {
	names, _ := filepath.Glob(filepath.Join(string(f), pattern))
	return len(names)
}
