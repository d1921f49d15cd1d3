package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Tokens keep the token that lets a connector in, until it grows old or is refused. It is
// fetched by one caller at a time.
type Tokens struct {
	clock func() time.Time
	fetch func(context.Context) (Grant, error)
	turn  chan struct{} // holds one while a token is fetched

	mu    sync.Mutex
	token string
	until time.Time // zero when the system does not say
}

// A Grant is a token as a system gives it.
type Grant struct {
	Token     string
	ExpiresIn any // seconds, as its JSON has them: some write a text. nil when it does not say
}

// NewTokens keeps what fetch gives.
func NewTokens(clock func() time.Time, fetch func(context.Context) (Grant, error)) *Tokens {
	return &Tokens{clock: clock, fetch: fetch, turn: make(chan struct{}, 1)}
}

// tokenMargin is how long before its end a token is no longer used: a large file takes its time.
const tokenMargin = time.Minute

// Get gives the token that is in force, or another one.
func (t *Tokens) Get(ctx context.Context) (string, error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return "", Later(errors.New("no token: given up"), 0)
	}
	if token := t.inForce(); token != "" {
		return token, nil
	}
	given, err := t.fetch(ctx)
	if err != nil {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token, t.until = given.Token, time.Time{}
	if lasts := given.lasts(); lasts > 0 {
		t.until = t.clock().Add(lasts - min(tokenMargin, lasts/2))
	}
	return t.token, nil
}

func (t *Tokens) inForce() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.until.IsZero() && !t.clock().Before(t.until) {
		return ""
	}
	return t.token
}

// Forget has the next call fetch another token, unless somebody has done so already.
func (t *Tokens) Forget(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == token {
		t.token = ""
	}
}

// lasts gives how long a token is good for, 0 when nobody says.
func (g Grant) lasts() time.Duration {
	switch seconds := g.ExpiresIn.(type) {
	case float64:
		return time.Duration(min(max(seconds, 0), 1e6)) * time.Second
	case string:
		if n, err := strconv.Atoi(seconds); err == nil {
			return time.Duration(min(max(n, 0), 1e6)) * time.Second
		}
	}
	return 0
}

// NoToken says why there is no token, by the answer, or by the error of a call that got none.
// Nothing else was sent, so that it is always a *not now*.
func NoToken(answer *http.Response, err error, now time.Time) error {
	if answer != nil {
		return refusedToken(answer, now)
	}
	switch a, wait, cause := AnswerOf(Receipt{}, err); {
	case a == NotNow && cause != "":
		return Unavailable(errors.New("no token: its address cannot be reached"), cause)
	case a == NotNow:
		return Later(errors.New("no token: its address cannot be reached"), wait)
	}
	return Later(errors.New("no token: no answer that can be read"), 0)
}

// refusedToken reads the status of an answer that gives no token. 400 is how OAuth 2 refuses a
// client, and so is what came with 200.
func refusedToken(answer *http.Response, now time.Time) error {
	err := fmt.Errorf("no token: HTTP status %d", answer.StatusCode)
	switch a, wait, cause := AnswerOf(Receipt{Number: "none"}, ByStatus(answer, now)); {
	case a == Yes, a == No:
		return Unavailable(err, Credentials)
	case cause != "" && wait == 0:
		return Unavailable(err, cause)
	case a == NotNow:
		return Later(err, wait)
	}
	return Unavailable(err, Down)
}
