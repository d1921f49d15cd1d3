// Package paxml hands absence and pay to a payroll system as PAXml 2.0: one file for each delivery, in a
// folder that the payroll system reads.
//
// The document is the mapping's. Before it becomes a file it is held against what the standard's own
// document demands and its XML Schema cannot say; rules.go has each of those rules. What breaks one is
// refused, and never written: a payroll system tells nobody that it has skipped a line.
//
// The format is told of in the consortium's document of 2013-03-13 and its schema, version 2.0 of
// 2012-12. Nothing is claimed of version 2.2, whose schema is not public.
package paxml

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/knutpunkt/knutpunkt/connectors/folder"
	"github.com/knutpunkt/knutpunkt/hub"
)

// New is the connector, for connectors.All.
var New = hub.Define("paxml", "Hands absence and pay to a payroll system, as PAXml 2.0 files in a folder.", open)

// Config is what systems.yaml says about one payroll system.
type Config struct {
	Folder      string `yaml:"folder" doc:"where the payroll system looks for files"`
	Done        string `yaml:"done,omitempty" doc:"where it moves what it has taken, under the same name; without it nobody can tell what was taken from what was never written"`
	Receipts    string `yaml:"receipts,omitempty" doc:"where it, or somebody at the payroll office, puts back a file of the same name for each that was read in; left out where nobody does"`
	Ending      string `yaml:"ending,omitempty" doc:"of the files' names: .xml when left out; some payroll systems want .pax"`
	Corrections bool   `yaml:"corrections,omitempty" doc:"yes: negative values are corrections, and are let through; no: they are refused"`
	Semgrund    bool   `yaml:"semgrund,omitempty" doc:"yes: the files may say whether absence counts towards holiday (semgrund), which the payroll system else decides itself"`
}

// operationPayroll is the one operation that a mapping can name.
const operationPayroll = "payroll"

func open(_ context.Context, env hub.Env, c Config) (hub.System, error) {
	if c.Ending == "" {
		c.Ending = ".xml"
	}
	p := &payroll{env: env, conf: c, folder: folder.Folder{Path: c.Folder, Done: c.Done, Clock: env.Clock}}
	if err := errors.Join(p.folder.Check(), folder.CheckEnding(c.Ending)); err != nil {
		return hub.System{}, err
	}
	s := hub.System{Destination: p, Checker: p, Can: hub.Capabilities{operationPayroll: p.folder.Capability()}}
	if c.Receipts != "" {
		for _, other := range []string{c.Folder, c.Done} {
			if filepath.Clean(other) == filepath.Clean(c.Receipts) {
				return hub.System{}, errors.New("receipts: must be another folder than folder and done")
			}
		}
		s.Tracker = p
	}
	return s, nil
}

// A payroll is one payroll system.
type payroll struct {
	env    hub.Env
	conf   Config
	folder folder.Folder
}

// Deliver writes d as a file, unless it is there already. A document that breaks a rule of the standard
// is a Reject. The receipt's Number is the name of the file: it says that the file lies where the
// payroll system looks (levererad till lön), and nothing of whether it has been read in.
func (p *payroll) Deliver(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	if broken := p.Check(d); len(broken) > 0 {
		err := errors.New(broken[0].Text)
		if more := len(broken) - 1; more > 0 {
			err = fmt.Errorf("%w (and %d more)", err, more)
		}
		return hub.Receipt{}, hub.Reject(err)
	}
	return p.folder.Put(ctx, folder.OneFile(d, p.conf.Ending))
}

// Find looks for d in the folder and among what has been taken.
func (p *payroll) Find(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	return p.folder.Find(ctx, folder.OneFile(d, p.conf.Ending))
}

// Check holds a document against the rules that the standard has beside its schema.
func (p *payroll) Check(d hub.Delivery) []hub.Breach { return p.conf.breaches(d.Document) }
