package oepsim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// The policy of a good platform: the same bytes again until somebody has answered
// for them.
const (
	patience     = 30 * time.Second // for one try
	firstPause   = time.Second      // doubled at every try
	longestPause = 30 * time.Second
)

// Submit sends a form in and posts it to the hub until the hub has answered for it,
// or ctx is done. It gives the hub's ID for it. A form that is refused is not sent
// again: that is an error with the HTTP status.
func (s *Sim) Submit(ctx context.Context, client *http.Client, url, token string, f Form,
) (id string, err error) {
	if err := s.SendIn(f); err != nil {
		return "", err
	}
	pause := firstPause
	for {
		wait, done, id, err := s.post(ctx, client, url, token, f)
		if done {
			return id, err
		}
		if wait == 0 {
			wait, pause = pause, min(2*pause, longestPause)
		}
		select {
		case <-s.Wait(wait):
		case <-ctx.Done():
			return "", ctx.Err()
		case <-s.closed:
			return "", http.ErrServerClosed
		}
	}
}

// SendIn has a citizen send a form in, so that the platform has it. Nothing is posted
// yet. One that was sent in before is not sent in again.
func (s *Sim) SendIn(f Form) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.instances[f.Instance]; i != nil && i.form.Version >= f.Version {
		return nil
	}
	return s.record(sentIn(f))
}

// post tries once. It is done when the hub took the form or refused it.
func (s *Sim) post(ctx context.Context, client *http.Client, url, token string, f Form,
) (wait time.Duration, done bool, id string, err error) {
	try, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(try, http.MethodPost, url, bytes.NewReader(f.Body))
	if err != nil {
		return 0, true, "", fmt.Errorf("submit: the address cannot be used")
	}
	req.Header.Set("Content-Type", "application/xml")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		return 0, ctx.Err() != nil, "", ctx.Err()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch code := resp.StatusCode; {
	case err != nil, code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout,
		code == http.StatusConflict:
		return hub.RetryAfter(resp.Header, s.Clock()), false, "", nil
	}
	var receipt struct{ ID string }
	json.Unmarshal(body, &receipt) // a hub that says no ID has none in the ledger
	e := Entry{
		What: Posted, Instance: f.Instance, Version: f.Version, Status: resp.StatusCode, Receipt: receipt.ID,
	}
	s.mu.Lock()
	err = s.record(e)
	s.mu.Unlock()
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("submit: the hub refused the form with HTTP status %d", resp.StatusCode)
	}
	return 0, true, receipt.ID, err
}
