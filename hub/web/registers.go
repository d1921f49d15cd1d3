package web

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Registers that files feed: how each stands, and the next file into it. A file may be of any size;
// it is read as it comes, and need only come at its pace.

// A registerState tells how one of them stands.
type registerState struct {
	System    hub.SystemID `json:"system"`
	Name      string       `json:"name"`
	Files     int          `json:"files"`          // that have been read whole, ever
	AsOf      time.Time    `json:"asOf,omitzero"`  // as of when it is right; not there while it is empty
	Until     time.Time    `json:"until,omitzero"` // how long its word counts as recent, if no file comes
	Recent    bool         `json:"recent"`
	Posts     int          `json:"posts"`     // kept of the file that comes next
	Importing bool         `json:"importing"` // it is being read
	Next      string       `json:"next"`      // which file must come next, for people
	Feeds     bool         `json:"feeds"`     // the caller may feed it
	Text      string       `json:"text"`      // how it stands, for people
}

// An imported is what has become of a file.
type imported struct {
	System hub.SystemID `json:"system"`
	Posts  int          `json:"posts"`
	Again  bool         `json:"again"` // it had been read before, and nothing was done
	Whole  bool         `json:"whole"` // all files that belong together have been read, and the register speaks by them
	AsOf   time.Time    `json:"asOf,omitzero"`
	Next   string       `json:"next"`
	Text   string       `json:"text"`
}

// listRegisters answers with the registers that files feed, of those that the caller knows of.
func (s *Server) listRegisters(c *call) error {
	if err := s.mustBeOperator(c); err != nil {
		return err
	}
	if err := noQuery(c.r); err != nil {
		return err
	}
	all := []registerState{}
	for _, o := range s.Hub.Systems {
		if o.Importer == nil || !s.knowsOf(c.as, o.ID) {
			continue
		}
		st, err := s.registerState(c, o.ID)
		if err != nil {
			return err
		}
		all = append(all, st)
	}
	return c.json(http.StatusOK, map[string]any{"registers": all})
}

func (s *Server) registerState(c *call, id hub.SystemID) (registerState, error) {
	fed, importing, err := s.Hub.Fed(c.r.Context(), id)
	if err != nil {
		return registerState{}, err
	}
	st := registerState{
		System: id, Name: s.systemName(id), Files: fed.Files, AsOf: fed.AsOf.UTC(), Until: fed.Until.UTC(), Posts: fed.Posts,
		Recent: s.Hub.Clock().Before(fed.Until), Importing: importing, Next: fed.Next, Feeds: s.mayPause(c, id),
	}
	st.Text = registerText(st)
	return st, nil
}

func registerText(st registerState) string {
	text := "Tomt."
	switch {
	case st.AsOf.IsZero():
	case st.Recent:
		text = "Gäller per " + st.AsOf.In(hub.Stockholm).Format(time.DateOnly) + "."
	default:
		text = "Föråldrat: gäller per " + st.AsOf.In(hub.Stockholm).Format(time.DateOnly) + ", och frågor går till nästa register."
	}
	switch {
	case st.Importing:
		return text + " En fil läses in."
	case st.Posts > 0:
		return text + " En fil är läst till hälften: skicka den igen, så fortsätter den, eller en hel, om den var trasig. Härnäst: " + st.Next + "."
	}
	return text + " Härnäst: " + st.Next + "."
}

// importFile reads the next file of a register.
func (s *Server) importFile(c *call) error {
	id, err := s.registerToFeed(c)
	if err != nil {
		return err
	}
	file := openBody(c, math.MaxInt64)
	defer file.Close()
	// A file whose sender is gone ends with its body, and what has been read of it is kept.
	ctx := context.WithoutCancel(c.r.Context())
	done, err := s.Hub.Import(ctx, id, file, nil)
	if err == nil || file.failed == nil {
		io.Copy(io.Discard, file) // or the sender would hear no answer
	}
	if err != nil {
		return unimported(err)
	}
	fed, _, err := s.Hub.Fed(ctx, id)
	if err != nil {
		return err
	}
	answer := imported{System: id, Posts: done.Posts, Again: done.Again, Whole: done.More == "", AsOf: done.AsOf.UTC(), Next: fed.Next}
	answer.Text = importedText(answer)
	return c.json(http.StatusOK, answer)
}

// registerToFeed gives the register that a call is to, of one who may feed it.
func (s *Server) registerToFeed(c *call) (hub.SystemID, error) {
	if err := s.mustBeOperator(c); err != nil {
		return "", err
	}
	if err := noQuery(c.r); err != nil {
		return "", err
	}
	id := hub.SystemID(c.r.PathValue("system"))
	switch system, connected := s.systems[id]; {
	case !connected || system.Importer == nil || !s.knowsOf(c.as, id):
		return "", hub.ErrNotFound
	case !s.mayPause(c, id):
		return "", refusal("municipality-mismatch")
	}
	_, _, err := c.mediaType("application/xml", "text/xml", "application/octet-stream")
	return id, err
}

func importedText(a imported) string {
	text := plural(a.Posts, "post", "poster") + " inlästa."
	if a.Again {
		text = "Filen är redan inläst; inget har ändrats."
	}
	if a.Whole && !a.Again {
		text += " Registret gäller per " + a.AsOf.In(hub.Stockholm).Format(time.DateOnly) + "."
	}
	return text + " Härnäst: " + a.Next + "."
}

// unimported gives the problem of a file that was refused.
func unimported(err error) error {
	var broken *hub.Malformed
	var early *hub.Misplaced
	switch {
	case errors.As(err, &broken):
		p := refusal("malformed-file")
		p.said, p.code = broken.Detail, broken.Kind
		return p
	case errors.As(err, &early):
		p := refusal("misplaced-file")
		p.said = early.Detail
		return p
	}
	return err
}
