package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A citizen is who calls, where she has shown an e-ID and is still logged in.
type citizen struct {
	session [32]byte   // what the Store knows her login by
	viewer  hub.Viewer // sees her cases under every number that she has or has had
	level   string     // of assurance, by the provider's own name (acr)
	server  *Server
}

// mustBeCitizen refuses who is not logged in, and finds out who is. A client's token
// counts for nothing here, as a citizen's session counts for nothing where clients call.
// Without a login there is nothing here for anybody.
func (s *Server) mustBeCitizen(c *call) error {
	if s.Login == nil {
		return refusal("not-found")
	}
	if isForeign(c.r) && !isNavigation(c.r) {
		return refusal("cross-origin")
	}
	found, err := s.loggedIn(c.r)
	switch {
	case errors.Is(err, hub.ErrNotFound):
		return notLoggedIn()
	case err != nil:
		return err
	}
	c.citizen, c.as = found, found.viewer
	return nil
}

// citizenPage is mustBeCitizen for a page: who is not logged in is led to the login, and
// back from there.
func (s *Server) citizenPage(c *call) error {
	err := s.mustBeCitizen(c)
	var p *problem
	if errors.As(err, &p) && p.slug == "not-logged-in" {
		p.status = http.StatusSeeOther
		p.header = http.Header{"Location": {"/login?to=" + url.QueryEscape(c.r.URL.EscapedPath())}}
	}
	return err
}

// alive reports whether the citizen is still logged in. To ask is no use of the session:
// what only stands open comes to its end.
func (c *citizen) alive(ctx context.Context) bool {
	_, err := c.server.running(ctx, c.session)
	return err == nil
}

func notLoggedIn() *problem {
	p := refusal("not-logged-in")
	p.header = http.Header{"Www-Authenticate": {`Cookie realm="knutpunkt", form-action="/login", cookie-name="` + sessionCookie + `"`}}
	return p
}
