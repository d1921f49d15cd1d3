package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/enginetest"
	"github.com/knutpunkt/knutpunkt/hub/store/postgres"
)

// A server of one's own can be taken away.
func ownServer(t testing.TB) *enginetest.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := enginetest.StartPostgres(ctx, t.TempDir())
	enginetest.Need(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func do(t testing.TB, s *enginetest.Server, statement string) string {
	t.Helper()
	said, err := s.SQL(background, statement)
	if err != nil {
		t.Fatal(err)
	}
	return said
}

// until waits until something is so, which it is soon.
func until(t testing.TB, what string, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// The server is ended at once, without a checkpoint, while forms come in at two replicas. What
// was received is there when it is back, once, and the replicas go on by themselves.
func TestServerThatIsRestartedUnderLoad(t *testing.T) {
	server := ownServer(t)
	r := start(t, server.URL("postgres"), 2)
	ending := make(chan struct{})
	var mu sync.Mutex
	received, refused, since := map[string]hub.ID{}, 0, 0
	back := false
	var load sync.WaitGroup
	for i, s := range r.all {
		for worker := range 4 {
			load.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-ending:
						return
					default:
					}
					instance := fmt.Sprint(i, " ", worker, " ", n)
					got, err := s.Receive(t.Context(), arrival(instance, "1"))
					mu.Lock()
					switch {
					case err == nil:
						received[instance] = got.Submission.ID
						if back {
							since++
						}
					case errors.Is(err, hub.ErrUnreachable):
						refused++
					default:
						t.Errorf("receive: %v, want ErrUnreachable while the server is away", err)
					}
					mu.Unlock()
				}
			})
		}
	}
	count := func(n *int) int { mu.Lock(); defer mu.Unlock(); return *n }
	until(t, "forms come in", func() bool { mu.Lock(); defer mu.Unlock(); return len(received) > 50 })
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	until(t, "forms are refused", func() bool { return count(&refused) > 0 })
	for i, s := range r.all {
		until(t, "replica says that it is away", func() bool { return s.Durability(t.Context()) == hub.Unreachable })
		if _, err := s.ClaimSubmissions(t.Context(), lease(i), time.Now(), 1); !errors.Is(err, hub.ErrUnreachable) {
			t.Errorf("claim: %v, want ErrUnreachable", err)
		}
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	back = true
	mu.Unlock()
	until(t, "forms come in again", func() bool { return count(&since) > 20 })
	close(ending)
	load.Wait()
	for _, s := range r.all {
		until(t, "replica is back", func() bool { return s.Durability(t.Context()) == "pg-local" })
	}
	for instance, id := range received {
		again, err := r.all[0].Receive(t.Context(), arrival(instance, "1"))
		if err != nil || !again.Replayed || again.Submission.ID != id {
			t.Fatalf("what was received before is %v, replayed %v: %v", again.Submission.ID, again.Replayed, err)
		}
	}
	if n, err := r.all[0].Recover(t.Context(), boot(0), time.Now()); n != 0 || err != nil {
		t.Errorf("%d leases were taken from replicas that live: %v", n, err)
	}
}

