package rows

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
)

// How much of the words that nobody has translated is remembered: more than a system has,
// and less than would fill a disk.
const (
	longestWord = 200  // characters
	mostWords   = 500  // of one system
	timesUsed   = 1000 // that say whose cases a word is used of: the latest
)

// noteWord remembers a word that has no Step, sealed, and gives what its report is found
// by when the word is translated. It is nil for a report whose word has one, and for what is
// too long to be a word.
func (b *Tx) noteWord(r hub.Report, now time.Time) (mark []byte, err error) {
	word := hub.Normal(r.Word)
	if r.Step != "" || word == "" || utf8.RuneCountInString(word) > longestWord {
		return nil, nil
	}
	indexes := b.s.keys.Indexes("word", string(r.System), word)
	for _, mark := range indexes {
		var last int64
		known, err := one(b, "SELECT last FROM words WHERE system = ? AND mark = ?", []any{r.System, mark}, &last)
		if err != nil {
			return nil, err
		}
		if known {
			return mark, b.Exec("UPDATE words SET last = ? WHERE system = ? AND mark = ?", max(last, Nanos(now)), r.System, mark)
		}
	}
	return indexes[0], b.addWord(r, indexes[0], now)
}

func (b *Tx) addWord(r hub.Report, mark []byte, now time.Time) error {
	var n int
	if _, err := one(b, "SELECT count(*) FROM words WHERE system = ?", []any{r.System}, &n); err != nil || n >= mostWords {
		return err
	}
	at := wordPlace(r.System, mark)
	key, wrapped, err := b.s.keys.NewDataKey(at.Municipality, at.Row)
	if err != nil {
		return err
	}
	text, err := key.Seal(at, []byte(r.Word))
	if err != nil {
		return err
	}
	if err := b.noteWrap(hub.Municipality(at.Municipality), wrapped); err != nil {
		return err
	}
	return b.Exec("INSERT INTO words (system, mark, data_key, text, first, last) VALUES (?, ?, ?, ?, ?, ?)",
		r.System, mark, wrapped, text, Nanos(now), Nanos(now))
}

// wordPlace is where a word lies: a system may be several municipalities', and so its words.
func wordPlace(system hub.SystemID, mark []byte) seal.Place {
	row := string(system) + " " + hex.EncodeToString(mark)
	return seal.Place{Municipality: seal.Unattributed, Table: "words", Row: row, Column: "text"}
}

// translatedAtOnce is how many reports Translate hears in one transaction.
const translatedAtOnce = 200

// Translate gives the reports whose word had no Step, and has one now, the Step that the
// table gives it, and moves their cases on.
func (s *Store) Translate(ctx context.Context, system hub.SystemID, words map[string]hub.Step, now time.Time) ([]hub.Effects, error) {
	steps := map[string]hub.Step{} // by mark
	for word, step := range words {
		for _, mark := range s.keys.Indexes("word", string(system), hub.Normal(word)) {
			steps[string(mark)] = step
		}
	}
	var all []hub.Effects
	for more := true; more; {
		var fxs []hub.Effects
		err := s.commit(ctx, func(b *Tx) (err error) {
			fxs, more, err = b.translate(system, steps, now)
			return err
		})
		if err != nil {
			return all, fmt.Errorf("translate words of %s: %w", system, err)
		}
		all = append(all, fxs...)
	}
	return all, nil
}

// translate hears some of the reports that wait for a word, in the order in which they came.
func (b *Tx) translate(system hub.SystemID, steps map[string]hub.Step, now time.Time) (fxs []hub.Effects, more bool, err error) {
	waiting, err := b.untranslated(system, steps)
	if err != nil {
		return nil, false, err
	}
	for _, r := range waiting {
		if err := b.Exec("UPDATE reports SET step = ?, mark = NULL WHERE n = ?", r.Step, r.n); err != nil {
			return nil, false, err
		}
		if err := b.Exec("DELETE FROM words WHERE system = ? AND mark = ?", system, r.mark); err != nil {
			return nil, false, err
		}
		if r.of == "" {
			continue // it is heard when a delivery gets its reference
		}
		fx, err := b.hearLate(r, now)
		if err != nil {
			return nil, false, err
		}
		if len(fx.Statuses)+len(fx.Acts)+len(fx.Wake) > 0 {
			fxs = append(fxs, fx)
		}
	}
	return fxs, len(waiting) == translatedAtOnce, nil
}

// A waitingReport is one whose word had no Step when it was heard.
type waitingReport struct {
	earlyReport
	mark []byte
	of   hub.CaseID // "" as long as it fits no delivery
}

