package rest

import (
	"context"
	"errors"
	"net/http"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A way is how the hub is let in by a system.
type way struct {
	conf   Config
	tokens *hub.Tokens // nil without oauth2
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
	w.tokens = hub.NewTokens(env.Clock, granting(env, clientcredentials.Config{
		ClientID: c.OAuth2.Client, ClientSecret: c.OAuth2.Secret.Reveal(), TokenURL: c.OAuth2.URL,
		Scopes: c.OAuth2.Scopes, AuthStyle: style,
	}))
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
		token, err := w.tokens.Get(ctx)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		return func() { w.tokens.Forget(token) }, nil
	case w.conf.User != "":
		req.SetBasicAuth(w.conf.User, w.conf.Secret.Reveal())
	case w.conf.Token.Reveal() != "":
		req.Header.Set("Authorization", "Bearer "+w.conf.Token.Reveal())
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