// A connection is lost while the server waits to tell that it has committed. Nobody knows then
// whether it has: the one who posts is told so, and when the same comes again it is the same form.
func TestCommitOfWhichNobodyKnows(t *testing.T) {
	server := ownServer(t)
	r := start(t, server.URL("postgres"), 1)
	s := r.all[0]
	r.receive(s, arrival("before", "1"))

	do(t, server, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
	do(t, server, "SELECT pg_reload_conf()")
	until(t, "a standby that is not there degrades", func() bool { return s.Durability(t.Context()) == "degraded" })

	film := bytes.Repeat([]byte("film"), 100<<10)
	in, err := s.Intake(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	blob, err := in.Put(t.Context(), bytes.NewReader(film))
	if err != nil {
		t.Fatal(err)
	}
	a := arrival("1", "1")
	a.Intake, a.Submission.Attachments = in, []hub.Attachment{{Name: "film.mp4", Blob: blob}}
	a.Lease = hub.Lease{Boot: boot(0), Token: -1, Until: time.Now().Add(time.Hour)}
	failed := make(chan error)
	go func() {
		_, err := s.Receive(t.Context(), a)
		failed <- err
	}()
	const waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
	until(t, "the commit waits", func() bool { return do(t, server, "SELECT count(*) > 0 "+waiting) == "t" })
	do(t, server, "SELECT pg_terminate_backend(pid) "+waiting)
	if err := <-failed; !errors.Is(err, hub.ErrUnreachable) {
		t.Errorf("a commit that was cut: %v, want ErrUnreachable", err)
	}
	in.Close()
	do(t, server, "ALTER SYSTEM RESET synchronous_standby_names")
	do(t, server, "SELECT pg_reload_conf()")
	until(t, "commits wait no more", func() bool { return s.Durability(t.Context()) == "pg-local" })

	again, err := s.Receive(t.Context(), arrival("1", "1"))
	if err != nil || !again.Replayed {
		t.Fatalf("the same form again: replayed %v, %v", again.Replayed, err)
	}
	f, err := s.Open(t.Context(), hub.AsHub(), again.Submission.ID, again.Submission.Attachments[0].Blob)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if content, err := io.ReadAll(f); err != nil || !bytes.Equal(content, film) {
		t.Errorf("its file has %d bytes, want %d: %v", len(content), len(film), err)
	}
	if n, err := s.Recover(t.Context(), boot(0), time.Now()); n != 1 || err != nil {
		t.Errorf("%d rows that nobody is at work on were let go of, want 1: %v", n, err)
	}
	if n := len(r.claim(0, 10)); n != 2 {
		t.Errorf("%d forms can be claimed, want both", n)
	}
}

// The server ends by itself, and is back, between a file and the form that it belongs to. What the
// server had not written to disk of the file is gone: the form is not received without it.
func TestFileThatTheServerLost(t *testing.T) {
	server := ownServer(t)
	do(t, server, "ALTER SYSTEM SET wal_writer_delay = '10s'") // as if it had ended within a moment
	do(t, server, "SELECT pg_reload_conf()")
	s := start(t, server.URL("postgres"), 1).all[0]
	put := func() (hub.Arrival, error) {
		in, err := s.Intake(t.Context())
		if err != nil {
			return hub.Arrival{}, err
		}
		t.Cleanup(func() { in.Close() })
		blob, err := in.Put(t.Context(), bytes.NewReader(make([]byte, 300<<10)))
		a := arrival("1", "1")
		a.Intake, a.Submission.Attachments = in, []hub.Attachment{{Name: "film.mp4", Blob: blob}}
		return a, err
	}
	before, err := put()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if do(t, server, "SELECT count(*) FROM parts") != "0" {
		t.Skip("the server had written the file to disk already")
	}
	until(t, "the form is refused without its file", func() bool {
		_, err := s.Receive(t.Context(), before)
		if err == nil {
			t.Fatal("a form was received, and its file is gone")
		}
		return errors.Is(err, hub.ErrUnreachable) && strings.Contains(err.Error(), "lost a part")
	})
	until(t, "the same form is received with its file", func() bool {
		again, err := put()
		if err == nil {
			_, err = s.Receive(t.Context(), again)
		}
		return err == nil
	})
}

func TestDeadReplicasAreTakenOver(t *testing.T) {
	r := start(t, newDatabase(t), 3)
	for i := range 3 {
		r.receive(r.all[0], arrival(fmt.Sprint(i), "1"))
		if n := len(r.claim(i, 1)); n != 1 {
			t.Fatalf("replica %d has claimed %d, want 1", i, n)
		}
	}
	stands := func(i, at, among int) {
		t.Helper()
		until(t, fmt.Sprintf("replica %d is %d of %d", i, at, among), func() bool {
			place, of, err := r.all[i].Peers(t.Context())
			return place == at && of == among && err == nil
		})
	}
	stands(0, 0, 3)
	stands(1, 1, 3)
	stands(2, 2, 3)
	if n, err := r.all[0].Recover(t.Context(), boot(0), time.Now()); n != 0 || err != nil {
		t.Errorf("%d leases were taken from the living: %v", n, err)
	}
	r.all[1].Abandon()
	endSessions(t, r.url, boot(1))
	if n, err := r.all[2].Recover(t.Context(), boot(2), time.Now()); n != 1 || err != nil {
		t.Errorf("%d leases of a dead replica were taken over, want 1: %v", n, err)
	}
	if n := len(r.claim(2, 10)); n != 1 {
		t.Errorf("%d forms can be claimed, want the dead one's", n)
	}
	stands(2, 1, 2)
}

// A process is out of sight for a moment, as after a restart of the server: others, which are
// patient, do not call it dead, and it goes on under the same number.
func TestOutOfSightIsNotDead(t *testing.T) {
	url := newDatabase(t)
	keys := newKeys(t)
	patient, err := postgres.Open(t.Context(), postgres.Address{URL: url}, keys, postgres.Options{Boot: boot(0), Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer patient.Close()
	other := open(t, url, keys, postgres.Options{Boot: boot(1), Clock: time.Now})
	r := &replicas{TB: t, url: url, all: []*postgres.Store{patient, other}}
	r.receive(other, arrival("1", "1"))
	r.claim(1, 1)
	until(t, "they see each other", func() bool { _, of, err := patient.Peers(t.Context()); return of == 2 && err == nil })
	endSessions(t, url, boot(1))
	if n, err := patient.Recover(t.Context(), boot(0), time.Now()); n != 0 || err != nil {
		t.Errorf("%d leases were taken from one that was out of sight: %v", n, err)
	}
	until(t, "it is back", func() bool { _, of, err := other.Peers(t.Context()); return of == 2 && err == nil })
	if n, err := patient.Recover(t.Context(), boot(0), time.Now()); n != 0 || err != nil {
		t.Errorf("%d leases were taken from one that is back: %v", n, err)
	}
	other.Abandon()
	endSessions(t, url, boot(1))
	until(t, "it is dead", func() bool {
		n, err := patient.Recover(t.Context(), boot(0), time.Now())
		return n == 1 && err == nil
	})
}

func TestLead(t *testing.T) {
	r := start(t, newDatabase(t), 2)
	lead := func(i int, duty string, want bool) func() {
		t.Helper()
		end, held, err := r.all[i].Lead(t.Context(), duty)
		if err != nil || held == want {
			t.Fatalf("replica %d leads %s: %v, want %v: %v", i, duty, !held, want, err)
		}
		return end
	}
	end := lead(0, "track diarium", true)
	lead(0, "track diarium", true)
	lead(1, "track diarium", false)
	lead(1, "poll platform", true)
	end()
	end()
	lead(1, "track diarium", true)
	lead(0, "track diarium", false)

	endSessions(t, r.url, boot(1))
	until(t, "the duty of one whose session is lost is another's", func() bool {
		_, held, err := r.all[0].Lead(t.Context(), "poll platform")
		return !held && err == nil
	})
	until(t, "the one who had it finds out", func() bool {
		_, held, err := r.all[1].Lead(t.Context(), "poll platform")
		return held && err == nil
	})
}

// Nothing is open in the database while a system is called, nor while somebody sends a large file
// slowly: a transaction that is open keeps all of the database from being swept.
func TestNoTransactionIsOpenMeanwhile(t *testing.T) {
	r := start(t, newDatabase(t), 1)
	db := ask(t, r.url)
	idle := func(when string) {
		t.Helper()
		var n int
		row := db.QueryRow("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'")
		if err := row.Scan(&n); err != nil || n > 0 {
			t.Errorf("%s, %d transactions are open: %v", when, n, err)
		}
	}
	c := r.delivering("1")
	idle("while a system is called")
	r.apply(r.all[0], c.Case.ID, hub.Answered{When: hub.When{At: time.Now()}, Key: c.Key, Lease: held(c), Answer: hub.Yes})

	in, err := r.all[0].Intake(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	slow, sender := io.Pipe()
	put := make(chan error)
	go func() {
		_, err := in.Put(t.Context(), slow)
		put <- err
	}()
	sender.Write(make([]byte, 1<<20))
	idle("while a file is on its way in")
	sender.Close()
	if err := <-put; err != nil {
		t.Errorf("put: %v", err)
	}
}

func TestStartsAtOnceMakeTheTablesOnce(t *testing.T) {
	url := enginetest.Postgres(t)
	keys := newKeys(t)
	var starting sync.WaitGroup
	for i := range 4 {
		starting.Go(func() {
			s, err := postgres.OpenImpatient(t.Context(), postgres.Address{URL: url}, keys, postgres.Options{Boot: boot(i), Clock: time.Now})
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			s.Close()
		})
	}
	starting.Wait()
}

// A process of the next version starts while a dump is made, which has all tables for long. It
// does not wait for that with everybody else waiting behind it.
func TestNextVersionDoesNotStandInTheWay(t *testing.T) {
	url, keys := newDatabase(t), newKeys(t)
	s := open(t, url, keys, postgres.Options{Boot: boot(0), Clock: time.Now})
	dump, err := ask(t, url).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dump.Rollback()
	if _, err := dump.Exec("LOCK TABLE cases IN ACCESS SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	postgres.NextVersion(t, "ALTER TABLE cases ADD COLUMN later text")
	next := func() error {
		s, err := postgres.OpenImpatient(t.Context(), postgres.Address{URL: url}, keys, postgres.Options{Boot: boot(1), Clock: time.Now})
		if err == nil {
			s.Close()
		}
		return err
	}
	if err := next(); err == nil || !strings.Contains(err.Error(), "a dump that is being made") {
		t.Errorf("start: %v, want it to give up", err)
	}
	if _, err := s.Receive(t.Context(), arrival("1", "1")); err != nil {
		t.Errorf("receive beside it: %v", err)
	}
	dump.Rollback()
	if err := next(); err != nil {
		t.Errorf("start when the dump is done: %v", err)
	}
}

func TestServersThatAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name, why string
		make      string // in a database
		want      string
	}{
		{"newer", "what an older program wrote could not be trusted", "INSERT INTO migrations VALUES (1000, 0)", "the database has version 1000"},
		{"forgetful", "a commit is to be on disk", "ALTER DATABASE %s SET synchronous_commit = off", "synchronous_commit=off"},
		{"half moved", "it has not got all that was received", "INSERT INTO moves (one, source, began, ended) VALUES (TRUE, 'x', 1, 0)", "move"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			url := newDatabase(t)
			statement := tc.make
			if strings.Contains(statement, "%s") {
				statement = fmt.Sprintf(statement, url[strings.LastIndex(url[:strings.Index(url, "?")], "/")+1:strings.Index(url, "?")])
			}
			execute(t, url, statement)
			s, err := postgres.Open(t.Context(), postgres.Address{URL: url}, newKeys(t), postgres.Options{Boot: "a", Clock: time.Now})
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("open: %v, want it refused with %q: %s", err, tc.want, tc.why)
			}
		})
	}
}

func TestAddressesThatCannotBeReached(t *testing.T) {
	secret := "hemligt"
	for _, url := range []string{
		"postgres://anna:" + secret + "@127.0.0.1:1/knutpunkt?sslmode=disable", "postgres://anna:" + secret + "@[::1/x", "postgres://anna:" + secret + "@nobody.invalid/x",
	} {
		_, err := postgres.Open(t.Context(), postgres.Address{URL: url}, newKeys(t), postgres.Options{Boot: "a", Clock: time.Now})
		if err == nil || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "anna") {
			t.Errorf("open says %v", err)
		}
	}
	at := postgres.Address{URL: "postgres://anna@db:5432/knutpunkt?sslmode=verify-full", Password: hub.NewSecret(secret)}
	if got := at.String(); got != "postgres://db:5432/knutpunkt" {
		t.Errorf("an address prints as %s", got)
	}
}

// Another server has taken over, which may lack the last commits: every case with anything
// unsettled is told so. Who begins now cannot tell a standby that each commit had waited for from
// a server that was restored to a time.
func TestAnotherServerThatTookOver(t *testing.T) {
	for _, tc := range []struct {
		name, before string
		id           string
		want         hub.State
	}{
		{"a standby that was not waited for", "pg-local", timelineBefore, hub.Unknown},
		{"a standby that was waited for, or a restore to a time", "pg-sync", timelineBefore, hub.Unknown},
		{"a dump, read in on the same server", "pg-local", tableBefore, hub.Unknown},
		{"a dump, read in on the same server, which has a standby", "pg-sync", tableBefore, hub.Unknown},
		{"a dump, read in on another server, of one with a standby", "pg-sync", "'1/2/3/00000001'", hub.Unknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			url := newDatabase(t)
			keys := newKeys(t)
			s := open(t, url, keys, postgres.Options{Boot: boot(0), Clock: time.Now})
			r := &replicas{TB: t, url: url, all: []*postgres.Store{s}}
			r.receive(s, arrival("1", "1"))
			c := r.claim(0, 1)[0]
			r.apply(s, c.Case.ID, planned(c))
			s.Close()
			execute(t, url, "UPDATE epoch SET id = "+tc.id+", before = '"+tc.before+"'")
			s = open(t, url, keys, postgres.Options{Boot: boot(1), Clock: time.Now})
			after, err := s.Case(t.Context(), hub.AsHub(), c.Case.ID)
			if err != nil || after.Deliveries[0].State != tc.want {
				t.Errorf("the delivery is %s, want %s: %v", after.Deliveries[0].State, tc.want, err)
			}
			since, cases, err := s.Restored(t.Context())
			if err != nil || since.IsZero() {
				t.Errorf("restored since %v, %d cases: %v", since, cases, err)
			}
			again := open(t, url, keys, postgres.Options{Boot: boot(2), Clock: time.Now})
			if later, _, _ := again.Restored(t.Context()); !later.Equal(since) {
				t.Errorf("it was told twice")
			}
		})
	}
}

