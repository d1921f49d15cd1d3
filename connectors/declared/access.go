package declared

import (
	"context"
	"errors"
	"net/http"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Access is what systems.yaml says about how the hub is let in by a system. A certificate of ours stands
// under tls:, as for every system.
type Access struct {
	Token         hub.Secret
	User          string
	Secret        hub.Secret
	OAuth2        OAuth2
	Headers       map[string]string
	SecretHeaders map[string]hub.Secret
}

// OAuth2 is how a token is got by client credentials (RFC 6749, 4.4).
type OAuth2 struct {
	URL    string     `yaml:"url" doc:"where tokens are given"`
	Client string     `yaml:"client" doc:"what the hub is called there"`
	Secret hub.Secret `yaml:"secret" doc:"its secret"`
	Scopes []string   `yaml:"scopes,omitempty" doc:"what is asked for"`
	In     string     `yaml:"in,omitempty" doc:"where client and secret are said: header (HTTP Basic, when left out) or form"`
}

// A way is how the hub is let in by a system.
type way struct {
	Access
	tokens *hub.Tokens // nil without oauth2
}

func newWay(env hub.Env, a Access) *way {
	w := &way{Access: a}
	if a.OAuth2.URL == "" {
		return w
	}
	style := oauth2.AuthStyleInHeader
	if a.OAuth2.In == "form" {
		style = oauth2.AuthStyleInParams
	}
	w.tokens = hub.NewTokens(env.Clock, granting(env, clientcredentials.Config{
		ClientID: a.OAuth2.Client, ClientSecret: a.OAuth2.Secret.Reveal(), TokenURL: a.OAuth2.URL,
		Scopes: a.OAuth2.Scopes, AuthStyle: style,
	}))
	return w
}

// admit puts on a request what lets it in. Where that can be had anew, stale says that it was no good.
func (w *way) admit(ctx context.Context, req *http.Request) (stale func(), err error) {
	for name, value := range w.Headers {
		req.Header.Set(name, value)
	}
	for name, secret := range w.SecretHeaders {
		req.Header.Set(name, secret.Reveal())
	}
	switch {
	case w.tokens != nil:
		token, err := w.tokens.Get(ctx)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		return func() { w.tokens.Forget(token) }, nil
	case w.User != "":
		req.SetBasicAuth(w.User, w.Secret.Reveal())
	case w.Token.Reveal() != "":
		req.Header.Set("Authorization", "Bearer "+w.Token.Reveal())
	}
	return nil, nil
}

// granting fetches tokens. The library's own errors quote the answer, and it would count a token's
// time from the machine's clock.
func granting(env hub.Env, by clientcredentials.Config) func(context.Context) (hub.Grant, error) {
	return func(ctx context.Context) (hub.Grant, error) {
		given, err := by.Token(context.WithValue(ctx, oauth2.HTTPClient, env.HTTP))
		var refused *oauth2.RetrieveError
		switch {
		case errors.As(err, &refused):
			return hub.Grant{}, hub.NoToken(refused.Response, nil, env.Clock())
		case err != nil:
			return hub.Grant{}, hub.NoToken(nil, err, env.Clock())
		}
		return hub.Grant{Token: given.AccessToken, ExpiresIn: given.Extra("expires_in")}, nil
	}
}
