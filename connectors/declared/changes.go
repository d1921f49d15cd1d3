package declared

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Telling is how something that happened to a case stands in an answer.
type Telling struct {
	List           Pointer
	ID             Pointer // nil when the system has none
	Word           Word
	At, Correction Pointer
}

// report reads what happened to a case. Where the system gives it no id, it is known by what it says; a word
// may be about a person, and stands in no id.
func (t *Telling) report(item Node, ref string, key hub.Key) hub.Report {
	at, _ := parseTime(t.At.text(item))
	r := hub.Report{
		ID: t.ID.text(item), Ref: ref, Key: key, Word: t.Word.text(item), At: at, Correction: t.Correction.yes(item),
	}
	if t.ID == nil {
		sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", ref, key, r.Word, t.At.text(item)))
		r.ID = hex.EncodeToString(sum[:12])
	}
	return r
}

// Changes is where a system tells what has happened to its cases: a hub.Tracker.
type Changes struct {
	Env      hub.Env
	Ask      Question // with {cursor}, and {now}
	Next     Pointer  // where the answer says the next cursor; nil: the cursor is the latest time
	First    string   // what the empty cursor is
	Overlap  time.Duration
	Ref, Key Pointer
	Telling
}

// beginning is how far back the empty cursor reaches, where a cursor is a time.
const beginning = 30 * 24 * time.Hour

// Changes gives what the system tells since the cursor, which is the system's own or, where it has none, the
// time of the latest change less what the next question shall repeat.
func (h *Changes) Changes(ctx context.Context, since hub.Cursor) ([]hub.Report, hub.Cursor, error) {
	now, from := h.Env.Clock(), cmp.Or(since, hub.Cursor(h.First))
	if h.Next == nil && from == "" {
		from = cursorAt(now.Add(-beginning))
	}
	v := Values{}.With("cursor", string(from)).With("now", string(cursorAt(now)))
	tree, err := h.Ask(ctx, h.Env.Reads, v)
	if err != nil {
		return nil, since, fmt.Errorf("changes: %w", err)
	}
	list, isList := h.List.list(tree)
	if !isList {
		return nil, since, fmt.Errorf("changes: %w", noList(h.List))
	}
	var reports []hub.Report
	for _, item := range list {
		r := h.report(item, h.Ref.text(item), hub.Key(h.Key.text(item)))
		if r.At.IsZero() || r.ID == "" || r.Ref == "" && r.Key == "" {
			return nil, since, hub.Strange(errors.New("changes: one without what it is about, id, or time"))
		}
		reports = append(reports, r)
	}
	if next, ok := h.nextCursor(tree, reports, from, now); ok {
		return reports, next, nil
	}
	return nil, since, hub.Strange(errors.New("changes: no cursor in the answer"))
}

// nextCursor gives where the next question begins. A system that has nothing to tell need not say. One
// change that is dated 9999 is not to end all listening.
func (h *Changes) nextCursor(tree Node, reports []hub.Report, from hub.Cursor, now time.Time) (hub.Cursor, bool) {
	if h.Next != nil {
		next := hub.Cursor(h.Next.text(tree))
		if next == "" {
			return from, len(reports) == 0
		}
		return next, true
	}
	begun, err := time.Parse(time.RFC3339Nano, string(from))
	if err != nil {
		return "", false
	}
	for _, r := range reports {
		if at := r.At.Add(-h.Overlap); at.After(begun) && !at.After(now.Add(24*time.Hour)) {
			begun = at
		}
	}
	return cursorAt(begun), true
}

func cursorAt(t time.Time) hub.Cursor { return hub.Cursor(t.UTC().Format(time.RFC3339Nano)) }

// Status is where a system tells how one case is getting on: a hub.Poller.
type Status struct {
	Env hub.Env
	Ask Question
	Telling
}

// Poll asks about one case. Without a list the answer is the case itself, and a case without a word is no
// answer; of a list, what has no word tells nothing. An id that the system gives is taken to be one within
// the case.
func (s *Status) Poll(ctx context.Context, d hub.Delivery, r hub.Receipt) ([]hub.Report, error) {
	tree, err := s.Ask(ctx, s.Env.Reads, valuesWith(d, r))
	if err != nil {
		return nil, fmt.Errorf("status: %w", err)
	}
	items, isList := []Node{tree}, true
	if s.List != nil {
		items, isList = s.List.list(tree)
	}
	if !isList {
		return nil, fmt.Errorf("status: %w", noList(s.List))
	}
	var reports []hub.Report
	for _, item := range items {
		told := s.report(item, refOf(r), d.Key)
		switch {
		case told.ID == "":
			return nil, hub.Strange(errors.New("status: one without id"))
		case s.At != nil && told.At.IsZero():
			return nil, hub.Strange(errors.New("status: one without time"))
		case told.Word == "" && s.List == nil:
			return nil, hub.Strange(fmt.Errorf("status: no word in the answer: nothing can be read at %s", s.Word))
		case told.Word == "":
			continue
		case s.ID != nil:
			told.ID = refOf(r) + " " + told.ID
		}
		reports = append(reports, told)
	}
	return reports, nil
}
