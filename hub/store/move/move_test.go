package move

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A memory is a Source and a Target that is nothing but its rows, in columns of their own: the
// key's, one that tells of the row, and one that says more.
type memory struct {
	tables map[string][]Row
	files  map[string][]byte
	noted  map[string]int64
	page   int // rows
	dies   int // after so many writes; 0 is never
	spoil  bool
}

func newMemory() *memory {
	return &memory{tables: map[string][]Row{}, files: map[string][]byte{}, noted: map[string]int64{}, page: 3}
}

var errKilled = errors.New("killed")

func (m *memory) Look(_ context.Context, read func(Reader) error) error { return read(m) }

func (m *memory) File(id string) (io.ReadCloser, error) {
	content, there := m.files[id]
	if !there {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

func (m *memory) Columns(_ context.Context, t Table) ([]string, error) {
	return append(slices.Clone(t.Key), "is", "more"), nil
}

func (m *memory) Count(_ context.Context, t Table) (int64, error) {
	return int64(len(m.tables[t.Name])), nil
}

func (m *memory) Page(ctx context.Context, t Table, columns []string, in Span) ([]Row, error) {
	all, err := m.Between(ctx, t, columns, in)
	return all[:min(len(all), m.page)], err
}

func (m *memory) Between(_ context.Context, t Table, columns []string, in Span) (all []Row, err error) {
	k := len(t.Key)
	for _, row := range m.tables[t.Name] {
		if (in.After == nil || slices.CompareFunc(row[:k], in.After, compareValues) > 0) &&
			(in.UpTo == nil || slices.CompareFunc(row[:k], in.UpTo, compareValues) <= 0) {
			all = append(all, row[:len(columns)])
		}
	}
	return all, nil
}

func (m *memory) Write(ctx context.Context, t Table, columns []string, c Changes, check func([]Row) error) error {
	before := m.tables[t.Name]
	after := slices.DeleteFunc(slices.Clone(before), func(row Row) bool {
		has := func(other Row) bool {
			return slices.CompareFunc(row[:len(t.Key)], other[:len(t.Key)], compareValues) == 0
		}
		return slices.ContainsFunc(c.Gone, has) || slices.ContainsFunc(c.Changed, has)
	})
	after = append(append(after, c.Changed...), c.New...)
	slices.SortFunc(after, func(a, b Row) int { return slices.CompareFunc(a[:len(t.Key)], b[:len(t.Key)], compareValues) })
	m.tables[t.Name] = after
	back, _ := m.Between(ctx, t, columns, c.Span)
	if m.spoil && len(back) > 0 {
		back = back[1:]
	}
	if err := check(back); err != nil {
		m.tables[t.Name] = before
		return err
	}
	m.noted[t.Name] = cmp.Or(c.Carried, m.noted[t.Name])
	return m.mayDie()
}

// mayDie kills whoever carries, when something has been written for good.
func (m *memory) mayDie() error {
	if m.dies--; m.dies == 0 {
		return errKilled
	}
	return nil
}

func (m *memory) Carried(_ context.Context, t Table) (int64, error) { return m.noted[t.Name], nil }

func (m *memory) Note(_ context.Context, t Table, carried int64) error {
	m.noted[t.Name] = carried
	return nil
}

func (m *memory) Lacking(context.Context) (ids []string, err error) {
	for _, row := range m.tables["blobs"] {
		if _, there := m.files[row[0].(string)]; !there && row[2] == nil {
			ids = append(ids, row[0].(string))
		}
	}
	return ids, nil
}

func (m *memory) Keep(_ context.Context, id string, content io.Reader, check func(io.Reader) error) error {
	all, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	back := slices.Clone(all)
	if m.spoil {
		back[0]++
	}
	if err := check(bytes.NewReader(back)); err != nil {
		return err
	}
	m.files[id] = all
	return m.mayDie()
}

// live has something happen at a Store, as it does while it is carried.
func (m *memory) live(t *rapid.T) {
	for _, table := range Tables {
		switch table.Kind {
		case Growing:
			m.tables[table.Name] = append(m.tables[table.Name], Row{int64(len(m.tables[table.Name]) + 1), "line", nil})
		case Lasting:
			m.lasting(t, table)
		default:
			m.changing(t, table)
		}
	}
}

func (m *memory) lasting(t *rapid.T, table Table) {
	id := fmt.Sprint("f", rapid.IntRange(0, 1<<20).Draw(t, "id"))
	if slices.ContainsFunc(m.tables[table.Name], func(r Row) bool { return r[0] == id }) {
		return
	}
	row := Row{id, "of a form", nil}
	if rapid.Bool().Draw(t, "small") {
		row[2] = []byte(id)
	} else {
		m.files[id] = []byte("all of " + id)
	}
	m.put(table, row)
}

func (m *memory) changing(t *rapid.T, table Table) {
	var key Row
	for range table.Key {
		key = append(key, fmt.Sprint("k", rapid.IntRange(0, 12).Draw(t, "key")))
	}
	m.take(table, key)
	if rapid.IntRange(0, 3).Draw(t, "gone") > 0 {
		m.put(table, append(key, rapid.SampledFrom([]any{"a", "b", nil, int64(7), []byte("a")}).Draw(t, "is"), "more"))
	}
}

func (m *memory) put(table Table, row Row) {
	all := append(m.tables[table.Name], row)
	slices.SortFunc(all, func(a, b Row) int { return slices.CompareFunc(a[:len(table.Key)], b[:len(table.Key)], compareValues) })
	m.tables[table.Name] = all
}

func (m *memory) take(table Table, key Row) {
	m.tables[table.Name] = slices.DeleteFunc(m.tables[table.Name], func(r Row) bool {
		return slices.CompareFunc(r[:len(key)], key, compareValues) == 0
	})
}

// Whatever happens between and while it is carried, and wherever that is killed, the last time
// makes both sides the same.
func TestCarryMakesBothSidesTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := newMemory(), newMemory()
		for range rapid.IntRange(1, 6).Draw(t, "rounds") {
			for range rapid.IntRange(0, 8).Draw(t, "happenings") {
				from.live(t)
			}
			to.dies = rapid.IntRange(0, 40).Draw(t, "dies")
			if _, err := Carry(t.Context(), from, to, nil); err != nil && !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
		}
		to.dies = 0
		if _, err := Carry(t.Context(), from, to, nil); err != nil {
			t.Fatal(err)
		}
		for _, table := range Tables {
			if sum(from.tables[table.Name]) != sum(to.tables[table.Name]) {
				t.Errorf("%s has %v, want %v", table.Name, to.tables[table.Name], from.tables[table.Name])
			}
		}
		if !maps.EqualFunc(from.files, to.files, bytes.Equal) {
			t.Errorf("the files are %q, want %q", to.files, from.files)
		}
		again, err := Carry(t.Context(), from, to, nil)
		if err != nil || again.Written != 0 || again.Files != 0 || again.Bytes != 0 {
			t.Errorf("what is the same is carried again: %+v, %v", again, err)
		}
	})
}

