package oep

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/knutpunkt/knutpunkt/hub"
)

// The kinds of hub.Fetch that a form refers to.
const (
	fetchFile  = "file"  // one that the citizen attached
	fetchPrint = "print" // the platform's print of the form
)

// Fetch writes a file, or the print of a form, to w as it comes. It gives
// hub.ErrGone when the platform no longer has it, or when the form refers to it in
// a way that no platform can follow. Whether the size is the announced one is for
// the hub to see.
func (p *platform) Fetch(ctx context.Context, ref hub.Fetch, w io.Writer) error {
	place, ok := placeOf(ref)
	if !ok {
		return fmt.Errorf("fetch %s: %w", ref.Kind, hub.ErrGone)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.conf.URL+place, nil)
	if err != nil {
		return errors.New("fetch: the address cannot be used")
	}
	resp, err := p.do(req)
	if err != nil {
		return fmt.Errorf("fetch %s: %w", ref.Kind, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone {
		return fmt.Errorf("fetch %s: %w", ref.Kind, hub.ErrGone)
	}
	if err := hub.ByStatus(resp, p.Clock()); err != nil {
		return fmt.Errorf("fetch %s: %w", ref.Kind, err)
	}
	if err := writeFile(w, resp, ref.Kind); err != nil {
		return fmt.Errorf("fetch %s: %w", ref.Kind, err)
	}
	return nil
}

// placeOf gives the path under which the platform keeps what ref refers to. Only
// numbers are put into it.
func placeOf(ref hub.Fetch) (path string, ok bool) {
	switch {
	case !isNumber(ref.Instance):
		return "", false
	case ref.Kind == fetchPrint:
		return "/api/instanceapi/getinstance/" + ref.Instance + "/pdf", true
	case ref.Kind == fetchFile && isNumber(ref.Question) && isNumber(ref.File):
		return "/api/fileuploadqueryapi/getfile/" + ref.Instance + "/" + ref.Question + "/" + ref.File, true
	}
	return "", false
}

// writeFile copies the file, having seen by its beginning that it is one and not a
// page that says something to a person.
func writeFile(w io.Writer, resp *http.Response, kind string) error {
	body := bufio.NewReader(resp.Body)
	start, err := body.Peek(512)
	if err != nil && err != io.EOF {
		return errCutShort
	}
	if kind == fetchPrint && !bytes.HasPrefix(start, []byte("%PDF-")) {
		return hub.Strange(errors.New("what came is no PDF"))
	}
	if resp.Header.Get("Content-Disposition") == "" && (len(start) == 0 || isPage(resp, start)) {
		return hub.Strange(errors.New("what came is a page and no file"))
	}
	if _, err := io.Copy(w, cutShort{body}); err != nil {
		return err
	}
	return nil
}

func isPage(resp *http.Response, start []byte) bool {
	said, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	found, _, _ := mime.ParseMediaType(http.DetectContentType(start))
	return said == "text/html" || found == "text/html"
}

var errCutShort = errors.New("the answer was cut short")

// cutShort says of a connection that broke only that it did.
type cutShort struct{ r io.Reader }

func (c cutShort) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if err != nil && err != io.EOF {
		err = errCutShort
	}
	return n, err
}