func (b *Tx) untranslated(system hub.SystemID, steps map[string]hub.Step) (waiting []waitingReport, err error) {
	args := []any{system}
	for mark := range steps {
		args = append(args, []byte(mark))
	}
	err = each(b, waitingReports(len(steps)), append(args, translatedAtOnce), func(rows *sql.Rows) error {
		r := waitingReport{earlyReport: earlyReport{Report: hub.Report{System: system}}}
		var at int64
		err := rows.Scan(&r.n, &r.ID, &r.Ref, &r.Key, &at, &r.Correction, &r.of, &r.mark)
		r.At, r.Step = Instant(at), steps[string(r.mark)]
		waiting = append(waiting, r)
		return err
	})
	return waiting, err
}

func waitingReports(words int) string {
	return `SELECT n, id, ref, key, at, correction, coalesce(case_id, ''), mark FROM reports
		WHERE system = ? AND mark IN (` + marks(words) + `) ORDER BY n LIMIT ?`
}

// hearLate moves a case on by what a system told of it once. What it has told since is later
// news: it is not undone.
func (b *Tx) hearLate(r waitingReport, now time.Time) (hub.Effects, error) {
	c, err := b.load(r.of)
	if errors.Is(err, hub.ErrNotFound) {
		return hub.Effects{}, nil // nothing is left of it
	}
	if err != nil {
		return hub.Effects{}, err
	}
	since, corrected, err := b.toldSince(r)
	key := deliveryOf(c, r.Report)
	if err != nil || key == "" || corrected || since && r.Step.Rank() < c.Step.Rank() {
		return hub.Effects{}, err
	}
	r.Key = "" // that the system has the delivery was heard at the time
	_, fx, err := b.apply(c.ID, hub.Reported{When: hub.When{At: now}, Key: key, Report: r.Report})
	if errors.Is(err, hub.ErrLost) {
		return hub.Effects{}, nil
	}
	return fx, err
}

// toldSince tells whether the system has told more of a case after a report, and whether it
// has corrected itself.
func (b *Tx) toldSince(r waitingReport) (since, corrected bool, err error) {
	var corrections sql.NullInt64
	_, err = one(b, toldSince, []any{r.of, r.System, r.n}, &corrections)
	return corrections.Valid, corrections.Int64 > 0, err
}

const toldSince = "SELECT sum(CASE WHEN correction THEN 1 ELSE 0 END) FROM reports WHERE case_id = ? AND system = ? AND n > ? AND step <> ''"

// deliveryOf finds the delivery of a case that a report is about.
func deliveryOf(c hub.Case, r hub.Report) hub.Key {
	var key hub.Key
	for _, d := range c.Deliveries {
		switch {
		case d.Kind != hub.DocumentKind || d.System != r.System:
		case d.Key == r.Key:
			return d.Key
		case key == "" && r.Ref != "" && reportRef(d) == r.Ref:
			key = d.Key
		}
	}
	return key
}

// Untranslated gives the words that systems have used and no table translates, the latest
// first. A handler sees those that were used lately of cases of her municipalities; those of
// no case yet only the hub sees.
func (s *Store) Untranslated(ctx context.Context, v hub.Viewer) ([]hub.Word, error) {
	_, all := v.Municipalities()
	var words []hub.Word
	last := "" // the row of the word before
	err := s.look(ctx, func(q Asker) error {
		return each(q, fmt.Sprintf(usedWords, s.dialect.First), nil, func(rows *sql.Rows) error {
			var w hub.Word
			var m, service sql.NullString
			var mark, wrapped, text []byte
			var first, latest int64
			err := rows.Scan(&w.System, &mark, &wrapped, &text, &first, &latest, &m, &service, &w.Cases)
			if err != nil || !all && !(m.Valid && v.Sees(hub.Municipality(m.String), service.String)) {
				return err
			}
			at := wordPlace(w.System, mark)
			if at.Row == last {
				words[len(words)-1].Cases += w.Cases
				return nil
			}
			last = at.Row
			w.First, w.Last = Instant(first), Instant(latest)
			plain, err := s.openLoose(at, wrapped, text)
			if errors.Is(err, hub.ErrContents) {
				err = nil // that there is one can be read all the same
			}
			w.Text = string(plain)
			words = append(words, w)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read untranslated words: %w", err)
	}
	return words, nil
}

// usedWords counts the cases of each word by whose they are, of the times that it was used
// last: a word that nobody cares to translate comes with every case there is.
var usedWords = `SELECT w.system, w.mark, w.data_key, w.text, w.first, w.last, c.municipality, c.service, count(DISTINCT r.case_id)
	FROM words w %s reports r ON r.n IN (SELECT n FROM reports WHERE system = w.system AND mark = w.mark
		ORDER BY n DESC LIMIT ` + strconv.Itoa(timesUsed) + `) LEFT JOIN cases c ON c.id = r.case_id
	GROUP BY w.system, w.mark, c.municipality, c.service ORDER BY w.last DESC, w.system, w.mark`

// countWords counts the words of each system, without asking what they are used of.
const countWords = "SELECT system, count(*) FROM words GROUP BY system"
