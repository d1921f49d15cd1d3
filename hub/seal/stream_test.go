package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/knutpunkt/knutpunkt/hub/seal"
)

// blob is the place of a stream that came before its municipality was known.
var blob = seal.Place{Table: "blobs", Row: "b1"}

const segment = 64 << 10 // bytes, as sealed

func sealStream(t testing.TB, key seal.DataKey, place seal.Place, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := key.SealWriter(place, &out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func openStream(key seal.DataKey, place seal.Place, r io.Reader) ([]byte, error) {
	opened, err := key.OpenReader(place, r)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(opened)
}

func drawing(size int) []byte {
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(i ^ i>>8)
	}
	return content
}

func TestStreamOpensAgain(t *testing.T) {
	keys := open(t, keyFile(t))
	loose := keys.NewLooseKey()
	for _, size := range []int{0, 1, segment - 16, segment, 3*segment + 17} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			content := drawing(size)
			stream := sealStream(t, loose, blob, content)
			wrapped, err := keys.Wrap(loose, karlskrona, "s1")
			if err != nil {
				t.Fatal(err)
			}
			key, err := keys.DataKey(karlskrona, "s1", wrapped)
			if err != nil {
				t.Fatal(err)
			}
			got, err := openStream(key, blob, iotest.HalfReader(bytes.NewReader(stream)))
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("got %d bytes of %d, %v", len(got), size, err)
			}
		})
	}
}

func TestStreamOpensNowhereElse(t *testing.T) {
	keys := open(t, keyFile(t))
	key := keys.NewLooseKey()
	stream := sealStream(t, key, blob, drawing(100))
	for _, place := range []seal.Place{
		{Table: "blobs", Row: "b2"},
		{Table: "originals", Row: "b1"},
		{Table: "blobs", Row: "b1", Column: "content"},
		{Municipality: karlskrona, Table: "blobs", Row: "b1"},
	} {
		if got, err := openStream(key, place, bytes.NewReader(stream)); !isOpenError(err) || len(got) > 0 {
			t.Errorf("%s: %d bytes, %v", place, len(got), err)
		}
	}
	if _, err := openStream(keys.NewLooseKey(), blob, bytes.NewReader(stream)); !isOpenError(err) {
		t.Errorf("another data key: %v", err)
	}
	for _, place := range []seal.Place{{Table: "blobs"}, {Row: "b1"}, {Municipality: "80", Table: "blobs", Row: "b1"}} {
		if _, err := key.SealWriter(place, io.Discard); !errors.Is(err, seal.ErrPlace) {
			t.Errorf("sealing at %s: %v", place, err)
		}
	}
}

func TestCutOrAlteredStreamIsRefused(t *testing.T) {
	key := open(t, keyFile(t)).NewLooseKey()
	content := drawing(2*segment + 100)
	stream := sealStream(t, key, blob, content)
	end := len(stream)
	for _, cut := range []int{0, 1, 2, 40, 41, 42, segment, segment + 1, 2*segment + 1, end - 116, end - 16, end - 1} {
		got, err := openStream(key, blob, bytes.NewReader(stream[:cut]))
		if !isOpenError(err) {
			t.Errorf("cut to %d of %d bytes: %v", cut, end, err)
		}
		if !bytes.HasPrefix(content, got) {
			t.Errorf("cut to %d bytes: what came out was never sealed", cut)
		}
	}
	for _, at := range []int{0, 1, 2, 20, 40, 41, segment, segment + 1, end - 1} {
		got, err := openStream(key, blob, bytes.NewReader(flipped(stream, at)))
		if !isOpenError(err) || !bytes.HasPrefix(content, got) {
			t.Errorf("byte %d altered: %v", at, err)
		}
	}
	swapped := bytes.Clone(stream)
	copy(swapped[1+segment:], stream[1+2*segment:])
	if _, err := openStream(key, blob, bytes.NewReader(swapped)); !isOpenError(err) {
		t.Errorf("segments in another order: %v", err)
	}
}

