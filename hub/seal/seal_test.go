package seal_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub/seal"
)

const (
	karlskrona = "1080"
	malmo      = "1280"
)

var (
	home  = seal.Place{Municipality: karlskrona, Table: "submissions", Row: "s1", Column: "answers"}
	plain = []byte("Altan mot söder, 24 kvadratmeter.")
)

// keyFile makes a key file for both municipalities and returns its path.
func keyFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := seal.Init(path, karlskrona, malmo); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, path string) *seal.Keys {
	t.Helper()
	keys, err := seal.Open("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func newDataKey(t testing.TB, keys *seal.Keys) (seal.DataKey, []byte) {
	t.Helper()
	key, wrapped, err := keys.NewDataKey(karlskrona, "s1")
	if err != nil {
		t.Fatal(err)
	}
	return key, wrapped
}

func sealed(t testing.TB, key seal.DataKey) []byte {
	t.Helper()
	value, err := key.Seal(home, plain)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func isOpenError(err error) bool {
	var refused *seal.OpenError
	return errors.As(err, &refused)
}

func TestWhatIsSealedOpensAgain(t *testing.T) {
	path := keyFile(t)
	key, wrapped := newDataKey(t, open(t, path))
	value := sealed(t, key)
	if bytes.Contains(value, plain[:8]) {
		t.Error("the plaintext shows in the sealed value")
	}
	unwrapped, err := open(t, path).DataKey(karlskrona, "s1", wrapped)
	if err != nil {
		t.Fatal(err)
	}
	got, err := unwrapped.Open(home, value)
	if err != nil || !bytes.Equal(got, plain) {
		t.Errorf("after a restart Open gives %q, %v", got, err)
	}
	if value[0] != 1 || wrapped[0] != 1 {
		t.Error("a sealed value begins with its format version")
	}
}

func TestSealingTwiceTellsNothing(t *testing.T) {
	key, _ := newDataKey(t, open(t, keyFile(t)))
	if bytes.Equal(sealed(t, key), sealed(t, key)) {
		t.Error("equal values can be recognised without the key")
	}
}

func TestEmptyValue(t *testing.T) {
	key, _ := newDataKey(t, open(t, keyFile(t)))
	value, err := key.Seal(home, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := key.Open(home, value); err != nil || len(got) != 0 {
		t.Errorf("Open gives %q, %v", got, err)
	}
}

func TestAValueOpensNowhereElse(t *testing.T) {
	keys := open(t, keyFile(t))
	key, _ := newDataKey(t, keys)
	value := sealed(t, key)
	for name, place := range map[string]seal.Place{
		"municipality":         {malmo, "submissions", "s1", "answers"},
		"table":                {karlskrona, "registers", "s1", "answers"},
		"row":                  {karlskrona, "submissions", "s2", "answers"},
		"column":               {karlskrona, "submissions", "s1", "parties"},
		"parts run together":   {karlskrona, "submissionss", "1", "answers"},
		"parts run together 2": {karlskrona, "submissions", "s1a", "nswers"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := key.Open(place, value)
			if !isOpenError(err) || got != nil {
				t.Fatalf("Open at another place gives %q, %v", got, err)
			}
			for _, part := range []string{place.Municipality, place.Table, place.Row, place.Column} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %s, which whoever mends it must know", err, part)
				}
			}
		})
	}
	other, _ := newDataKey(t, keys)
	if _, err := other.Open(home, value); !isOpenError(err) {
		t.Errorf("under another submission's key: %v", err)
	}
}

func TestAlteredValueIsRefused(t *testing.T) {
	key, _ := newDataKey(t, open(t, keyFile(t)))
	value := sealed(t, key)
	for i := range value {
		if got, err := key.Open(home, flipped(value, i)); !isOpenError(err) || got != nil {
			t.Errorf("byte %d altered: %q, %v", i, got, err)
		}
		if got, err := key.Open(home, value[:i]); !isOpenError(err) || got != nil {
			t.Errorf("cut to %d bytes: %q, %v", i, got, err)
		}
	}
	if _, err := key.Open(home, append(value, 0)); !isOpenError(err) {
		t.Errorf("a byte too many: %v", err)
	}
}

