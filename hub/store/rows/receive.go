package rows

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
)

// An ownedKey is a submission's data key, and whose it is.
type ownedKey struct {
	key          seal.DataKey
	municipality hub.Municipality
}

// An arrival is a hub.Arrival as it will be written: everything is sealed before the
// committer, which all wait for, sees it.
type arrival struct {
	hub.Arrival
	owned     ownedKey
	wrapped   []byte
	contents  []byte
	original  []byte
	blobs     []*sealing
	small     [][]byte // the sealed content of each blob that lies in its row
	instances [][]byte // indexes of the case, the current one first; none for a form without an instance
	keys      [][]byte // of the client's key
	sources   [][]byte // of the source's reference
	prints    [][]byte // of the fingerprint
	followers [][]byte
	expect    map[hub.Step]time.Time
}

// Receive makes a submission durable: content, files, case row, status line and
// idempotency record together.
func (s *Store) Receive(ctx context.Context, a hub.Arrival) (hub.Received, error) {
	if err := s.engine.Room(); err != nil {
		return hub.Received{}, err
	}
	in, err := s.prepare(a)
	if err != nil {
		return hub.Received{}, fmt.Errorf("receive: %w", err)
	}
	if err := s.keepFiles(in.blobs); err != nil {
		return hub.Received{}, fmt.Errorf("receive: %w", err)
	}
	var got hub.Received
	err = s.commit(ctx, func(b *Tx) (err error) {
		if s.engine.Full() {
			return hub.ErrStorage // the room that is left is for what has been accepted
		}
		got, err = b.receive(in)
		return err
	})
	if box, ok := a.Intake.(*intake); ok && (err == nil && !got.Replayed || errors.Is(err, ErrUnknown)) {
		box.blobs = nil // they have been received, or may have been: Close leaves them
	}
	if err != nil {
		return hub.Received{}, fmt.Errorf("receive: %w", err)
	}
	got.Case = own(got.Case)
	if got.Replayed {
		got.Submission, err = s.Submission(ctx, hub.AsHub(), got.Submission.ID)
		return got, err
	}
	s.dataKeys.put(got.Submission.ID, in.owned)
	return got, nil
}

// prepare gives the submission its ID and times, and seals it.
func (s *Store) prepare(a hub.Arrival) (*arrival, error) {
	box, err := s.intakeOf(a)
	if err != nil {
		return nil, err
	}
	sub := &a.Submission
	sub.ID = hub.ID(s.o.NewID())
	sub.Received = a.Now.UTC()
	sub.Inkommen = hub.InkommenAt(sub.Submitted, sub.Received, a.Own)
	in := &arrival{Arrival: a, owned: ownedKey{box.key, sub.Municipality}, blobs: box.blobs}
	if a.Expect != nil {
		in.expect = a.Expect(sub.Inkommen)
	}
	if err := in.seal(s.keys); err != nil {
		return nil, err
	}
	in.index(s.keys)
	return in, nil
}

// intakeOf gives the intake that the form's files went to; each must be there.
func (s *Store) intakeOf(a hub.Arrival) (*intake, error) {
	box, ok := a.Intake.(*intake)
	if a.Intake == nil {
		box, ok = &intake{s: s, key: s.keys.NewLooseKey()}, true
	}
	if !ok || box.s != s {
		return nil, errors.New("the intake is another store's")
	}
	blobs := []hub.Blob{a.Submission.Original}
	for _, f := range a.Submission.Attachments {
		blobs = append(blobs, f.Blob)
	}
	for _, b := range blobs {
		if b != (hub.Blob{}) && !box.holds(b) {
			return nil, errors.New("the form names a file that did not come in with it")
		}
	}
	return box, nil
}

