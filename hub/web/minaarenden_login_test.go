package web

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
)

// LogIn begins a session for a person as a login does, and gives the cookie that her
// browser would hold.
func (s *Server) LogIn(t testing.TB, person hub.PersonID) *http.Cookie {
	t.Helper()
	w := httptest.NewRecorder()
	c := &call{r: httptest.NewRequestWithContext(t.Context(), "GET", "/login/done", nil), w: &recorder{ResponseWriter: w}}
	if err := s.beginSession(c, identity{person: person, level: "loa3"}); err != nil {
		t.Fatal(err)
	}
	for _, cookie := range w.Result().Cookies() {
		if cookie.Name == sessionCookie {
			return cookie
		}
	}
	t.Fatal("no session was begun")
	return nil
}
