package connectortest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/hub"
)

// The whole test of a small connector: the smallest believable system, and Run.
func TestConformance(t *testing.T) {
	connectortest.Run(t, connectortest.Case{
		Connector: newDiarium,
		Config:    "url: {{URL}}\ntoken: {{SECRET}}\nunit: KS\n",
		Fake:      func() connectortest.Fake { return &fake{cases: map[string]string{}} },
	})
}

// fake is a diarium that remembers its cases by Idempotency-Key.
type fake struct{ cases map[string]string }

func (f *fake) Cases() int { return len(f.cases) }

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Idempotency-Key")
	if r.Method == "GET" {
		key = r.FormValue("nyckel")
	} else if f.cases[key] == "" {
		f.cases[key] = fmt.Sprintf("KS 2026/%05d", len(f.cases)+1)
	}
	json.NewEncoder(w).Encode(map[string]any{
		"diarienummer": f.cases[key], "nyckel": key,
		"registrerat": time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
	})
}

// The connector itself: a diarium that refuses a second case with the same
// Idempotency-Key and can be searched by it.
var newDiarium = hub.Define("diarium", "Registers cases in a diarium over REST.", open)

type config struct {
	URL   string     `yaml:"url"   doc:"where the diarium's API begins"`
	Token hub.Secret `yaml:"token" doc:"the hub's access token"`
	Unit  string     `yaml:"unit"  doc:"the nämnd that owns the cases, such as KS"`
}

func open(_ context.Context, env hub.Env, c config) (hub.System, error) {
	d := &diarium{env, c}
	return hub.System{Destination: d, Can: hub.Capabilities{"arende": {Level: hub.Idempotent}}}, nil
}

type diarium struct {
	env  hub.Env
	conf config
}

func (d *diarium) Deliver(ctx context.Context, del hub.Delivery) (hub.Receipt, error) {
	req, err := d.request(ctx, "POST", "/arenden?enhet="+url.QueryEscape(d.conf.Unit), del.Document.Reveal())
	if err != nil {
		return hub.Receipt{}, err
	}
	req.Header.Set("Content-Type", del.Document.Type)
	req.Header.Set("Idempotency-Key", string(del.Key))
	r, err := d.do(d.env.HTTP, req, del.Key)
	if err == nil && r.Number == "" {
		err = hub.Strange(errors.New("no diarienummer in the answer"))
	}
	return r, err
}

func (d *diarium) Find(ctx context.Context, del hub.Delivery) (hub.Receipt, error) {
	req, err := d.request(ctx, "GET", "/arenden?nyckel="+url.QueryEscape(string(del.Key)), nil)
	if err != nil {
		return hub.Receipt{}, err
	}
	r, err := d.do(d.env.Reads, req, del.Key)
	if err == nil && r.Number == "" {
		err = hub.ErrNotFound
	}
	return r, err
}

func (d *diarium) request(ctx context.Context, method, path string, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, d.conf.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the address cannot be called")
	}
	req.Header.Set("Authorization", "Bearer "+d.conf.Token.Reveal())
	return req, nil
}

func (d *diarium) do(client *http.Client, req *http.Request, key hub.Key) (hub.Receipt, error) {
	resp, err := client.Do(req)
	if err != nil {
		return hub.Receipt{}, errors.Unwrap(err) // without the address
	}
	defer resp.Body.Close()
	if err := hub.ByStatus(resp, d.env.Clock()); err != nil {
		return hub.Receipt{}, err
	}
	var answer struct {
		Key        string    `json:"nyckel"`
		Number     *string   `json:"diarienummer"`
		Registered time.Time `json:"registrerat"`
	}
	if json.NewDecoder(resp.Body).Decode(&answer) != nil || answer.Number == nil {
		return hub.Receipt{}, hub.Strange(errors.New("the answer cannot be read"))
	}
	if answer.Key != string(key) {
		return hub.Receipt{}, hub.Strange(errors.New("the answer is about another case"))
	}
	return hub.Receipt{Number: *answer.Number, At: answer.Registered}, nil
}