func (in *arrival) seal(keys *seal.Keys) (err error) {
	sub, owned := in.Submission, in.owned
	if in.wrapped, err = keys.Wrap(owned.key, string(sub.Municipality), string(sub.ID)); err != nil {
		return err
	}
	contents, err := sub.RevealContents()
	if err != nil {
		return err
	}
	if in.contents, err = owned.key.Seal(contentsPlace(sub.Municipality, sub.ID), contents); err != nil {
		return err
	}
	if sub.Original != (hub.Blob{}) {
		if in.original, err = owned.sealBlob(originalPlace(sub.Municipality, sub.ID), sub.Original); err != nil {
			return err
		}
	}
	for _, b := range in.blobs {
		small, err := b.sealSmall(sub.Municipality)
		if err != nil {
			return err
		}
		in.small = append(in.small, small)
	}
	return nil
}

// index makes the blind indexes that the form can be found by.
func (in *arrival) index(keys *seal.Keys) {
	sub := in.Submission
	m, system := string(sub.Municipality), string(sub.Source.System)
	if sub.Source.ID != "" {
		in.instances = keys.Indexes("case", m, system, sub.Source.ID)
		in.sources = keys.Indexes("source", m, system, sub.Source.ID, sub.Source.Version)
	}
	if in.Key != "" {
		in.keys = keys.Indexes("idempotency", m, in.Client, in.Key)
	}
	in.prints = keys.Indexes("fingerprint", hex.EncodeToString(in.Fingerprint[:]))
	for _, p := range in.Followers {
		in.followers = append(in.followers, keys.Index("person", p.Reveal()))
	}
}

// receive writes an arrival, unless it has been received before.
func (b *Tx) receive(in *arrival) (hub.Received, error) {
	if err := b.alone("received", slices.Concat(in.keys, in.sources, in.instances)...); err != nil {
		return hub.Received{}, err
	}
	seen, err := b.seen(in)
	if err != nil {
		return hub.Received{}, err
	}
	if seen != "" {
		return b.replay(in, seen)
	}
	if err := b.assertWhole(in.blobs...); err != nil {
		return hub.Received{}, err
	}
	before, err := b.caseOf(in.instances)
	if err != nil {
		return hub.Received{}, err
	}
	sub := in.Submission
	sub.Case = before.ID
	if sub.Case == "" {
		sub.Case = hub.CaseID(sub.ID)
	}
	after, fx, err := hub.Next(before, in.arrived(sub))
	if err != nil {
		return hub.Received{}, err
	}
	if err := b.insert(in, sub, before, after, &fx); err != nil {
		return hub.Received{}, err
	}
	return hub.Received{Submission: sub, Case: after, Effects: fx}, nil
}

// arrived keeps the lease that it was given: the process that goes on with the form at once
// knows it already.
func (in *arrival) arrived(sub hub.Submission) hub.Arrived {
	return hub.Arrived{
		When: hub.When{At: sub.Received}, Submission: sub.ID, Case: sub.Case, Municipality: sub.Municipality,
		Source: sub.Source.System, Service: sub.Service, Voice: in.Voice, Tellers: in.Tellers,
		Expect: in.expect, Lease: in.Lease, Waits: in.Waits,
	}
}

// seen gives the submission that came under the same key, or with the same reference,
// and the same content; ErrKeyReused when the content was another's.
func (b *Tx) seen(in *arrival) (id hub.ID, err error) {
	var args []any
	for _, mark := range slices.Concat(in.keys, in.sources) {
		args = append(args, mark)
	}
	if len(args) == 0 {
		return "", nil
	}
	text := "SELECT submission, fingerprint FROM seen WHERE mark IN (" + marks(len(args)) + ")"
	err = each(b, text, args, func(rows *sql.Rows) error {
		var print []byte
		if err := rows.Scan(&id, &print); err != nil {
			return err
		}
		if !slices.ContainsFunc(in.prints, func(p []byte) bool { return bytes.Equal(p, print) }) {
			return hub.ErrKeyReused
		}
		return nil
	})
	return id, err
}

// replay gives what was received, and remembers also the marks that it came with now.
func (b *Tx) replay(in *arrival, id hub.ID) (hub.Received, error) {
	if err := b.mark(in, id); err != nil {
		return hub.Received{}, err
	}
	var of hub.CaseID
	if _, err := one(b, "SELECT case_id FROM submissions WHERE id = ?", []any{id}, &of); err != nil {
		return hub.Received{}, err
	}
	c, err := b.load(of)
	return hub.Received{Submission: hub.Submission{ID: id}, Case: c, Replayed: true}, err
}

