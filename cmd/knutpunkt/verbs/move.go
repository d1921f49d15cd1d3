package verbs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/move"
	"github.com/knutpunkt/knutpunkt/hub/store/postgres"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
)

func moveCommand() *cobra.Command {
	var m mover
	cmd := &cobra.Command{
		Use:   "move --to postgres://USER@HOST/DATABASE",
		Short: "Carry everything over to PostgreSQL, cases in flight included",
		Long: `Carry everything that the hub keeps in SQLite over to an empty PostgreSQL database, cases in
flight included.

Nearly all of it goes over beside the hub that runs. Then the hub has to be stopped, which
move says and waits for; what has happened since goes over, and every table is seen to be
the same on both sides. Platforms that get no answer meanwhile send their forms again, and
they are received once. At the end the SQLite database is marked as moved, and is not
served any more: write the new store: in knutpunkt.yaml, and start the hub.

It may be stopped or killed anywhere: give the same command again, and it goes on where it
was. Until it has come to its end the SQLite database is the one that counts, and the hub
can be started on it. There is no way back from PostgreSQL to SQLite.

The password of the database is store-password: in knutpunkt.yaml, or where PGPASSFILE or
PGPASSWORD says.

Exit code 0 when everything is there, 75 when the hub was not stopped in time or move was
stopped: give the same command again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if m.address == "" {
				return usage{errors.New("--to postgres://USER@HOST/DATABASE says where everything is to go")}
			}
			m.w = cmd.OutOrStdout()
			defer m.close()
			err := m.move(cmd.Context())
			if err != nil && cmd.Context().Err() != nil {
				fmt.Fprintln(m.w, "Stopped. Nothing is lost: give the same command again, and it goes on where it was.")
				return told(exitAgain)
			}
			return err
		},
	}
	m.kept.register(cmd)
	cmd.Flags().StringVar(&m.address, "to", "", "the PostgreSQL database")
	cmd.Flags().DurationVar(&m.wait, "wait", time.Hour, "how long to wait for the hub to be stopped")
	return cmd
}

// A mover moves an installation.
type mover struct {
	kept     keptAt
	address  string
	wait     time.Duration
	w        io.Writer
	from, to config.Store
	keys     *seal.Keys
	source   *sqlite.Leaving
	target   *postgres.Coming
}

// An origin is what is moved away from, and a destination where to, as far as something may
// come between.
type (
	origin interface {
		Left(ctx context.Context, address string, now time.Time) error
	}
	destination interface {
		move.Target
		Whole(ctx context.Context, now time.Time) error
	}
)

func (m *mover) move(ctx context.Context) error {
	if err := m.read(); err != nil {
		return err
	}
	if err := m.open(ctx); err != nil {
		return err
	}
	if m.target.IsWhole() {
		fmt.Fprintf(m.w, "Everything has been moved already. Write store: %s in knutpunkt.yaml.\n", m.to)
		return nil
	}
	if err := m.hasRoom(ctx); err != nil {
		return err
	}
	err := m.source.Take(ctx)
	if errors.Is(err, sqlite.ErrRunning) {
		err = m.beside(ctx)
	}
	if err != nil {
		return err
	}
	return m.finish(ctx)
}

// read reads from where, to where, and the keys.
func (m *mover) read() error {
	here, err := config.ReadSettings(m.kept.dir, (&overrides{store: m.kept.store, keys: m.kept.keys}).list()...)
	if err != nil {
		return err
	}
	if here.Store.Postgres != "" {
		return errors.New("the store is PostgreSQL already, and there is no way back to SQLite. " +
			"To move from SQLite, say where it is with --store sqlite:PATH")
	}
	there, err := config.ReadSettings(m.kept.dir, config.Override{Key: "store", Value: m.address, From: "--to"})
	if err != nil {
		return err
	}
	if there.Store.Postgres == "" {
		return usage{errors.New("--to is a PostgreSQL database: postgres://USER@HOST/DATABASE")}
	}
	m.from, m.to = here.Store, there.Store
	m.keys, err = seal.Open("file:" + here.Keys)
	return err
}

// open opens both, and refuses to move what has been moved somewhere else.
func (m *mover) open(ctx context.Context) (err error) {
	if m.source, err = sqlite.Leave(ctx, m.from.SQLite, m.keys, time.Now); err != nil {
		return err
	}
	address, err := m.source.Address(ctx)
	if err == nil && address != "" && (postgres.Address{URL: address}).String() != addressOf(m.to).String() {
		err = fmt.Errorf("%w to %s", sqlite.ErrMoved, address)
	}
	if err != nil {
		return err
	}
	name, returns, err := m.source.Name(ctx)
	if err != nil {
		return err
	}
	m.target, err = postgres.Come(ctx, addressOf(m.to), name, returns, time.Now())
	return err
}

func (m *mover) close() {
	if m.target != nil {
		m.target.Close()
	}
	if m.source != nil {
		m.source.Close()
	}
}

// hasRoom refuses a server whose disk is seen to be too small: indexes, and what PostgreSQL
// writes of its own, take as much again as half of it.
func (m *mover) hasRoom(ctx context.Context) error {
	size, err := m.source.Size()
	if err != nil {
		return err
	}
	need := size + size/2
	switch free, known := m.target.Free(ctx); {
	case !known:
		fmt.Fprintf(m.w, "There are %s to carry over. How much room PostgreSQL has cannot be seen from here: see that there is twice that.\n", bytesOf(size))
	case free < need:
		return fmt.Errorf("about %s are needed, and PostgreSQL's disk has %s free", bytesOf(need), bytesOf(free))
	}
	return nil
}

// beside carries what there is over while the hub runs, and waits until it has been stopped.
func (m *mover) beside(ctx context.Context) error {
	fmt.Fprintf(m.w, "The hub runs (pid %d), and goes on meanwhile.\n", m.source.Runner())
	if _, err := m.carry(ctx); err != nil {
		return err
	}
	fmt.Fprintln(m.w, "Stop the hub now, in another window: systemctl stop knutpunkt. What has happened since goes over then.")
	late := time.After(m.wait)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		switch err := m.source.Take(ctx); {
		case err == nil:
			fmt.Fprintln(m.w, "It has stopped.")
			return nil
		case !errors.Is(err, sqlite.ErrRunning):
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			fmt.Fprintf(m.w, "It has not been stopped within %v. Nothing is lost: give the same command again.\n", m.wait)
			return told(exitAgain)
		case <-tick.C:
		}
	}
}

// finish carries the rest over. The SQLite database is marked before the other one is whole:
// whenever this is killed, one of them can be served at the most, and what is missing is done
// by the same command.
func (m *mover) finish(ctx context.Context) error {
	began := time.Now()
	r, err := m.carry(ctx)
	if err != nil {
		return err
	}
	if err := m.target.Analyze(ctx); err != nil {
		return err
	}
	if err := seam.origin(m.source).Left(ctx, m.to.Postgres, time.Now()); err != nil {
		return err
	}
	if err := seam.destination(m.target).Whole(ctx, time.Now()); err != nil {
		return err
	}
	fmt.Fprintf(m.w, "Moved: %d rows, each compared with what PostgreSQL has; the last of it took %v.\n", r.Rows, time.Since(began).Round(time.Millisecond))
	fmt.Fprintf(m.w, "Write store: %s in knutpunkt.yaml, and start the hub. Then make a backup of PostgreSQL, and keep\n%s until it is made: it is not served any more.\n",
		m.to, m.from)
	if n := len(r.Missing); n > 0 {
		return fmt.Errorf("everything has been moved but %s that the database tells of and that were gone already, such as %s",
			many(n, "file", "files"), r.Missing[0])
	}
	return nil
}

// carry makes the target as the source is, and says how much that was.
func (m *mover) carry(ctx context.Context) (move.Result, error) {
	began, bar := time.Now(), newCounter("carrying over")
	r, err := move.Carry(ctx, m.source, seam.destination(m.target), bar.set)
	bar.end()
	if err != nil {
		return r, err
	}
	seconds := max(time.Since(began).Seconds(), 0.001)
	fmt.Fprintf(m.w, "Carried over %s and %s, %s, in %.1f s (%.0f rows/s, %.1f MB/s).\n",
		many(int(r.Written), "row", "rows"), many(int(r.Files), "large file", "large files"), bytesOf(r.Bytes), seconds,
		float64(r.Written)/seconds, float64(r.Bytes)/1e6/seconds)
	return r, nil
}
