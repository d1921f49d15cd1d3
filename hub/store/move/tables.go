package move

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
)

// A Table is one that is carried.
type Table struct {
	Name string
	Key  []string // columns that tell its rows apart
	Kind Kind
}

// A Kind says what may happen to the rows of a table, and so what there is to do when it has
// been carried before.
type Kind int

const (
	Changing Kind = iota // rows come, change and go: all of them are held against each other
	Growing              // rows come after the last, by its number, and never change: it goes on from there
	Lasting              // rows come anywhere, and never change: their keys are held against each other
)

// Tables are all that is carried, what others refer to first. What is not here is an engine's
// own: how far its schema has come, and which run of the hub it has seen last.
var Tables = []Table{
	{"boots", []string{"n"}, Growing},
	{"bundles", []string{"revision"}, Changing},
	{"active", []string{"one"}, Changing},
	{"wraps", []string{"municipality", "head"}, Changing},
	{"origins", []string{"municipality", "source"}, Changing},
	{"cases", []string{"id"}, Changing},
	{"submissions", []string{"n"}, Growing},
	{"seen", []string{"mark"}, Changing},
	{"followers", []string{"person", "case_id"}, Changing},
	{"facts", []string{"submission"}, Changing},
	{"fetched", []string{"submission", "attachment"}, Changing},
	{"blobs", []string{"id"}, Lasting},
	{"progress", []string{"key"}, Changing},
	{"attempts", []string{"key", "n"}, Changing},
	{"feed", []string{"seq"}, Growing},
	{"audit", []string{"seq"}, Growing},
	{"reports", []string{"n"}, Changing},
	{"words", []string{"system", "mark"}, Changing},
	{"cursors", []string{"system"}, Changing},
	{"sessions", []string{"id"}, Changing},
	{"notices", []string{"id"}, Changing},
	{"sent", []string{"day", "municipality", "source", "service"}, Changing},
	{"pauses", []string{"n"}, Changing},
	{"bookmarks", []string{"register"}, Changing},
	{"residents", []string{"register", "person", "file"}, Changing},
	{"tallies", []string{"what", "label"}, Changing},
	{"restores", []string{"n"}, Changing},
}

// A Row is the values of some columns: nil, int64, string or []byte.
type Row []any

// Size is about how many bytes the values are.
func (r Row) Size() (n int64) {
	for _, value := range r {
		switch v := value.(type) {
		case string:
			n += int64(len(v))
		case []byte:
			n += int64(len(v))
		case int64:
			n += 8
		}
	}
	return n
}

// Quoted writes the name of a table or a column so that it is nothing else.
func Quoted(names ...string) string { return `"` + strings.Join(names, `", "`) + `"` }

// Select gives the statement that reads a span in order, in words that every engine
// understands, and its arguments; place writes the nth of them, counted from 1.
func (in Span) Select(t Table, columns []string, place func(n int) string) (text string, args []any) {
	text = "SELECT " + Quoted(columns...) + " FROM " + Quoted(t.Name)
	joint := " WHERE "
	for _, bound := range []struct {
		key   Row
		order string
	}{{in.After, " > "}, {in.UpTo, " <= "}} {
		if bound.key == nil {
			continue
		}
		var places []string
		for _, value := range bound.key {
			args = append(args, value)
			places = append(places, place(len(args)))
		}
		text += joint + "(" + Quoted(t.Key...) + ")" + bound.order + "(" + strings.Join(places, ", ") + ")"
		joint = " AND "
	}
	return text + " ORDER BY " + Quoted(t.Key...), args
}

// A cut is some columns of a table, the key's among them.
type cut struct {
	Table
	columns []string
	places  []int // of the key's columns
}

func newCut(t Table, columns []string) cut {
	of := cut{Table: t, columns: columns}
	for _, name := range t.Key {
		of.places = append(of.places, slices.Index(columns, name))
	}
	return of
}

func (of cut) key(r Row) Row {
	key := make(Row, len(of.places))
	for i, place := range of.places {
		key[i] = r[place]
	}
	return key
}

// difference gives what makes of the rows that are there those that are wanted. Both are in
// the order of their keys.
func (of cut) difference(want, there []Row) (c Changes) {
	for len(want) > 0 || len(there) > 0 {
		order := of.compare(want, there)
		switch {
		case order < 0:
			c.New = append(c.New, want[0])
		case order > 0:
			c.Gone = append(c.Gone, of.key(there[0]))
		case sum(want[:1]) != sum(there[:1]):
			c.Changed = append(c.Changed, want[0])
		}
		if order <= 0 {
			want = want[1:]
		}
		if order >= 0 {
			there = there[1:]
		}
	}
	return c
}

// compare tells which of two lists goes on with the lower key; one at its end has none.
func (of cut) compare(want, there []Row) int {
	switch {
	case len(there) == 0:
		return -1
	case len(want) == 0:
		return 1
	}
	return slices.CompareFunc(of.key(want[0]), of.key(there[0]), compareValues)
}

// compareValues orders the values of a key's column, which are all of one kind.
func compareValues(a, b any) int {
	switch a := a.(type) {
	case int64:
		b, _ := b.(int64)
		return cmp.Compare(a, b)
	case string:
		b, _ := b.(string)
		return cmp.Compare(a, b)
	case []byte:
		b, _ := b.([]byte)
		return bytes.Compare(a, b)
	}
	return 0
}

// sum hashes rows, so that those which differ in any value, or in their order, differ.
func sum(rows []Row) [32]byte {
	h := sha256.New()
	var head [9]byte
	put := func(kind byte, n uint64) {
		head[0] = kind
		binary.BigEndian.PutUint64(head[1:], n)
		h.Write(head[:])
	}
	for _, row := range rows {
		put('r', uint64(len(row)))
		for _, value := range row {
			switch v := value.(type) {
			case nil:
				put('0', 0)
			case int64:
				put('n', uint64(v))
			case string:
				put('t', uint64(len(v)))
				h.Write([]byte(v))
			case []byte:
				put('b', uint64(len(v)))
				h.Write(v)
			}
		}
	}
	return [32]byte(h.Sum(nil))
}
