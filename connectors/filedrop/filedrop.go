// Package filedrop puts each document as a file in a folder that another system reads, whole or not at
// all, under a name made from the delivery's Key: package folder says how.
package filedrop

import (
	"context"

	"github.com/knutpunkt/knutpunkt/connectors/folder"
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
	d := &drop{folder.Folder{Path: c.Folder, Done: c.Done, Clock: env.Clock}, c}
	if err := d.folder.Check(); err != nil {
		return hub.System{}, err
	}
	if err := folder.CheckEnding(c.Ending); err != nil {
		return hub.System{}, err
	}
	can := d.folder.Capability()
	can.Protected = true // whatever the document says of protection, the folder carries
	return hub.System{Destination: d, Can: hub.Capabilities{operationFile: can}}, nil
}

// A drop is one folder.
type drop struct {
	folder folder.Folder
	conf   Config
}

// Deliver writes d, unless it is there already.
func (p *drop) Deliver(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	return p.folder.Put(ctx, p.lay(d))
}

// Find looks for d in the folder and among what has been taken.
func (p *drop) Find(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	return p.folder.Find(ctx, p.lay(d))
}

func (p *drop) lay(d hub.Delivery) folder.Layout {
	if p.conf.Attachments {
		return folder.ManyFiles(d, p.conf.Ending)
	}
	return folder.OneFile(d, p.conf.Ending)
}
