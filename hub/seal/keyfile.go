package seal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/key"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/prf/hmacprf"
)

// A keyFile is what a key file holds. Its keys are in the clear, so that it has mode 0600, and belongs
// in another backup than the database.
type keyFile struct {
	index          *keyset.Handle
	municipalities map[string]*keyset.Handle
}

// The kinds of key that a key file holds, and the only ones it may hold.
var (
	wrappingKind = must(aesgcm.NewParameters(aesgcm.ParametersOpts{
		KeySizeInBytes: 32, IVSizeInBytes: 12, TagSizeInBytes: 16, Variant: aesgcm.VariantTink,
	}))
	indexKind = must(hmacprf.NewParameters(32, hmacprf.SHA256))
)

// Path returns the path of a reference to a key file, which is written file:PATH.
func Path(ref string) (string, error) {
	path, ok := strings.CutPrefix(ref, "file:")
	if !ok || path == "" {
		return "", errors.New("keys must be written file:PATH, such as file:/etc/knutpunkt/keys.json")
	}
	return path, nil
}

// Open reads the key file that ref names as file:PATH. It makes no key and changes nothing: a file
// that is missing, that others may read, or that this version cannot read is refused.
func Open(ref string) (*Keys, error) {
	path, err := Path(ref)
	if err != nil {
		return nil, err
	}
	file, err := read(path)
	if err != nil {
		return nil, err
	}
	ring, err := file.ring()
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return &Keys{hidden(ring)}, nil
}

// Init makes a new key file with keys for the municipalities and for Unattributed. It never
// overwrites: everything sealed with the keys of an overwritten file would be lost.
func Init(path string, municipalities ...string) error {
	return rewrite(path, func() (*keyFile, error) {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("key file %s exists already and is never overwritten", path)
		}
		index, err := withNewKey(keyset.NewManager(), indexKind)
		if err != nil {
			return nil, err
		}
		file := &keyFile{index, map[string]*keyset.Handle{}}
		if err := file.add(Unattributed); err != nil {
			return nil, err
		}
		return file, file.add(municipalities...)
	})
}

// Add gives keys to the municipalities that have none in the key file. Those that have are left as
// they are.
func Add(path string, municipalities ...string) error {
	return change(path, func(file *keyFile) error {
		return file.add(municipalities...)
	})
}

// Rotate gives the municipality a new current key. The old ones still unwrap what they have wrapped,
// until Rewrap has been through it. A key is good for four thousand million wraps.
func Rotate(path, municipality string) error {
	return change(path, func(file *keyFile) error {
		old, ok := file.municipalities[municipality]
		if !ok {
			return &NoKeyError{Municipality: municipality}
		}
		rotated, err := withNewKey(keyset.NewManagerFromHandle(old), wrappingKind)
		file.municipalities[municipality] = rotated
		return err
	})
}

// RotateIndex makes a new current index key. Rows that are indexed already are still found by
// Indexes.
func RotateIndex(path string) error {
	return change(path, func(file *keyFile) (err error) {
		file.index, err = withNewKey(keyset.NewManagerFromHandle(file.index), indexKind)
		return err
	})
}

func (f *keyFile) add(municipalities ...string) error {
	for _, m := range municipalities {
		if !isMunicipality(m) {
			return fmt.Errorf("%q is not a kommunkod of four digits", m)
		}
		if f.municipalities[m] != nil {
			continue
		}
		handle, err := withNewKey(keyset.NewManager(), wrappingKind)
		if err != nil {
			return err
		}
		f.municipalities[m] = handle
	}
	return nil
}

// withNewKey adds a fresh key to a key set and makes it the current one.
func withNewKey(set *keyset.Manager, kind key.Parameters) (*keyset.Handle, error) {
	id, err := set.AddNewKeyFromParameters(kind)
	if err != nil {
		return nil, errors.New("no new key could be made")
	}
	if err := set.SetPrimary(id); err != nil {
		return nil, errors.New("the new key could not be made the current one")
	}
	return set.Handle()
}

// ring makes the key sets ready for use, all of them, so that a damaged one is found at start.
func (f *keyFile) ring() (*ring, error) {
	index, err := indexKeys(f.index)
	if err != nil {
		return nil, fmt.Errorf("index keys: %w", err)
	}
	r := &ring{map[string]wrappingKeys{}, index}
	for m, handle := range f.municipalities {
		primitive, err := aead.New(handle)
		if err != nil {
			return nil, fmt.Errorf("keys of municipality %s: %w", m, errDamaged)
		}
		r.wrapping[m] = wrappingKeys{primitive, heads(handle)}
	}
	return r, nil
}

func indexKeys(handle *keyset.Handle) ([]prf.PRF, error) {
	set, err := prf.NewPRFSet(handle)
	if err != nil {
		return nil, errDamaged
	}
	var keys []prf.PRF
	for _, entry := range currentFirst(handle) {
		keys = append(keys, set.PRFs[entry.KeyID()])
	}
	return keys, nil
}

func heads(handle *keyset.Handle) [][]byte {
	var heads [][]byte
	for _, entry := range currentFirst(handle) {
		prefix := entry.Key().(*aesgcm.Key).OutputPrefix()
		heads = append(heads, append([]byte{format}, prefix...))
	}
	return heads
}

// currentFirst returns the enabled keys of a set: the current one, and then the others from the newest
// to the oldest.
func currentFirst(set *keyset.Handle) []*keyset.Entry {
	entries := []*keyset.Entry{must(set.Primary())}
	for i := set.Len() - 1; i >= 0; i-- {
		entry := must(set.Entry(i))
		if entry.KeyStatus() == keyset.Enabled && !entry.IsPrimary() {
			entries = append(entries, entry)
		}
	}
	return entries
}

// must is for what fails only if this package is wrong.
func must[T any](v T, err error) T {
	if err != nil {
		panic("seal: " + err.Error())
	}
	return v
}
