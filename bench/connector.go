package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/knutpunkt/knutpunkt/hub"
)

// neighbourly connects one of the neighbours.
var neighbourly = hub.Define("neighbour", "One of the systems that the bench runs beside what it measures.",
	func(_ context.Context, env hub.Env, c neighbourConfig) (hub.System, error) {
		n := &neighbour{c.URL, env}
		return hub.System{
			Register: n, Destination: n,
			Can: hub.Capabilities{"arende": {Level: hub.Idempotent}, "ansokan": {Level: hub.Idempotent}},
		}, nil
	})

type neighbourConfig struct {
	URL string `yaml:"url" doc:"Where it takes posts."`
}

type neighbour struct {
	url string
	env hub.Env
}

// Lookup asks the register about a person.
func (n *neighbour) Lookup(ctx context.Context, id hub.PersonID) (hub.Person, error) {
	var e entry
	if err := n.post(ctx, n.env.Reads, "", "application/json", question{id.Reveal()}.json(), &e); err != nil {
		return hub.Person{}, err
	}
	if e.Personnummer != id.Reveal() {
		return hub.Person{}, hub.ErrMismatch
	}
	protection := hub.NotProtected
	if e.Protected {
		protection = hub.Marked
	}
	return hub.Person{
		ID: id, Given: e.Given, Family: e.Family, Protection: protection, Registered: municipality,
		Address:   &hub.Address{Street: e.Street, Postcode: e.Postcode, City: e.City},
		Delivered: hub.Blocks{Name: true, Address: true}, AsOf: n.env.Clock(),
	}, nil
}

// Deliver hands over a document under its Key, by which the system knows it again.
func (n *neighbour) Deliver(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	var got receipt
	err := n.post(ctx, n.env.HTTP, string(d.Key), d.Document.Type, d.Document.Reveal(), &got)
	return hub.Receipt{Number: got.Number, At: n.env.Clock()}, err
}

// Find is not needed: what is sent again is known by its Key.
func (n *neighbour) Find(context.Context, hub.Delivery) (hub.Receipt, error) {
	return hub.Receipt{}, hub.ErrCannotTell
}

func (n *neighbour) post(
	ctx context.Context, client *http.Client, key, media string, text []byte, into any,
) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url, bytes.NewReader(text))
	if err != nil {
		return errors.New("the address cannot be used")
	}
	r.Header.Set("Content-Type", media)
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := hub.ByStatus(resp, n.env.Clock()); err != nil {
		return err
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil {
		err = json.Unmarshal(answer, into)
	}
	if err != nil {
		return hub.Strange(errors.New("the answer cannot be read"))
	}
	return nil
}
