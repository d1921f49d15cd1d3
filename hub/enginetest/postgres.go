package enginetest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Server is a PostgreSQL server.
type Server struct {
	port    int
	process process
}

// StartPostgres starts a server on 127.0.0.1 with all that it has in dir, and waits until
// it answers; ctx bounds the start. It writes to disk before it answers, as in operation,
// and takes 200 connections. Everybody on this machine is let in without a password, so a
// password in a URL is accepted and not looked at.
//
// As root, the server runs as the user postgres, or nobody: dir must lie where that user
// can reach it. It ends with this process at the latest.
func StartPostgres(ctx context.Context, dir string) (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &Server{port: port}
	if pool := docker(); pool != nil {
		s.process = postgresContainer(pool, port)
	} else if s.process, err = postgresChild(ctx, dir, port); err != nil {
		return nil, err
	}
	return s, s.Start(ctx)
}

// URL gives where a database is, as pgx reads it.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

// SQL gives what psql answers to a statement in the database postgres: a row a line, its
// columns with | between them.
func (s *Server) SQL(ctx context.Context, statement string) (string, error) {
	return s.SQLIn(ctx, "postgres", statement)
}

// SQLIn is SQL in another database.
func (s *Server) SQLIn(ctx context.Context, database, statement string) (string, error) {
	out, err := s.process.run(ctx, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", s.URL(database), "-c", statement)
	return strings.TrimSuffix(string(out), "\n"), err
}

// Dump gives everything that a database holds, as pg_dump writes it.
func (s *Server) Dump(ctx context.Context, database string) ([]byte, error) {
	return s.process.run(ctx, "pg_dump", "-d", s.URL(database))
}

// Start starts a server that was stopped or killed, on the same port and with what it had.
func (s *Server) Start(ctx context.Context) error {
	if err := s.process.start(ctx); err != nil {
		return err
	}
	for {
		_, err := s.SQL(ctx, "SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-s.process.gone():
			return fmt.Errorf("start PostgreSQL: it ended by itself: %s", s.said())
		case <-ctx.Done():
			return fmt.Errorf("start PostgreSQL: %w: %w: %s", ctx.Err(), err, s.said())
		case <-time.After(30 * time.Millisecond):
		}
	}
}

func (s *Server) said() string {
	if c, ok := s.process.(*child); ok {
		return tail(c.log())
	}
	return "see the container's log"
}

// Stop ends the server in order; connections that are open are closed (a fast shutdown).
func (s *Server) Stop() error { return s.process.end(syscall.SIGINT) }

// Kill ends the server at once, without a checkpoint: the next start recovers what was
// committed (an immediate shutdown).
func (s *Server) Kill() error { return s.process.end(syscall.SIGQUIT) }

// Close ends the server for good. What a child had in its folder stays there.
func (s *Server) Close() error {
	if err := s.Kill(); err != nil {
		return err
	}
	return s.process.remove()
}

// postgresChild makes a fresh data folder, as initdb does, for a server of our own.
func postgresChild(ctx context.Context, dir string, port int) (*child, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "postgres")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("make PostgreSQL's folder: %w", err)
	}
	if as != nil {
		if err := give(dir, data, as); err != nil {
			return nil, err
		}
	}
	c := &child{name: "postgres", dir: dir, bin: bin, as: as, orphan: syscall.SIGQUIT}
	c.command = func() []string {
		return []string{filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(port),
			"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", // a path there may be too long
			"-c", "max_connections=200", "-c", "fsync=on", "-c", "timezone=UTC"}
	}
	if _, err := c.run(ctx, "initdb", "-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8",
		"--auth=trust", "--no-sync", "--no-instructions"); err != nil {
		return nil, fmt.Errorf("make PostgreSQL's data folder, which the user must be able to reach: %w", err)
	}
	return c, guard(dir, leaveFolder)
}

// postgresBin finds where the server's programs lie, of several the newest.
func postgresBin() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // Debian's, which it keeps off PATH
	if len(found) > 0 {
		newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
		return filepath.Dir(newest), nil
	}
	path, err := exec.LookPath("initdb")
	if err == nil {
		path, err = filepath.EvalSymlinks(path) // the others lie beside the program, not beside its name
	}
	if err != nil {
		return "", fmt.Errorf("%w: no PostgreSQL on this machine; see make engines", ErrMissing)
	}
	return filepath.Dir(path), nil
}

// version reads the number in Debian's path, as in /usr/lib/postgresql/15/bin/initdb.
func version(initdb string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	return n
}

// unprivileged gives who the server runs as when we are root, whom it refuses; otherwise nil.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			continue
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			continue
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("%w: PostgreSQL does not run as root, and there is no user postgres or nobody", ErrMissing)
}

// give makes data the user's own, and lets everybody pass through dir to it; also through
// the folders above it that a test has made, which are its own as a rule.
func give(dir, data string, as *syscall.Credential) error {
	if err := os.Chown(data, int(as.Uid), int(as.Gid)); err != nil {
		return fmt.Errorf("hand over PostgreSQL's folder: %w", err)
	}
	temporary := filepath.Clean(os.TempDir())
	for at := dir; at == dir || strings.HasPrefix(at, temporary+"/"); at = filepath.Dir(at) {
		about, err := os.Stat(at)
		if err != nil {
			return fmt.Errorf("hand over PostgreSQL's folder: %w", err)
		}
		if err := os.Chmod(at, about.Mode().Perm()|0o011); err != nil {
			return fmt.Errorf("hand over PostgreSQL's folder: %w", err)
		}
	}
	return nil
}
