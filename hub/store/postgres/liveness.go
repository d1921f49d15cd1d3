package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A liveness is the connection by which the other processes know that this one lives: for as
// long as it lasts, it holds an advisory lock on the process's number, and on each duty that
// the process has. It is a session of its own, which nothing else waits for.
type liveness struct {
	s      *Store
	config pgx.ConnConfig
	number int64 // of this process: its row in table boots

	using sync.Mutex    // the session, by one at a time
	noted string        // how commits are kept, as the database has it
	still time.Duration // see stillFor

	mu     sync.Mutex // all below, which nobody waits long for
	conn   *pgx.Conn  // nil while it is lost
	duties map[string]bool
	remade bool           // it has been lost, and is another one now
	up     int            // pulses since it was made
	pulses int            // since the start
	peers  []boot         // that lived at the last one
	seen   map[string]int // when others were seen last, in pulses
	server time.Duration  // that it has been up
	kept   string         // durability

	stop    context.CancelFunc
	stopped sync.WaitGroup
}

// Advisory locks of the hub's own are two numbers, of which this is the first.
const (
	migrating = 0x6b6e7530 + iota // one starts at a time
	numbering                     // who gives numbers to what was committed
	alive                         // the second is the number of a process
	leading                       // the second is the hash of a duty
	keeping                       // who keeps house
	restoring                     // who tells what a restore is about
)

// pulse is how often the connection is tried, and how often others are looked for.
const pulse = time.Second

// patience is for how many pulses nobody is called dead: after this process was away itself, or
// the server was, all others may be on their way back too.
const patience = 5

// glimpses is for how many pulses somebody may be out of sight, and how often somebody who has
// just begun looks before it knows.
const glimpses = 3

// keepAlive has the server find out within about ten seconds that a machine is gone.
var keepAlive = map[string]string{
	"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3",
	"tcp_user_timeout": "10000", "statement_timeout": "2s",
}

// live gives this process its number, and has it seen by the others.
func live(ctx context.Context, s *Store) (*liveness, error) {
	l := &liveness{
		s: s, config: with(s.config, keepAlive), duties: map[string]bool{}, seen: map[string]int{}, kept: hub.Unreachable, still: stillFor,
	}
	conn, err := pgx.ConnectConfig(ctx, &l.config)
	if err != nil {
		return nil, told(err)
	}
	row := conn.QueryRow(ctx, "INSERT INTO boots (name, started) VALUES ($1, $2) RETURNING n", s.o.Boot, s.o.Clock().UnixNano())
	if err = row.Scan(&l.number); err == nil {
		err = l.join(ctx, conn)
	}
	if err != nil {
		conn.Close(ctx)
		return nil, told(err)
	}
	running, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.stopped.Go(func() { l.run(running) })
	return l, nil
}

// join takes the lock on this process's number. Where an earlier session of ours still has it,
// on a line that was cut, that one is ended.
func (l *liveness) join(ctx context.Context, conn *pgx.Conn) error {
	var got bool
	err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1, $2)", alive, int32(l.number)).Scan(&got)
	if err == nil && !got {
		_, err = conn.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE "+ours+" AND objid = $2::bigint::oid", alive, l.number)
		if err == nil { // it is gone in a moment, in which others are not to take us for dead
			_, err = conn.Exec(ctx, "SELECT pg_advisory_lock($1, $2)", alive, int32(l.number))
		}
	}
	if err == nil {
		err = l.look(ctx, conn)
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn, l.up = conn, 0
	return nil
}

// ours narrows pg_locks to the advisory locks of one of our kinds that are held in this database.
const ours = `locktype = 'advisory' AND granted AND objsubid = 2 AND classid = $1::bigint::oid
	AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`

// run keeps the connection until the Store is closed.
func (l *liveness) run(ctx context.Context) {
	tick := time.NewTicker(pulse)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.beat(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (l *liveness) beat(running context.Context) {
	ctx, cancel := context.WithTimeout(running, 4*pulse)
	defer cancel()
	conn := l.session()
	if conn == nil {
		l.rejoin(ctx, running)
		return
	}
	if err := l.look(ctx, conn); err != nil && !errors.Is(err, context.Canceled) && !isTooSlow(err) {
		l.lose(err)
		l.rejoin(ctx, running)
	}
}

// isTooSlow tells a server that has given a question up from one that is gone: the session is as
// it was, and others see it.
func isTooSlow(err error) bool {
	var said *refused
	return errors.As(told(err), &said) && said.code == queryCanceled
}

// session gives the connection, nil while it is lost.
func (l *liveness) session() *pgx.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn
}

// rejoin makes another session, and lives again. It may be another server that answers now, which
// may take as long as this process runs to see through.
func (l *liveness) rejoin(ctx, running context.Context) {
	conn, err := pgx.ConnectConfig(ctx, &l.config)
	if err != nil {
		return
	}
	pending := false
	err = l.s.beginEpoch(ctx, conn)
	if err == nil {
		pending, err = isToFinish(ctx, conn)
	}
	if err == nil && pending {
		err = l.s.finishRestore(running)
	}
	if err == nil {
		err = l.join(ctx, conn)
	}
	if err != nil {
		conn.Close(ctx)
		return
	}
	l.s.o.Log.Info("the database can be reached again")
}

// lose forgets what the lost session held: this process lives no longer, as far as others know.
func (l *liveness) lose(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return
	}
	l.s.o.Log.Warn("the database cannot be reached: nothing is taken in hand until it can", "error", told(err))
	l.conn.PgConn().Conn().Close() // who uses it just now finds it closed
	l.conn, l.remade, l.kept = nil, true, hub.Unreachable
	clear(l.duties)
}

