// Package seal encrypts personal data at rest, so that a database file, a log of it or a backup
// tells nobody anything without the key file.
//
// It is envelope encryption. Each submission has a data key of its own, which seals every value and
// every stream of that submission. The data key is stored beside the submission, wrapped by the key
// of the municipality that owns the case:
//
//	key file ── municipality's key ──wraps──▶ data key ──seals──▶ values, streams
//	        └── index key ──▶ blind indexes, for finding without reading
//
// A ciphertext opens only where it was put. The associated data of a value is its Place:
// municipality, table, row and column; that of a wrap is municipality and row. A query that fetches
// the wrong row therefore gets an error instead of somebody else's answers.
//
// A Holder stands beside all of this: it seals what a citizen's browser alone has the key to.
//
// Whoever destroys a wrap has destroyed all that its data key sealed, except in backups that hold
// the wrap still.
//
// # Formats
//
// All begin with one byte, the format version, and it is part of the associated data as well.
//
//	wrap    01 │ 01, key id (4 bytes) │ nonce (12) │ data key (32) │ tag (16)    66 bytes
//	value   01 │ nonce (12) │ text │ tag (16)                                    text + 29 bytes
//	holder  01 │ nonce (12) │ text │ tag (16)                                    text + 29 bytes
//	stream  01 │ header (40) │ segments of 64 KiB, each with a tag (16)          AES-GCM-HKDF of Tink
//
// The cipher is AES-256-GCM everywhere, and Tink's. The municipalities' keys and the index keys are
// Tink key sets, because they live for years and must rotate. A data key lives as long as one
// submission and never rotates, so it is 32 random bytes instead: they are wrapped into less than
// half the bytes, in less time, and serve both values and streams (through HKDF, since a key should
// serve one algorithm only), where Tink would want a key set for each.
package seal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tink-crypto/tink-go/v2/core/cryptofmt"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/subtle/random"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Unattributed stands for a municipality where there is none: for a form that could not be read far
// enough to see whose it is, and for a backup, which is everybody's. Every key file has had a key for
// it since it was made, so that the oldest copy of a key file opens the newest backup.
const Unattributed = "0000"

// HeadSize is how many bytes of a wrap name the key that made it. Wraps with equal heads were made
// by the same key, so a database can count and choose wraps by their heads without opening them.
const HeadSize = 1 + cryptofmt.TinkPrefixSize

// format is the version of everything sealed here.
const format = 1

// Keys are the keys of an installation, as the key file had them when Open read it: what Add and
// Rotate do afterwards is seen by opening it again. Safe for concurrent use. Prints as nothing.
type Keys struct {
	ring func() *ring // hidden
}

type ring struct {
	wrapping map[string]wrappingKeys // by municipality
	index    []prf.PRF               // the current one first
}

// wrappingKeys are one municipality's: it wraps with the current one and unwraps with all.
type wrappingKeys struct {
	aead  tink.AEAD
	heads [][]byte // of the wraps that each key makes; the current key's first
}

// NewDataKey makes the data key of the submission that is stored in row, and wraps it. The error is
// ErrNoKey where the municipality has no key.
func (k *Keys) NewDataKey(municipality, row string) (key DataKey, wrapped []byte, err error) {
	key = k.NewLooseKey()
	wrapped, err = k.Wrap(key, municipality, row)
	if err != nil {
		return DataKey{}, nil, err
	}
	return key, wrapped, nil
}

// NewLooseKey makes a data key for a submission whose municipality is not known yet, because its
// files stream to disk before the form has been read. What it sealed can be opened again only
// once Wrap has tied the key to a municipality and the wrap is stored; if that never happens, what
// it sealed is noise.
func (k *Keys) NewLooseKey() DataKey {
	return newDataKey(random.GetRandomBytes(dataKeySize))
}

