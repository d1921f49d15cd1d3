package form

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Fetch writes a file that a form refers to to w, as it comes. It gives hub.ErrGone when the platform no
// longer has it, or when the form refers to it in a way that leads elsewhere.
func (p *platform) Fetch(ctx context.Context, ref hub.Fetch, w io.Writer) error {
	place, ok := placeOf(ref)
	if !ok {
		return fmt.Errorf("fetch file: %w", hub.ErrGone)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(p.conf.Files, "/")+place, nil)
	if err != nil {
		return errors.New("fetch file: the address cannot be used")
	}
	if p.conf.Token != (hub.Secret{}) {
		req.Header.Set("Authorization", "Bearer "+p.conf.Token.Reveal())
	}
	resp, err := p.env.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("fetch file: %w", hub.WithoutAddress(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone {
		return fmt.Errorf("fetch file: %w", hub.ErrGone)
	}
	if err := hub.ByStatus(resp, p.env.Clock()); err != nil {
		return fmt.Errorf("fetch file: %w", err)
	}
	return writeFile(w, resp)
}

// placeOf gives the path of a file below the platform's address: each part of what the form says,
// escaped, so that it leads nowhere else.
func placeOf(ref hub.Fetch) (path string, ok bool) {
	for part := range strings.SplitSeq(strings.TrimPrefix(ref.File, "/"), "/") {
		if part == "" || part == "." || part == ".." {
			return "", false
		}
		path += "/" + url.PathEscape(part)
	}
	return path, ref.Kind == fetchFile
}

// writeFile copies the file, having seen that it is one and not a page that says something to a person.
func writeFile(w io.Writer, resp *http.Response) error {
	body := bufio.NewReader(resp.Body)
	start, err := body.Peek(512)
	if err != nil && err != io.EOF {
		return errCutShort
	}
	said, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	found, _, _ := mime.ParseMediaType(http.DetectContentType(start))
	if said == "text/html" || found == "text/html" {
		return hub.Strange(errors.New("fetch file: what came is a page and no file"))
	}
	_, err = io.Copy(w, cutShort{body})
	return err
}

var errCutShort = errors.New("fetch file: the answer was cut short")

// cutShort says of a connection that broke only that it did.
type cutShort struct{ from io.Reader }

func (c cutShort) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	if err != nil && err != io.EOF {
		err = errCutShort
	}
	return n, err
}