func TestUnknownFormatIsNamed(t *testing.T) {
	keys := open(t, keyFile(t))
	key, wrapped := newDataKey(t, keys)
	value := sealed(t, key)
	value[0], wrapped[0] = 2, 2
	_, errValue := key.Open(home, value)
	_, errWrap := keys.DataKey(karlskrona, "s1", wrapped)
	for _, err := range []error{errValue, errWrap} {
		if !isOpenError(err) || !strings.Contains(err.Error(), "format version 2") {
			t.Errorf("a newer version's value: %v", err)
		}
	}
}

func TestIncompletePlaceIsRefused(t *testing.T) {
	key, _ := newDataKey(t, open(t, keyFile(t)))
	for name, place := range map[string]seal.Place{
		"no municipality":  {"", "submissions", "s1", "answers"},
		"not four digits":  {"80", "submissions", "s1", "answers"},
		"a name, no code":  {"malm", "submissions", "s1", "answers"},
		"no table":         {karlskrona, "", "s1", "answers"},
		"no row":           {karlskrona, "submissions", "", "answers"},
		"no column":        {karlskrona, "submissions", "s1", ""},
		"nothing whatever": {},
	} {
		if _, err := key.Seal(place, plain); !errors.Is(err, seal.ErrPlace) {
			t.Errorf("%s: Seal: %v", name, err)
		}
		if _, err := key.Open(place, []byte{1}); !errors.Is(err, seal.ErrPlace) {
			t.Errorf("%s: Open: %v", name, err)
		}
	}
}

func TestAWrapOpensNowhereElse(t *testing.T) {
	keys := open(t, keyFile(t))
	_, wrapped := newDataKey(t, keys)
	_, err := keys.DataKey(karlskrona, "s2", wrapped)
	if !isOpenError(err) || !strings.Contains(err.Error(), `"s2"`) {
		t.Errorf("another row: %v", err)
	}
	if _, err := keys.DataKey(malmo, "s1", wrapped); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("another municipality: %v", err)
	}
	for i := range wrapped {
		if _, err := keys.DataKey(karlskrona, "s1", flipped(wrapped, i)); err == nil {
			t.Errorf("byte %d altered: unwrapped all the same", i)
		}
		if _, err := keys.DataKey(karlskrona, "s1", wrapped[:i]); !isOpenError(err) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
}

func TestMissingKeyIsNeverReplaced(t *testing.T) {
	path := keyFile(t)
	keys := open(t, path)
	const new = "2480"
	_, wrapped, err := keys.NewDataKey(new, "s1")
	var missing *seal.NoKeyError
	if !errors.As(err, &missing) || !errors.Is(err, seal.ErrNoKey) || missing.Municipality != new || wrapped != nil {
		t.Fatalf("a municipality without a key: %v", err)
	}
	if !strings.Contains(err.Error(), "knutpunkt keys add 2480") {
		t.Errorf("%q does not say what to do", err)
	}
	if err := keys.Need(karlskrona, new); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("Need: %v", err)
	}
	if err := seal.Add(path, new, karlskrona); err != nil {
		t.Fatal(err)
	}
	again := open(t, path)
	if err := again.Need(karlskrona, malmo, seal.Unattributed, new); err != nil {
		t.Errorf("after Add: %v", err)
	}
	_, before := newDataKey(t, keys)
	if again.NeedsRewrap(karlskrona, before) {
		t.Error("Add gave a new key to a municipality that had one")
	}
}

func TestAnotherKeyFileIsFoundOutWithoutDecrypting(t *testing.T) {
	_, wrapped := newDataKey(t, open(t, keyFile(t)))
	other := open(t, keyFile(t))
	err := other.CanUnwrap(karlskrona, wrapped[:seal.HeadSize])
	if !errors.Is(err, seal.ErrNoKey) || strings.Contains(err.Error(), "keys add") {
		t.Errorf("%v: a new key would not help, and must not be advised", err)
	}
}

func TestLooseKey(t *testing.T) {
	keys := open(t, keyFile(t))
	loose := keys.NewLooseKey()
	value := sealed(t, loose)
	wrapped, err := keys.Wrap(loose, karlskrona, "s1")
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.DataKey(karlskrona, "s1", wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := key.Open(home, value); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("Open gives %q, %v", got, err)
	}
	if _, err := keys.Wrap(loose, karlskrona, ""); err == nil {
		t.Error("a wrap was bound to no row")
	}
}

