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
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/hub"
)

// A shelf is a peer on which documents are put: PUT KEY and HAS KEY on a line, and OK with a number, NO or LATER
// in answer. It takes the same twice.
type shelf struct {
	mu   sync.Mutex
	keys []string
	turn hub.Answer
}

func newShelf() certify.Peer { return &shelf{} }

func (s *shelf) Serve(conn net.Conn) { serveLines(conn, s.answer) }

func (s *shelf) answer(line string) string {
	verb, key, _ := strings.Cut(line, " ")
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.Index(s.keys, key)
	switch {
	case verb == "HAS" && at < 0:
		return "NO"
	case verb == "HAS":
		return fmt.Sprint("OK ", at+1)
	case s.turn == hub.No:
		return "NO"
	case s.turn == hub.NotNow:
		return "LATER"
	}
	s.keys = append(s.keys, key)
	return fmt.Sprint("OK ", len(s.keys))
}

func (s *shelf) Turn(a hub.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn = a
}

func (s *shelf) Cases() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys)
}

func (s *shelf) Told() int { return 0 }

const (
	putsAgain     flaw = "puts it again where an answer was lost"
	neverLooks    flaw = "does not look before it puts"
	silenceIsNone flaw = "a question that is not answered as not found"
)

// A porter puts documents on a shelf, with one mistake.
type porter struct {
	env     hub.Env
	address string
	flaw    flaw
}

func porterWith(f flaw) hub.Connector {
	return hub.Define("porter", "Puts documents on a shelf.", func(_ context.Context, env hub.Env, c crierConfig) (hub.System, error) {
		return hub.System{
			Destination: &porter{env: env, address: c.Address, flaw: f},
			Can:         hub.Capabilities{"put": {Level: hub.Lookup, Lag: time.Second}},
		}, nil
	})
}

func (p *porter) Deliver(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	if !d.InDoubt.IsZero() && p.flaw != neverLooks {
		if r, err := p.Find(ctx, d); err == nil {
			return r, nil
		}
	}
	said, sent, err := p.say(ctx, "PUT "+string(d.Key))
	if err != nil && sent && p.flaw == putsAgain {
		said, _, err = p.say(ctx, "PUT "+string(d.Key))
	}
	switch verb, number, _ := strings.Cut(said, " "); {
	case err != nil && (!sent || p.flaw == lostIsUnheard):
		return hub.Receipt{}, hub.Unavailable(errors.New("no connection"), hub.Down)
	case err != nil:
		return hub.Receipt{}, errors.New("the line was lost")
	case verb == "OK", p.flaw == anyLineIsYes:
		return hub.Receipt{Number: number + ".", At: p.env.Clock()}, nil
	case verb == "LATER":
		return hub.Receipt{}, hub.Later(errors.New("it was put off"), 0)
	case verb == "NO":
		return hub.Receipt{}, hub.Reject(errors.New("it was refused"))
	}
	return hub.Receipt{}, hub.Strange(errors.New("the shelf says what nobody knows"))
}

func (p *porter) Find(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	said, _, err := p.say(ctx, "HAS "+string(d.Key))
	switch verb, number, _ := strings.Cut(said, " "); {
	case err != nil && p.flaw == silenceIsNone:
		return hub.Receipt{}, hub.ErrNotFound
	case err != nil:
		return hub.Receipt{}, errors.New("the shelf does not answer")
	case verb == "OK":
		return hub.Receipt{Number: number + ".", At: p.env.Clock()}, nil
	}
	return hub.Receipt{}, hub.ErrNotFound
}

// say says one line and hears the answer.
func (p *porter) say(ctx context.Context, line string) (said string, sent bool, err error) {
	conn, err := p.env.Dial(ctx, "tcp", p.address)
	if err != nil || ctx.Err() != nil {
		return "", false, errors.New("no connection")
	}
	defer conn.Close()
	if p.flaw != neverStops {
		defer context.AfterFunc(ctx, func() { conn.Close() })()
	}
	if _, err := fmt.Fprintln(conn, line); err != nil {
		return "", true, errors.New("the line was lost")
	}
	said, err = bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(said), true, err
}

func TestDestinationsAmongPeers(t *testing.T) {
	for _, c := range []struct {
		flaw flaw
		name string // of the case that finds it; "" for none
	}{
		{none, ""},
		{anyLineIsYes, "no"},
		{putsAgain, "don't know"},
		{neverLooks, "yes"},
		{lostIsUnheard, "don't know"},
		{silenceIsNone, "find"},
		{neverStops, "slow"},
	} {
		t.Run(string(c.flaw), func(t *testing.T) {
			t.Parallel()
			connector := porterWith(c.flaw)
			findings := certify.Check(t.Context(), certify.Subject{
				Connector: connector, Decode: connectortest.Decode(t, connector), Config: "address: \"{{ADDRESS}}\"\n",
				Peer: newShelf, Deliveries: map[string]hub.Delivery{"put": {}},
			})
			found := slices.ContainsFunc(findings, func(f certify.Finding) bool { return f.Role == "destination put" && f.Case == c.name })
			if c.name != "" && !found || c.name == "" && len(findings) > 0 {
				t.Errorf("not found by %q; these were:\n%v", c.name, findings)
			}
		})
	}
}