// A process that lives through it knows that a standby that each commit had waited for lacks
// nothing.
func TestAStandbyThatWasWaitedFor(t *testing.T) {
	r := start(t, newDatabase(t), 1)
	s := r.all[0]
	r.receive(s, arrival("1", "1"))
	c := r.claim(0, 1)[0]
	r.apply(s, c.Case.ID, planned(c))
	execute(t, r.url, "UPDATE epoch SET id = "+timelineBefore+", before = 'pg-sync'")
	var last string
	db := ask(t, r.url)
	defer db.Close()
	if err := db.QueryRow("SELECT id FROM epoch").Scan(&last); err != nil {
		t.Fatal(err)
	}
	s.BelongsTo(last)
	endSessions(t, r.url, boot(0))
	until(t, "it takes things in hand again", func() bool {
		claims, err := s.ClaimDeliveries(t.Context(), diarium, lease(0), time.Now(), 1)
		return err == nil && len(claims) == 1
	})
	if since, _, err := s.Restored(t.Context()); err != nil || !since.IsZero() {
		t.Errorf("it doubts since %v: %v", since, err)
	}
}

// Who stands still keeps no duty from the others.
func TestAProcessThatStandsStill(t *testing.T) {
	r := start(t, newDatabase(t), 2)
	if _, held, err := r.all[0].Lead(t.Context(), "publish"); held || err != nil {
		t.Fatalf("held %v: %v", held, err)
	}
	r.all[0].Abandon()
	r.all[1].NoPatienceForTheStill(3 * time.Second)
	until(t, "another has the duty", func() bool {
		_, held, err := r.all[1].Lead(t.Context(), "publish")
		return !held && err == nil
	})
	if _, of, err := r.all[1].Peers(t.Context()); err == nil && of == 2 {
		until(t, "there is one", func() bool { _, of, err := r.all[1].Peers(t.Context()); return of == 1 && err == nil })
	}
}

