package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A way is how the hub is let in by a system.
type way struct {
	conf   Config
	tokens *tokens // nil without oauth2
}

func newWay(env hub.Env, c Config) *way {
	w := &way{conf: c}
	if c.OAuth2.URL == "" {
		return w
	}
	style := oauth2.AuthStyleInHeader
	if c.OAuth2.In == "form" {
		style = oauth2.AuthStyleInParams
	}
	w.tokens = &tokens{env: env, turn: make(chan struct{}, 1), from: clientcredentials.Config{
		ClientID: c.OAuth2.Client, ClientSecret: c.OAuth2.Secret.Reveal(), TokenURL: c.OAuth2.URL,
		Scopes: c.OAuth2.Scopes, AuthStyle: style,
	}}
	return w
}

// admit puts on a request what lets it in. Where that can be had anew, stale says that it was no good.
func (w *way) admit(ctx context.Context, req *http.Request) (stale func(), err error) {
	for name, value := range w.conf.Headers {
		req.Header.Set(name, value)
	}
	for name, secret := range w.conf.SecretHeaders {
		req.Header.Set(name, secret.Reveal())
	}
	switch {
	case w.tokens != nil:
		token, err := w.tokens.get(ctx)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		return func() { w.tokens.forget(token) }, nil
	case w.conf.User != "":
		req.SetBasicAuth(w.conf.User, w.conf.Secret.Reveal())
	case w.conf.Token.Reveal() != "":
		req.Header.Set("Authorization", "Bearer "+w.conf.Token.Reveal())
	}
	return nil, nil
}

// tokens keep the token that is in force. It is fetched by one caller at a time.
type tokens struct {
	env  hub.Env
	from clientcredentials.Config
	turn chan struct{} // holds one while a token is fetched

	mu    sync.Mutex
	token string
	until time.Time // zero when the system does not say
}

// margin is how long before its end a token is no longer used: a large file takes its time.
const margin = time.Minute

func (t *tokens) get(ctx context.Context) (string, error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return "", hub.Later(ctx.Err(), 0)
	}
	if token := t.inForce(); token != "" {
		return token, nil
	}
	fetched, err := t.from.Token(context.WithValue(ctx, oauth2.HTTPClient, t.env.HTTP))
	if err != nil {
		return "", t.refusal(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token, t.until = fetched.AccessToken, time.Time{}
	if lasts := lifetime(fetched); lasts > 0 {
		t.until = t.env.Clock().Add(lasts - min(margin, lasts/2))
	}
	return t.token, nil
}

func (t *tokens) inForce() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.until.IsZero() && !t.env.Clock().Before(t.until) {
		return ""
	}
	return t.token
}

// forget has the next call fetch another token, unless somebody has done so already.
func (t *tokens) forget(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == token {
		t.token = ""
	}
}

// lifetime reads expires_in, which some write as a text. The library would count it from the machine's own
// clock.
func lifetime(t *oauth2.Token) time.Duration {
	switch seconds := t.Extra("expires_in").(type) {
	case float64:
		return time.Duration(min(max(seconds, 0), 1e6)) * time.Second
	case string:
		n, err := strconv.Atoi(seconds)
		if err == nil {
			return time.Duration(min(max(n, 0), 1e6)) * time.Second
		}
	}
	return 0
}

// refusal is why there is no token. Nothing of the delivery was sent, so that it is always a *not now*. The
// library's own errors quote the answer.
func (t *tokens) refusal(err error) error {
	var answer *oauth2.RetrieveError
	if errors.As(err, &answer) {
		return withoutToken(answer.Response, t.env.Clock())
	}
	switch a, wait, cause := hub.AnswerOf(hub.Receipt{}, err); {
	case a == hub.NotNow && cause != "":
		return hub.Unavailable(errors.New("no token: its address cannot be reached"), cause)
	case a == hub.NotNow:
		return hub.Later(errors.New("no token: its address cannot be reached"), wait)
	}
	return hub.Later(errors.New("no token: no answer that can be read"), 0)
}

// withoutToken reads the status of an answer that gives no token. 400 is how OAuth 2 refuses a client, and so
// is what came with 200.
func withoutToken(resp *http.Response, now time.Time) error {
	err := fmt.Errorf("no token: HTTP status %d", resp.StatusCode)
	usual := hub.ByStatus(resp, now)
	switch a, wait, cause := hub.AnswerOf(hub.Receipt{Number: "none"}, usual); {
	case a == hub.Yes, a == hub.No:
		return hub.Unavailable(err, hub.Credentials)
	case cause != "" && wait == 0:
		return hub.Unavailable(err, cause)
	case a == hub.NotNow:
		return hub.Later(err, wait)
	}
	return hub.Unavailable(err, hub.Down)
}
