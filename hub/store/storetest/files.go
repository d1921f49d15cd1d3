package storetest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"runtime"

	"github.com/knutpunkt/knutpunkt/hub"
)

func testFacts(w *world) {
	got := w.receive("1")
	id := got.Submission.ID
	c := w.claimSubmissions(1)[0]
	none, err := w.store.Facts(w.ctx, hub.AsHub(), id)
	if err != nil || none.Answers != nil || none.Fetched != nil {
		w.Errorf("facts before there are any: %v %v", none, err)
	}
	small, err := w.store.Fetched(w.ctx, id, 0, writing([]byte("a drawing")))
	w.must(err, "fetch")
	large, err := w.store.Fetched(w.ctx, id, 3, writing(random(300<<10)))
	w.must(err, "fetch")
	if _, err := w.store.Fetched(w.ctx, id, 4, func(io.Writer) error { return hub.ErrGone }); !errors.Is(err, hub.ErrGone) {
		w.Errorf("a file that is gone: %v, want ErrGone", err)
	}
	w.restart() // what was fetched need not be fetched again
	answers := []hub.RegisterAnswer{{As: "sokande", Register: "karlskrona.navet", AsOf: w.clock(), Persons: []hub.Person{{
		ID: anna, Given: "Anna", Family: "Vanadis", Protection: hub.NotProtected,
		Address:   &hub.Address{Street: "Vägen 1", Postcode: "37100", City: "Karlskrona"},
		Guardians: []hub.Relative{{ID: bertil, Given: "Bertil"}},
	}}}}
	stale := w.planned(c, hub.Lookup, diarium)
	_, err = w.store.Recover(w.ctx, w.boot, w.clock())
	w.must(err, "recover")
	if _, _, err := w.store.Settle(w.ctx, c.Case.ID, stale, hub.Facts{Answers: answers}); !errors.Is(err, hub.ErrLost) {
		w.Errorf("facts of a worker that is too late: %v, want ErrLost", err)
	}
	c = w.claimSubmissions(1)[0]
	if facts, _ := w.store.Facts(w.ctx, hub.AsHub(), id); facts.Answers != nil {
		w.Error("a refused event has left its facts")
	}
	_, _, err = w.store.Settle(w.ctx, c.Case.ID, w.planned(c, hub.Lookup, diarium), hub.Facts{Answers: answers})
	w.must(err, "settle")
	w.restart()
	facts, err := w.store.Facts(w.ctx, hub.AsHub(), id)
	w.must(err, "read facts")
	if !reflect.DeepEqual(facts.Answers, answers) {
		w.Error("what the register said came back changed")
	}
	if !reflect.DeepEqual(facts.Fetched, map[int]hub.Blob{0: small, 3: large}) {
		w.Errorf("fetched files are %v", facts.Fetched)
	}
	w.readsWhole(id, large)
}

// readsWhole reads a stored file to its end.
func (w *world) readsWhole(id hub.ID, b hub.Blob) []byte {
	w.Helper()
	r, err := w.store.Open(w.ctx, hub.AsHub(), id, b)
	w.must(err, "open file")
	defer r.Close()
	got, err := io.ReadAll(r)
	w.must(err, "read file")
	if sha256.Sum256(got) != b.SHA256 || int64(len(got)) != b.Size {
		w.Error("a file came back changed")
	}
	return got
}

func testFiles(w *world) {
	contents := [][]byte{{}, []byte("small"), random(64 << 10), random(64<<10 + 1), random(200 << 10)}
	in, blobs := w.put(contents...)
	a := w.arrival("1")
	a.Intake = in
	for _, b := range blobs {
		a.Submission.Attachments = append(a.Submission.Attachments, hub.Attachment{Name: "f", Blob: b})
	}
	got, err := w.store.Receive(w.ctx, a)
	w.must(err, "receive")
	w.must(in.Close(), "close intake")
	w.restart()
	for i, b := range blobs {
		if !bytes.Equal(w.readsWhole(got.Submission.ID, b), contents[i]) {
			w.Errorf("file %d came back changed", i)
		}
	}
	w.wrongFiles(got.Submission.ID, blobs)
	w.closedIntake()
}

