package verbs

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

// A systemTrial proves what systems.yaml says of one system, against the vendor's own test
// system.
type systemTrial struct {
	dir     string
	id      string // FOLDER.NAME
	mapping string
	example string
	isTest  bool
	yes     bool
}

func (t *systemTrial) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&t.dir, "config", ".", "the folder of the configuration")
	f.StringVar(&t.id, "system", "", "a system of systems.yaml, such as karlskrona.arende")
	f.StringVar(&t.mapping, "mapping", "", "the mapping that makes its documents, such as arende/nytt")
	f.StringVar(&t.example, "case", "", "one of the mapping's test cases")
	f.BoolVar(&t.isTest, "test-system", false, "what the entry leads to is the vendor's test system, and nobody works there")
	f.BoolVar(&t.yes, "yes", false, "do not ask")
}

var errNotSaidToBeTest = errors.New("cases are made there that nobody has asked for: when the entry leads to a test system, say so with --test-system")

func (t *systemTrial) run(ctx context.Context, w io.Writer) error {
	switch {
	case t.mapping == "" || t.example == "":
		return usage{errors.New("--system goes with --mapping and --case: what is to be delivered?")}
	case !t.isTest:
		return usage{errNotSaidToBeTest}
	}
	system, connector, err := t.find()
	if err != nil {
		return err
	}
	document, err := t.document()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Cases will be made in %s (%s), by %s with its case %s.\n",
		system.ID, strings.Join(system.Addresses, ", "), document.mapping.Path(), t.example)
	if !t.yes && !asksYes("Is it a test system, and may they be made?") {
		return told(exitFailed)
	}
	made, unread := 0, 0
	level, findings := certify.Try(ctx, certify.TestSystem{
		Open: func(between func(http.RoundTripper) http.RoundTripper) (hub.System, error) {
			return openBehind(ctx, t.dir, system, connector, between)
		},
		Operation: document.mapping.Operation(), Delivery: document.delivery, Key: newKey, Wait: wait,
		Made: func(key hub.Key, number string) {
			made++
			fmt.Fprintf(w, "  made: %s, under the key %s\n", number, key)
		},
		Unread: func(key hub.Key) {
			unread++
			fmt.Fprintf(w, "  sent: no number could be read, under the key %s\n", key)
		},
	})
	fmt.Fprintln(w, whatIsThere(made, unread))
	if len(findings) > 0 {
		tellFindings(w, string(system.ID), findings)
		return told(exitFailed)
	}
	return t.keep(w, system, document.mapping.Operation(), level)
}

// whatIsThere tells what to look for in the vendor's test system. That there is no other can only be said
// where all that was sent has got a number.
func whatIsThere(made, unread int) string {
	switch {
	case made == 0 && unread == 0:
		return "Nothing was made there."
	case unread == 0:
		return fmt.Sprintf("Look there: these are %s, and there must be no other of today's.", count(made, "case", "cases"))
	}
	return fmt.Sprintf("Look there, by the keys: %s known, and %d more may have been made.", count(made, "case is", "cases are"), unread)
}

// find finds the entry, and its connector as it is coded: what is written is to be proved.
func (t *systemTrial) find() (config.System, hub.Connector, error) {
	systems, err := config.Systems(t.dir, connectors.All)
	if err != nil {
		return config.System{}, hub.Connector{}, err
	}
	i := slices.IndexFunc(systems, func(s config.System) bool { return string(s.ID) == t.id })
	if i < 0 {
		return config.System{}, hub.Connector{}, usage{fmt.Errorf("no systems.yaml has a system called %s", t.id)}
	}
	connector, err := connectorCalled(systems[i].Connector)
	return systems[i], connector.AsCoded(), err
}

// openBehind opens a system as serve does, with something on the way to it.
func openBehind(ctx context.Context, dir string, s config.System, c hub.Connector,
	between func(http.RoundTripper) http.RoundTripper) (hub.System, error) {
	door, settings, err := doorTo(s)
	if err != nil {
		return hub.System{}, err
	}
	behind := func(c *http.Client) *http.Client {
		return &http.Client{Transport: between(c.Transport), CheckRedirect: c.CheckRedirect}
	}
	return c.Open(ctx, hub.Env{
		ID: s.ID, HTTP: behind(door.HTTP()), Reads: behind(door.Reads()), Dial: door.Dial, TLS: settings,
		Log: slog.New(slog.DiscardHandler), Clock: seam.clock,
		Mapping: func(name string) (hub.Mapping, error) { return config.Mapping(os.DirFS(dir), name) },
	}, s.Decode)
}

