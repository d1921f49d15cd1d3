package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub/seal"
)

// TestHolder: what is sealed for one holder and use opens there, whole, and nowhere else.
func TestHolder(t *testing.T) {
	hers, another := [32]byte{1}, [32]byte{2}
	holder := seal.HolderOf(hers, "session")
	sealed, err := holder.Seal(plain)
	if err != nil {
		t.Fatal(err)
	}
	altered := func(i int) []byte {
		b := bytes.Clone(sealed)
		b[i] ^= 1
		return b
	}
	for _, test := range []struct {
		name   string
		holder seal.Holder
		sealed []byte
		opens  bool
	}{
		{"as it was", holder, sealed, true},
		{"the same secret again", seal.HolderOf(hers, "session"), sealed, true},
		{"another's secret", seal.HolderOf(another, "session"), sealed, false},
		{"another use", seal.HolderOf(hers, "login"), sealed, false},
		{"another format", holder, altered(0), false},
		{"another nonce", holder, altered(1), false},
		{"another text", holder, altered(len(sealed) / 2), false},
		{"another tag", holder, altered(len(sealed) - 1), false},
		{"cut", holder, sealed[:len(sealed)-1], false},
		{"the format alone", holder, sealed[:1], false},
		{"nothing", holder, nil, false},
		{"the zero Holder", seal.Holder{}, sealed, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			opened, err := test.holder.Open(test.sealed)
			if (err == nil) != test.opens || test.opens && !bytes.Equal(opened, plain) {
				t.Errorf("opened %v, %v", err == nil, err)
			}
		})
	}
	again, err := holder.Seal(plain)
	if err != nil || bytes.Equal(again, sealed) {
		t.Error("the same text is sealed alike twice")
	}
	if _, err := (seal.Holder{}).Seal(plain); err == nil {
		t.Error("the zero Holder seals")
	}
	_, err = holder.Open(sealed[:20])
	var refused *seal.OpenError
	if !errors.As(err, &refused) {
		t.Errorf("refused by %v", err)
	}
}

// TestHolderPrintsAsNothing: also from inside a struct that does not know what it holds.
func TestHolderPrintsAsNothing(t *testing.T) {
	secret := [32]byte([]byte("0123456789abcdef0123456789abcdef"))
	holder := seal.HolderOf(secret, "session")
	for _, v := range []any{holder, &holder, struct{ h seal.Holder }{holder}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			printed := fmt.Sprintf(verb, v)
			if strings.Contains(printed, "0123") || strings.Contains(printed, "30313233") || strings.Contains(printed, "48 49 50") {
				t.Errorf("%s prints %s", verb, printed)
			}
		}
	}
	if got := fmt.Sprintf("%v %s %d", holder, holder, &holder); got != "[holder] [holder] [holder]" {
		t.Errorf("prints %s", got)
	}
}