// A database that took no writes for a while is written again as soon as it takes them, also on
// connections that were made meanwhile.
func TestADatabaseThatWasShut(t *testing.T) {
	r := start(t, newDatabase(t), 1)
	s := r.all[0]
	shut := func(how string) {
		execute(t, r.url, "BEGIN READ WRITE; DO $$ BEGIN EXECUTE format('ALTER DATABASE %I "+how+" default_transaction_read_only"+
			map[string]string{"SET": " = on"}[how]+"', current_database()); END $$; COMMIT")
	}
	shut("SET")
	endSessions(t, r.url, boot(0))
	n := 0
	until(t, "a form is refused", func() bool {
		n++
		_, err := s.Receive(t.Context(), arrival(fmt.Sprint(n), "1"))
		return err != nil && strings.Contains(err.Error(), "takes no writes")
	})
	shut("RESET")
	until(t, "forms are received", func() bool {
		n++
		_, err := s.Receive(t.Context(), arrival(fmt.Sprint(n), "1"))
		return err == nil
	})
	for range 20 {
		n++
		if _, err := s.Receive(t.Context(), arrival(fmt.Sprint(n), "1")); err != nil {
			t.Fatalf("and then again not: %v", err)
		}
	}
}

// Who has not found out yet that another server has taken over takes nothing in hand there.
func TestNothingIsClaimedBeforeTheDoubt(t *testing.T) {
	r := start(t, newDatabase(t), 1)
	s := r.all[0]
	r.receive(s, arrival("1", "1"))
	s.Abandon() // it does not notice
	s.BelongsTo("1/2/3/00000001")
	endSessions(t, r.url, boot(0))
	until(t, "a claim says why not", func() bool {
		claims, err := s.ClaimSubmissions(t.Context(), lease(0), time.Now(), 1)
		if len(claims) > 0 {
			t.Fatal("a form was claimed at a server that nobody had looked at")
		}
		return errors.Is(err, hub.ErrUnreachable) && strings.Contains(err.Error(), "another has taken over")
	})
}