func TestZeroDataKeyRefusesEverything(t *testing.T) {
	keys := open(t, keyFile(t))
	var zero seal.DataKey
	_, errSeal := zero.Seal(home, plain)
	_, errOpen := zero.Open(home, plain)
	_, errWriter := zero.SealWriter(home, &bytes.Buffer{})
	_, errReader := zero.OpenReader(home, &bytes.Buffer{})
	_, errWrap := keys.Wrap(zero, karlskrona, "s1")
	for i, err := range []error{errSeal, errOpen, errWriter, errReader, errWrap} {
		if err == nil {
			t.Errorf("call %d succeeds without a key", i)
		}
	}
}

func TestRotation(t *testing.T) {
	path := keyFile(t)
	before := open(t, path)
	key, old := newDataKey(t, before)
	value := sealed(t, key)
	if err := seal.Rotate(path, karlskrona); err != nil {
		t.Fatal(err)
	}
	keys := open(t, path)
	if !keys.NeedsRewrap(karlskrona, old) || before.NeedsRewrap(karlskrona, old) {
		t.Fatal("an old wrap needs rewrapping after the rotation, and not before it")
	}
	if _, err := keys.DataKey(karlskrona, "s1", old); err != nil {
		t.Errorf("an old wrap: %v", err)
	}
	renewed, err := keys.Rewrap(karlskrona, "s1", old)
	if err != nil {
		t.Fatal(err)
	}
	head, err := keys.Head(karlskrona)
	if err != nil || !bytes.HasPrefix(renewed, head) || bytes.HasPrefix(old, head) {
		t.Errorf("the new wrap is not the current key's (%v)", err)
	}
	if keys.NeedsRewrap(karlskrona, renewed) {
		t.Error("a rewrapped key needs rewrapping again")
	}
	unwrapped, err := keys.DataKey(karlskrona, "s1", renewed)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := unwrapped.Open(home, value); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("a value from before the rotation: %q, %v", got, err)
	}
	if err := before.CanUnwrap(karlskrona, renewed); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("keys opened before the rotation: %v", err)
	}
	if _, err := keys.Rewrap(karlskrona, "s2", old); !isOpenError(err) {
		t.Errorf("rewrapping another row's: %v", err)
	}
	if err := seal.Rotate(path, "2480"); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("rotating what is not there: %v", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	keys := open(t, keyFile(t))
	shared, wrapped := newDataKey(t, keys)
	var users sync.WaitGroup
	for range 8 {
		users.Go(func() {
			for range 50 {
				value, err := shared.Seal(home, plain)
				if err != nil {
					t.Error(err)
					return
				}
				key, err := keys.DataKey(karlskrona, "s1", wrapped)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := key.Open(home, value); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("Open gives %q, %v", got, err)
				}
				keys.Indexes("person", "202100-4748")
			}
		})
	}
	users.Wait()
}

func flipped(b []byte, i int) []byte {
	altered := bytes.Clone(b)
	altered[i] ^= 0x10
	return altered
}

func FuzzOpen(f *testing.F) {
	keys := open(f, keyFile(f))
	key, wrapped := newDataKey(f, keys)
	value := sealed(f, key)
	f.Add(value)
	f.Add(value[:12])
	f.Add(wrapped)
	f.Add([]byte{})
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := key.Open(home, b); err == nil && !bytes.Equal(b, value) {
			t.Errorf("a forged value opens to %q", got)
		}
		if _, err := keys.DataKey(karlskrona, "s1", b); err == nil && !bytes.Equal(b, wrapped) {
			t.Error("a forged wrap opens")
		}
	})
}

func BenchmarkNewDataKey(b *testing.B) {
	keys := open(b, keyFile(b))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := keys.NewDataKey(karlskrona, "s1"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnwrap(b *testing.B) {
	keys := open(b, keyFile(b))
	_, wrapped := newDataKey(b, keys)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := keys.DataKey(karlskrona, "s1", wrapped); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeal4KiB(b *testing.B) {
	key, _ := newDataKey(b, open(b, keyFile(b)))
	answers := make([]byte, 4<<10)
	b.SetBytes(int64(len(answers)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := key.Seal(home, answers); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen4KiB(b *testing.B) {
	key, _ := newDataKey(b, open(b, keyFile(b)))
	value, err := key.Seal(home, make([]byte, 4<<10))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(4 << 10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := key.Open(home, value); err != nil {
			b.Fatal(err)
		}
	}
}