// wrongFiles asks for files that are not there, or are not what they should be.
func (w *world) wrongFiles(id hub.ID, blobs []hub.Blob) {
	other := w.receive("2")
	if _, err := w.store.Open(w.ctx, hub.AsHub(), other.Submission.ID, blobs[1]); !errors.Is(err, hub.ErrNotFound) {
		w.Errorf("another submission's file: %v, want ErrNotFound", err)
	}
	for _, b := range []hub.Blob{blobs[1], blobs[4]} {
		b.SHA256[0] ^= 1
		r, err := w.store.Open(w.ctx, hub.AsHub(), id, b)
		w.must(err, "open file")
		if _, err := io.ReadAll(r); !errors.Is(err, hub.ErrContents) {
			w.Errorf("a file whose hash is not what was stored: %v, want ErrContents", err)
		}
		r.Close()
	}
}

// closedIntake looks that what was not received is gone, and can belong to nobody.
func (w *world) closedIntake() {
	in, blobs := w.put(random(100 << 10))
	w.must(in.Close(), "close intake")
	a := w.arrival("3")
	a.Submission.Attachments = []hub.Attachment{{Name: "f", Blob: blobs[0]}}
	if _, err := w.store.Receive(w.ctx, a); err == nil {
		w.Error("a form was received without its file")
	}
	broken, err := w.store.Intake(w.ctx)
	w.must(err, "open intake")
	defer broken.Close()
	if _, err := broken.Put(w.ctx, io.MultiReader(bytes.NewReader(random(100<<10)), failing{})); !errors.Is(err, io.ErrUnexpectedEOF) {
		w.Errorf("a sender that hangs up: %v, want its error", err)
	}
}

// testLargeFiles streams a file of 24 MiB in and out, and one that is too large.
func testLargeFiles(w *world) {
	const size = 24 << 20
	in, err := w.store.Intake(w.ctx)
	w.must(err, "open intake")
	defer in.Close()
	var blob hub.Blob
	w.flat("put", func() {
		blob, err = in.Put(w.ctx, io.LimitReader(zeros{}, size))
		w.must(err, "put file")
	})
	a := w.arrival("1")
	a.Intake, a.Submission.Attachments = in, []hub.Attachment{{Name: "film.mp4", Blob: blob}}
	got, err := w.store.Receive(w.ctx, a)
	w.must(err, "receive")
	w.flat("open", func() {
		r, err := w.store.Open(w.ctx, hub.AsHub(), got.Submission.ID, blob)
		w.must(err, "open file")
		defer r.Close()
		if n, err := io.Copy(io.Discard, r); n != size || err != nil {
			w.Errorf("read %d bytes, %v", n, err)
		}
	})
	w.tooLarge()
}

func (w *world) tooLarge() {
	in, err := w.store.Intake(w.ctx)
	w.must(err, "open intake")
	defer in.Close()
	if _, err := in.Put(w.ctx, io.LimitReader(zeros{}, 100<<20+1)); !errors.Is(err, hub.ErrTooLarge) {
		w.Errorf("a file of 100 MiB and a byte: %v, want ErrTooLarge", err)
	}
}

// flat fails when do allocates as if it held a file of 24 MiB in memory.
func (w *world) flat(name string, do func()) {
	w.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > flatMiB<<20 {
		w.Errorf("%s allocated %d MiB in all for a file of 24 MiB", name, n>>20)
	}
}

func writing(content []byte) func(io.Writer) error {
	return func(out io.Writer) error {
		_, err := out.Write(content)
		return err
	}
}

// random gives bytes that are the same in every run.
func random(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
