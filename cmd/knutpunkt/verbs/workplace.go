package verbs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
)

// A workplace is where one operator works: the operators' API of a hub that runs, under her
// name. What it answers in words is Swedish, as on the pages, and printed as it is.
type workplace struct {
	address, name, secret string
	http                  *http.Client
}

// secretVariable is where a script has the operator's secret.
const secretVariable = "KNUTPUNKT_OPERATOR_SECRET"

// workFlags say whose workplace it is and where.
type workFlags struct{ as, operator string }

func (f *workFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.as, "as", "", "your name, of operators: in knutpunkt.yaml; the secret is asked for, or in "+secretVariable)
	cmd.Flags().StringVar(&f.operator, "operator", "", "host:port of the hub's console, instead of what knutpunkt.yaml says")
}

// open asks for the secret and finds the hub.
func (f *workFlags) open(dir string) (*workplace, error) {
	if f.as == "" {
		return nil, usage{errors.New("--as NAME says who you are")}
	}
	address := f.operator
	if address == "" {
		settings, err := config.ReadSettings(dir, config.Environment(os.Environ())...)
		if err != nil {
			return nil, err
		}
		address = settings.Operator
	}
	address = reached(address)
	if !onThisMachine(address) {
		return nil, fmt.Errorf("%s is not on this machine: a secret is not sent over a network in the open; work where the hub runs", address)
	}
	secret, err := askSecret(f.as)
	if err != nil {
		return nil, err
	}
	return &workplace{address, f.as, secret, &http.Client{
		Timeout: time.Minute, Transport: &http.Transport{Proxy: nil},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// reached gives where a listener on every address is reached from its own machine.
func reached(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip, ipErr := netip.ParseAddr(host); err == nil && (host == "" || ipErr == nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}

func onThisMachine(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip, ipErr := netip.ParseAddr(host)
	return err == nil && (host == "localhost" || ipErr == nil && ip.IsLoopback())
}

func askSecret(name string) (string, error) {
	if secret := os.Getenv(secretVariable); secret != "" {
		return secret, nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return "", fmt.Errorf("there is no terminal to ask for the secret of %s on: set %s", name, secretVariable)
	}
	fmt.Fprintf(os.Stderr, "Hemlighet för %s: ", name)
	secret, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	if err != nil || len(secret) == 0 {
		return "", errors.New("no secret was given")
	}
	return string(secret), nil
}

// An outcome is what came of a decision.
type outcome struct{ Key, Outcome, Text string }

// A heldRow is one form or delivery, as the workplace is told of it.
type heldRow struct {
	Key          hub.Key
	Case         hub.CaseID
	Municipality hub.Municipality
	State        hub.State
	Proposal     *struct {
		By, Text string
		Verb     hub.Verb
		At       time.Time
	}
}

// A file is a case without its content.
type file struct {
	Rows []heldRow
	Acts []hub.Act
}

func (f file) row(k hub.Key) *heldRow {
	for i := range f.Rows {
		if f.Rows[i].Key == k {
			return &f.Rows[i]
		}
	}
	return nil
}

func (d *workplace) decide(ctx context.Context, members map[string]any) (o outcome, err error) {
	return o, d.call(ctx, http.MethodPost, "/v1/decisions", members, &o)
}

func (d *workplace) approve(ctx context.Context, k hub.Key, proposed time.Time, reason string) (o outcome, err error) {
	return o, d.call(ctx, http.MethodPost, "/v1/approvals", map[string]any{"key": k, "proposed": proposed, "reason": reason}, &o)
}

func (d *workplace) file(ctx context.Context, k hub.Key) (f file, err error) {
	return f, d.call(ctx, http.MethodGet, "/v1/cases/"+url.PathEscape(string(k)), nil, &f)
}

// held gives all rows that a filter takes.
func (d *workplace) held(ctx context.Context, filter url.Values) (rows []heldRow, err error) {
	for {
		var page struct {
			Rows []heldRow
			Next string
		}
		if err := d.call(ctx, http.MethodGet, "/v1/held?"+filter.Encode(), nil, &page); err != nil {
			return nil, err
		}
		if rows = append(rows, page.Rows...); page.Next == "" {
			return rows, nil
		}
		filter.Set("after", page.Next)
	}
}

// call asks the hub. What it refuses is an error in the hub's own words.
func (d *workplace) call(ctx context.Context, method, path string, body, into any) error {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+d.address+path, sent)
	if err != nil {
		return fmt.Errorf("%s is no address of a hub", d.address)
	}
	req.SetBasicAuth(d.name, d.secret)
	req.Header.Set("Content-Type", "application/json")
	resp, err := d.http.Do(req)
	if err != nil {
		return fmt.Errorf("no hub answers on %s: start it with knutpunkt serve, or say where it is with --operator", d.address)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("the answer of the hub on %s was cut off: see what was done with knutpunkt deliveries show", d.address)
	}
	if resp.StatusCode != http.StatusOK {
		return refusalOf(resp.StatusCode, text)
	}
	if json.Unmarshal(text, into) != nil {
		return fmt.Errorf("what answers on %s is no hub of this version", d.address)
	}
	return nil
}

// refusalOf reads a problem (RFC 9457).
func refusalOf(status int, text []byte) error {
	var problem struct {
		Title, Detail string
		Errors        []struct{ Pointer, Code string }
	}
	if json.Unmarshal(text, &problem) != nil || problem.Title == "" {
		return fmt.Errorf("the hub answers with status %d", status)
	}
	said := problem.Title + ". " + problem.Detail
	for _, e := range problem.Errors {
		said += " [" + strings.TrimPrefix(e.Pointer, "/") + ": " + e.Code + "]"
	}
	return errors.New(said)
}
