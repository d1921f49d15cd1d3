package rows

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// loadCase reads a case and how its submissions and deliveries stand, locked if need be.
func loadCase(q Asker, id hub.CaseID, lock string) (c hub.Case, err error) {
	found := false
	err = each(q, "SELECT "+caseColumns+" FROM cases WHERE id = ?"+lock, []any{id}, func(rows *sql.Rows) (err error) {
		found = true
		c, err = scanCase(rows)
		return err
	})
	if err == nil && !found {
		return hub.Case{}, hub.ErrNotFound
	}
	if err == nil {
		err = each(q, "SELECT "+ProgressColumns+" FROM progress WHERE case_id = ? ORDER BY place", []any{id},
			func(rows *sql.Rows) error { return addProgress(&c, rows) })
	}
	if err != nil {
		return hub.Case{}, fmt.Errorf("read case %s: %w", id, err)
	}
	return c, nil
}

// loadCases reads several at once, which are locked already: over a network each question costs
// as much as its answer.
func loadCases(q Asker, ids []hub.CaseID) (map[hub.CaseID]hub.Case, error) {
	var args []any
	for _, id := range ids {
		args = append(args, id)
	}
	cases := map[hub.CaseID]hub.Case{}
	err := each(q, "SELECT "+caseColumns+" FROM cases WHERE id IN ("+marks(len(ids))+")", args, func(rows *sql.Rows) error {
		c, err := scanCase(rows)
		cases[c.ID] = c
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read cases: %w", err)
	}
	err = each(q, "SELECT case_id, "+ProgressColumns+" FROM progress WHERE case_id IN ("+marks(len(ids))+") ORDER BY case_id, place", args,
		func(rows *sql.Rows) error {
			var id hub.CaseID
			p, err := scanProgress(rows, &id)
			c := cases[id]
			add(&c, p)
			cases[id] = c
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("read cases: %w", err)
	}
	return cases, nil
}

const caseColumns = "id, municipality, source, service, step, step_at, ref, voice, teller, expect"

func scanCase(rows *sql.Rows) (c hub.Case, err error) {
	var stepAt int64
	var tellers string
	var expect sql.NullString
	if err := rows.Scan(&c.ID, &c.Municipality, &c.Source, &c.Service, &c.Step, &stepAt, &c.Ref, &c.Voice, &tellers, &expect); err != nil {
		return hub.Case{}, err
	}
	c.StepAt, c.Tellers = Instant(stepAt), systemsOf(tellers)
	if expect.Valid && json.Unmarshal([]byte(expect.String), &c.Expect) != nil {
		return hub.Case{}, hub.ErrContents
	}
	return c, nil
}

// systemsOf reads a list of systems, whose IDs have no spaces in them; listOf writes it.
func systemsOf(list string) []hub.SystemID {
	var all []hub.SystemID
	for name := range strings.FieldsSeq(list) {
		all = append(all, hub.SystemID(name))
	}
	return all
}

func listOf(systems []hub.SystemID) string {
	var list strings.Builder
	for i, s := range systems {
		if i > 0 {
			list.WriteByte(' ')
		}
		list.WriteString(string(s))
	}
	return list.String()
}

func addProgress(c *hub.Case, rows *sql.Rows) error {
	p, err := scanProgress(rows)
	if err == nil {
		add(c, p)
	}
	return err
}

func add(c *hub.Case, p hub.Progress) {
	if p.Kind == hub.FormKind {
		c.Submissions = append(c.Submissions, p)
	} else {
		c.Deliveries = append(c.Deliveries, p)
	}
}

// ProgressColumns are what a row of progress has beside case_id, place, municipality, queue and ref.
const ProgressColumns = `key, kind, state, reason, note, since, due, lease_boot, lease_token, lease_until,
	attempts, crashes, waiting, revision, submission, leg, system, operation, level, lag, after, step,
	sha256, receipt, misses, asking, doubt, on_wire, rare`

// scanProgress reads a row, and what stands before it.
func scanProgress(rows *sql.Rows, before ...any) (hub.Progress, error) {
	var p hub.Progress
	var since, due, until, asking int64
	var sum []byte
	var receipt, few sql.NullString
	err := rows.Scan(append(before, &p.Key, &p.Kind, &p.State, &p.Reason, &p.Note, &since, &due,
		&p.Lease.Boot, &p.Lease.Token, &until, &p.Attempts, &p.Crashes, &p.Waiting, &p.Revision,
		&p.Submission, &p.Leg, &p.System, &p.Operation, &p.Level, (*int64)(&p.Lag), &p.After, &p.Step,
		&sum, &receipt, &p.Misses, &asking, &p.Doubt, &p.OnWire, &few)...)
	if err != nil {
		return hub.Progress{}, err
	}
	p.Since, p.Due, p.Lease.Until, p.Asking = Instant(since), Instant(due), Instant(until), Instant(asking)
	copy(p.SHA256[:], sum)
	if receipt.Valid && json.Unmarshal([]byte(receipt.String), &p.Receipt) != nil {
		return hub.Progress{}, hub.ErrContents
	}
	if few.Valid {
		var d rare
		if json.Unmarshal([]byte(few.String), &d) != nil {
			return hub.Progress{}, hub.ErrContents
		}
		p.Spent, p.Replaces, p.Proposal, p.Alone, p.Told = d.Spent, d.Replaces, d.Proposal, d.Alone, d.Told
	}
	return p, nil
}

// rare is what few rows have: what people have decided about them, whether they are
// suspected of having killed the process, and of tellings what they tell.
type rare struct {
	Alone    bool          `json:"alone,omitempty"`
	Spent    int           `json:"spent,omitempty"`
	Replaces hub.Key       `json:"replaces,omitempty"`
	Proposal *hub.Proposal `json:"proposal,omitempty"`
	Told     *hub.Status   `json:"told,omitempty"`
}

// putProgress writes a row, or all that may ever change of one that is there: also to
// which system it goes, when a person has had it planned anew.
const putProgress = `INSERT INTO progress (case_id, place, municipality, queue, ref, ` + ProgressColumns + `)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (key) DO UPDATE SET queue = excluded.queue, ref = excluded.ref, state = excluded.state,
	reason = excluded.reason, note = excluded.note, since = excluded.since, due = excluded.due,
	lease_boot = excluded.lease_boot, lease_token = excluded.lease_token, lease_until = excluded.lease_until,
	attempts = excluded.attempts, crashes = excluded.crashes, waiting = excluded.waiting,
	revision = excluded.revision, sha256 = excluded.sha256, receipt = excluded.receipt,
	misses = excluded.misses, asking = excluded.asking, doubt = excluded.doubt, on_wire = excluded.on_wire,
	rare = excluded.rare, system = excluded.system, operation = excluded.operation, level = excluded.level,
	lag = excluded.lag, after = excluded.after, step = excluded.step`

const changeProgress = `UPDATE progress SET queue = ?, ref = ?, state = ?, reason = ?, note = ?, since = ?, due = ?,
	lease_boot = ?, lease_token = ?, lease_until = ?, attempts = ?, crashes = ?, waiting = ?, revision = ?,
	sha256 = ?, receipt = ?, misses = ?, asking = ?, doubt = ?, on_wire = ?, rare = ? WHERE key = ?`

func (b *Tx) putProgress(c hub.Case, place int, p hub.Progress, fresh bool) error {
	var sum []byte
	if p.SHA256 != ([32]byte{}) {
		sum = p.SHA256[:]
	}
	receipt, err := jsonOrNull(p.Receipt, p.Receipt == nil)
	if err != nil {
		return err
	}
	d := rare{p.Alone, p.Spent, p.Replaces, p.Proposal, p.Told}
	few, err := jsonOrNull(d, d == rare{})
	if err != nil {
		return err
	}
	if !fresh {
		return b.Exec(changeProgress, orNull(queueOf(p)), orNull(reportRef(p)), p.State, p.Reason, p.Note,
			Nanos(p.Since), Nanos(p.Due), p.Lease.Boot, p.Lease.Token, Nanos(p.Lease.Until), p.Attempts, p.Crashes,
			p.Waiting, p.Revision, sum, receipt, p.Misses, Nanos(p.Asking), p.Doubt, p.OnWire, few, p.Key)
	}
	return b.Exec(putProgress, c.ID, place, c.Municipality, orNull(queueOf(p)), orNull(reportRef(p)),
		p.Key, p.Kind, p.State, p.Reason, p.Note, Nanos(p.Since), Nanos(p.Due),
		p.Lease.Boot, p.Lease.Token, Nanos(p.Lease.Until), p.Attempts, p.Crashes, p.Waiting, p.Revision,
		p.Submission, p.Leg, p.System, p.Operation, p.Level, int64(p.Lag), p.After, p.Step,
		sum, receipt, p.Misses, Nanos(p.Asking), p.Doubt, p.OnWire, few)
}

// putCase writes what a case is apart from its rows.
func (b *Tx) putCase(c hub.Case, instance []byte) error {
	expect, err := jsonOrNull(c.Expect, c.Expect == nil)
	if err != nil {
		return err
	}
	return b.Exec(`INSERT INTO cases (id, instance, municipality, source, service, step, step_at, ref, voice, teller, expect)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET step = excluded.step, step_at = excluded.step_at, ref = excluded.ref,
		voice = excluded.voice, teller = excluded.teller, expect = excluded.expect`,
		c.ID, instance, c.Municipality, c.Source, c.Service, c.Step, Nanos(c.StepAt), c.Ref, c.Voice, listOf(c.Tellers), expect)
}

// forms is the queue of the submissions; a delivery's is its system's ID, which has a
// point in it.
const forms = "forms"

// queueOf names where a row waits to be claimed: exactly the rows that Next lets a
// Claimed have once they are due. It is "" for all others.
func queueOf(p hub.Progress) string {
	if p.Lease.Boot != "" {
		return ""
	}
	switch p.State {
	case hub.Accepted, hub.EnrichWait:
		return forms
	case hub.Ready, hub.RetryWait, hub.Unknown:
		return string(p.System)
	}
	return ""
}

// reportRef is what a system calls a delivery when it reports on it.
func reportRef(p hub.Progress) string {
	switch {
	case p.Receipt == nil || p.Kind != hub.DocumentKind:
		return ""
	case p.Receipt.Ref != "":
		return p.Receipt.Ref
	}
	return p.Receipt.Number
}

// Nanos is how a time is stored: nanoseconds since 1970, 0 for no time. A time too far
// away for that is stored as the farthest there is.
func Nanos(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Year() < 1678:
		return -1 << 63
	case t.Year() > 2261:
		return 1<<63 - 1
	}
	return t.UnixNano()
}

// Instant is what Nanos stored.
func Instant(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func jsonOrNull(v any, null bool) (any, error) {
	if null {
		return nil, nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, hub.ErrContents
	}
	return string(text), nil
}
