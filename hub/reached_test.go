package hub

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
)

// TestReachEach tells three persons, again and again, until everybody has answered.
func TestReachEach(t *testing.T) {
	var (
		ok   error
		no   = Reject(errors.New("no such address"))
		full = Later(errors.New("the mailbox is full"), 0)
		down = Unavailable(errors.New("nobody answers"), Down)
		lost = errors.New("the answer was lost")
	)
	for _, c := range []struct {
		name, why string
		answers   map[int][]error // of each, time after time
		told      [][]int         // who is told, time after time
		ends      []error
	}{
		{"all hear", "", map[int][]error{1: {ok}, 2: {ok}, 3: {ok}}, [][]int{{1, 2, 3}}, []error{nil}},
		{"one refuses", "the others have heard", map[int][]error{1: {no}, 2: {ok}, 3: {ok}}, [][]int{{1, 2, 3}}, []error{nil}},
		{"all refuse", "a person must look", map[int][]error{1: {no}, 2: {no}, 3: {no}}, [][]int{{1, 2, 3}}, []error{no}},
		{"one refuses while another waits", "no is not asked for again", map[int][]error{1: {no}, 2: {full, ok}, 3: {ok}},
			[][]int{{1, 2, 3}, {2}}, []error{full, nil}},
		{"all refuse, one of them later", "a person must look", map[int][]error{1: {no}, 2: {full, no}, 3: {no}},
			[][]int{{1, 2, 3}, {2}}, []error{full, no}},
		{"one mailbox is full", "the third does not wait for the second", map[int][]error{1: {ok}, 2: {full, ok}, 3: {ok}},
			[][]int{{1, 2, 3}, {2}}, []error{full, nil}},
		{"the system goes down", "nobody else can be told", map[int][]error{1: {ok}, 2: {down, ok}, 3: {ok}},
			[][]int{{1, 2}, {2, 3}}, []error{down, nil}},
		{"an answer is lost", "she may hear it twice, and nobody else does", map[int][]error{1: {ok}, 2: {lost, ok}, 3: {ok}},
			[][]int{{1, 2}, {2, 3}}, []error{lost, nil}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var h Reached
			telling := Telling{Key: "01J-tell-1"}
			for _, number := range []string{"199001012385", "198707012392", "199306302382"} {
				id, err := ParsePersonID(number)
				if err != nil {
					t.Fatal(err)
				}
				telling.To = append(telling.To, Contact{Person: id})
			}
			for time, want := range c.told {
				var told []int
				err := h.Each(telling, func(ordinal int, _ Contact) error {
					told = append(told, ordinal)
					answer := c.answers[ordinal][0]
					c.answers[ordinal] = c.answers[ordinal][1:]
					return answer
				})
				if !reflect.DeepEqual(told, want) || err != c.ends[time] {
					t.Errorf("time %d: told %v and not %v, and %v: %s", time+1, told, want, err, c.why)
				}
			}
			if len(h.by) > 0 {
				t.Error("it remembers what has been settled")
			}
		})
	}
}

// TestReachedIsBounded: what nobody tells again is not remembered for ever.
func TestReachedIsBounded(t *testing.T) {
	var h Reached
	id, err := ParsePersonID("199001012385")
	if err != nil {
		t.Fatal(err)
	}
	for i := range mostReached + 10 {
		h.keep(Key(fmt.Sprint(i)), map[PersonID]bool{id: true})
	}
	if len(h.by) != mostReached {
		t.Errorf("it remembers %d tellings, want %d", len(h.by), mostReached)
	}
}
