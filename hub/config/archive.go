package config

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Read packs the texts of the bundle that stands in a configuration's folder: routes,
// mappings and schemas, and from systems.yaml the names of the systems, by which
// routes call them. The same texts give the same archive, byte for byte. Whether they
// can be used is for Check and Open to say.
func Read(fsys fs.FS) (archive []byte, err error) {
	c := &configuration{fsys: fsys}
	texts := map[string][]byte{namesFile: writeNames(c.readNames())}
	for _, folder := range []string{"routes", "mappings", "schemas"} {
		if err := readTexts(fsys, folder, texts); err != nil {
			return nil, err
		}
	}
	return pack(texts)
}

// Open makes of an archive what the hub runs. Its error, a Problems within, says what
// is wrong with the texts.
func Open(archive []byte) (*hub.Bundle, error) {
	texts, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, errDamaged
	}
	c := newConfiguration(texts)
	if c.names, err = parseNames(texts); err != nil {
		return nil, errDamaged
	}
	b := c.compile()
	if err := c.err(); err != nil {
		return nil, err
	}
	b.Archive = archive
	if b.Revision, err = revisionOf(texts); err != nil {
		return nil, errDamaged
	}
	return b, nil
}

var errDamaged = errors.New("open configuration: the archive is damaged")

// revisionOf gives the name of the texts: enough of their hash for people to tell
// configurations apart, and for nobody to make two that share it by chance. It is the
// texts that are hashed and not the archive, so that a later release, which may pack
// otherwise, knows them again.
func revisionOf(texts *zip.Reader) (string, error) {
	sum := sha256.New()
	for _, file := range texts.File {
		text, err := fs.ReadFile(texts, file.Name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n", file.Name, len(text))
		sum.Write(text)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}

// readTexts adds every file in a folder. The systems are left out, since their
// addresses and secrets are always the present ones, and so are the mappings' tests,
// since they decide nothing about a form.
func readTexts(fsys fs.FS, folder string, texts map[string][]byte) error {
	if !exists(fsys, folder) {
		return nil
	}
	return fs.WalkDir(fsys, folder, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("read %s: %s", name, unreadable(err))
		case entry.IsDir() && (strings.HasSuffix(name, ".test") || isHidden(name)):
			return fs.SkipDir
		case entry.IsDir(), path.Base(name) == "systems.yaml", isHidden(name):
			return nil
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return fmt.Errorf("read %s: %s", name, unreadable(err))
		}
		texts[name] = text
		return nil
	})
}

// isHidden tells what editors and the like keep for themselves.
func isHidden(name string) bool { return strings.HasPrefix(path.Base(name), ".") }

// pack writes a ZIP file that depends on the texts alone: in order of name, without
// times, and stored as they are, since a later compressor may compress otherwise.
func pack(texts map[string][]byte) ([]byte, error) {
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for _, name := range sortedKeys(texts) {
		file, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err == nil {
			_, err = file.Write(texts[name])
		}
		if err != nil {
			return nil, fmt.Errorf("pack configuration: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack configuration: %w", err)
	}
	return archive.Bytes(), nil
}

// namesFile is where an archive says which systems there were: one on each line,
// with its connector.
const namesFile = "systems"

func writeNames(names map[hub.SystemID]string) []byte {
	var text bytes.Buffer
	for id, connector := range names {
		fmt.Fprintf(&text, "%s %s\n", id, connector)
	}
	lines := bytes.SplitAfter(text.Bytes(), []byte("\n"))
	slices.SortFunc(lines, bytes.Compare)
	return bytes.Join(lines, nil)
}

func parseNames(texts fs.FS) (map[hub.SystemID]string, error) {
	text, err := fs.ReadFile(texts, namesFile)
	if err != nil {
		return nil, err
	}
	names := map[hub.SystemID]string{}
	for line := range strings.Lines(string(text)) {
		id, connector, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		names[hub.SystemID(id)] = connector
	}
	return names, nil
}

// readNames reads of every systems.yaml only which systems there are, and of which
// kind; what is wrong with them is for those to say who read them whole.
func (c *configuration) readNames() map[hub.SystemID]string {
	names := map[hub.SystemID]string{}
	c.hidden = map[string]bool{}
	for _, name := range c.files("routes/*/systems.yaml") {
		p, top := c.open(name)
		if top == nil {
			c.hidden[folderOf(name)] = true
			continue
		}
		entries, _ := p.entries(top, "")
		for _, e := range entries {
			names[hub.SystemID(folderOf(name)+"."+e.key.Value)] = connectorName(e)
		}
	}
	return names
}

func exists(fsys fs.FS, name string) bool {
	_, err := fs.Stat(fsys, name)
	return err == nil
}
