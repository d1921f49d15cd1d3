package seal

import (
	"fmt"

	aead "github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// A Holder seals what nobody but the holder of a secret may open. The secret is hers alone and in no
// key file, so whoever has the database and the keys, and not what her browser holds, opens nothing.
// The zero Holder refuses everything. Safe for concurrent use. Prints as nothing.
type Holder struct {
	cipher func() tink.AEAD // hidden
	use    string
}

// HolderOf gives the Holder of a secret, for one use: what is sealed for one use opens for no other.
// The secret must be 32 random bytes; it is not checked for being guessable.
func HolderOf(secret [32]byte, use string) Holder {
	cipher := tink.AEAD(must(aead.NewAESGCM(derive(secret[:], "holder "+use))))
	return Holder{func() tink.AEAD { return cipher }, use}
}

// Seal encrypts plain. It adds 29 bytes.
func (h Holder) Seal(plain []byte) ([]byte, error) {
	if h.cipher == nil {
		return nil, errNoSecret
	}
	sealed, err := h.cipher().Encrypt(plain, h.bind())
	if err != nil {
		return nil, fmt.Errorf("seal %s: encryption failed", h.place())
	}
	return append([]byte{format}, sealed...), nil
}

// Open decrypts what Seal sealed under the same secret for the same use; all else, and anything
// altered or cut, is an *OpenError.
func (h Holder) Open(sealed []byte) ([]byte, error) {
	if h.cipher == nil {
		return nil, errNoSecret
	}
	if reason := wrongFormat(sealed); reason != "" {
		return nil, &OpenError{h.place(), reason}
	}
	plain, err := h.cipher().Decrypt(sealed[1:], h.bind())
	if err != nil {
		return nil, &OpenError{h.place(), decryptionFailed}
	}
	return plain, nil
}

// bind is the associated data of what is sealed. The secret stands for the row.
func (h Holder) bind() []byte { return lengthPrefixed([]byte{format}, "holder", h.use) }

func (h Holder) place() Place { return Place{Table: h.use} }
