package messaging

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

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
			m.tokens.forget(token)
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
		if fetched, err = m.tokens.get(ctx); err != nil {
			return "", err
		}
		token = fetched
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return fetched, nil
}

// tokens keep the token that is in force. It is fetched by one caller at a time.
type tokens struct {
	env  hub.Env
	from OAuth2
	turn chan struct{} // holds one while a token is fetched

	mu    sync.Mutex
	token string
	until time.Time
}

func (t *tokens) get(ctx context.Context) (string, error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return "", hub.Later(errors.New("no token: given up"), 0)
	}
	t.mu.Lock()
	token, until := t.token, t.until
	t.mu.Unlock()
	if token != "" && t.env.Clock().Before(until) {
		return token, nil
	}
	token, lasts, err := t.fetch(ctx)
	if err != nil {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token, t.until = token, t.env.Clock().Add(lasts)
	return token, nil
}

// forget has the next call fetch another token, unless somebody has done so already.
func (t *tokens) forget(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == token {
		t.token = ""
	}
}

// fetch asks for a token, and says how long to use it: a tenth less than it is good for, or a minute. Without one
// nothing has been sent to anybody, so that it is always a *not now*.
func (t *tokens) fetch(ctx context.Context) (token string, lasts time.Duration, err error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.from.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, hub.Unavailable(errors.New("no token: the address cannot be called"), hub.AddressChanged)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(t.from.Client), url.QueryEscape(t.from.Secret.Reveal()))
	resp, err := t.env.HTTP.Do(req)
	if err != nil {
		return "", 0, notNow(hub.WithoutAddress(err), "no token: nobody answers")
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, largestAnswer))
	var given struct {
		Token string      `json:"access_token"`
		Lasts json.Number `json:"expires_in"` // seconds; some write it as a text
	}
	switch {
	case resp.StatusCode == http.StatusBadRequest: // how OAuth 2 refuses a client
		return "", 0, hub.Unavailable(errors.New("no token: HTTP status 400"), hub.Credentials)
	case resp.StatusCode/100 != 2:
		refused := hub.ByStatus(resp, t.env.Clock())
		return "", 0, notNow(refused, fmt.Sprintf("no token: HTTP status %d", resp.StatusCode))
	case err != nil || json.Unmarshal(text, &given) != nil || given.Token == "":
		return "", 0, hub.Unavailable(errors.New("no token: the answer cannot be read"), hub.ContractBroken)
	}
	seconds, err := given.Lasts.Float64()
	if err != nil { // it does not say
		return given.Token, time.Minute, nil
	}
	lasts = time.Duration(min(max(seconds, 0), 1e6)) * time.Second
	return given.Token, lasts - lasts/10, nil
}

// notNow makes of an error whatever it was a *not now*, with another text.
func notNow(err error, text string) error {
	_, wait, cause := hub.AnswerOf(hub.Receipt{}, err)
	if cause != "" && cause != hub.Busy {
		return hub.Unavailable(errors.New(text), cause)
	}
	return hub.Later(errors.New(text), wait)
}
