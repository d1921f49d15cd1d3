package hub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A reader of files is a system that takes a delivery when it has got all of every file.
type fileReader struct {
	*fragile
	says func(error) error // when it has not
}

func (f fileReader) Deliver(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	for _, file := range d.Files {
		r, err := file.Open(ctx)
		if err != nil {
			return hub.Receipt{}, f.says(err)
		}
		_, err = io.Copy(io.Discard, r)
		if r.Close(); err != nil {
			return hub.Receipt{}, f.says(err)
		}
	}
	return f.fragile.Deliver(ctx, d)
}

// A file that is no longer what was received is a person's at once: nothing is sent of it
// again and again, and the system is not to blame.
func TestADamagedFileIsAPersons(t *testing.T) {
	flip := func(t *testing.T, name string) {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		content[len(content)/2] ^= 1
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cut := func(t *testing.T, name string) {
		if err := os.Truncate(name, 100_000); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(t *testing.T, name string) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name   string
		damage func(*testing.T, string)
		level  hub.Level
		says   func(error) error
		want   hub.Reason
	}{
		{"a flipped bit, never sent", flip, hub.Lookup, func(err error) error { return hub.Later(err, 0) }, hub.ReasonCorrupt},
		{"a flipped bit, cut while it was sent", flip, hub.Lookup, func(error) error { return errLine }, hub.ReasonCorrupt},
		{"a flipped bit, cut while it was sent again and again", flip, hub.Idempotent, func(error) error { return errLine }, hub.ReasonCorrupt},
		{"cut short", cut, hub.Lookup, func(error) error { return errLine }, hub.ReasonCorrupt},
		{"gone", remove, hub.Lookup, func(error) error { return errLine }, hub.ReasonCorrupt},
		{"and no one can ask", flip, hub.Blind, func(error) error { return errLine }, hub.ReasonUnclear},
		{"never sent to who cannot be asked", flip, hub.Blind, func(err error) error { return hub.Later(err, 0) }, hub.ReasonCorrupt},
		{"the system's no", flip, hub.Lookup, func(err error) error { return hub.Reject(err) }, hub.ReasonCorrupt},
	} {
		t.Run(tc.name, func(t *testing.T) {
			weathered(t, "2026-03-06 16:00", 20*time.Second, func(w *weather) {
				w.karlskrona.Legs = w.karlskrona.Legs[:1]
				w.tune = func(o *hub.Options) {
					w.furnish(o)
					o.Systems[0].Destination = fileReader{w.diarium, tc.says}
					o.Systems[0].Can = hub.Capabilities{"case": {Level: tc.level}}
				}
				w.restart()
				w.diarium.breaks(gives(hub.Unavailable(errLine, hub.Down))) // until the file is damaged
				broken := w.receivesFile(1)
				time.Sleep(time.Minute)
				names, err := filepath.Glob(filepath.Join(w.dir, "k.db.files", "*"))
				if err != nil || len(names) != 1 {
					t.Fatalf("files %v, %v", names, err)
				}
				tc.damage(t, names[0])
				w.diarium.breaks(nil)
				time.Sleep(20 * time.Minute)
				whole := w.receivesFile(2)
				time.Sleep(time.Minute)
				w.wantDone([]hub.Received{whole})
				d := w.caseOf(broken).Deliveries[0]
				if d.State != hub.Held || d.Reason != tc.want || d.Attempts > 1 {
					t.Errorf("it is %s, %s (%s) after %d attempts; want HELD, %s", d.State, d.Reason, d.Note, d.Attempts, tc.want)
				}
				if tc.want == hub.ReasonCorrupt && d.Note != "file 1 cannot be read as it was received: see the backup" {
					t.Errorf("the note says %q", d.Note)
				}
				attempts, err := w.store.Attempts(context.Background(), hub.AsHub(), d.Key)
				if last := attempts[len(attempts)-1]; err != nil || last.Ended.IsZero() || last.Answer == hub.Yes {
					t.Errorf("the last attempt is %+v, %v", last, err)
				}
				if c := w.circuit("k.diarium"); c.Cause != "" {
					t.Errorf("the system is blamed: %+v", c)
				}
			})
		})
	}
}

// A disk that does not answer now may answer next time: that is no damage.
func TestADiskThatDoesNotAnswerIsWaitedFor(t *testing.T) {
	weathered(t, "2026-03-06 16:00", 20*time.Second, func(w *weather) {
		disk := &stiff{times: 3}
		w.before = func(s hub.Store) hub.Store { disk.Store = s; return disk }
		w.tune = func(o *hub.Options) {
			w.furnish(o)
			o.Systems[0].Destination = fileReader{w.diarium, func(err error) error { return hub.Later(err, 0) }}
		}
		w.restart()
		r := w.receivesFile(1)
		time.Sleep(time.Hour)
		w.wantDone([]hub.Received{r})
	})
}

// stiff is a Store that cannot open files, a few times.
type stiff struct {
	hub.Store
	times int
}

func (s *stiff) Open(ctx context.Context, v hub.Viewer, id hub.ID, b hub.Blob) (io.ReadCloser, error) {
	if s.times--; s.times >= 0 {
		return nil, errors.New("input/output error")
	}
	return s.Store.Open(ctx, v, id, b)
}

// receivesFile has Karlskrona's n-th form arrive, with a file that is too large for a row.
func (w *weather) receivesFile(n int) hub.Received {
	w.t.Helper()
	ctx := context.Background()
	in, err := w.store.Intake(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	defer in.Close()
	blob, err := in.Put(ctx, bytes.NewReader(bytes.Repeat([]byte("ritning "), 30_000)))
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := w.hub.Receive(ctx, hub.Arrival{Client: "oep", Own: true, Intake: in, Submission: hub.Submission{
		Municipality: "1080", Service: "702", Source: hub.Ref{System: "shared.oep", ID: fmt.Sprint(n), Version: "1"},
		Answers:     hub.NewAnswers(map[string]any{"vad": "altan"}),
		Attachments: []hub.Attachment{{Name: "ritning.bin", Size: blob.Size, Blob: blob}},
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// However many files are damaged, the system that they were for is not out of order.
func TestDamagedFilesAreNotTheSystemsFault(t *testing.T) {
	weathered(t, "2026-03-06 16:00", 20*time.Second, func(w *weather) {
		w.tune = func(o *hub.Options) {
			w.furnish(o)
			o.Systems[0].Destination = fileReader{w.diarium, func(err error) error { return hub.Later(err, 0) }}
		}
		w.closed = func(now time.Time) bool { return now.Before(at("2026-03-06 17:00")) }
		w.restart()
		for n := range 12 {
			w.receivesFile(n)
		}
		names, err := filepath.Glob(filepath.Join(w.dir, "k.db.files", "*"))
		if err != nil || len(names) != 12 {
			t.Fatalf("files %v, %v", names, err)
		}
		for _, name := range names {
			os.Truncate(name, 100_000)
		}
		sleepUntil("2026-03-06 17:10")
		if n, c := w.held(), w.circuit("k.diarium"); n != 12 || c.Cause != "" {
			t.Errorf("%d rest with a person, want 12; the circuit says %+v", n, c)
		}
	})
}
