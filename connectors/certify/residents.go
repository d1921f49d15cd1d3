package certify

import (
	"context"
	"sync"

	"github.com/knutpunkt/knutpunkt/hub"
)

// NewResidents is what the hub keeps of one register that files feed, in memory: for an exam, and for
// tests of such a connector.
func NewResidents() hub.Residents { return &residents{told: map[hub.PersonID]map[int]hub.Person{}} }

type residents struct {
	mu   sync.Mutex
	at   hub.Bookmark
	told map[hub.PersonID]map[int]hub.Person // by file; a zero Person is gone
}

func (r *residents) Bookmark(ctx context.Context) (hub.Bookmark, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at, ctx.Err()
}

func (r *residents) Known(ctx context.Context, ids ...hub.PersonID) ([]hub.Person, error) {
	return r.find(ctx, ids, false)
}

func (r *residents) Coming(ctx context.Context, ids ...hub.PersonID) ([]hub.Person, error) {
	return r.find(ctx, ids, true)
}

func (r *residents) find(ctx context.Context, ids []hub.PersonID, coming bool) (found []hub.Person, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first, last := r.at.Sees(coming)
	for _, id := range ids {
		for file := last; file >= first; file-- {
			p, told := r.told[id][file]
			if told && !p.ID.IsZero() {
				found = append(found, p)
			}
			if told {
				break
			}
		}
	}
	return found, ctx.Err()
}

func (r *residents) Keep(ctx context.Context, at hub.Bookmark, told []hub.Person, gone []hub.PersonID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !at.Follows(r.at) {
		return hub.ErrConflict
	}
	if r.at.Posts == 0 || at.Posts == 0 && at.Files <= r.at.Files { // nothing is left of a file that was read in vain
		for _, files := range r.told {
			for file := range files {
				if file > at.Files || file > r.at.Files {
					delete(files, file)
				}
			}
		}
	}
	write := func(id hub.PersonID, p hub.Person) {
		if r.told[id] == nil {
			r.told[id] = map[int]hub.Person{}
		}
		r.told[id][at.Reading()] = p
	}
	for _, p := range told {
		write(p.ID, p)
	}
	for _, id := range gone {
		write(id, hub.Person{})
	}
	r.at = at
	return ctx.Err()
}