// mark remembers under what a submission came.
func (b *Tx) mark(in *arrival, id hub.ID) error {
	for _, marks := range [][][]byte{in.keys, in.sources} {
		if len(marks) == 0 {
			continue
		}
		err := b.Exec("INSERT INTO seen (mark, submission, fingerprint) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
			marks[0], id, in.prints[0])
		if err != nil {
			return err
		}
	}
	return nil
}

// caseOf finds the case of a platform's instance; the zero Case when it is a new one.
func (b *Tx) caseOf(instances [][]byte) (hub.Case, error) {
	for _, instance := range instances {
		var id hub.CaseID
		found, err := one(b, "SELECT id FROM cases WHERE instance = ?", []any{instance}, &id)
		if err != nil {
			return hub.Case{}, err
		}
		if found {
			return b.load(id)
		}
	}
	return hub.Case{}, nil
}

func (b *Tx) insert(in *arrival, sub hub.Submission, before, after hub.Case, fx *hub.Effects) error {
	if before.ID == "" {
		var instance []byte
		if len(in.instances) > 0 {
			instance = in.instances[0]
		}
		if err := b.putCase(after, instance); err != nil {
			return err
		}
		if err := b.noteOrigin(origin{after.Municipality, after.Source}); err != nil {
			return err
		}
	}
	err := b.Exec(`INSERT INTO submissions (id, case_id, municipality, service, form_version, system, submitted,
		received, inkommen, data_key, contents, original) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		sub.ID, sub.Case, sub.Municipality, sub.Service, sub.FormVersion, sub.Source.System,
		Nanos(sub.Submitted), Nanos(sub.Received), Nanos(sub.Inkommen), in.wrapped, in.contents, in.original)
	if err != nil {
		return err
	}
	for i, blob := range in.blobs {
		if err := b.insertBlob(sub.ID, blob, in.small[i]); err != nil {
			return err
		}
	}
	for _, person := range in.followers {
		if err := b.addFollower(person, sub.Case, time.Time{}); err != nil {
			return err
		}
	}
	b.tally[tallied{tallyAccepted, string(sub.Municipality)}]++
	if !b.s.dialect.Numbers {
		b.lines++ // its place in lists
	}
	if err := b.noteWrap(sub.Municipality, in.wrapped); err != nil {
		return err
	}
	if err := b.mark(in, sub.ID); err != nil {
		return err
	}
	if in.Lease.Boot != "" {
		b.taken = append(b.taken, inHand{row{hub.Key(sub.ID), sub.Case}, in.Lease})
	}
	return b.write(before, after, fx)
}

// noteWrap remembers which key of the key file is in use.
func (b *Tx) noteWrap(m hub.Municipality, wrapped []byte) error {
	w := wrapping{m, string(wrapped[:seal.HeadSize])}
	if b.wraps[w] || b.Writer.wraps[w] {
		return nil
	}
	b.wraps[w] = true
	return b.Exec("INSERT INTO wraps (municipality, head) VALUES (?, ?) ON CONFLICT DO NOTHING", m, []byte(w.head))
}

// noteOrigin remembers from which platforms cases come.
func (b *Tx) noteOrigin(o origin) error {
	if b.origins[o] || b.Writer.origins[o] {
		return nil
	}
	b.origins[o] = true
	return b.Exec("INSERT INTO origins (municipality, source) VALUES (?, ?) ON CONFLICT DO NOTHING", o.municipality, o.source)
}

// Settle is Apply for a worker that has more to store with its event.
func (s *Store) Settle(ctx context.Context, c hub.CaseID, e hub.Event, facts hub.Facts) (hub.Case, hub.Effects, error) {
	id, ok := submissionOf(e)
	if !ok {
		return hub.Case{}, hub.Effects{}, errors.New("settle: the event is not about a submission")
	}
	write, err := s.sealFacts(ctx, id, facts)
	if err != nil {
		return hub.Case{}, hub.Effects{}, fmt.Errorf("settle %s: %w", id, err)
	}
	others := s.followersBy(facts.Following)
	return s.apply(ctx, c, e, func(b *Tx) error {
		if err := write(b); err != nil {
			return err
		}
		if others == nil {
			return nil
		}
		if len(b.cases[c].Submissions) == 1 { // which is planned once: nobody has followed it before
			return b.addFollowers(others, c, s.o.Clock())
		}
		return b.putOthers(c, others, s.o.Clock())
	})
}

// submissionOf gives the submission that a worker's event is about: its Key is the ID.
func submissionOf(e hub.Event) (hub.ID, bool) {
	switch e := e.(type) {
	case hub.Looking:
		return hub.ID(e.Key), true
	case hub.Postponed:
		return hub.ID(e.Key), true
	case hub.Planned:
		return hub.ID(e.Key), true
	case hub.Stopped:
		return hub.ID(e.Key), true
	}
	return "", false
}

// sealFacts seals facts and gives what writes them. Facts that are nil leave what is stored.
func (s *Store) sealFacts(ctx context.Context, id hub.ID, facts hub.Facts) (func(*Tx) error, error) {
	if facts.Answers == nil && len(facts.Fetched) == 0 {
		return func(*Tx) error { return nil }, nil
	}
	owned, err := s.dataKey(ctx, id)
	if err != nil {
		return nil, err
	}
	var answers []byte
	if facts.Answers != nil {
		if answers, err = hub.RevealAnswers(facts.Answers); err != nil {
			return nil, err
		}
		if answers, err = owned.key.Seal(factsPlace(owned.municipality, id), answers); err != nil {
			return nil, err
		}
	}
	fetched := map[int][]byte{}
	for i, blob := range facts.Fetched {
		if fetched[i], err = owned.sealBlob(fetchedPlace(owned.municipality, id, i), blob); err != nil {
			return nil, err
		}
	}
	return func(b *Tx) error { return b.putFacts(id, answers, fetched) }, nil
}

func (b *Tx) putFacts(id hub.ID, answers []byte, fetched map[int][]byte) error {
	if answers != nil {
		err := b.Exec(`INSERT INTO facts (submission, answers) VALUES (?, ?)
			ON CONFLICT (submission) DO UPDATE SET answers = excluded.answers`, id, answers)
		if err != nil {
			return err
		}
	}
	for i, blob := range fetched {
		if err := b.putFetched(id, i, blob); err != nil {
			return err
		}
	}
	return nil
}

// Where sealed values lie.

func contentsPlace(m hub.Municipality, id hub.ID) seal.Place {
	return seal.Place{Municipality: string(m), Table: "submissions", Row: string(id), Column: "contents"}
}

func originalPlace(m hub.Municipality, id hub.ID) seal.Place {
	return seal.Place{Municipality: string(m), Table: "submissions", Row: string(id), Column: "original"}
}

func factsPlace(m hub.Municipality, id hub.ID) seal.Place {
	return seal.Place{Municipality: string(m), Table: "facts", Row: string(id), Column: "answers"}
}

func fetchedPlace(m hub.Municipality, id hub.ID, attachment int) seal.Place {
	row := fmt.Sprintf("%s/%d", id, attachment)
	return seal.Place{Municipality: string(m), Table: "fetched", Row: row, Column: "blob"}
}

// sealBlob seals what a blob is known by: the hash of a file tells who has the same file.
func (o ownedKey) sealBlob(at seal.Place, b hub.Blob) ([]byte, error) {
	plain, err := json.Marshal(b)
	if err != nil {
		return nil, hub.ErrContents
	}
	return o.key.Seal(at, plain)
}

func (o ownedKey) openBlob(at seal.Place, sealed []byte) (hub.Blob, error) {
	var b hub.Blob
	plain, err := o.key.Open(at, sealed)
	if err != nil {
		return hub.Blob{}, fmt.Errorf("%w: %w", hub.ErrContents, err)
	}
	if json.Unmarshal(plain, &b) != nil {
		return hub.Blob{}, hub.ErrContents
	}
	return b, nil
}
