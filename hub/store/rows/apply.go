package rows

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
)

// Apply runs hub.Next on a case and writes what differs.
func (s *Store) Apply(ctx context.Context, id hub.CaseID, e hub.Event) (hub.Case, hub.Effects, error) {
	return s.apply(ctx, id, e, func(*Tx) error { return nil })
}

// apply has also write what else belongs to the event, once it was not refused.
func (s *Store) apply(ctx context.Context, id hub.CaseID, e hub.Event, also func(*Tx) error) (hub.Case, hub.Effects, error) {
	var after hub.Case
	var fx hub.Effects
	err := s.commit(ctx, func(b *Tx) (err error) {
		if after, fx, err = b.apply(id, e); err != nil {
			return err
		}
		return also(b)
	})
	if err != nil {
		return own(after), hub.Effects{}, fmt.Errorf("apply to case %s: %w", id, err)
	}
	return own(after), fx, nil
}

// own gives a caller a case that shares no rows with the committer's.
func own(c hub.Case) hub.Case {
	c.Submissions, c.Deliveries = slices.Clone(c.Submissions), slices.Clone(c.Deliveries)
	return c
}

// apply moves a case on by one event, and by the reports that had come too early for it.
func (b *Tx) apply(id hub.CaseID, e hub.Event) (hub.Case, hub.Effects, error) {
	before, err := b.load(id)
	if err != nil {
		return hub.Case{}, hub.Effects{}, err
	}
	after, fx, err := hub.Next(before, e)
	if err != nil {
		return before, hub.Effects{}, err
	}
	if err := b.write(before, after, &fx); err != nil {
		return before, hub.Effects{}, err
	}
	if err := b.writeAttempt(before, after, e); err != nil {
		return before, hub.Effects{}, err
	}
	after, err = b.hearEarlyReports(before, after, &fx)
	return after, fx, err
}

// load gives a case as this transaction has it.
func (b *Tx) load(id hub.CaseID) (hub.Case, error) {
	if c, ok := b.cases[id]; ok {
		return c, nil
	}
	if b.Writer.cases != nil {
		if c, ok := b.Writer.cases.get(id); ok {
			return c, nil
		}
	}
	c, err := b.lockCase(id)
	if err == nil {
		b.cases[id] = c
	}
	return c, err
}

// lockCase reads a case that nobody else changes until the transaction ends.
func (b *Tx) lockCase(id hub.CaseID) (hub.Case, error) {
	if b.patient {
		return loadCase(b, id, b.s.dialect.Lock)
	}
	c, err := loadCase(b, id, b.s.dialect.TryLock)
	if errors.Is(err, hub.ErrNotFound) && b.s.dialect.TryLock != "" {
		var there int
		found, err := one(b, "SELECT 1 FROM cases WHERE id = ?", []any{id}, &there)
		if found || err != nil {
			return hub.Case{}, cmp.Or(err, errBusy)
		}
	}
	return c, err
}

// write makes the database hold after where it held before, with what comes with it. Of
// a new case insert has written the head already.
func (b *Tx) write(before, after hub.Case, fx *hub.Effects) error {
	if before.ID != "" && headDiffers(before, after) {
		if err := b.putCase(after, nil); err != nil {
			return fmt.Errorf("write case %s: %w", after.ID, err)
		}
	}
	if err := b.writeRows(before, after); err != nil {
		return fmt.Errorf("write case %s: %w", after.ID, err)
	}
	if err := b.writeEffects(after, fx); err != nil {
		return fmt.Errorf("write case %s: %w", after.ID, err)
	}
	b.cases[after.ID] = after
	return nil
}

// headDiffers compares all of a case that may change, apart from its rows.
func headDiffers(before, after hub.Case) bool {
	return before.Step != after.Step || !before.StepAt.Equal(after.StepAt) || before.Ref != after.Ref ||
		before.Voice != after.Voice || !slices.Equal(before.Tellers, after.Tellers) || !maps.EqualFunc(before.Expect, after.Expect, time.Time.Equal)
}