// What cannot be read back as it was written is not kept.
func TestWhatIsReadBackIsHeldAgainstWhatWasWritten(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fill  func(*memory)
		spoil string
	}{
		{"a row", func(m *memory) { m.tables["cases"] = []Row{{"k1", "a", nil}} }, "cases"},
		{"a file", func(m *memory) {
			m.tables["blobs"] = []Row{{"f1", "of a form", nil}}
			m.files["f1"] = []byte("all of it")
		}, "blobs"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			from, to := newMemory(), newMemory()
			tc.fill(from)
			if tc.spoil == "blobs" {
				to.tables["blobs"] = from.tables["blobs"]
			}
			to.spoil = true
			if _, err := Carry(t.Context(), from, to, nil); !errors.Is(err, ErrDiffers) {
				t.Errorf("it ends in %v", err)
			}
			if len(to.tables["cases"]) > 0 || len(to.files) > 0 {
				t.Error("it is kept all the same")
			}
		})
	}
}

// A file that was lost before keeps no other from being carried.
func TestAFileThatIsLostIsTold(t *testing.T) {
	from, to := newMemory(), newMemory()
	from.tables["blobs"] = []Row{{"f1", "of a form", nil}, {"f2", "of a form", nil}}
	from.files["f2"] = []byte("all of it")
	var told [2]int64
	r, err := Carry(t.Context(), from, to, func(done, total int64) { told = [2]int64{done, total} })
	if err != nil || r.Files != 1 || !slices.Equal(r.Missing, []string{"f1"}) || string(to.files["f2"]) != "all of it" {
		t.Errorf("it is %+v, %v", r, err)
	}
	if told != [2]int64{2, 2} {
		t.Errorf("who watches was told of %d of %d at last", told[0], told[1])
	}
}
