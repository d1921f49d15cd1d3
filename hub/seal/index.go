package seal

import "github.com/tink-crypto/tink-go/v2/prf"

// indexSize is long enough that two persons of one installation never share an index.
const indexSize = 16 // bytes

// Index is what is stored in place of parts where rows must be found by them, such as a
// personnummer: the same 16 bytes for the same kind and parts, telling nothing to whoever lacks the
// key. Without a key a hash would not do, because there are few personnummer enough to try them all.
//
// Kind keeps uses apart ("person", "source", "idempotency"), so that an index of one kind can never be
// compared with one of another. Parts are taken as they are: spelling a number in one way is the
// caller's.
func (k *Keys) Index(kind string, parts ...string) []byte {
	return blind(k.ring().index[0], kind, parts)
}

// Indexes returns what Index returns, and then what it returned before each rotation of the index
// key, newest first. Whoever looks for rows looks for all of them. After a rotation a UNIQUE column
// alone no longer stops twins, as the first may be stored under an older index: look for all of them
// in the transaction that inserts.
func (k *Keys) Indexes(kind string, parts ...string) [][]byte {
	indexes := make([][]byte, len(k.ring().index))
	for i, key := range k.ring().index {
		indexes[i] = blind(key, kind, parts)
	}
	return indexes
}

func blind(key prf.PRF, kind string, parts []string) []byte {
	return must(key.ComputePRF(lengthPrefixed(lengthPrefixed(nil, kind), parts...), indexSize))
}