// look sees how the server is, and who lives.
func (l *liveness) look(ctx context.Context, conn *pgx.Conn) error {
	state, peers, err := l.find(ctx, conn)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pulses++
	l.up++
	l.server, l.kept, l.peers = state.up, state.durability(), peers
	l.see(l.pulses)
	return nil
}

func (l *liveness) find(ctx context.Context, conn *pgx.Conn) (state serverState, peers []boot, err error) {
	l.using.Lock()
	defer l.using.Unlock()
	if err := state.read(ctx, conn); err != nil {
		return state, nil, err
	}
	if kept := state.durability(); kept != l.noted {
		if err := noteKept(ctx, conn, kept); err != nil {
			return state, nil, err
		}
		l.noted = kept
	}
	if err := l.endStill(ctx, conn); err != nil {
		return state, nil, err
	}
	peers, err = aliveBoots(ctx, conn)
	return state, peers, err
}

// stillFor is for how long a process may stand still, by a signal or with its machine. Its
// kernel answers for it meanwhile: its session would last for as long, and its duties with it.
const stillFor = 30 * time.Second

const sessionsThatStandStill = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity JOIN pg_locks USING (pid)
	WHERE ` + ours + ` AND pid <> pg_backend_pid() AND clock_timestamp() - state_change > make_interval(secs => $2)`

// endStill ends the sessions of processes that stand still, so that others go on with what they
// had in hand.
func (l *liveness) endStill(ctx context.Context, conn *pgx.Conn) error {
	var ended int
	err := conn.QueryRow(ctx, sessionsThatStandStill, alive, l.still.Seconds()).Scan(&ended)
	if ended > 0 {
		l.s.o.Log.Warn("a process stood still and is taken for dead", "seconds", l.still.Seconds())
	}
	return err
}

// see remembers when those who live were seen last.
func (l *liveness) see(pulse int) {
	for _, b := range l.peers {
		l.seen[b.name] = pulse
	}
	maps.DeleteFunc(l.seen, func(_ string, last int) bool { return last+glimpses < pulse })
}

// A boot is a process that lives.
type boot struct {
	number int64
	name   string
}

// aliveBoots gives those whose numbers are locked, in their order.
func aliveBoots(ctx context.Context, conn *pgx.Conn) ([]boot, error) {
	rows, err := conn.Query(ctx, "SELECT n, name FROM boots JOIN pg_locks ON n = objid::bigint WHERE "+ours+" ORDER BY n", alive)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (b boot, err error) {
		err = row.Scan(&b.number, &b.name)
		return b, err
	})
}

// A serverState is what matters of a server's settings, as they are now.
type serverState struct {
	standby, forgets bool
	waits            bool // commits wait for a standby
	sees             bool // we may see which standbys there are
	standbys         int
	up               time.Duration
}

func (st *serverState) read(ctx context.Context, conn *pgx.Conn) error {
	var seconds float64
	row := conn.QueryRow(ctx, `SELECT pg_is_in_recovery(),
		'off' IN (current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit')),
		current_setting('synchronous_commit') IN ('on', 'remote_apply') AND current_setting('synchronous_standby_names') <> '',
		pg_has_role('pg_read_all_stats', 'USAGE'),
		(SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')),
		extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8`)
	err := row.Scan(&st.standby, &st.forgets, &st.waits, &st.sees, &st.standbys, &seconds)
	st.up = time.Duration(seconds * float64(time.Second))
	return err
}

// How commits are kept: see hub.Store.
const (
	synchronous = "pg-sync"
	local       = "pg-local"
	degraded    = "degraded"
)

// durability names how what is committed is kept. Where commits wait for a
// standby and there is none, they wait in vain.
func (st *serverState) durability() string {
	switch {
	case st.standby, st.forgets, st.waits && st.sees && st.standbys == 0:
		return degraded
	case st.waits:
		return synchronous
	}
	return local
}

// durability gives what was found last.
func (l *liveness) durability() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kept
}

// living says why this process may take nothing in hand: others may think that it is dead.
func (l *liveness) living() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return fmt.Errorf("%w: nothing is taken in hand until others see again that this process lives", hub.ErrUnreachable)
	}
	return nil
}

// alive names the processes that live, and says whether those that it does not name are dead for
// sure. Out of sight is not dead: a server that was restarted has nobody for a moment.
func (l *liveness) alive(ctx context.Context) (names []string, sure bool, err error) {
	conn := l.session()
	if conn == nil {
		return nil, false, fmt.Errorf("look for other processes: %w", hub.ErrUnreachable)
	}
	peers, err := l.others(ctx, conn)
	if err != nil {
		return nil, false, fmt.Errorf("look for other processes: %w", told(err))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.peers = peers
	l.see(l.pulses + 1)
	names = []string{l.s.o.Boot}
	for name, last := range l.seen {
		if last+min(glimpses, l.s.patience) > l.pulses && name != l.s.o.Boot {
			names = append(names, name)
		}
	}
	settled := !l.remade && l.server >= time.Duration(l.s.patience)*pulse && l.up >= min(glimpses, l.s.patience)
	return names, l.up >= l.s.patience || settled, nil
}

// others asks who lives.
func (l *liveness) others(ctx context.Context, conn *pgx.Conn) ([]boot, error) {
	l.using.Lock()
	defer l.using.Unlock()
	ctx, cancel := asking(ctx)
	defer cancel()
	return aliveBoots(ctx, conn)
}

// asking bounds a question on the session. One that is broken off takes the session with it, so it
// is not when who asked has left, nor before the server itself has given it up.
func asking(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 3*pulse)
}

// place gives this process's among those that live, as they were at the last pulse.
func (l *liveness) place() (place, of int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	place = slices.IndexFunc(l.peers, func(b boot) bool { return b.number == l.number })
	if l.conn == nil || place < 0 {
		return 0, 0, fmt.Errorf("look for other processes: %w", hub.ErrUnreachable)
	}
	return place, len(l.peers), nil
}

// lead takes a duty, or says that another process has it. Who has it and asks again is answered
// from memory.
func (l *liveness) lead(ctx context.Context, duty string) (end func(), held bool, err error) {
	end = func() { l.end(duty) }
	l.mu.Lock()
	conn, leads := l.conn, l.duties[duty]
	l.mu.Unlock()
	switch {
	case conn == nil:
		return nil, false, fmt.Errorf("take a duty: %w", hub.ErrUnreachable)
	case leads:
		return end, false, nil
	}
	got, err := l.ask(ctx, conn, "SELECT pg_try_advisory_lock($1, $2)", duty)
	if err != nil || !got {
		return nil, err == nil, told(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != conn {
		return nil, false, fmt.Errorf("take a duty: %w", hub.ErrUnreachable)
	}
	l.duties[duty] = true
	return end, false, nil
}

// end leaves a duty to others, unless it has been lost already.
func (l *liveness) end(duty string) {
	l.mu.Lock()
	conn, leads := l.conn, l.duties[duty]
	delete(l.duties, duty)
	l.mu.Unlock()
	if leads {
		l.ask(context.Background(), conn, "SELECT pg_advisory_unlock($1, $2)", duty) // a session that is lost holds nothing
	}
}

// ask asks about the lock of a duty.
func (l *liveness) ask(ctx context.Context, conn *pgx.Conn, text, duty string) (yes bool, err error) {
	l.using.Lock()
	defer l.using.Unlock()
	ctx, cancel := asking(ctx)
	defer cancel()
	err = conn.QueryRow(ctx, text, leading, hashOf(duty)).Scan(&yes)
	return yes, err
}

// hashOf gives the second number of a duty's lock. Two duties with one number are had by the
// same process, and both are done.
func hashOf(duty string) int32 {
	sum := sha256.Sum256([]byte(duty))
	return int32(binary.BigEndian.Uint32(sum[:]))
}

// leave stops, without a word to the others.
func (l *liveness) leave() {
	l.stop()
	l.stopped.Wait()
}

// close lets the others know at once that this process is no more.
func (l *liveness) close() {
	l.leave()
	l.mu.Lock()
	conn := l.conn
	l.conn = nil
	clear(l.duties)
	l.mu.Unlock()
	if conn == nil {
		return
	}
	l.using.Lock()
	defer l.using.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), pulse)
	defer cancel()
	conn.Exec(ctx, "SELECT pg_advisory_unlock_all()")
	conn.Close(ctx)
}
