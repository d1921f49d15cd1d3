package rows

import (
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func TestULIDs(t *testing.T) {
	now := noon
	ids := &ulids{clock: func() time.Time { return now }}
	last := ""
	for i := range 10000 {
		switch i {
		case 5000:
			now = now.Add(time.Millisecond)
		case 7000:
			now = now.Add(-time.Hour)
		}
		id := ids.next()
		if len(id) != 26 || id <= last || id[0] > '7' {
			t.Fatalf("%s comes after %s", id, last)
		}
		last = id
	}
	known := &ulids{millis: 1469918176385, high: 0x86be, low: 0xf3c5e44b5f7f6e31}
	if got := known.text(); !strings.HasPrefix(got, "01ARYZ6S41") || len(got) != 26 {
		t.Errorf("1469918176385 ms is written %s", got)
	}
}

func TestRecent(t *testing.T) {
	r := newRecent[int, int](10)
	for i := range 100 {
		r.put(i, i)
		r.get(0)
	}
	if _, ok := r.get(0); !ok {
		t.Error("what is used all the time was forgotten")
	}
	if _, ok := r.get(50); ok {
		t.Error("what was used long ago is remembered")
	}
	if len(r.young)+len(r.old) > 20 {
		t.Errorf("%d are remembered", len(r.young)+len(r.old))
	}
}
