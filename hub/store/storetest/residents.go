package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Two registers that files feed, of different municipalities.
const (
	kir      hub.SystemID = "karlskrona.kir"
	otherKIR hub.SystemID = "olofstrom.kir"
)

// A resident has a family name by which the test knows which word of her it is.
func resident(id hub.PersonID, family string) hub.Person {
	return hub.Person{
		ID: id, Given: "Alva", Family: family, Protection: hub.Marked, Address: &hub.Address{City: "ESLÖV"},
		Guardians: []hub.Relative{{ID: anna, Until: "2026-11"}}, Delivered: hub.Blocks{Name: true},
	}
}

func (w *world) keep(at hub.Bookmark, told []hub.Person, gone ...hub.PersonID) {
	w.Helper()
	w.must(w.store.KeepResidents(w.ctx, kir, "1080", at, told, gone), "keep residents")
}

// speaksOf fails unless a register tells of persons by these words, "" for who is not in it.
func (w *world) speaksOf(when string, coming bool, want ...string) {
	w.Helper()
	got := make([]string, len(want))
	all, err := w.store.Residents(w.ctx, kir, []hub.PersonID{anna, bertil, cecilia}[:len(want)], coming)
	w.must(err, "read residents")
	for _, p := range all {
		got[slices.Index([]hub.PersonID{anna, bertil, cecilia}, p.ID)] = p.Family
	}
	if !slices.Equal(got, want) {
		w.Errorf("%s: the register tells %q, want %q", when, got, want)
	}
}

// testResidents: what a file says is seen when it is shown, all at once, and later files say
// something else.
func testResidents(w *world) {
	w.speaksOf("empty", false, "", "")
	w.keep(hub.Bookmark{Posts: 1, Note: "half"}, []hub.Person{resident(anna, "1")})
	w.speaksOf("half a file", false, "", "")
	w.speaksOf("half a file, coming", true, "1", "")
	w.restart()
	if b, err := w.store.Bookmark(w.ctx, kir); err != nil || b != (hub.Bookmark{Posts: 1, Note: "half"}) {
		w.Errorf("the bookmark is %+v (%v)", b, err)
	}
	w.keep(hub.Bookmark{Files: 1, Shown: 1, From: 1, AsOf: w.clock(), Note: "whole"}, []hub.Person{resident(bertil, "1")})
	w.speaksOf("a whole file", false, "1", "1")
	if b, err := w.store.Bookmark(w.ctx, kir); err != nil || !b.AsOf.Equal(w.clock()) || b.Files != 1 || b.Note != "whole" {
		w.Errorf("the bookmark is %+v (%v)", b, err)
	}

	w.keep(hub.Bookmark{Files: 1, Shown: 1, From: 1, Posts: 2}, []hub.Person{resident(anna, "2")}, bertil)
	w.speaksOf("changes under way", false, "1", "1")
	w.speaksOf("changes under way, coming", true, "2", "")
	w.keep(hub.Bookmark{Files: 2, Shown: 2, From: 1}, []hub.Person{resident(cecilia, "2")})
	w.speaksOf("changed", false, "2", "", "2")
	w.keep(hub.Bookmark{Files: 3, Shown: 3, From: 1}, []hub.Person{resident(bertil, "3")})
	w.speaksOf("come back", false, "2", "3", "2")
	w.keep(hub.Bookmark{Files: 4, Shown: 4, From: 1}, nil)
	w.speaksOf("a file that says nothing", false, "2", "3", "2")
	w.restart()
	w.speaksOf("after a death", false, "2", "3", "2")

	all, err := w.store.Residents(w.ctx, kir, []hub.PersonID{anna}, false)
	w.must(err, "read residents")
	want := resident(anna, "2")
	if p := all[0]; p.Given != want.Given || p.Protection != want.Protection || *p.Address != *want.Address || p.Guardians[0] != want.Guardians[0] || p.Delivered != want.Delivered {
		w.Error("somebody comes back as another than she was kept")
	}
	if other, err := w.store.Residents(w.ctx, otherKIR, []hub.PersonID{anna}, false); err != nil || len(other) > 0 {
		w.Errorf("another register tells of her, too (%v)", err)
	}
	if b, err := w.store.Bookmark(w.ctx, otherKIR); err != nil || b != (hub.Bookmark{}) {
		w.Errorf("another register has the bookmark %+v (%v)", b, err)
	}
}

// testResidentsInVain: what was kept of a file that is begun again is nowhere.
func testResidentsInVain(w *world) {
	w.keep(hub.Bookmark{Files: 1, Shown: 1, From: 1}, []hub.Person{resident(anna, "1")})
	w.keep(hub.Bookmark{Files: 1, Shown: 1, From: 1, Posts: 2}, []hub.Person{resident(anna, "vain"), resident(bertil, "vain")})
	w.keep(hub.Bookmark{Files: 1, Shown: 1, From: 1}, nil)
	w.speaksOf("begun again", false, "1", "")
	w.speaksOf("begun again, coming", true, "1", "")
	w.keep(hub.Bookmark{Files: 1, Shown: 1, From: 1, Posts: 1}, []hub.Person{resident(cecilia, "2")})
	w.speaksOf("read again, coming", true, "1", "", "2")
	w.keep(hub.Bookmark{Files: 2, Shown: 2, From: 1}, nil)
	w.speaksOf("read again", false, "1", "", "2")
}

