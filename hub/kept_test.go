package hub

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// What is kept in memory of a register's answers, and for how long, nobody can see from
// outside.
func TestWhatIsKeptOfALookUp(t *testing.T) {
	alva, _ := ParsePersonID("199001012385")
	for _, tc := range []struct {
		name   string
		answer Person
		err    error
		kept   int
	}{
		{"a person", Person{Protection: NotProtected}, nil, 1},
		{"who is marked", Person{Protection: Marked}, nil, 0},
		{"who has protected registration", Person{Protection: ProtectedRegistration}, nil, 0},
		{"of whom it is not known", Person{}, nil, 0},
		{"nobody", Person{}, ErrNotFound, 0},
		{"an error", Person{Protection: NotProtected}, errors.New("down"), 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLookups()
				l.ask(context.Background(), question{"k.navet", "1080", alva}, func() (Person, error) { return tc.answer, tc.err })
				if n := l.count(); n != tc.kept {
					t.Errorf("%d answers are kept, want %d", n, tc.kept)
				}
				time.Sleep(keepLookups + time.Second)
				if n := l.count(); n != 0 {
					t.Errorf("%d answers are kept after ten minutes", n)
				}
			})
		})
	}
}

func (l *lookups) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.made)
}
