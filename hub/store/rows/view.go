package rows

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// sees reports whether v may see what the wall has let through: of a client SQL can tell
// only the municipality.
func sees(v hub.Viewer, m hub.Municipality, service string) bool {
	_, citizen := v.Citizen()
	return citizen || v.Sees(m, service)
}

// seesCase reports whether v may see a case. Everything that belongs to a case is seen by who
// sees the case.
func (s *Store) seesCase(q Asker, v hub.Viewer, id hub.CaseID, m hub.Municipality, service string) (bool, error) {
	if _, ok := v.Citizen(); !ok {
		return v.Sees(m, service), nil
	}
	for _, index := range s.indexes(v) {
		var follows int
		found, err := one(q, "SELECT 1 FROM followers WHERE person = ? AND case_id = ? AND (checked = 0 OR checked > ?)",
			[]any{index, id, s.freshSince()}, &follows)
		if found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// wall narrows a query to what v may see, as far as SQL can tell: sees has the last word
// on what a client may see of a municipality. Rows are wanted in their order and a few at
// a time, so with several municipalities SQLite is kept (by the +) from collecting and
// sorting all that they have.
func (s *Store) wall(v hub.Viewer, municipality, caseID string) (condition string, args []any) {
	if _, ok := v.Citizen(); ok {
		for _, index := range s.indexes(v) {
			args = append(args, index)
		}
		return caseID + " IN (SELECT case_id FROM followers WHERE person IN (" + marks(len(args)) +
			") AND (checked = 0 OR checked > ?))", append(args, s.freshSince())
	}
	ms, all := v.Municipalities()
	if all {
		return "TRUE", nil
	}
	for _, m := range ms {
		args = append(args, m)
	}
	if len(ms) > 1 {
		municipality = s.dialect.Unindexed + municipality
	}
	return municipality + " IN (" + marks(len(args)) + ")", args
}

// marks are those of a list of n arguments; of none it is a list in which nothing is.
func marks(n int) string {
	return cmp.Or(strings.TrimSuffix(strings.Repeat("?, ", n), ", "), "NULL")
}

// visible gives the case of a submission, if v may see it.
func (s *Store) visible(q Asker, v hub.Viewer, id hub.ID) (hub.CaseID, error) {
	var of hub.CaseID
	found, err := one(q, "SELECT case_id FROM submissions WHERE id = ?", []any{id}, &of)
	if err != nil {
		return "", err
	}
	if !found {
		return "", hub.ErrNotFound
	}
	return of, s.visibleCase(q, v, of)
}

func (s *Store) visibleCase(q Asker, v hub.Viewer, id hub.CaseID) error {
	var m hub.Municipality
	var service string
	found, err := one(q, "SELECT municipality, service FROM cases WHERE id = ?", []any{id}, &m, &service)
	if err != nil {
		return err
	}
	if found {
		found, err = s.seesCase(q, v, id, m, service)
	}
	if err == nil && !found {
		return hub.ErrNotFound
	}
	return err
}

// Case gives how a case stands.
func (s *Store) Case(ctx context.Context, v hub.Viewer, id hub.CaseID) (c hub.Case, err error) {
	err = s.look(ctx, func(q Asker) error {
		if err := s.visibleCase(q, v, id); err != nil {
			return err
		}
		c, err = loadCase(q, id, "")
		return err
	})
	return c, err
}

// CaseOf gives how the case of a submission stands.
func (s *Store) CaseOf(ctx context.Context, v hub.Viewer, id hub.ID) (c hub.Case, err error) {
	err = s.look(ctx, func(q Asker) error {
		of, err := s.visible(q, v, id)
		if err != nil {
			return err
		}
		c, err = loadCase(q, of, "")
		return err
	})
	return c, err
}

// Submission gives a submission's content. Content that is not what was stored is
// hub.ErrContents.
func (s *Store) Submission(ctx context.Context, v hub.Viewer, id hub.ID) (hub.Submission, error) {
	sub := hub.Submission{ID: id}
	var contents, original []byte
	var submitted, received, inkommen int64
	err := s.look(ctx, func(q Asker) error {
		if _, err := s.visible(q, v, id); err != nil {
			return err
		}
		_, err := one(q, `SELECT case_id, municipality, service, form_version, submitted, received, inkommen,
			contents, original FROM submissions WHERE id = ?`, []any{id}, &sub.Case, &sub.Municipality, &sub.Service,
			&sub.FormVersion, &submitted, &received, &inkommen, &contents, &original)
		return err
	})
	if err != nil {
		return hub.Submission{}, fmt.Errorf("read submission %s: %w", id, err)
	}
	sub.Submitted, sub.Received, sub.Inkommen = Instant(submitted), Instant(received), Instant(inkommen)
	if err := s.openContents(ctx, &sub, contents, original); err != nil {
		return hub.Submission{}, fmt.Errorf("read submission %s: %w", id, err)
	}
	return sub, nil
}

func (s *Store) openContents(ctx context.Context, sub *hub.Submission, contents, original []byte) error {
	owned, err := s.dataKey(ctx, sub.ID)
	if err != nil {
		return err
	}
	plain, err := owned.key.Open(contentsPlace(sub.Municipality, sub.ID), contents)
	if err != nil {
		return fmt.Errorf("%w: %w", hub.ErrContents, err)
	}
	if err := sub.RestoreContents(plain); err != nil {
		return err
	}
	if original != nil {
		sub.Original, err = owned.openBlob(originalPlace(sub.Municipality, sub.ID), original)
	}
	return err
}

// dataKey gives a submission's data key, from memory where it was used lately.
func (s *Store) dataKey(ctx context.Context, id hub.ID) (ownedKey, error) {
	if owned, ok := s.dataKeys.get(id); ok {
		return owned, nil
	}
	var owned ownedKey
	err := s.look(ctx, func(q Asker) (err error) {
		owned, err = s.keyOf(q, id)
		return err
	})
	return owned, err
}

// keyOf is dataKey for who reads already: the committer waits for no reader.
func (s *Store) keyOf(q Asker, id hub.ID) (ownedKey, error) {
	if owned, ok := s.dataKeys.get(id); ok {
		return owned, nil
	}
	var owned ownedKey
	var wrapped []byte
	found, err := one(q, "SELECT municipality, data_key FROM submissions WHERE id = ?", []any{id},
		&owned.municipality, &wrapped)
	if err == nil && !found {
		err = hub.ErrNotFound
	}
	if err != nil {
		return ownedKey{}, fmt.Errorf("read key of %s: %w", id, err)
	}
	if owned.key, err = s.keys.DataKey(string(owned.municipality), string(id), wrapped); err != nil {
		return ownedKey{}, fmt.Errorf("%w: %w", hub.ErrContents, err)
	}
	s.dataKeys.put(id, owned)
	return owned, nil
}

// Facts gives what is stored beside a submission.
func (s *Store) Facts(ctx context.Context, v hub.Viewer, id hub.ID) (hub.Facts, error) {
	var answers []byte
	fetched := map[int][]byte{}
	err := s.look(ctx, func(q Asker) error {
		if _, err := s.visible(q, v, id); err != nil {
			return err
		}
		if _, err := one(q, "SELECT answers FROM facts WHERE submission = ?", []any{id}, &answers); err != nil {
			return err
		}
		return each(q, "SELECT attachment, blob FROM fetched WHERE submission = ?", []any{id}, func(rows *sql.Rows) error {
			var attachment int
			var blob []byte
			err := rows.Scan(&attachment, &blob)
			fetched[attachment] = blob
			return err
		})
	})
	if err != nil {
		return hub.Facts{}, fmt.Errorf("read facts of %s: %w", id, err)
	}
	facts, err := s.openFacts(ctx, id, answers, fetched)
	if err != nil {
		return hub.Facts{}, fmt.Errorf("read facts of %s: %w", id, err)
	}
	return facts, nil
}

func (s *Store) openFacts(ctx context.Context, id hub.ID, answers []byte, fetched map[int][]byte) (hub.Facts, error) {
	var facts hub.Facts
	owned, err := s.dataKey(ctx, id)
	if err != nil {
		return facts, err
	}
	if answers != nil {
		plain, err := owned.key.Open(factsPlace(owned.municipality, id), answers)
		if err != nil {
			return facts, fmt.Errorf("%w: %w", hub.ErrContents, err)
		}
		if facts.Answers, err = hub.RestoreAnswers(plain); err != nil {
			return facts, err
		}
	}
	for i, sealed := range fetched {
		blob, err := owned.openBlob(fetchedPlace(owned.municipality, id, i), sealed)
		if err != nil {
			return facts, err
		}
		if facts.Fetched == nil {
			facts.Fetched = map[int]hub.Blob{}
		}
		facts.Fetched[i] = blob
	}
	return facts, nil
}

// usualLimit is how many rows a reader gets that names no limit.
const usualLimit = 100

func limitOf(n int) int {
	if n <= 0 {
		return usualLimit
	}
	return n
}

// Statuses gives the lines of the feed after seq, in its order.
func (s *Store) Statuses(ctx context.Context, v hub.Viewer, c hub.CaseID, after uint64, limit int) ([]hub.Status, error) {
	limit = limitOf(limit)
	var lines []hub.Status
	err := s.lookAtLines(ctx, func(q Asker) error {
		if c != "" {
			if err := s.visibleCase(q, v, c); err != nil {
				return err
			}
		}
		for more := true; more && len(lines) < limit; {
			page, last, err := s.feedPage(q, v, c, after, limit)
			if err != nil {
				return err
			}
			lines = append(lines, page[:min(len(page), limit-len(lines))]...)
			more, after = last > 0, last
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read statuses: %w", err)
	}
	return lines, nil
}

// feedPage gives what v may see of the next lines, and the number of the last of them; 0
// when there are no more.
func (s *Store) feedPage(q Asker, v hub.Viewer, c hub.CaseID, after uint64, limit int) (lines []hub.Status, last uint64, err error) {
	text, args := s.feedQuery(v, c, after)
	n := 0
	err = each(q, text+" LIMIT ?", append(args, limit), func(rows *sql.Rows) error {
		line, service, err := scanStatus(rows)
		if n, last = n+1, line.Seq; err == nil && sees(v, line.Owner, service) {
			lines = append(lines, line)
		}
		return err
	})
	if n < limit {
		last = 0
	}
	return lines, last, err
}

func (s *Store) feedQuery(v hub.Viewer, c hub.CaseID, after uint64) (string, []any) {
	condition, args := s.wall(v, "municipality", "case_id")
	if c != "" {
		condition, args = "case_id = ?", []any{c}
	}
	text := `SELECT seq, case_id, municipality, service, submission, step, at, expect, ref, ball FROM feed
		WHERE seq > ? AND ` + condition + ` ORDER BY seq`
	return text, append([]any{int64(after)}, args...)
}

func scanStatus(rows *sql.Rows) (st hub.Status, service string, err error) {
	var seq, at, expect int64
	err = rows.Scan(&seq, &st.Case, &st.Owner, &service, &st.Submission, &st.Step, &at, &expect, &st.Ref, &st.Ball)
	st.Seq, st.At, st.Expect = uint64(seq), Instant(at), Instant(expect)
	return st, service, err
}

// List gives submissions with their deliveries, newest last.
func (s *Store) List(ctx context.Context, v hub.Viewer, f hub.Filter) ([]hub.Line, error) {
	var lines []hub.Line
	err := s.lookAtLines(ctx, func(q Asker) error {
		found, err := s.listed(q, v, f)
		if err != nil {
			return err
		}
		for _, l := range found {
			c, err := loadCase(q, l.of, "")
			if err != nil {
				return err
			}
			lines = append(lines, lineOf(c, l))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list submissions: %w", err)
	}
	return lines, nil
}

// listQuery finds the submissions of a list. Who lists what is held begins with that,
// which is little.
func (s *Store) listQuery(v hub.Viewer, f hub.Filter) (string, []any) {
	municipality, caseID := "s.municipality", "s.case_id"
	held := f.State == hub.Held || f.State == "" && f.Reason != ""
	if held {
		municipality, caseID = s.dialect.Unindexed+municipality, s.dialect.Unindexed+caseID
	}
	condition, args := s.wall(v, municipality, caseID)
	text := `SELECT s.id, s.case_id, s.received, s.inkommen, c.municipality, c.service
		FROM submissions s JOIN cases c ON c.id = s.case_id
		WHERE ` + condition + ` AND s.n > coalesce((SELECT n FROM submissions WHERE id = ?), 0)`
	args = append(args, f.After)
	if !f.From.IsZero() || !f.Until.IsZero() {
		text += s.cameBetween()
		from, until := between(f)
		args = append(args, from, until, from, until, from, until)
	}
	switch {
	case held && f.Reason != "":
		text += " AND s.id IN (SELECT submission FROM progress WHERE state = 'HELD' AND reason = ?)"
		args = append(args, f.Reason)
	case held:
		text += " AND s.id IN (SELECT submission FROM progress WHERE state = 'HELD')"
	case f.State != "":
		text += ` AND EXISTS (SELECT 1 FROM progress p WHERE p.case_id = s.case_id AND p.submission = s.id
			AND p.state = ? AND (? = '' OR p.reason = ?))`
		args = append(args, f.State, f.Reason, f.Reason)
	}
	return text + " ORDER BY s.n", args
}

// cameBetween narrows a list to what came in between two times. The list is gone through in
// its order all the same, so that pages cost alike, but no longer than there is any of it.
func (s *Store) cameBetween() string {
	inkommen := s.dialect.Unindexed + "s.inkommen"
	return " AND " + inkommen + " >= ? AND " + inkommen + ` < ?
	AND s.n >= (SELECT min(n) FROM submissions WHERE inkommen >= ? AND inkommen < ?)
	AND s.n <= (SELECT max(n) FROM submissions WHERE inkommen >= ? AND inkommen < ?)`
}

func between(f hub.Filter) (from, until int64) {
	from, until = math.MinInt64, math.MaxInt64
	if !f.From.IsZero() {
		from = Nanos(f.From)
	}
	if !f.Until.IsZero() {
		until = Nanos(f.Until)
	}
	return from, until
}

// A listed is a submission that was found for a list.
type listed struct {
	id       hub.ID
	of       hub.CaseID
	received time.Time
	inkommen time.Time
}

func (s *Store) listed(q Asker, v hub.Viewer, f hub.Filter) (found []listed, err error) {
	limit := limitOf(f.Limit)
	for more := true; more && len(found) < limit; {
		page, last, err := s.listPage(q, v, f, limit)
		if err != nil {
			return nil, err
		}
		found = append(found, page[:min(len(page), limit-len(found))]...)
		more, f.After = last != "", last
	}
	return found, nil
}

// listPage gives what v may see of the next submissions of a list, and the last of them; ""
// when there are no more.
func (s *Store) listPage(q Asker, v hub.Viewer, f hub.Filter, limit int) (found []listed, last hub.ID, err error) {
	text, args := s.listQuery(v, f)
	n := 0
	err = each(q, text+" LIMIT ?", append(args, limit), func(rows *sql.Rows) error {
		var l listed
		var received, inkommen int64
		var m hub.Municipality
		var service string
		err := rows.Scan(&l.id, &l.of, &received, &inkommen, &m, &service)
		l.received, l.inkommen = Instant(received), Instant(inkommen)
		if n, last = n+1, l.id; err == nil && sees(v, m, service) {
			found = append(found, l)
		}
		return err
	})
	if n < limit {
		last = ""
	}
	return found, last, err
}

func lineOf(c hub.Case, l listed) hub.Line {
	line := hub.Line{Case: c, Received: l.received, Inkommen: l.inkommen}
	if p := c.Find(hub.Key(l.id)); p != nil {
		line.Submission = *p
	}
	line.Deliveries = slices.DeleteFunc(slices.Clone(c.Deliveries), func(p hub.Progress) bool {
		return p.Submission != l.id
	})
	return line
}

// Attempts gives a delivery's attempts, oldest first.
func (s *Store) Attempts(ctx context.Context, v hub.Viewer, k hub.Key) ([]hub.Attempt, error) {
	var attempts []hub.Attempt
	err := s.look(ctx, func(q Asker) error {
		var of hub.CaseID
		if _, err := one(q, "SELECT case_id FROM progress WHERE key = ?", []any{k}, &of); err != nil {
			return err
		}
		if err := s.visibleCase(q, v, of); err != nil {
			return err
		}
		return each(q, "SELECT n, boot, started, ended, answer, note FROM attempts WHERE key = ? ORDER BY n", []any{k},
			func(rows *sql.Rows) error {
				var a hub.Attempt
				var started, ended int64
				err := rows.Scan(&a.N, &a.Boot, &started, &ended, &a.Answer, &a.Note)
				a.Started, a.Ended = Instant(started), Instant(ended)
				attempts = append(attempts, a)
				return err
			})
	})
	if err != nil {
		return nil, fmt.Errorf("read attempts of %s: %w", k, err)
	}
	return attempts, nil
}

// Bundle gives a stored configuration; "" names the active one.
func (s *Store) Bundle(ctx context.Context, revision string) (archive []byte, err error) {
	err = s.look(ctx, func(q Asker) error {
		found, err := one(q, `SELECT archive FROM bundles
			WHERE revision = coalesce(nullif(?, ''), (SELECT revision FROM active))`, []any{revision}, &archive)
		if err == nil && !found {
			return hub.ErrNotFound
		}
		return err
	})
	return archive, err
}

// SaveBundle stores a configuration under its revision and makes it active.
func (s *Store) SaveBundle(ctx context.Context, revision string, archive []byte, now time.Time) error {
	return s.commit(ctx, func(b *Tx) error {
		err := b.Exec("INSERT INTO bundles (revision, archive, saved) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
			revision, archive, Nanos(now))
		if err != nil {
			return fmt.Errorf("save bundle: %w", err)
		}
		return b.Exec("INSERT INTO active (one, revision) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET revision = excluded.revision",
			revision)
	})
}

// Counts gives the numbers that the metrics are made of.
func (s *Store) Counts(ctx context.Context, now time.Time) (hub.Counts, error) {
	c := hub.Counts{
		Accepted: map[hub.Municipality]int64{}, States: map[hub.State]int64{}, Held: map[hub.Reason]int64{},
		Waiting: map[hub.SystemID]int64{}, OldestReady: map[hub.SystemID]time.Duration{},
		Words: map[hub.SystemID]int64{},
	}
	err := s.look(ctx, func(q Asker) error {
		if err := readTallies(q, &c); err != nil {
			return err
		}
		if _, err := one(q, orphans, []any{Nanos(now.Add(-orphanAfter))}, &c.Orphans); err != nil {
			return err
		}
		if err := readWordCounts(q, &c); err != nil {
			return err
		}
		for system := range c.Waiting {
			due, found, err := oldestDue(q, string(system))
			if err != nil {
				return err
			}
			if found && !due.After(now) {
				c.OldestReady[system] = now.Sub(due)
			}
		}
		return nil
	})
	if err != nil {
		return hub.Counts{}, fmt.Errorf("count: %w", err)
	}
	c.DiskFree, err = s.engine.Free()
	return c, err
}

func readWordCounts(q Asker, c *hub.Counts) error {
	return each(q, countWords, nil, func(rows *sql.Rows) error {
		var system hub.SystemID
		var n int64
		err := rows.Scan(&system, &n)
		c.Words[system] = n
		return err
	})
}

func readTallies(q Asker, c *hub.Counts) error {
	return each(q, "SELECT what, label, sum(n) FROM tallies GROUP BY what, label HAVING sum(n) <> 0", nil, func(rows *sql.Rows) error {
		var what, label string
		var n int64
		if err := rows.Scan(&what, &label, &n); err != nil {
			return err
		}
		switch what {
		case tallyAccepted:
			c.Accepted[hub.Municipality(label)] = n
		case tallyState:
			c.States[hub.State(label)] = n
		case tallyHeld:
			c.Held[hub.Reason(label)] = n
		case tallyWaiting:
			c.Waiting[hub.SystemID(label)] = n
		}
		return nil
	})
}

const nextDue = `SELECT municipality, due FROM progress
	WHERE queue = ? AND municipality > ? ORDER BY municipality, due LIMIT 1`

// oldestDue gives the earliest time in a queue, leaping from municipality to municipality.
func oldestDue(q Asker, queue string) (oldest time.Time, found bool, err error) {
	for m := ""; ; {
		var due int64
		more, err := one(q, nextDue, []any{queue, m}, &m, &due)
		if err != nil || !more {
			return oldest, found, err
		}
		if at := Instant(due); !found || at.Before(oldest) {
			oldest, found = at, true
		}
	}
}
