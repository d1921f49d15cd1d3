package sqlite

import (
	"crypto/rand"
	"io"
	"os"
)

// Ballast is how much a hub keeps of the disk to throw overboard: results of deliveries
// need little, and must have it also when somebody else has filled the disk.
const Ballast = 64 * mib

// A ballast is a file that takes up room for as long as there is plenty. When the disk is
// full it is thrown overboard, so that what is here already can still move on.
type ballast struct {
	path string
	size int64 // 0 for none
}

// aboard reports whether it takes up its room.
func (b ballast) aboard() bool {
	if b.size == 0 {
		return true
	}
	stat, err := os.Stat(b.path)
	return err == nil && stat.Size() == b.size
}

// takeAboard fills the file. It is filled with noise, since a disk may keep a hole, or
// zeros, in no room at all.
func (b ballast) takeAboard() error {
	f, err := os.OpenFile(b.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err = io.CopyN(f, rand.Reader, b.size); err != nil {
		f.Truncate(0)
	}
	return err
}

// throwOverboard gives its room to others.
func (b ballast) throwOverboard() error { return os.Truncate(b.path, 0) }
