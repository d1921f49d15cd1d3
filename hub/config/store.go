package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Store is where what is received is kept: a SQLite file on this machine, or a PostgreSQL
// database that several machines share.
type Store struct {
	SQLite   string     // the file; "" for PostgreSQL
	Postgres string     // the address, postgres://USER@HOST/DATABASE, never with a password; "" for SQLite
	Password hub.Secret // of PostgreSQL; zero where its client finds it by itself (PGPASSFILE, PGPASSWORD) or needs none
}

// String names the store for people, as it is written in knutpunkt.yaml.
func (s Store) String() string {
	if s.Postgres != "" {
		return s.Postgres
	}
	return "sqlite:" + s.SQLite
}

func (p *page) store(w word, password hub.Secret) Store {
	if w.text == "" {
		w.text = "sqlite:data/knutpunkt.db"
	}
	kind, rest, _ := strings.Cut(w.text, ":")
	switch {
	case kind == "sqlite" && rest != "":
		return Store{SQLite: p.beside(w, rest), Password: password}
	case kind == "postgres" || kind == "postgresql":
		if wrong := wrongDatabase(w.text); wrong != "" {
			p.wrong(w, wrong)
		}
		return Store{Postgres: w.text, Password: password}
	}
	p.wrong(w, howStore)
	return Store{}
}

const howStore = "store is written sqlite:PATH, or postgres://USER@HOST/DATABASE"

// wrongDatabase says what is wrong with the address of a PostgreSQL database, and quotes
// nothing of it; "" when nothing is.
//
// A password in it would be seen in process lists, in logs and in version control, so it has
// a key of its own. What else could stand after the ? may weaken what is promised: a
// connection that is not encrypted although one could be, or one that forgets at a crash.
func wrongDatabase(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return howStore
	}
	if _, has := u.User.Password(); has || u.Query().Has("password") {
		return "store has a password in it, which is seen wherever the address is: take it out, and write store-password: env:NAME or file:PATH"
	}
	database, _ := strings.CutPrefix(u.Path, "/")
	if u.User.Username() == "" || database == "" || u.Fragment != "" {
		return howStore
	}
	if strings.Contains(database, "/") {
		return "the name of the database, after the last host, has no / in it"
	}
	query := u.Query()
	if !arePorts(u.Host, query.Get("port")) {
		return "a port is a number from 1 to 65535"
	}
	for key := range query {
		if !slices.Contains(addressKeys, key) {
			return "after its ? an address of PostgreSQL has " + strings.Join(addressKeys, ", ") + " only: how it is used is the hub's to decide"
		}
	}
	mode := query.Get("sslmode")
	switch {
	case mode == "allow" || mode == "prefer":
		return "sslmode=allow and sslmode=prefer do without TLS when somebody wishes: write sslmode=verify-full"
	case mode == "" && !onThisMachine(u.Host, query.Get("host")):
		return "write how the way to PostgreSQL is kept: sslmode=verify-full, or sslmode=disable where the network is this installation's alone"
	case mode != "" && !slices.Contains(sslModes, mode):
		return "sslmode is " + strings.Join(sslModes, ", ")
	}
	return ""
}

// arePorts reports whether every port of some hosts, and of more, written by themselves, is one.
func arePorts(hosts, more string) bool {
	ports := strings.Split(more, ",")
	for host := range strings.SplitSeq(hosts, ",") {
		u := url.URL{Host: host}
		ports = append(ports, u.Port())
	}
	return !slices.ContainsFunc(ports, func(port string) bool {
		n, err := strconv.ParseUint(port, 10, 16)
		return port != "" && (err != nil || n == 0)
	})
}

// addressKeys are what libpq's addresses may have after the ? that is about the way there
// and nothing else (PostgreSQL's documentation, 34.1.2).
var addressKeys = []string{"sslmode", "sslrootcert", "sslcert", "sslkey", "host", "port", "connect_timeout", "target_session_attrs"}

var sslModes = []string{"verify-full", "verify-ca", "require", "disable"}

// onThisMachine reports whether every host of an address is this very machine: a loopback
// address, or a folder with a socket.
func onThisMachine(hosts, more string) bool {
	for host := range strings.SplitSeq(hosts+","+more, ",") {
		u := url.URL{Host: host}
		ip, err := netip.ParseAddr(u.Hostname())
		if host != "" && host[0] != '/' && u.Hostname() != "localhost" && (err != nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}
