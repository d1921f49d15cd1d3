package hub

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ByStatus gives the answer that an HTTP status stands for when nothing in the
// body says more: nil for 2xx, Reject for what is wrong with the document,
// Unavailable for what is wrong with the connection, Later for a busy system, and
// a *don't know* for everything else; a redirect also opens the circuit. A system whose 503 may come
// after the case was made must not use it for 503.
func ByStatus(resp *http.Response, now time.Time) error {
	err := fmt.Errorf("HTTP status %d", resp.StatusCode)
	switch code := resp.StatusCode; {
	case code/100 == 2:
		return nil
	case code/100 == 3: // the answer to a POST that was stored may be a 303
		return &answer{err: err, kind: strange, cause: AddressChanged}
	case code == 400, code == 411, code == 413, code == 414, code == 415, code == 422:
		return Reject(err)
	case code == 401, code == 403:
		return Unavailable(err, Credentials)
	case code == 404, code == 405, code == 410:
		return Unavailable(err, AddressChanged)
	case code == 429, code == 503:
		return &answer{err: err, kind: notNow, wait: RetryAfter(resp.Header, now), cause: Busy}
	}
	return err
}

// WithoutAddress gives what the door out said of a call, without what net/http puts around
// it: that quotes the address, which may hold what nobody is to read.
func WithoutAddress(err error) error {
	var quoting *url.Error
	for errors.As(err, &quoting) {
		err = quoting.Err
	}
	return err
}

// RetryAfter reads the header of that name, in seconds or as a date, clamped to
// between a second and six hours. It gives 0 when there is none that can be read.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if text == "" {
		return 0
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return ClampWait(time.Duration(min(max(n, 0), 1<<30)) * time.Second)
	} else if errors.Is(err, strconv.ErrRange) {
		return ClampWait(time.Duration(1 << 62))
	}
	if at, err := http.ParseTime(text); err == nil {
		return ClampWait(at.Sub(now))
	}
	return 0
}
