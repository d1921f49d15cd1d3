package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestAddressesOfPostgres(t *testing.T) {
	for _, row := range []struct{ name, address, want string }{
		{"on this machine", "postgres://knut@127.0.0.1:5432/knut", ""},
		{"on this machine by its other name", "postgresql://knut@localhost/knut", ""},
		{"on this machine by a socket", "postgres://knut@/knut?host=/run/postgresql", ""},
		{"elsewhere with TLS", "postgres://knut@db.example/knut?sslmode=verify-full&sslrootcert=/etc/ca.pem", ""},
		{"elsewhere in a network of its own", "postgres://knut@db/knut?sslmode=disable", ""},
		{"a pair of servers", "postgres://knut@db1.example,db2.example/knut?sslmode=verify-full&target_session_attrs=read-write", ""},
		{"a pair of servers with ports", "postgres://knut@db1.example:5432,db2.example:5433/knut?sslmode=verify-full", ""},
		{"a port that there is not", "postgres://knut@db.example:999999/knut?sslmode=verify-full", "from 1 to 65535"},
		{"one of a pair with a port that there is not", "postgres://knut@db1.example:0,db2.example:5432/knut?sslmode=verify-full", "from 1 to 65535"},
		{"a port that there is not by the back door", "postgres://knut@127.0.0.1/knut?port=65536", "from 1 to 65535"},
		{"a database with a slash", "postgres://knut@127.0.0.1/knut/more", "has no / in it"},
		{"elsewhere, and nobody said how", "postgres://knut@db.example/knut", "write how the way to PostgreSQL is kept"},
		{"one of a pair elsewhere", "postgres://knut@127.0.0.1,db.example/knut", "write how the way to PostgreSQL is kept"},
		{"elsewhere by the back door", "postgres://knut@/knut?host=db.example", "write how the way to PostgreSQL is kept"},
		{"TLS if it pleases", "postgres://knut@db.example/knut?sslmode=prefer", "sslmode=allow and sslmode=prefer do without TLS"},
		{"TLS in no way there is", "postgres://knut@db.example/knut?sslmode=yes", "sslmode is verify-full, verify-ca, require, disable"},
		{"a password", "postgres://knut:hemligt@db.example/knut?sslmode=verify-full", "take it out, and write store-password"},
		{"a password by the back door", "postgres://knut@127.0.0.1/knut?password=hemligt", "take it out, and write store-password"},
		{"commits that are forgotten", "postgres://knut@127.0.0.1/knut?synchronous_commit=off", "how it is used is the hub's to decide"},
		{"no database", "postgres://knut@127.0.0.1", howStore},
		{"nobody", "postgres://127.0.0.1/knut", howStore},
		{"no address", "postgres:hemligt", howStore},
		{"a port that is none", "postgres://knut:hemligt@127.0.0.1:hemligt/knut", howStore},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := wrongDatabase(row.address)
			if (got == "") != (row.want == "") || !strings.Contains(got, row.want) || strings.Contains(got, "hemligt") {
				t.Errorf("told %q, want %q", got, row.want)
			}
		})
	}
}

// A store is read with its password, and an override stands before the file's address.
func TestAStoreInPostgres(t *testing.T) {
	t.Setenv("OEP", "s3cret")
	t.Setenv("STORE", "hemligt")
	dir := write(t, with(t, settingsFile, "clients:", "store: postgres://knut@127.0.0.1/knut\nstore-password: env:STORE\nclients:"))
	s, err := ReadSettings(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.Store.Postgres != "postgres://knut@127.0.0.1/knut" || s.Store.SQLite != "" || s.Store.Password.Reveal() != "hemligt" {
		t.Errorf("the store is %v", s.Store)
	}
	if shown := fmt.Sprintf("%v %+v", s.Store, *s); strings.Contains(shown, "hemligt") {
		t.Errorf("the password is shown: %s", shown)
	}
	s, err = ReadSettings(dir, Override{"store", "sqlite:elsewhere.db", "--store"})
	if err != nil || s.Store.SQLite != "elsewhere.db" || s.Store.String() != "sqlite:elsewhere.db" {
		t.Errorf("the store is %v (%v)", s.Store, err)
	}
	_, err = ReadSettings(dir, Environment([]string{"KNUTPUNKT_STORE=postgres://knut:hemligt@127.0.0.1/knut"})...)
	if err == nil || !strings.HasPrefix(err.Error(), "read configuration: KNUTPUNKT_STORE: store has a password in it") || strings.Contains(err.Error(), "hemligt") {
		t.Errorf("told %v", err)
	}
}
