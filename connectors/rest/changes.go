package rest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// changes is where a system tells what has happened to its cases.
type changes struct {
	path                               template
	list, next                         pointer
	overlap                            time.Duration
	id, ref, key, word, at, correction pointer
}

// beginning is how far back the empty cursor reaches, where a cursor is a time.
const beginning = 30 * 24 * time.Hour

// Changes gives what the system tells since the cursor, which is the system's own or, where it has none, the
// time of the latest change less what the next question shall repeat.
func (s *system) Changes(ctx context.Context, since hub.Cursor) ([]hub.Report, hub.Cursor, error) {
	h, from := s.changes, since
	if h.next == nil && since == "" {
		from = cursorAt(s.env.Clock().Add(-beginning))
	}
	tree, err := s.ask(ctx, s.env.Reads, h.path, values{"cursor": string(from)}, 0)
	if err != nil {
		return nil, since, fmt.Errorf("changes: %w", err)
	}
	list, isList := h.list.list(tree)
	if !isList {
		return nil, since, hub.Strange(errors.New("changes: no list in the answer"))
	}
	tomorrow := s.env.Clock().Add(24 * time.Hour) // one change dated 9999 is not to end all listening
	var reports []hub.Report
	for _, item := range list {
		r, ok := h.report(item)
		if !ok {
			return nil, since, hub.Strange(errors.New("changes: one without what it is about, id, or time"))
		}
		reports = append(reports, r)
	}
	if next, ok := h.nextCursor(tree, reports, from, tomorrow); ok {
		return reports, next, nil
	}
	return nil, since, hub.Strange(errors.New("changes: no cursor in the answer"))
}

func (h *changes) report(item node) (r hub.Report, ok bool) {
	at, isTime := parseTime(h.at.text(item))
	r = hub.Report{
		ID: h.id.text(item), Ref: h.ref.text(item), Key: hub.Key(h.key.text(item)),
		Word: h.word.text(item), At: at, Correction: h.correction.yes(item),
	}
	return r, isTime && r.ID != "" && (r.Ref != "" || r.Key != "")
}

// nextCursor gives where the next question begins. A system that has nothing to tell need not say.
func (h *changes) nextCursor(tree node, reports []hub.Report, from hub.Cursor, tomorrow time.Time) (hub.Cursor, bool) {
	if h.next != nil {
		next := hub.Cursor(h.next.text(tree))
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
		if at := r.At.Add(-h.overlap); at.After(begun) && !at.After(tomorrow) {
			begun = at
		}
	}
	return cursorAt(begun), true
}

func cursorAt(t time.Time) hub.Cursor { return hub.Cursor(t.UTC().Format(time.RFC3339Nano)) }