// testResidentsTogether: files that belong together are shown together, and an extract of
// everybody takes the place of all before it.
func testResidentsTogether(w *world) {
	w.keep(hub.Bookmark{Files: 1, Shown: 1, From: 1}, []hub.Person{resident(anna, "1"), resident(bertil, "1")})
	w.keep(hub.Bookmark{Files: 2, Shown: 1, From: 1}, []hub.Person{resident(anna, "2")})
	w.keep(hub.Bookmark{Files: 2, Shown: 1, From: 1, Posts: 1}, []hub.Person{resident(cecilia, "3")})
	w.speaksOf("some of the files", false, "1", "1", "")
	w.speaksOf("some of the files, coming", true, "2", "1", "3")
	w.keep(hub.Bookmark{Files: 3, Shown: 3, From: 2}, nil)
	w.speaksOf("all of the files", false, "2", "", "3")
	w.keep(hub.Bookmark{Files: 4, Shown: 3, From: 2}, []hub.Person{resident(bertil, "4")})
	w.keep(hub.Bookmark{Files: 3, Shown: 3, From: 2}, nil)
	w.speaksOf("back to what is shown", true, "2", "", "3")
	w.keep(hub.Bookmark{Files: 4, Shown: 4, From: 2}, []hub.Person{resident(bertil, "4")}, cecilia)
	w.speaksOf("the next", false, "2", "4", "")
}

// testResidentsConflict: only who goes on from where the register is keeps anything.
func testResidentsConflict(w *world) {
	at := hub.Bookmark{Files: 2, Shown: 2, From: 1, Posts: 500}
	w.keep(hub.Bookmark{Files: 1, Shown: 1, From: 1}, []hub.Person{resident(anna, "1")})
	w.keep(hub.Bookmark{Files: 2, Shown: 2, From: 1}, nil)
	w.keep(at, nil)
	for _, tc := range []struct {
		name string
		at   hub.Bookmark
	}{
		{"the same part again", at},
		{"an earlier part", hub.Bookmark{Files: 2, Shown: 2, From: 1, Posts: 400}},
		{"a part of the next file", hub.Bookmark{Files: 3, Shown: 2, From: 1, Posts: 600}},
		{"the file after the next", hub.Bookmark{Files: 4, Shown: 4, From: 1}},
		{"an earlier file", hub.Bookmark{Files: 1, Shown: 1, From: 1}},
		{"shown in the middle", hub.Bookmark{Files: 2, Shown: 1, From: 1, Posts: 600}},
		{"shown before it is read", hub.Bookmark{Files: 3, Shown: 4, From: 1}},
	} {
		err := w.store.KeepResidents(w.ctx, kir, "1080", tc.at, []hub.Person{resident(anna, "wrong")}, nil)
		if !errors.Is(err, hub.ErrConflict) {
			w.Errorf("%s: %v, want a conflict", tc.name, err)
		}
	}
	w.speaksOf("after all that", true, "1")
	if b, err := w.store.Bookmark(w.ctx, kir); err != nil || b != at {
		w.Errorf("the bookmark is %+v (%v)", b, err)
	}
}

// testManyResidents: more than are deleted at a time.
func testManyResidents(w *world) {
	var many []hub.Person
	for n := range 1200 {
		many = append(many, resident(mustPerson(numbered(n)), "1"))
	}
	w.keep(hub.Bookmark{Files: 1, Shown: 1, From: 1}, many)
	for n := range many {
		many[n].Family = "2"
	}
	w.keep(hub.Bookmark{Files: 1, Shown: 1, From: 1, Posts: 1200}, many)
	w.keep(hub.Bookmark{Files: 2, Shown: 2, From: 1}, nil)
	w.keep(hub.Bookmark{Files: 3, Shown: 3, From: 3}, append(many[:600:600], resident(anna, "3")))
	w.speaksOf("the extract", false, "3", "")
	for n, want := range map[int]int{0: 1, 599: 1, 600: 0, 1199: 0} {
		if got, err := w.store.Residents(w.ctx, kir, []hub.PersonID{many[n].ID}, false); err != nil || len(got) != want {
			w.Errorf("number %d is told of %d times (%v), want %d", n, len(got), err, want)
		}
	}
}

// numbered makes the numbers of the series that is kept for tests.
func numbered(n int) string {
	day := time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n/10)
	digits := fmt.Sprintf("%s%03d", day.Format("20060102"), 980+n%10)
	for check := range 10 {
		if _, err := hub.ParsePersonID(digits + fmt.Sprint(check)); err == nil {
			return digits + fmt.Sprint(check)
		}
	}
	return ""
}