// An exampleDocument is what a mapping makes of one of its cases, under any Key.
type exampleDocument struct {
	mapping *mapping.Mapping
	known   hub.Known
}

func (t *systemTrial) document() (exampleDocument, error) {
	fsys := os.DirFS(t.dir)
	name := strings.TrimSuffix(strings.TrimPrefix(path.Clean(t.mapping), "mappings/"), ".yaml")
	m, problems := mapping.Compile(fsys, "mappings/"+name+".yaml")
	if len(problems) > 0 {
		return exampleDocument{}, config.Problems(problems)
	}
	if cases := mapping.Cases(fsys, m); !slices.Contains(cases, t.example) {
		return exampleDocument{}, usage{fmt.Errorf("%s has no case %s; it has %s", m.Path(), t.example, strings.Join(cases, ", "))}
	}
	known, err := mapping.ReadGiven(fsys, "mappings/"+name+".test/"+t.example+"/given.json")
	return exampleDocument{m, known}, err
}

// delivery makes the example under a Key: what is in the files is made up.
func (e exampleDocument) delivery(key hub.Key) (hub.Delivery, error) {
	known := e.known
	known.Key = key
	known.Submission.ID = hub.ID(strings.TrimSuffix(string(key), "-"+leg))
	document, err := e.mapping.Render(known)
	if err != nil {
		return hub.Delivery{}, err
	}
	var files []hub.File
	for _, a := range known.Submission.Attachments {
		files = append(files, fileFor(a))
	}
	files = append(files, fileFor(hub.Attachment{Name: "formulär.txt", Type: "text/plain", Print: true}))
	return hub.Delivery{
		Key: key, Case: hub.CaseID(known.Submission.ID), Municipality: known.Submission.Municipality,
		Operation: e.mapping.Operation(), Document: document, Files: files, Receipts: known.Receipts,
	}, nil
}

// fileFor gives an attachment a content: small, and of its type where that is PDF.
func fileFor(a hub.Attachment) hub.File {
	content := []byte("Prov av Knutpunkt: " + a.Name + "\n")
	if a.Type == "application/pdf" {
		content = slices.Concat([]byte("%PDF-1.4\n% "), content, []byte("trailer<</Root 1 0 R>>\n%%EOF\n"))
	}
	sum := sha256.Sum256(content)
	a.Size = int64(len(content))
	a.Blob = hub.Blob{ID: hex.EncodeToString(sum[:6]), Size: a.Size, SHA256: sum}
	return hub.File{Attachment: a, Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}}
}

// leg is the part of a Key that a route would name.
const leg = "prov"

// newKey gives a Key that nobody has used. It looks like any other.
func newKey() hub.Key { return hub.KeyOf(hub.ID(rand.Text()), leg) }

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// keep writes what is proved of the system, beside what the same kit has proved of its other
// operations while the entry stood as it does. The certificate is as old as the oldest of them.
func (t *systemTrial) keep(w io.Writer, s config.System, operation string, level hub.Level) error {
	c := hub.Certificate{
		Connector: s.Connector, System: s.ID, Entry: s.Entry, Against: hub.TestSystem, Kit: certify.Kit,
		At: seam.clock().UTC().Truncate(time.Second), Operations: map[string]hub.Level{},
	}
	for _, before := range s.Certificates {
		if before.Kit != c.Kit {
			continue
		}
		delete(before.Operations, operation)
		maps.Copy(c.Operations, before.Operations)
		if len(before.Operations) > 0 && before.At.Before(c.At) {
			c.At = before.At
		}
	}
	c.Operations[operation] = level
	text, err := c.Text()
	if err != nil {
		return err
	}
	file := filepath.Join(t.dir, filepath.FromSlash(config.CertificateFile(s.ID)))
	if err = os.MkdirAll(filepath.Dir(file), 0o755); err == nil {
		err = os.WriteFile(file, text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("keep the certificate: %w", err)
	}
	fmt.Fprintf(w, "%s stands every case of the kit (version %d), against its test system.\n", s.ID, certify.Kit)
	tellLevels(w, c)
	fmt.Fprintf(w, "It is written to %s, for the entry as it stands.\n", config.CertificateFile(s.ID))
	return nil
}
