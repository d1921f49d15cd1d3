package navetsim

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/simledger"
)

// An Entry is one look-up that was answered. Person tells the same person again and is not the
// number: it is a hash under a key that lies beside the ledger.
type Entry struct {
	At     time.Time `json:"at"`
	Kind   Kind      `json:"kind"`
	Person string    `json:"person"`
}

// openLedger opens the ledger in dir, and the key that its persons are hashed under.
func openLedger(dir string) (l *simledger.Ledger[Entry], key []byte, err error) {
	if l, err = simledger.Open[Entry](dir, "navet-ledger.jsonl"); err != nil || dir == "" {
		return l, newKey(), err
	}
	key, err = keyIn(filepath.Join(dir, "navet-ledger.key"))
	return l, key, err
}

func newKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

func keyIn(name string) ([]byte, error) {
	key, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		key = newKey()
		err = os.WriteFile(name, key, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	return key, nil
}