// Wrap encrypts a data key with the municipality's current key, bound to municipality and row. The
// error is ErrNoKey where the municipality has no key; no other key is ever taken instead.
func (k *Keys) Wrap(key DataKey, municipality, row string) ([]byte, error) {
	if key.material == nil {
		return nil, errNoDataKey
	}
	if row == "" {
		return nil, fmt.Errorf("wrap data key for municipality %s: no row given", municipality)
	}
	kek, ok := k.ring().wrapping[municipality]
	if !ok {
		return nil, &NoKeyError{Municipality: municipality}
	}
	wrap, err := kek.aead.Encrypt(key.material().secret, bindWrap(municipality, row))
	if err != nil {
		return nil, fmt.Errorf("wrap data key for municipality %s, row %q: encryption failed", municipality, row)
	}
	return append([]byte{format}, wrap...), nil
}

// DataKey unwraps the data key of the submission that is stored in row. The error is an *OpenError
// where the wrap belongs to another municipality or row or is damaged, and ErrNoKey where the key
// that wrapped it is not in the key file.
func (k *Keys) DataKey(municipality, row string, wrapped []byte) (DataKey, error) {
	place := Place{Municipality: municipality, Row: row}
	if err := k.checkHead(place, wrapped); err != nil {
		return DataKey{}, err
	}
	secret, err := k.ring().wrapping[municipality].aead.Decrypt(wrapped[1:], bindWrap(municipality, row))
	if err != nil || len(secret) != dataKeySize {
		return DataKey{}, &OpenError{place, decryptionFailed}
	}
	return newDataKey(secret), nil
}

// Need returns nil if every one of the municipalities has a key to wrap with, else ErrNoKey for the
// first that has none. It is for a start that refuses, so that no form has to.
func (k *Keys) Need(municipalities ...string) error {
	for _, m := range municipalities {
		if _, ok := k.ring().wrapping[m]; !ok {
			return &NoKeyError{Municipality: m}
		}
	}
	return nil
}

// CanUnwrap tells, without decrypting, whether the key that made a wrap is here; the first HeadSize
// bytes of the wrap are enough. A start that asks it once for each municipality and head in the
// database finds out that the key file is another one before anything is sealed with it.
func (k *Keys) CanUnwrap(municipality string, wrapped []byte) error {
	return k.checkHead(Place{Municipality: municipality}, wrapped)
}

func (k *Keys) checkHead(place Place, wrapped []byte) error {
	if reason := wrongFormat(wrapped); reason != "" {
		return &OpenError{place, reason}
	}
	if len(wrapped) < HeadSize {
		return &OpenError{place, cutShort}
	}
	made := func(head []byte) bool { return bytes.HasPrefix(wrapped, head) }
	if !slices.ContainsFunc(k.ring().wrapping[place.Municipality].heads, made) {
		return &NoKeyError{Municipality: place.Municipality, Wrapped: true}
	}
	return nil
}

// Head returns what the municipality's current key puts first in every wrap. The wraps that begin
// otherwise are those that a rotation has left to Rewrap.
func (k *Keys) Head(municipality string) ([]byte, error) {
	if err := k.Need(municipality); err != nil {
		return nil, err
	}
	return bytes.Clone(k.ring().wrapping[municipality].heads[0]), nil
}

// NeedsRewrap tells whether a wrap was made by another key than the municipality's current one.
func (k *Keys) NeedsRewrap(municipality string, wrapped []byte) bool {
	kek, ok := k.ring().wrapping[municipality]
	return ok && !bytes.HasPrefix(wrapped, kek.heads[0])
}

// Rewrap wraps a data key anew with the municipality's current key. What the data key has sealed
// is untouched.
func (k *Keys) Rewrap(municipality, row string, wrapped []byte) ([]byte, error) {
	key, err := k.DataKey(municipality, row, wrapped)
	if err != nil {
		return nil, err
	}
	return k.Wrap(key, municipality, row)
}

// bindWrap is the associated data of a wrap.
func bindWrap(municipality, row string) []byte {
	return lengthPrefixed([]byte{format}, "wrap", municipality, row)
}

// lengthPrefixed appends the parts so that no two lists of parts give the same bytes.
func lengthPrefixed(dst []byte, parts ...string) []byte {
	for _, part := range parts {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(part)))
		dst = append(dst, part...)
	}
	return dst
}
