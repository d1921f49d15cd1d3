package postgres

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A refused error is what PostgreSQL said of a statement, without its words: those quote what
// is stored.
type refused struct {
	code       string // SQLSTATE
	constraint string // that was violated; "" for none
	fatal      bool   // it has closed the connection too
}

// What PostgreSQL calls what we know it by: its appendix A, "PostgreSQL Error Codes".
const (
	diskFull         = "53100"
	tooMany          = "53300" // connections
	wrongPassword    = "28P01"
	uniqueViolation  = "23505"
	serialization    = "40001"
	deadlock         = "40P01"
	lockNotAvailable = "55P03"
	readOnly         = "25006" // it is a standby, or shut
	forbidden        = "42501"
	queryCanceled    = "57014" // by statement_timeout
)

// inWords are those that whoever runs the hub can do something about.
var inWords = map[string]string{
	wrongPassword: "it does not take the password", "28000": "it does not let us in", "3D000": "there is no such database",
	forbidden: "its user may not do that: " + HowOwned, diskFull: "its disk is full",
	tooMany: "it has too many connections: raise max_connections, where each hub wants about 30, or have others use fewer",
	"57P03": "it is starting", "57P01": "it is shutting down", "57P02": "it crashed", readOnly: "it takes no writes now: it is a standby, or somebody has shut it",
	lockNotAvailable: "somebody else has it locked for long, as a dump that is being made has",
}

func (e *refused) Error() string {
	words := inWords[e.code]
	if words == "" {
		words = "PostgreSQL refused"
	}
	words += " (SQLSTATE " + e.code
	if e.constraint != "" {
		words += ", " + e.constraint
	}
	return words + ")"
}

// Is tells a database that cannot be asked now, and one that has no room, from one that does
// not do what it is asked.
func (e *refused) Is(target error) bool {
	switch target {
	case hub.ErrUnreachable:
		return e.isAbsence()
	case hub.ErrStorage:
		return e.code == diskFull
	}
	return false
}

// isAbsence: the connection broke (08), the server is on its way up or down (57P), is too busy,
// or cannot write where it now is.
func (e *refused) isAbsence() bool {
	return strings.HasPrefix(e.code, "08") || strings.HasPrefix(e.code, "57P") ||
		e.code == tooMany || e.code == readOnly || e.code == queryCanceled
}

// told gives an error of the database as it may be told: nothing of PostgreSQL's or pgx's own
// text is in it, which quotes what is stored and who connects. Other errors are left.
func told(err error) error {
	var said *pgconn.PgError
	switch {
	case err == nil, errors.Is(err, hub.ErrUnreachable):
		return err
	case errors.As(err, &said):
		return &refused{said.Code, said.ConstraintName, said.SeverityUnlocalized != "ERROR"}
	case isCut(err):
		return fmt.Errorf("%w: %s", hub.ErrUnreachable, whyNot(err))
	}
	return err
}

// isCut tells the errors of a connection that is no more, or never was.
func isCut(err error) bool {
	return errors.As(err, new(*pgconn.ConnectError)) || errors.As(err, new(net.Error)) || pgconn.Timeout(err) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// whyNot says in words of our own why a connection is not to be had.
func whyNot(err error) string {
	var network *net.OpError
	switch {
	case strings.Contains(err.Error(), "server refused TLS connection"): // which pgconn has no type for
		return "it speaks no TLS, which the address asks for: set ssl = on there, with a certificate"
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return "its certificate is not one that we trust"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), pgconn.Timeout(err):
		return "it does not answer in time"
	case errors.As(err, new(*net.DNSError)):
		return "nobody knows the host's name"
	case errors.As(err, &network):
		return "the network, at " + network.Op
	}
	return "the connection is gone"
}

// errCut says that a connection was lost while nothing could have been committed.
var errCut = fmt.Errorf("%w: the connection was lost, and nothing was written", hub.ErrUnreachable)

// isBeside tells the errors of transactions that failed only because of others beside them, or
// because the connection was lost before anything was committed: they may be tried again.
func isBeside(err error) bool {
	var e *refused
	if errors.As(err, &e) {
		switch e.code {
		case uniqueViolation, serialization, deadlock, lockNotAvailable:
			return true
		}
	}
	return errors.Is(err, errCut)
}
