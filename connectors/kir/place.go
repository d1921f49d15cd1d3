package kir

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A place is where a register's files have been read to, as its Bookmark's Note has it. A delivery is
// the files that belong together, and is shown when the last of them has been read.
type place struct {
	Shown series // by which the register speaks
	Read  series // and those of a delivery that is not whole yet
	Sum   int    `json:",omitempty"` // posts in the files of that delivery
	Begun *begun `json:",omitempty"` // the file of which some posts are kept
}

// A series is the files from an extract on.
type series struct {
	Extract file // the first of the last extract
	Last    file // the last of all; zero when there is none
}

// begun is a file of which some posts are kept, and what they were.
type begun struct {
	File   file
	Digest string // of those posts, so that no other file is taken for it
}

func placeOf(at hub.Bookmark) (p place, err error) {
	if at.Note == "" {
		return p, nil
	}
	if json.Unmarshal([]byte(at.Note), &p) != nil {
		return p, errors.New("what is stored of the register's files cannot be read")
	}
	return p, nil
}

func (p place) note() string {
	text, _ := json.Marshal(p) // numbers and our own texts
	return string(text)
}

// A turn says what is to be done with a file that comes.
type turn int

const (
	repeated turn = iota // it has been read: nothing
	next                 // it is read
	anew                 // it is read, and what has been read and is not shown is forgotten
)

// turnOf says whether it is a file's turn, or which one's it is.
func (r *register) turnOf(p place, f file) (turn, error) {
	if f.Extract {
		return r.turnOfExtract(p, f)
	}
	return r.turnOfChanges(p, f)
}

func (r *register) turnOfExtract(p place, f file) (turn, error) {
	last := p.Read.Last
	switch {
	case f.isWith(p.Read.Extract) && !last.isWith(p.Read.Extract): // changes have come after it
		return repeated, nil
	case f.isWith(p.Read.Extract) && f.Number <= last.Number:
		return r.repeatedOr(p, f, last)
	case f.isWith(p.Read.Extract) && f.Number == last.Number+1:
		return next, nil
	case f.Number != 1:
		return 0, r.notNext(p, f)
	case f.Day < p.Shown.Last.Day:
		return 0, misplaced("%s är från en tidigare dag än det som registret redan har; beställ ett nytt", f.named())
	}
	return anew, nil
}

func (r *register) turnOfChanges(p place, f file) (turn, error) {
	last := p.Read.Last
	switch {
	case f.Serial == 0:
		return 0, malformed("number", "filen saknar LopNr, så det syns inte om någon fil fattas")
	case last == (file{}), last.Extract && !last.last():
		return 0, r.notNext(p, f)
	case f == last:
		return repeated, nil
	case !last.last() && f.isWith(last) && f.Number == last.Number+1 && (f.Serial == last.Serial || f.Serial == last.Serial+1):
		return next, nil
	case last.last() && f.Number == 1 && r.follows(f, last):
		return next, nil
	case last.Extract && r.conf.FirstChange > 0:
		if f.Serial < r.conf.FirstChange {
			return repeated, nil // from before the extract
		}
	case f.Serial <= last.Serial && !(last.Extract && f.Serial == last.Serial):
		return r.repeatedOr(p, f, last)
	}
	return 0, r.notNext(p, f)
}

// follows reports whether a file of changes is numbered as the one after last.
func (r *register) follows(f, last file) bool {
	switch {
	case last.Extract && r.conf.FirstChange > 0:
		return f.Serial == r.conf.FirstChange
	case last.Serial == 0: // an extract that is in no series begins none
		return true
	}
	return f.Serial == last.Serial+1
}

// repeatedOr takes a file for one that has been read, unless another one was read in its place.
func (r *register) repeatedOr(p place, f, last file) (turn, error) {
	sameName := f.Serial == last.Serial && f.Number == last.Number
	if sameName && f != last {
		return 0, misplaced("en annan fil har redan lästs som %s", f.named())
	}
	return repeated, nil
}

func (r *register) notNext(p place, f file) error {
	return misplaced("den här filen är %s, och härnäst behövs %s", f.named(), r.wanted(p))
}

// wanted says which file must come next, for people.
func (r *register) wanted(p place) string {
	last := p.Read.Last
	switch {
	case last == (file{}):
		return "ett grunduttag, från dess första fil"
	case !last.last():
		what := "ändringarna"
		if last.Extract {
			what = "grunduttaget"
		}
		return fmt.Sprintf("fil %d av %d i %s från %s", last.Number+1, last.Of, what, day(last.Day))
	case last.Extract && r.conf.FirstChange > 0:
		return fmt.Sprintf("ändringsfilen med LopNr %d", r.conf.FirstChange)
	case last.Serial == 0:
		return "den första ändringsfilen efter grunduttaget"
	}
	return fmt.Sprintf("ändringsfilen med LopNr %d", last.Serial+1)
}

// day writes a day of a file's as people do.
func day(digits string) string { return digits[:4] + "-" + digits[4:6] + "-" + digits[6:] }

// after is the place when a file has been read whole.
func (p place) after(f file) place {
	if f.Extract && f.Number == 1 {
		p.Read.Extract = f
	}
	p.Read.Last, p.Begun = f, nil
	p.Sum += f.Posts
	if f.last() {
		p.Shown, p.Sum = p.Read, 0
	}
	return p
}

// back is the place by which the register speaks, where all that is not shown is forgotten.
func (p place) back() place { return place{Shown: p.Shown, Read: p.Shown} }
