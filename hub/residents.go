package hub

import (
	"context"
	"io"
	"time"
)

// A municipality's own register of its residents (KIR) is kept by the hub itself: files from
// the national one feed it. A file is read in parts, each durable with how far it came, so
// that a death in the middle costs one part; and nobody sees what a file says before it has
// been read whole, with those that belong to it, so that a broken one changes nothing.

// An Importer is a Register that files feed.
type Importer interface {
	// Import reads the next file, from its beginning, also where an earlier reading of it
	// was broken off, and tells of each part that has been kept. It gives a *Malformed for
	// what breaks the format, and a *Misplaced for a file that is not the next one; then
	// the register says what it said before.
	Import(ctx context.Context, file io.Reader, kept func(Imported)) (Imported, error)
	// Fed tells how the register stands.
	Fed(ctx context.Context) (Fed, error)
}

// Fed tells how a register that files feed stands.
type Fed struct {
	Bookmark
	Until time.Time // how long its word counts as recent, if no file comes; zero while it is empty
	Next  string    // which file must come next, for people
}

// Imported is what has been read of a file.
type Imported struct {
	Posts int       // read so far
	Of    int       // of so many; 0 where the file does not say
	Again bool      // the file had been read before, and nothing was done
	More  string    // which file must come next, for people; "" where that is all of them
	AsOf  time.Time // as of when the register is right now
}

// Misplaced says that a file is not the one that must come next.
type Misplaced struct{ Detail string } // for whoever feeds the register; it quotes numbers of files alone

func (m *Misplaced) Error() string { return m.Detail }

// Residents is what the hub keeps of one register that files feed. Nobody else's is to be
// had through it.
type Residents interface {
	// Known gives those of some persons whom the register tells of.
	Known(ctx context.Context, ids ...PersonID) ([]Person, error)
	// Coming gives those whom it will tell of once all that has been kept is shown: what a
	// change is a change of.
	Coming(ctx context.Context, ids ...PersonID) ([]Person, error)
	// Bookmark gives how far its files have been read.
	Bookmark(ctx context.Context) (Bookmark, error)
	// Keep stores what a part of a file says: see Store.KeepResidents.
	Keep(ctx context.Context, at Bookmark, told []Person, gone []PersonID) error
}

// A Bookmark tells how far a register's files have been read. Where several files are one
// delivery, none of them is shown before all of them have been read.
type Bookmark struct {
	Files int       // read whole
	Shown int       // the last of them by which the register speaks
	From  int       // the first of them that counts: an extract of everybody begins anew
	Posts int       // of the file after those: kept, and seen by nobody yet
	AsOf  time.Time // as of when the register is right; zero while it is empty
	Note  string    // the connector's own, to know the next file by; no personal data
}

// Follows reports whether b is where a register can be just after at: further in the same
// file, at its end, or back at its beginning, or at that of the first file that is not
// shown.
func (b Bookmark) Follows(at Bookmark) bool {
	switch {
	case b.Posts > 0:
		return b.Posts > at.Posts && b.Files == at.Files && b.Shown == at.Shown
	case b.Files == at.Files+1:
		return b.Shown == at.Shown || b.Shown == b.Files
	}
	return b.Shown == at.Shown && (b.Files == at.Files || b.Files == at.Shown)
}

// Reading is the file that what is kept at b belongs to.
func (b Bookmark) Reading() int {
	if b.Posts > 0 {
		return b.Files + 1
	}
	return b.Files
}

// Sees gives the first and the last file whose rows tell what the register says; or, coming,
// what it will say.
func (b Bookmark) Sees(coming bool) (first, last int) {
	if coming {
		return max(b.From, 1), b.Reading()
	}
	return max(b.From, 1), b.Shown
}

// ResidentsOf gives a Store's residents of one register, which is a municipality's own.
func ResidentsOf(s Store, register SystemID, m Municipality) Residents {
	return residents{s, register, m}
}

type residents struct {
	store        Store
	register     SystemID
	municipality Municipality
}

func (r residents) Known(ctx context.Context, ids ...PersonID) ([]Person, error) {
	return r.store.Residents(ctx, r.register, ids, false)
}

func (r residents) Coming(ctx context.Context, ids ...PersonID) ([]Person, error) {
	return r.store.Residents(ctx, r.register, ids, true)
}

func (r residents) Bookmark(ctx context.Context) (Bookmark, error) {
	return r.store.Bookmark(ctx, r.register)
}

func (r residents) Keep(ctx context.Context, at Bookmark, told []Person, gone []PersonID) error {
	return r.store.KeepResidents(ctx, r.register, r.municipality, at, told, gone)
}