// writeRows writes the rows that differ and the new ones, which follow the old.
func (b *Tx) writeRows(before, after hub.Case) error {
	places := len(before.Submissions) + len(before.Deliveries)
	write := func(old, now []hub.Progress) error {
		for i, p := range now {
			was := hub.Progress{}
			if i < len(old) {
				was = old[i]
			} else {
				places++
			}
			if p == was {
				continue
			}
			if err := b.putProgress(after, places, p, i >= len(old) || isReplanned(was, p)); err != nil {
				return err
			}
			b.count(was, p)
		}
		return nil
	}
	if err := write(before.Submissions, after.Submissions); err != nil {
		return err
	}
	return write(before.Deliveries, after.Deliveries)
}

// isReplanned reports whether what a row was planned with differs: also under one revision,
// which says nothing of systems.yaml.
func isReplanned(was, p hub.Progress) bool {
	return was.System != p.System || was.Operation != p.Operation || was.Level != p.Level || was.Lag != p.Lag ||
		was.After != p.After || was.Step != p.Step
}

// writeEffects numbers the case's new lines of the feed and of the audit log.
func (b *Tx) writeEffects(c hub.Case, fx *hub.Effects) error {
	for i := range fx.Statuses {
		st := &fx.Statuses[i]
		seq := b.number(&b.feed)
		st.Seq = uint64(seq.Int64)
		err := b.Exec(`INSERT INTO feed (seq, case_id, municipality, service, submission, step, at, expect, ref, ball)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, seq, st.Case, st.Owner, c.Service, st.Submission,
			st.Step, Nanos(st.At), Nanos(st.Expect), st.Ref, st.Ball)
		if err != nil {
			return err
		}
	}
	for _, act := range fx.Acts {
		if err := b.writeAct(c, act); err != nil {
			return err
		}
	}
	return nil
}

// number gives the next number of a log; none where lines are numbered once they have been
// committed.
func (b *Tx) number(last *int64) sql.NullInt64 {
	if !b.s.dialect.Numbers {
		b.lines++
		return sql.NullInt64{}
	}
	*last++
	return sql.NullInt64{Int64: *last, Valid: true}
}

func (b *Tx) writeAct(c hub.Case, act hub.Act) error {
	place := b.number(&b.audit)
	if act.Reason != "" && !place.Valid {
		if _, err := one(b, b.s.dialect.NextAct, nil, &place); err != nil {
			return err
		}
	}
	reason, err := b.sealReason(c, act, place.Int64)
	if err != nil {
		return err
	}
	return b.Exec("INSERT INTO audit ("+b.s.dialect.Act+", at, municipality, case_id, key, what, note, by, reason) VALUES ("+
		b.s.dialect.NewAct+", ?, ?, ?, ?, ?, ?, ?, ?)",
		place, b.actAt(), c.Municipality, c.ID, act.Key, act.What, act.Note, act.By, reason)
}

// sealReason seals what a person wrote, which may be about anybody, by the key of the
// submission that it is about. It is nil for what nobody wrote.
func (b *Tx) sealReason(c hub.Case, act hub.Act, place int64) ([]byte, error) {
	p := c.Find(act.Key)
	if act.Reason == "" || p == nil {
		return nil, nil
	}
	owned, err := b.s.keyOf(b, p.Submission)
	if errors.Is(err, hub.ErrContents) {
		return nil, nil // a damaged key is no reason why nobody may decide: who and what stand all the same
	}
	if err != nil {
		return nil, err
	}
	return owned.key.Seal(reasonPlace(c.Municipality, place), []byte(act.Reason))
}

func reasonPlace(m hub.Municipality, place int64) seal.Place {
	return seal.Place{Municipality: string(m), Table: "audit", Row: strconv.FormatInt(place, 10), Column: "reason"}
}

// writeAttempt keeps the evidence of tries to deliver and of questions. An attempt that
// was begun and is never ended means that the process died during it.
func (b *Tx) writeAttempt(before, after hub.Case, e hub.Event) error {
	switch e := e.(type) {
	case hub.Started:
		if p := after.Find(e.Key); p == nil || p.State != hub.Sending {
			return nil // held instead: nothing is sent
		}
		return b.addAttempt(e.Key, e.Lease, hub.Attempt{Started: e.At})
	case hub.Answered:
		return b.Exec("UPDATE attempts SET ended = ?, answer = ?, note = ? WHERE key = ? AND boot = ? AND token = ?",
			Nanos(e.At), e.Answer, e.Note, e.Key, e.Lease.Boot, e.Lease.Token)
	case hub.Asked:
		asked := hub.Attempt{Started: e.At, Ended: e.At, Answer: answerOf(e.Finding), Note: askedNote(e)}
		if p := before.Find(e.Key); p != nil && p.State == hub.Reconciling && !p.Since.After(e.At) {
			asked.Started = p.Since
		}
		return b.addAttempt(e.Key, e.Lease, asked)
	}
	return nil
}

func (b *Tx) addAttempt(k hub.Key, l hub.Lease, a hub.Attempt) error {
	return b.Exec(`INSERT INTO attempts (key, n, boot, token, started, ended, answer, note)
		VALUES (?, (SELECT coalesce(max(n), 0) + 1 FROM attempts WHERE key = ?), ?, ?, ?, ?, ?, ?)`,
		k, k, l.Boot, l.Token, Nanos(a.Started), Nanos(a.Ended), a.Answer, a.Note)
}

// answerOf says what a Finding is as an answer: what is not there was certainly not taken.
func answerOf(f hub.Finding) hub.Answer {
	switch f {
	case hub.Found:
		return hub.Yes
	case hub.NotThere:
		return hub.NotNow
	}
	return hub.DontKnow
}

func askedNote(e hub.Asked) string {
	if e.Note == "" {
		return "asked: " + string(e.Finding)
	}
	return "asked: " + string(e.Finding) + ": " + e.Note
}

// Report stores what a system tells, once for each of its IDs, and moves the cases on.
// An empty cursor, as of what is told without having been asked for, leaves the stored one.
func (s *Store) Report(ctx context.Context, system hub.SystemID, rs []hub.Report, next hub.Cursor, now time.Time) ([]hub.Hearing, error) {
	var all []hub.Hearing
	err := s.commit(ctx, func(b *Tx) error {
		all = make([]hub.Hearing, 0, len(rs))
		for _, r := range rs {
			r.System = system
			heard, err := b.hear(r, now)
			if err != nil {
				return err
			}
			all = append(all, heard)
		}
		if next == "" {
			return nil
		}
		return b.Exec(`INSERT INTO cursors (system, cursor, saved) VALUES (?, ?, ?)
			ON CONFLICT (system) DO UPDATE SET cursor = excluded.cursor, saved = excluded.saved`, system, next, Nanos(now))
	})
	if err != nil {
		return nil, fmt.Errorf("store reports of %s: %w", system, err)
	}
	for i := range all {
		all[i].Case = own(all[i].Case)
	}
	return all, nil
}

// hear takes one report, unless it has been heard.
func (b *Tx) hear(r hub.Report, now time.Time) (hub.Hearing, error) {
	var of sql.NullString
	found, err := one(b, "SELECT case_id FROM reports WHERE system = ? AND id = ?", []any{r.System, r.ID}, &of)
	if err != nil || found {
		return b.heardAgain(of, err)
	}
	id, key, err := b.subject(r)
	if errors.Is(err, errForeign) {
		return hub.Hearing{Foreign: true}, nil
	}
	if err != nil {
		return hub.Hearing{}, err
	}
	mark, err := b.noteWord(r, now)
	if err != nil {
		return hub.Hearing{}, err
	}
	err = b.Exec(`INSERT INTO reports (system, id, ref, key, step, at, correction, heard, case_id, mark)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.System, r.ID, r.Ref, r.Key, r.Step, Nanos(r.At), r.Correction, Nanos(now), orNull(string(id)), mark)
	if err != nil || id == "" {
		return hub.Hearing{}, err
	}
	c, fx, err := b.apply(id, hub.Reported{When: hub.When{At: now}, Key: key, Report: r})
	if errors.Is(err, hub.ErrLost) {
		err = nil
	}
	return hub.Hearing{Case: c, Effects: fx}, err
}

// heardAgain gives how the case stands that a report was about when it came the first time.
func (b *Tx) heardAgain(of sql.NullString, err error) (hub.Hearing, error) {
	heard := hub.Hearing{Again: true}
	if err == nil && of.Valid {
		heard.Case, err = b.load(hub.CaseID(of.String))
		if errors.Is(err, hub.ErrNotFound) {
			err = nil // nothing is left of it
		}
	}
	return heard, err
}

// errForeign says that a report names the delivery of another system.
var errForeign = errors.New("the delivery is another system's")

// subject finds the delivery that a report is about: one of that system, by our Key, else
// by what the system called it in its receipt, where the first that it called so is meant.
func (b *Tx) subject(r hub.Report) (id hub.CaseID, key hub.Key, err error) {
	if r.Key != "" {
		var system hub.SystemID
		var kind hub.Kind
		found, err := one(b, "SELECT case_id, key, system, kind FROM progress WHERE key = ?", []any{r.Key}, &id, &key, &system, &kind)
		switch {
		case err != nil:
			return "", "", err
		case found && (system != r.System || kind != hub.DocumentKind):
			return "", "", errForeign
		case found:
			return id, key, nil
		}
	}
	if r.Ref == "" {
		return "", "", nil
	}
	if err := b.alone("ref", referred(r.System, r.Ref)); err != nil {
		return "", "", err
	}
	_, err = one(b, byRef, []any{r.System, r.Ref}, &id, &key)
	return id, key, err
}

// referred names what a system calls a delivery: its report and our receipt may come at once.
func referred(system hub.SystemID, ref string) []byte { return []byte(string(system) + " " + ref) }

const byRef = "SELECT case_id, key FROM progress WHERE system = ? AND ref = ? ORDER BY key LIMIT 1"

// hearEarlyReports takes the reports that came before the receipts that an event brought.
func (b *Tx) hearEarlyReports(before, after hub.Case, fx *hub.Effects) (hub.Case, error) {
	for _, p := range after.Deliveries {
		ref := reportRef(p)
		if was := before.Find(p.Key); ref == "" || was != nil && reportRef(*was) == ref {
			continue
		}
		if err := b.alone("ref", referred(p.System, ref)); err != nil {
			return after, err
		}
		early, err := b.earlyReports(p.System, ref)
		if err != nil {
			return after, err
		}
		for _, r := range early {
			if after, err = b.hearEarly(after, p.Key, r, fx); err != nil {
				return after, err
			}
		}
	}
	return after, nil
}

func (b *Tx) hearEarly(c hub.Case, key hub.Key, r earlyReport, fx *hub.Effects) (hub.Case, error) {
	if err := b.Exec("UPDATE reports SET case_id = ? WHERE n = ?", c.ID, r.n); err != nil {
		return c, err
	}
	after, more, err := hub.Next(c, hub.Reported{When: hub.When{At: b.s.o.Clock()}, Key: key, Report: r.Report})
	if errors.Is(err, hub.ErrLost) {
		return c, nil
	}
	if err == nil {
		err = b.write(c, after, &more)
	}
	fx.Statuses = append(fx.Statuses, more.Statuses...)
	fx.Acts = append(fx.Acts, more.Acts...)
	fx.Wake = append(fx.Wake, more.Wake...)
	return after, err
}

type earlyReport struct {
	hub.Report
	n int64
}

func (b *Tx) earlyReports(system hub.SystemID, ref string) ([]earlyReport, error) {
	var early []earlyReport
	err := each(b, `SELECT n, id, ref, key, step, at, correction FROM reports
		WHERE system = ? AND ref = ? AND case_id IS NULL ORDER BY n`, []any{system, ref},
		func(rows *sql.Rows) error {
			r := earlyReport{Report: hub.Report{System: system}}
			var at int64
			if err := rows.Scan(&r.n, &r.ID, &r.Ref, &r.Key, &r.Step, &at, &r.Correction); err != nil {
				return err
			}
			r.At = Instant(at)
			early = append(early, r)
			return nil
		})
	return early, err
}

// Cursor gives where a system's Tracker is to go on from.
func (s *Store) Cursor(ctx context.Context, system hub.SystemID) (hub.Cursor, error) {
	var cursor hub.Cursor
	err := s.look(ctx, func(q Asker) error {
		_, err := one(q, "SELECT cursor FROM cursors WHERE system = ?", []any{system}, &cursor)
		return err
	})
	return cursor, err
}
