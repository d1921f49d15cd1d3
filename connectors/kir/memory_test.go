package kir_test

import (
	"io"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/kir/kirsim"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
)

// onDisk is a bed whose residents are in a Store.
func onDisk(tb testing.TB, o kirsim.Options) *bed {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "keys.json")
	if err := seal.Init(path, kirsim.Municipality); err != nil {
		tb.Fatal(err)
	}
	keys, err := seal.Open("file:" + path)
	if err != nil {
		tb.Fatal(err)
	}
	o.Day = day
	sim, err := kirsim.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	b := &bed{TB: tb, sim: sim, now: day.Add(8 * time.Hour)}
	store, err := sqlite.Open(tb.Context(), filepath.Join(tb.TempDir(), "k.db"), keys, sqlite.Options{Boot: "b", Clock: func() time.Time { return b.now }})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { store.Close() })
	b.residents = hub.ResidentsOf(store, "eslov.kir", kirsim.Municipality)
	b.system = b.open()
	return b
}

// stream has the grunduttag written while it is read.
func (b *bed) stream(kept func(hub.Imported)) {
	b.Helper()
	out, in := io.Pipe()
	go func() { in.CloseWithError(b.sim.Extract(in, 1)) }()
	if _, err := b.system.Importer.Import(b.Context(), out, kept); err != nil {
		b.Fatal(err)
	}
}

// TestMemoryIsFlat: a register of any size is read in the same memory.
func TestMemoryIsFlat(t *testing.T) {
	b := onDisk(t, kirsim.Options{Residents: 20_000})
	held := func() int64 {
		runtime.GC()
		runtime.GC() // what the first one found is handed back by the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var early, most int64
	b.stream(func(i hub.Imported) {
		switch {
		case i.Posts == 2000:
			early = held()
		case i.Posts%6000 == 0:
			most = max(most, held())
		}
	})
	if grown := most - early; grown > 4<<20 {
		t.Errorf("%d bytes more are held after 18,000 posts than after 2,000", grown)
	}
	for n := range b.sim.Total() / 100 {
		b.find(b.sim.Person(100 * n).ID)
	}
}

func BenchmarkImport(b *testing.B) {
	for b.Loop() {
		onDisk(b, kirsim.Options{Residents: 10_000}).stream(nil)
	}
	b.ReportMetric(10_000*float64(b.N)/b.Elapsed().Seconds(), "posts/s")
}