// Identities as which a database was written last, made of what it is now.
const (
	timelineBefore = "regexp_replace(id, '[^/]*$', '00000000')"
	tableBefore    = `regexp_replace(id, '[^/]*/([^/]*)$', '1/\1')`
)

// What PostgreSQL cannot keep, a NUL and what is not UTF-8, is replaced, and found by what it
// was all the same.
func TestTextThatCannotBeStored(t *testing.T) {
	r := start(t, newDatabase(t), 1)
	odd := "å\x00ä\xff"
	a := arrival("1\x00"+odd, "1")
	a.Submission.FormVersion, a.Submission.Service = odd, odd
	got := r.receive(r.all[0], a)
	if again := r.receive(r.all[0], a); !again.Replayed {
		t.Error("the same form again is a new one")
	}
	c, err := r.all[0].Case(t.Context(), hub.AsHub(), got.Case.ID)
	if err != nil || c.Service != "å\uFFFDä\uFFFD" {
		t.Errorf("the service is %q: %v", c.Service, err)
	}
	for range 2 {
		heard, err := r.all[0].Report(t.Context(), diarium, []hub.Report{{ID: odd, Ref: odd, Step: hub.Beslutat, At: time.Now()}}, hub.Cursor(odd), time.Now())
		if err != nil || len(heard) != 1 {
			t.Fatalf("report: %v", err)
		}
	}
}

