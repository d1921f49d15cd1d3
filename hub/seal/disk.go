package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/key"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/knutpunkt/knutpunkt/hub"
)

// written is a key file as it lies on disk, in JSON; the key sets are in Tink's own JSON.
type written struct {
	Format         int                        `json:"format"`
	Index          json.RawMessage            `json:"index"`
	Municipalities map[string]json.RawMessage `json:"municipalities"`
}

const (
	keyFileFormat = 1
	maxKeyFile    = 16 << 20 // bytes, far above one with keys for every municipality in Sweden
)

// errDamaged takes the place of the errors of json and Tink, which quote what they could not read.
var errDamaged = errors.New("not keys that this knutpunkt can read; restore the file from its backup")

func read(path string) (*keyFile, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no key file at %s: run: knutpunkt keys init "+
			"(or restore it from its backup, if anything is sealed already)", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open key file: %w", err)
	}
	defer f.Close()
	if err := private(f); err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	file, err := decode(content)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return file, nil
}

// private refuses a key file that others can read or change.
func private(f *os.File) error {
	stat, err := f.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("open key file: %w", err)
	case !stat.Mode().IsRegular():
		return fmt.Errorf("key file %s is not a file", f.Name())
	case !hub.IsPrivate(stat):
		return fmt.Errorf("key file %s is open to others than its owner (mode %04o): run: chmod 600 %[1]s",
			f.Name(), stat.Mode().Perm())
	}
	return nil
}

// change rewrites the key file at path, or the one that a symbolic link at path leads to.
func change(path string, edit func(*keyFile) error) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	return rewrite(path, func() (*keyFile, error) {
		file, err := read(path)
		if err != nil {
			return nil, err
		}
		return file, edit(file)
	})
}

// rewrite puts the key file that compose returns at path. Whoever reads at the same time, or after a
// crash, sees the whole old file or the whole new one. The new file is also the lock: it is there
// before compose is called, so that two that change the same file cannot lose each other's keys.
func rewrite(path string, compose func() (*keyFile, error)) error {
	unfinished := path + ".new"
	f, err := os.OpenFile(unfinished, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists: somebody is changing the keys right now, or was stopped while doing so; "+
			"in that case remove it", unfinished)
	}
	if err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	defer f.Close()
	if err := fill(f, compose); err != nil {
		os.Remove(unfinished)
		return err
	}
	if err := os.Rename(unfinished, path); err != nil {
		os.Remove(unfinished)
		return fmt.Errorf("replace key file: %w", err)
	}
	return syncFolder(filepath.Dir(path)) // the name ".new" may be another's from here on
}

// fill writes the key file that compose returns into f, durably.
func fill(f *os.File, compose func() (*keyFile, error)) error {
	file, err := compose()
	if err != nil {
		return err
	}
	content, err := file.encode()
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	return nil
}

// syncFolder makes a rename in the folder survive a power cut.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync the key file's folder: %w", err)
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil {
		return fmt.Errorf("sync the key file's folder: %w", err)
	}
	return nil
}

func (f *keyFile) encode() ([]byte, error) {
	w := written{Format: keyFileFormat, Municipalities: map[string]json.RawMessage{}}
	var err error
	if w.Index, err = encodeSet(f.index); err != nil {
		return nil, err
	}
	for m, set := range f.municipalities {
		if w.Municipalities[m], err = encodeSet(set); err != nil {
			return nil, err
		}
	}
	content, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return nil, errors.New("the keys could not be written as JSON")
	}
	return append(content, '\n'), nil
}

// encodeSet and decodeSet are the only users of keys in the clear.
func encodeSet(set *keyset.Handle) (json.RawMessage, error) {
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(set, keyset.NewJSONWriter(&out)); err != nil {
		return nil, errors.New("the keys could not be written as JSON")
	}
	return out.Bytes(), nil
}

func decode(content []byte) (*keyFile, error) {
	var version struct{ Format int }
	if err := json.Unmarshal(content, &version); err != nil {
		return nil, errDamaged
	}
	if version.Format != keyFileFormat {
		return nil, fmt.Errorf("format version %d, where this knutpunkt knows %d: "+
			"run the knutpunkt that wrote it, or a newer one", version.Format, keyFileFormat)
	}
	strict := json.NewDecoder(bytes.NewReader(content))
	strict.DisallowUnknownFields() // the next change of the file would lose them
	var w written
	if err := strict.Decode(&w); err != nil {
		return nil, errDamaged
	}
	return w.keyFile()
}

func (w written) keyFile() (*keyFile, error) {
	index, err := decodeSet(w.Index, indexKind)
	if err != nil {
		return nil, fmt.Errorf("index keys: %w", err)
	}
	file := &keyFile{index, map[string]*keyset.Handle{}}
	for m, content := range w.Municipalities {
		if !isMunicipality(m) {
			return nil, errDamaged
		}
		if file.municipalities[m], err = decodeSet(content, wrappingKind); err != nil {
			return nil, fmt.Errorf("keys of municipality %s: %w", m, err)
		}
	}
	return file, nil
}

func decodeSet(content []byte, kind key.Parameters) (*keyset.Handle, error) {
	set, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(content)))
	if err != nil {
		return nil, errDamaged
	}
	for i := range set.Len() {
		if !must(set.Entry(i)).Key().Parameters().Equal(kind) {
			return nil, errDamaged
		}
	}
	return set, nil
}