func TestARefusedStreamStaysRefused(t *testing.T) {
	key := open(t, keyFile(t)).NewLooseKey()
	stream := sealStream(t, key, blob, drawing(100))
	r, err := key.OpenReader(blob, bytes.NewReader(stream[:len(stream)-1]))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := r.Read(make([]byte, 10)); !isOpenError(err) {
			t.Fatalf("%v, which whoever reads on would take for the whole stream", err)
		}
	}
}

func TestFailingDiskIsNotAForgery(t *testing.T) {
	key := open(t, keyFile(t)).NewLooseKey()
	stream := sealStream(t, key, blob, drawing(segment))
	broken := errors.New("input/output error")
	for _, after := range []int{0, 1, 20, 41, 1000} {
		r := io.MultiReader(bytes.NewReader(stream[:after]), iotest.ErrReader(broken))
		if _, err := openStream(key, blob, r); !errors.Is(err, broken) || isOpenError(err) {
			t.Errorf("the disk fails after %d bytes: %v", after, err)
		}
	}
}

func TestAbandonedStreamNeverOpensToTheEnd(t *testing.T) {
	key := open(t, keyFile(t)).NewLooseKey()
	var out bytes.Buffer
	w, err := key.SealWriter(blob, &out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(drawing(3 * segment)); err != nil {
		t.Fatal(err)
	}
	if _, err := openStream(key, blob, &out); !isOpenError(err) {
		t.Errorf("a stream that nobody closed: %v", err)
	}
}

func TestCloseCannotMendAFailedWrite(t *testing.T) {
	key := open(t, keyFile(t)).NewLooseKey()
	disk := &fullDisk{room: 100}
	w, err := key.SealWriter(blob, disk)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(drawing(2 * segment)); !errors.Is(err, errFull) {
		t.Fatalf("Write: %v", err)
	}
	disk.room = 1 << 20
	if _, err := w.Write(drawing(1)); !errors.Is(err, errFull) {
		t.Errorf("the next Write: %v", err)
	}
	if err := w.Close(); !errors.Is(err, errFull) {
		t.Errorf("Close: %v, so the caller takes a stream with a hole for whole", err)
	}
	if disk.room != 1<<20 {
		t.Error("something was written after the hole")
	}
}

var errFull = errors.New("no space left on device")

type fullDisk struct{ room int }

func (d *fullDisk) Write(p []byte) (int, error) {
	if len(p) > d.room {
		return 0, errFull
	}
	d.room -= len(p)
	return len(p), nil
}

func FuzzOpenReader(f *testing.F) {
	key := open(f, keyFile(f)).NewLooseKey()
	content := drawing(segment + 100)
	stream := sealStream(f, key, blob, content)
	f.Add(stream)
	f.Add(stream[:segment+1])
	f.Add(stream[:41])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := openStream(key, blob, bytes.NewReader(b))
		if err == nil && !bytes.Equal(b, stream) {
			t.Errorf("a forged stream opens to %d bytes", len(got))
		}
		if !bytes.HasPrefix(content, got) {
			t.Error("bytes came out that were never sealed")
		}
	})
}

func BenchmarkStream16MiB(b *testing.B) {
	key := open(b, keyFile(b)).NewLooseKey()
	content := drawing(16 << 20)
	stream := sealStream(b, key, blob, content)
	b.Run("seal", func(b *testing.B) {
		b.SetBytes(int64(len(content)))
		b.ReportAllocs()
		for b.Loop() {
			w, err := key.SealWriter(blob, io.Discard)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := w.Write(content); err != nil {
				b.Fatal(err)
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		b.SetBytes(int64(len(content)))
		b.ReportAllocs()
		for b.Loop() {
			r, err := key.OpenReader(blob, bytes.NewReader(stream))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r); err != nil {
				b.Fatal(err)
			}
		}
	})
}
