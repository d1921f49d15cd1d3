// Package webhook tells a platform, or anybody else who wants to know, how cases are getting on: by a
// small signed POST of the kind that Standard Webhooks 1.0 describes.
//
// A webhook holds ids and a Step, never a person. It has the same id and the same body each time that
// the same is told, so that a receiver knows what it has heard. In errors and addresses there is nothing
// of what is told or answered.
package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// New is the connector, for connectors.All.
var New = hub.Define("webhook", "Tells a platform, or anybody else, how cases are getting on, by signed webhooks.", open)

// Config is what systems.yaml says about one receiver.
type Config struct {
	URL     string        `yaml:"url" doc:"where webhooks are received"`
	Secrets []hub.Secret  `yaml:"secrets" doc:"what they are signed with, whsec_ and 24–64 bytes of base64; two while one is being changed"`
	Steps   hub.StepsTold `yaml:"steps,omitempty" doc:"the steps that are told; all of them when left out"`
	Type    string        `yaml:"type,omitempty" doc:"what the webhooks call themselves; status when left out"`
}

func open(_ context.Context, env hub.Env, c Config) (hub.System, error) {
	if c.Type == "" {
		c.Type = "status"
	}
	if err := c.check(); err != nil {
		return hub.System{}, fmt.Errorf("open %s: %w", env.ID, err)
	}
	return hub.System{Teller: &receiver{env, c}}, nil
}

// check leaves the secrets alone: a configuration may be checked where they are not.
func (c Config) check() error {
	switch {
	case len(c.Secrets) < 1 || len(c.Secrets) > 2:
		return errors.New("secrets: one, or two while one is being changed")
	case strings.Trim(c.Type, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.") != "":
		return errors.New("type: letters a–z, digits, _ and full stops, such as se.karlskrona.status")
	}
	return c.Steps.Check()
}

// A receiver is whoever is told.
type receiver struct {
	hub.Env
	conf Config
}

// patience is how long a receiver may take. One that has much to do says 2xx first.
const patience = 20 * time.Second

// Tell posts one webhook. Whatever is answered with 2xx has heard, unless it is a page for people.
func (r *receiver) Tell(ctx context.Context, t hub.Telling) error {
	if !r.conf.Steps.Has(t.Status.Step) {
		return nil
	}
	text, err := json.Marshal(r.webhook(t.Status))
	if err != nil {
		return hub.Reject(errors.New("the webhook cannot be written"))
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := r.signed(ctx, string(t.Key), text)
	if err != nil {
		return err
	}
	resp, err := r.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("tell the receiver: %w", hub.WithoutAddress(err))
	}
	defer resp.Body.Close()
	return r.answer(resp)
}

// A body is what a webhook holds.
type body struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"` // of what is told, so that it is the same when it is told again
	Data      status    `json:"data"`
}

type status struct {
	Case       hub.CaseID `json:"case"`
	Submission hub.ID     `json:"submission"`
	Step       hub.Step   `json:"step"`
	At         time.Time  `json:"at"`
	Expect     *time.Time `json:"expect"`
	Ball       hub.Ball   `json:"ball"`
	Ref        string     `json:"ref,omitempty"`
}

func (r *receiver) webhook(s hub.Status) body {
	told := status{Case: s.Case, Submission: s.Submission, Step: s.Step, At: s.At.UTC(), Ball: s.Ball, Ref: s.Ref}
	if !s.Expect.IsZero() {
		expect := s.Expect.UTC()
		told.Expect = &expect
	}
	return body{r.conf.Type, told.At, told}
}

// signed makes the request, with a signature by each secret that is in force.
func (r *receiver) signed(ctx context.Context, id string, text []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.conf.URL, bytes.NewReader(text))
	if err != nil {
		return nil, hub.Unavailable(errors.New("the address cannot be called"), hub.AddressChanged)
	}
	now := r.Clock()
	var signatures []string
	for _, secret := range r.conf.Secrets {
		if err := hub.CheckWebhookSecret(secret); err != nil {
			return nil, hub.Unavailable(fmt.Errorf("sign the webhook: %w", err), hub.Credentials)
		}
		signatures = append(signatures, hub.WebhookSignature(secret, id, now, text))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(hub.WebhookID, id)
	req.Header.Set(hub.WebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(hub.WebhookSigned, strings.Join(signatures, " "))
	return req, nil
}

// largestAnswer is as much of an answer as is read. What is said in it does not count.
const largestAnswer = 64 << 10

// answer reads what a receiver says. A 410 says that it will never listen again: a person must look.
func (r *receiver) answer(resp *http.Response) error {
	text, cut := io.ReadAll(io.LimitReader(resp.Body, largestAnswer))
	if resp.StatusCode == http.StatusGone {
		return hub.Reject(errors.New("HTTP status 410: the receiver wants no more webhooks"))
	}
	switch err := hub.ByStatus(resp, r.Clock()); {
	case err != nil:
		return err
	case cut != nil:
		return hub.Strange(errors.New("the answer is cut"))
	case strings.HasPrefix(http.DetectContentType(text), "text/html"):
		return hub.Strange(errors.New("the answer is a page for people"))
	}
	return nil
}
