package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/knutpunkt/knutpunkt/hub"
)

// What PostgreSQL says of an error quotes what is stored. None of it is told, but for what kind
// of error it is.
func TestErrorsThatMayBeTold(t *testing.T) {
	const number = "189001019802"
	for _, tc := range []struct {
		name, why   string
		err         error
		unreachable bool
		again       bool
	}{
		{"twice the same", "another had been quicker: the second look finds it", &pgconn.PgError{Severity: "ERROR", SeverityUnlocalized: "ERROR",
			Code: "23505", Message: "duplicate key value", Detail: "Key (x)=(" + number + ") already exists.", ConstraintName: "seen_pkey"}, false, true},
		{"not a number", "its message quotes", &pgconn.PgError{SeverityUnlocalized: "ERROR", Code: "22P02", Message: "invalid input syntax for type bigint: " + number}, false, false},
		{"shutting down", "it comes back", &pgconn.PgError{SeverityUnlocalized: "FATAL", Code: "57P01", Message: number}, true, false},
		{"too slow", "another try would be as slow", &pgconn.PgError{SeverityUnlocalized: "ERROR", Code: "57014", Message: number}, true, false},
		{"a standby", "another server has its place now", &pgconn.PgError{SeverityUnlocalized: "ERROR", Code: "25006", Message: number}, true, false},
		{"deadlock", "another went on", &pgconn.PgError{SeverityUnlocalized: "ERROR", Code: "40P01", Detail: number}, false, true},
		{"cut", "nobody is there", fmt.Errorf("%s: %w", number, io.ErrUnexpectedEOF), true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := told(fmt.Errorf("read case: %w", tc.err))
			if strings.Contains(err.Error(), number) {
				t.Errorf("it is told as %v: %s", err, tc.why)
			}
			if got := errors.Is(err, hub.ErrUnreachable); got != tc.unreachable {
				t.Errorf("unreachable: %v: %s", got, tc.why)
			}
			if got := isBeside(err); got != tc.again {
				t.Errorf("tried again: %v: %s", got, tc.why)
			}
		})
	}
	if err := told(fmt.Errorf("read: %w", hub.ErrNotFound)); !errors.Is(err, hub.ErrNotFound) {
		t.Errorf("our own errors are told as %v", err)
	}
	if err := told(&pgconn.PgError{Code: "53100"}); !errors.Is(err, hub.ErrStorage) {
		t.Errorf("a full disk is told as %v", err)
	}
	if err := told(context.Canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("who left is told as %v", err)
	}
}

// Who gave no password is told so, and not that it is the wrong one.
func TestNoPasswordWasGiven(t *testing.T) {
	t.Setenv("PGPASSWORD", "")
	t.Setenv("PGPASSFILE", t.TempDir())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
			server := pgproto3.NewBackend(conn, conn)
			server.ReceiveStartupMessage()
			server.Send(&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: wrongPassword})
			server.Flush()
			conn.Close()
		}
	}()
	for _, tc := range []struct {
		password, want string
	}{
		{"", "no password was given"}, {"x", "it does not take the password"},
	} {
		at := Address{URL: "postgres://knutpunkt@" + listener.Addr().String() + "/knutpunkt?sslmode=disable"}
		if tc.password != "" {
			at.Password = hub.NewSecret(tc.password)
		}
		c, err := at.config()
		if err != nil {
			t.Fatal(err)
		}
		if _, err = connect(t.Context(), c); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("with %q it is told as %v", tc.password, err)
		}
	}
}