// Files that no form tells of are swept away when they are old.
func TestPartsOfNobody(t *testing.T) {
	url, now := newDatabase(t), time.Now()
	s := open(t, url, newKeys(t), postgres.Options{Boot: boot(0), Clock: func() time.Time { return now }})
	put := func() (hub.Intake, hub.Blob) {
		in, err := s.Intake(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		blob, err := in.Put(t.Context(), bytes.NewReader(make([]byte, 1<<20)))
		if err != nil {
			t.Fatal(err)
		}
		return in, blob
	}
	db := ask(t, url)
	files := func() (n int) {
		if err := db.QueryRow("SELECT count(DISTINCT blob) FROM parts").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	in, blob := put()
	a := arrival("1", "1")
	a.Intake, a.Submission.Attachments = in, []hub.Attachment{{Name: "f", Blob: blob}}
	if _, err := s.Receive(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	left, _ := put()
	put() // by a process that is killed
	left.Close()
	if n := files(); n != 2 {
		t.Errorf("%d files are there, want the form's and the killed process's", n)
	}
	for _, tc := range []struct {
		after time.Duration
		want  int
	}{{time.Hour, 2}, {24 * time.Hour, 1}} {
		now = now.Add(tc.after)
		if err := s.Keep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := files(); n != tc.want {
			t.Errorf("%v later %d files are left, want %d", tc.after, n, tc.want)
		}
	}
}
