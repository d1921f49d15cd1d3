package hub_test

import (
	"context"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A file that is not what it says is received, and held before anything is sent,
// whether it came with the form or was fetched.
func TestDisguisedFilesAreHeld(t *testing.T) {
	program := "MZ\x90\x00" + strings.Repeat("\x00", 100_000)
	for name, send := range map[string]func(*stage) hub.Received{
		"came with the form": func(s *stage) hub.Received { return s.sendFiles("hej", program) },
		"fetched": func(s *stage) hub.Received {
			s.platform.contents = map[string]string{"9": program}
			return s.send("320342", "1",
				hub.Attachment{Name: "a.pdf", Fetch: hub.Fetch{Kind: "file", File: "8"}},
				hub.Attachment{Name: "b.pdf", Fetch: hub.Fetch{Kind: "file", File: "9"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			played(t, func(s *stage) {
				r := send(s)
				c := s.held(r, hub.ReasonRule)
				want := "file 2 says that it is a PDF, and looks like a program"
				if got := c.Find(hub.Key(r.Submission.ID)).Note; got != want {
					t.Errorf("the note is %q, want %q", got, want)
				}
				if n := s.diarium.seen(); n != 0 {
					t.Errorf("the diarium was sent %d", n)
				}
			})
		})
	}
}

// sendFiles posts a form with these files, each of which is called a PDF.
func (s *stage) sendFiles(contents ...string) hub.Received {
	s.t.Helper()
	ctx := context.Background()
	in, err := s.store.Intake(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	defer in.Close()
	form := hub.Submission{
		Municipality: "1080", Service: "702", Source: hub.Ref{System: "shared.oep", ID: "320342", Version: "1"},
		Answers: hub.NewAnswers(map[string]any{"vad": "altan"}),
	}
	for _, content := range contents {
		file, err := in.Put(ctx, strings.NewReader(content))
		if err != nil {
			s.t.Fatal(err)
		}
		form.Attachments = append(form.Attachments, hub.Attachment{Name: "a.pdf", Type: "application/pdf", Size: file.Size, Blob: file})
	}
	if form.Original, err = in.Put(ctx, strings.NewReader("<FlowInstance/>")); err != nil {
		s.t.Fatal(err)
	}
	r, err := s.hub.Receive(ctx, hub.Arrival{Client: "oep", Intake: in, Submission: form})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}
