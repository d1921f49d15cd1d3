package messaging

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/knutpunkt/knutpunkt/hub"
)

// post says something in JSON and reads the answer into another. A token that is no longer good is
// fetched anew, once: a refused call has done nothing.
func (m *messenger) post(ctx context.Context, client *http.Client, address string, say, into any) error {
	body, err := json.Marshal(say)
	if err != nil {
		return hub.Reject(errors.New("what is to be said cannot be written"))
	}
	for again := false; ; again = true {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
		if err != nil {
			return hub.Unavailable(errors.New("the address cannot be called"), hub.AddressChanged)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json")
		token, err := m.admit(ctx, req)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return hub.WithoutAddress(err)
		}
		if resp.StatusCode == http.StatusUnauthorized && m.tokens != nil && !again {
			resp.Body.Close()
			m.tokens.Forget(token)
			continue
		}
		return m.read(resp, into)
	}
}

// largestAnswer is many times what there is to say, in bytes.
const largestAnswer = 1 << 20

func (m *messenger) read(resp *http.Response, into any) error {
	defer resp.Body.Close()
	text, cut := io.ReadAll(io.LimitReader(resp.Body, largestAnswer))
	if err := hub.ByStatus(resp, m.env.Clock()); err != nil {
		return err
	}
	if cut != nil || json.Unmarshal(text, into) != nil { // what JSON says is wrong quotes the answer
		return hub.Strange(errors.New("the answer cannot be read"))
	}
	return nil
}

// admit puts on a request what lets it in, and gives the token that was fetched for it.
func (m *messenger) admit(ctx context.Context, req *http.Request) (fetched string, err error) {
	token := m.conf.Token.Reveal()
	if m.tokens != nil {
		if fetched, err = m.tokens.Get(ctx); err != nil {
			return "", err
		}
		token = fetched
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return fetched, nil
}

// granting fetches tokens. The library's own errors quote the answer, and it would count a token's time from
// the machine's clock.
func granting(env hub.Env, by OAuth2) func(context.Context) (hub.Grant, error) {
	from := clientcredentials.Config{
		ClientID: by.Client, ClientSecret: by.Secret.Reveal(), TokenURL: by.URL, AuthStyle: oauth2.AuthStyleInHeader,
	}
	return func(ctx context.Context) (hub.Grant, error) {
		given, err := from.Token(context.WithValue(ctx, oauth2.HTTPClient, env.HTTP))
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
