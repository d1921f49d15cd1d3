package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
)

var sides = map[string]opener{"floor": openFloor, "knutpunkt": openKnutpunkt}

// TestBothDeliverTheSame holds the two sides against each other: every form comes exactly
// once to both systems, and the documents of the two are the same. Else the ratios would
// compare different work.
func TestBothDeliverTheSame(t *testing.T) {
	const forms = 50
	taken := map[string]*neighbours{}
	for name, open := range sides {
		at := neighboursFor(t)
		j, err := open(t.TempDir(), at)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		defer j.close()
		if err := j.start(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		deliverAll(t, name, j, at, forms)
		taken[name] = at
	}
	for i := range forms {
		property := fmt.Sprint(i)
		if ours, theirs := taken["knutpunkt"].bygg.taken[property], taken["floor"].bygg.taken[property]; ours != theirs {
			t.Fatalf("the building system was given\n%s\nby Knutpunkt and\n%s\nby the floor", ours, theirs)
		}
		ours, theirs := taken["knutpunkt"].diarium.taken[property], taken["floor"].diarium.taken[property]
		if !reflect.DeepEqual(decoded(t, ours), decoded(t, theirs)) {
			t.Fatalf("the diarium was given\n%s\nby Knutpunkt and\n%s\nby the floor", ours, theirs)
		}
	}
}

// TestWhatIsUnfinishedIsTakenUp has each side receive forms and stop, and another process
// of it deliver them: the floor must keep that promise too, to be one.
func TestWhatIsUnfinishedIsTakenUp(t *testing.T) {
	const forms = 20
	for name, open := range sides {
		t.Run(name, func(t *testing.T) {
			at, dir := neighboursFor(t), t.TempDir()
			first, err := open(dir, at)
			if err != nil {
				t.Fatal(err)
			}
			err = post(first.url(), someForms(forms), 4)
			first.close()
			if err != nil {
				t.Fatal(err)
			}
			second, err := open(dir, at)
			if err != nil {
				t.Fatal(err)
			}
			defer second.close()
			if err := second.start(); err != nil {
				t.Fatal(err)
			}
			if err := (load{forms: forms}).arrives(second, at); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAFormIsHeardOnce posts the same forms twice.
func TestAFormIsHeardOnce(t *testing.T) {
	const forms = 20
	for name, open := range sides {
		t.Run(name, func(t *testing.T) {
			at := neighboursFor(t)
			j, err := open(t.TempDir(), at)
			if err != nil {
				t.Fatal(err)
			}
			defer j.close()
			if err := j.start(); err != nil {
				t.Fatal(err)
			}
			deliverAll(t, name, j, at, forms)
			if err := post(j.url(), someForms(forms), 4); err != nil {
				t.Fatal(err)
			}
			if err := (load{forms: forms}).arrives(j, at); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCommitsAreCounted(t *testing.T) {
	for name, open := range sides {
		spent, err := measure(open, load{forms: 50, clients: 1})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if spent.commits != 50 {
			t.Errorf("%s: %d commits of 50 forms that came one by one", name, spent.commits)
		}
	}
}

func TestBacklog(t *testing.T) {
	if price, err := backlogPrice(10_000); err != nil || price <= 0 {
		t.Errorf("price %v, %v", price, err)
	}
}

func neighboursFor(t *testing.T) *neighbours {
	t.Helper()
	at, err := openNeighbours()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(at.close)
	return at
}

func deliverAll(t *testing.T, name string, j junction, at *neighbours, forms int) {
	t.Helper()
	if err := post(j.url(), someForms(forms), 8); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := (load{forms: forms}).arrives(j, at); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func someForms(n int) [][]byte {
	forms := make([][]byte, n)
	for i := range forms {
		forms[i] = form(i)
	}
	return forms
}

func decoded(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}
