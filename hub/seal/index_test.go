package seal_test

import (
	"bytes"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub/seal"
)

func TestIndexTellsPartsAndKindsApart(t *testing.T) {
	keys := open(t, keyFile(t))
	seen := map[string]string{}
	for name, index := range map[string][]byte{
		"one part":        keys.Index("source", "oep", "1"),
		"another part":    keys.Index("source", "oep", "2"),
		"other borders":   keys.Index("source", "oep1"),
		"borders again":   keys.Index("source", "oe", "p1"),
		"an empty part":   keys.Index("source", "oep", "1", ""),
		"another kind":    keys.Index("idempotency", "oep", "1"),
		"kind as a part":  keys.Index("source", "source", "oep", "1"),
		"no parts at all": keys.Index("source"),
	} {
		if len(index) != 16 {
			t.Errorf("%s: %d bytes", name, len(index))
		}
		if same, ok := seen[string(index)]; ok {
			t.Errorf("%s and %s have the same index", name, same)
		}
		seen[string(index)] = name
	}
	if other := open(t, keyFile(t)); bytes.Equal(other.Index("person", "x"), keys.Index("person", "x")) {
		t.Error("the index does not depend on the key")
	}
}

func TestIndexIsTheSameAfterARestartAndAMunicipalitysRotation(t *testing.T) {
	path := keyFile(t)
	before := open(t, path).Index("person", "x")
	if err := seal.Rotate(path, karlskrona); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(open(t, path).Index("person", "x"), before) {
		t.Error("rows that were indexed before are not found")
	}
}

func TestIndexesFindWhatOlderKeysIndexed(t *testing.T) {
	path := keyFile(t)
	first := open(t, path).Index("person", "x")
	rotateIndex(t, path)
	second := open(t, path).Index("person", "x")
	rotateIndex(t, path)
	keys := open(t, path)
	want := [][]byte{keys.Index("person", "x"), second, first}
	got := keys.Indexes("person", "x")
	if len(got) != len(want) {
		t.Fatalf("%d indexes after two rotations", len(got))
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("index %d is not that of rotation %d", i, len(want)-1-i)
		}
	}
	if bytes.Equal(first, second) || bytes.Equal(second, want[0]) {
		t.Error("a rotation did not change the current index")
	}
}

func rotateIndex(t *testing.T, path string) {
	t.Helper()
	if err := seal.RotateIndex(path); err != nil {
		t.Fatal(err)
	}
}
