package simfolder

import (
	"os"
	"path/filepath"
	"strings"
)

// An Inbox is a folder, with one for what was taken from it, as the kit that examines connectors wants them.
type Inbox struct{ in, done string }

// NewInbox makes the two in dir: in and done.
func NewInbox(dir string) Inbox {
	i := Inbox{filepath.Join(dir, "in"), filepath.Join(dir, "done")}
	for _, folder := range []string{i.in, i.done} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			panic(err) // dir is empty, and ours
		}
	}
	return i
}

// Cases are the files, or folders of files, that have their names, and those that were taken.
func (i Inbox) Cases() int { return len(read(i.in)) + len(read(i.done)) }

// Parts are the files in them.
func (i Inbox) Parts() (n int) {
	for _, path := range append(read(i.in), read(i.done)...) {
		n += len(read(path))
	}
	return n
}

// Take moves all that is there to the done ones.
func (i Inbox) Take() {
	for _, path := range read(i.in) {
		if err := os.Rename(path, unused(i.done, filepath.Base(path))); err != nil {
			panic(err) // both are ours
		}
	}
}

// read gives what the system would read in a folder; nothing of what is no folder.
func read(folder string) (paths []string) {
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			paths = append(paths, filepath.Join(folder, e.Name()))
		}
	}
	return paths
}
