package seal

import (
	"fmt"

	aead "github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// A DataKey seals the values and streams of one submission, and is never used for another. Safe for
// concurrent use. The zero DataKey refuses everything. Prints as nothing.
type DataKey struct {
	material func() *material // hidden
}

type material struct {
	secret []byte // what Wrap wraps
	values tink.AEAD
}

// A Place is where a sealed value lives, and nowhere else does it open. Its fields are names and ids
// of the hub's own, never anything of a person's: errors print them.
type Place struct {
	Municipality string // kommunkod, four digits
	Table        string
	Row          string
	Column       string // may be empty for a stream, which is all of its row's content
}

const dataKeySize = 32 // bytes

func newDataKey(secret []byte) DataKey {
	values := must(aead.NewAESGCM(derive(secret, "value")))
	return DataKey{hidden(&material{secret, values})}
}

// derive makes the key of one use out of a data key, since a key should serve one algorithm only.
func derive(secret []byte, use string) []byte {
	return must(subtle.ComputeHKDF("SHA256", secret, nil, []byte("knutpunkt "+use), dataKeySize))
}

// Seal encrypts plain for its place. It adds 29 bytes.
func (d DataKey) Seal(place Place, plain []byte) ([]byte, error) {
	if err := d.checkValue(place); err != nil {
		return nil, err
	}
	sealed, err := d.material().values.Encrypt(plain, place.bind("value"))
	if err != nil {
		return nil, fmt.Errorf("seal %s: encryption failed", place)
	}
	return append([]byte{format}, sealed...), nil
}

// Open decrypts what Seal sealed for the same place under the same data key; all else, and
// anything altered or cut, is an *OpenError.
func (d DataKey) Open(place Place, sealed []byte) ([]byte, error) {
	if err := d.checkValue(place); err != nil {
		return nil, err
	}
	if reason := wrongFormat(sealed); reason != "" {
		return nil, &OpenError{place, reason}
	}
	plain, err := d.material().values.Decrypt(sealed[1:], place.bind("value"))
	if err != nil {
		return nil, &OpenError{place, decryptionFailed}
	}
	return plain, nil
}

// checkValue refuses to seal or open where the binding would be incomplete.
func (d DataKey) checkValue(p Place) error {
	switch {
	case d.material == nil:
		return errNoDataKey
	case !isMunicipality(p.Municipality) || p.Table == "" || p.Row == "" || p.Column == "":
		return fmt.Errorf("%w: a value's has municipality, table, row and column: %s", ErrPlace, p)
	}
	return nil
}

// bind is the associated data of what is sealed at p.
func (p Place) bind(use string) []byte {
	return lengthPrefixed([]byte{format}, use, p.Municipality, p.Table, p.Row, p.Column)
}

// wrongFormat tells why sealed bytes cannot be of this format, or nothing if they may be.
func wrongFormat(sealed []byte) string {
	switch {
	case len(sealed) == 0:
		return cutShort
	case sealed[0] != format:
		return fmt.Sprintf("unknown format version %d", sealed[0])
	}
	return ""
}

// isMunicipality tells whether s has the shape of a kommunkod.
func isMunicipality(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(s) == 4
}
