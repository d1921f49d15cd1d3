package hub_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
)

// filed is a mapping that stands in a file.
type filed struct {
	paper
	file string
}

func (f filed) Path() string { return f.file }

func (s *stage) filed() {
	for i := range s.route.Legs {
		l := &s.route.Legs[i]
		l.Mapping = filed{l.Mapping.(paper), "mappings/" + l.Name + ".yaml"}
	}
}

func (s *stage) rehearse(v hub.Viewer, r hub.Received, file, leg string) (hub.Rehearsal, error) {
	return s.hub.Rehearse(context.Background(), v, hub.Draft{
		Submission: r.Submission.ID, File: file, Leg: leg, Operation: "case", By: "elin", Reason: "ny kod",
	})
}

// looks gives who has read a document of a case, and which.
func (s *stage) looks(r hub.Received) (looks []string) {
	acts, err := s.store.Acts(context.Background(), hub.AsHub(), r.Case.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, a := range acts {
		if a.What == "looked at document" {
			looks = append(looks, a.By+" "+a.Note+": "+a.Reason)
		}
	}
	return looks
}

var (
	inKarlskrona = hub.AsHandler("elin", "1080")
	inEslov      = hub.AsHandler("elin", "1285")
)

// TestADraftIsTriedOnWhatIsStored: it is made of what the real document was made of, no more
// and no less, nothing leaves, and who looked, and why, is written down.
func TestADraftIsTriedOnWhatIsStored(t *testing.T) {
	played(t, func(s *stage) {
		s.filed()
		r := s.send("320342", "1")
		s.completed(r)
		posts := len(s.diarium.posts) + len(s.bygg.posts)
		bygg, err := s.rehearse(inKarlskrona, r, "mappings/bygg.yaml", "")
		if err != nil {
			t.Fatal(err)
		}
		k := bygg.Known
		if k.Receipts["diarium"].Number != "SBN 2026/1" || len(k.Receipts) != 1 || k.Title != "Bygglov för altan" ||
			len(k.Answers["sökande"].Persons) != 1 || k.Submission.ID != r.Submission.ID || bygg.State != hub.Delivered || bygg.System != "k.bygg" {
			t.Errorf("it is made of %+v", bygg)
		}
		if bygg.Sent.Reveal() == nil || !strings.HasPrefix(string(bygg.Sent.Reveal()), "Bygglov för altan SBN 2026/1") {
			t.Errorf("what was sent is %q", bygg.Sent.Reveal())
		}
		diarium, err := s.rehearse(inKarlskrona, r, "mappings/diarium.yaml", "")
		if err != nil || len(diarium.Known.Receipts) != 0 || diarium.Known.Case["diarium"].Number != "" {
			t.Errorf("made of the receipt that came of it: %+v, %v", diarium.Known, err)
		}
		if looks, want := s.looks(r), []string{"elin bygg: ny kod", "elin diarium: ny kod"}; !slices.Equal(looks, want) {
			t.Errorf("written down: %q", looks)
		}
		if n := len(s.diarium.posts) + len(s.bygg.posts); n != posts {
			t.Errorf("%d posts left us", n-posts)
		}
	})
}

// TestADraftThatMayNotBeTried: nothing is told, and no look is written down, of what the
// caller may not see or the document could not be made of.
func TestADraftThatMayNotBeTried(t *testing.T) {
	const diarium = "mappings/diarium.yaml"
	protect := func(s *stage) { s.register.person.Protection = hub.Marked }
	tests := []struct {
		name, file, leg, want string
		as                    hub.Viewer
		set                   func(*stage)
		why                   string
	}{
		{name: "another municipality's", file: diarium, as: inEslov, want: hub.ErrNotFound.Error(), why: "as if it were not there"},
		{name: "no leg", file: "mappings/annan.yaml", as: inKarlskrona, want: "no leg of the present route"},
		{name: "a leg for what comes later", file: "mappings/komplettering.yaml", as: inKarlskrona, want: "no leg of the present route"},
		{name: "no leg by that name", file: diarium, leg: "tekis", as: inKarlskrona, want: "no leg of the present route"},
		{name: "several legs", file: diarium, as: inKarlskrona, want: "several legs", set: func(s *stage) { s.route.Legs[1].Mapping = s.route.Legs[0].Mapping }},
		{name: "a protected person, held", file: diarium, as: inKarlskrona, set: protect, want: "a protected person"},
		{name: "a protected person, and a system that cannot carry the mark", file: "mappings/bygg.yaml", as: inKarlskrona, want: "a protected person",
			set: func(s *stage) { protect(s); s.route.Protected = hub.Withhold }},
		{name: "registers have not answered", file: diarium, as: inKarlskrona, want: "registers have not answered",
			set: func(s *stage) { s.register.errs = []error{hub.ErrNotFound} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			played(t, func(s *stage) {
				s.filed()
				if tt.set != nil {
					tt.set(s)
				}
				r := s.send("320342", "1")
				s.until(r, "settled", func(_ hub.Case, p hub.Progress) bool {
					return p.State == hub.Completed || p.State == hub.Held || p.State == hub.Attention
				})
				got, err := s.rehearse(tt.as, r, tt.file, tt.leg)
				if err == nil || !strings.Contains(err.Error(), tt.want) || got.Known.Submission.ID != "" {
					t.Errorf("%v, with %+v (%s)", err, got, tt.why)
				}
				if tt.want != hub.ErrNotFound.Error() && !errors.Is(err, hub.ErrConflict) {
					t.Errorf("%v is no conflict", err)
				}
				if looks := s.looks(r); len(looks) != 0 {
					t.Errorf("written down: %q", looks)
				}
			})
		})
	}
}

// TestADraftSeesNoAddressWhereTheyAreWithheld.
func TestADraftSeesNoAddressWhereTheyAreWithheld(t *testing.T) {
	played(t, func(s *stage) {
		s.filed()
		s.route.Protected, s.route.Legs = hub.Withhold, s.route.Legs[:1]
		s.register.person.Protection = hub.Marked
		r := s.send("320342", "1")
		s.completed(r)
		got, err := s.rehearse(inKarlskrona, r, "mappings/diarium.yaml", "diarium")
		if err != nil || !got.Known.Withhold {
			t.Errorf("withheld: %v, %v", got.Known.Withhold, err)
		}
	})
}
