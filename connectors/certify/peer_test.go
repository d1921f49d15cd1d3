package certify_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/hub"
)

// two are whom there is to tell.
func two(t *testing.T) (to []hub.Contact) {
	for i, number := range []string{certify.Number, known} {
		id, err := hub.ParsePersonID(number)
		if err != nil {
			t.Fatal(err)
		}
		to = append(to, hub.Contact{Person: id, Email: fmt.Sprintf("person-%d@example.se", i)})
	}
	return to
}

// A board is a peer on which notices are put up: KEY ADDRESS on a line, and OK, NO or LATER in
// answer to it.
type board struct {
	mu   sync.Mutex
	up   map[string]bool
	turn hub.Answer
}

func newBoard() certify.Peer { return &board{up: map[string]bool{}} }

func (b *board) Serve(conn net.Conn) { serveLines(conn, b.answer) }

// serveLines answers each line with another, until nobody listens.
func serveLines(conn net.Conn, answer func(line string) string) {
	defer conn.Close()
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if _, err := fmt.Fprintln(conn, answer(lines.Text())); err != nil {
			return
		}
	}
}

func (b *board) answer(notice string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch b.turn {
	case hub.No:
		return "NO " + notice
	case hub.NotNow:
		return "LATER " + notice
	}
	b.up[notice] = true
	return "OK"
}

func (b *board) Told() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.up)
}

func (b *board) Turn(a hub.Answer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn = a
}

const (
	ownDialer      flaw = "a dialer of its own"
	anyLineIsYes   flaw = "whatever is answered is taken for a yes"
	lostIsUnheard  flaw = "a lost answer as a Later"
	lostIsRefused  flaw = "a lost answer as a Reject"
	quotesNo       flaw = "an error that quotes a refusal"
	givesUpAtFirst flaw = "no second try where an answer was lost"
	neverStops     flaw = "a call that outlives its context"
	laterIsNo      flaw = "a LATER as a Reject"
)

// A crier puts notices up on a board, with one mistake.
type crier struct {
	env     hub.Env
	address string
	flaw    flaw
	broken  bool
}

type crierConfig struct {
	Address string `yaml:"address" doc:"where the board is"`
}

func crierWith(f flaw) hub.Connector {
	return hub.Define("crier", "Puts notices up on a board.", func(_ context.Context, env hub.Env, c crierConfig) (hub.System, error) {
		return hub.System{Teller: &crier{env: env, address: c.Address, flaw: f}}, nil
	})
}

func (c *crier) Tell(ctx context.Context, t hub.Telling) error {
	if len(t.To) == 0 || c.flaw == givesUpAtFirst && c.broken {
		return nil
	}
	dial := c.env.Dial
	if c.flaw == ownDialer {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, "tcp", c.address)
	if err != nil {
		return hub.Unavailable(errors.New("no connection"), hub.Down)
	}
	defer conn.Close()
	if c.flaw != neverStops {
		defer context.AfterFunc(ctx, func() { conn.Close() })()
	}
	lines := bufio.NewReader(conn)
	for _, to := range t.To {
		if err := c.put(conn, lines, string(t.Key)+" "+to.Email); err != nil {
			c.broken = true
			return err
		}
	}
	return nil
}

func (c *crier) put(conn net.Conn, lines *bufio.Reader, notice string) error {
	_, sent := fmt.Fprintln(conn, notice)
	said, err := lines.ReadString('\n')
	verb, _, _ := strings.Cut(strings.TrimSpace(said), " ")
	switch {
	case sent != nil || err != nil:
		lost := errors.New("the line was lost")
		switch c.flaw {
		case lostIsUnheard:
			return hub.Later(lost, 0)
		case lostIsRefused:
			return hub.Reject(lost)
		}
		return lost
	case verb == "OK" || c.flaw == anyLineIsYes:
		return nil
	case verb == "NO" && c.flaw == quotesNo:
		return hub.Reject(errors.New(said))
	case verb == "NO" || verb == "LATER" && c.flaw == laterIsNo:
		return hub.Reject(errors.New("it was refused"))
	case verb == "LATER":
		return hub.Later(errors.New("it was put off"), 0)
	}
	return hub.Strange(errors.New("the board says what nobody knows"))
}

func TestPeers(t *testing.T) {
	for _, c := range []struct {
		flaw flaw
		name string // of the case that finds it; "" for none
	}{
		{none, ""},
		{ownDialer, "told twice"},
		{anyLineIsYes, "no"},
		{quotesNo, "no"},
		{laterIsNo, "not now"},
		{lostIsUnheard, "don't know"},
		{lostIsRefused, "don't know"},
		{givesUpAtFirst, "don't know"},
		{neverStops, "slow"},
	} {
		t.Run(string(c.flaw), func(t *testing.T) {
			t.Parallel()
			connector := crierWith(c.flaw)
			findings := certify.Check(t.Context(), certify.Subject{
				Connector: connector, Decode: connectortest.Decode(t, connector), Config: "address: \"{{ADDRESS}}\"\n",
				Peer: newBoard, Told: hub.Ref{System: "karlskrona.crier", ID: "1"}, To: two(t),
			})
			found := slices.ContainsFunc(findings, func(f certify.Finding) bool { return f.Role == "teller" && f.Case == c.name })
			if c.name != "" && !found || c.name == "" && len(findings) > 0 {
				t.Errorf("not found by %q; these were:\n%v", c.name, findings)
			}
		})
	}
}
