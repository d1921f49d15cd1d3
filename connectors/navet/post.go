package navet

import (
	"errors"
	"strings"

	"github.com/knutpunkt/knutpunkt/connectors/folkbokforing"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A post is what Navet said about one number.
type post struct {
	person     hub.Person
	references []hub.PersonID // other numbers of the same person, older and newer
}

// replaced reports whether the person has another number now.
func (p post) replaced() bool { return folkbokforing.Replaced(p.person.Left) }

var errNoPost = hub.Strange(errors.New("the answer holds no post that can be read"))

// readPost reads the one post that a list may hold, which must be about asked.
func (r *register) readPost(list *document.Element, asked hub.PersonID) (post, error) {
	if len(list.Children) == 0 && strings.TrimSpace(list.Text) == "" {
		return post{}, hub.ErrNotFound
	}
	if len(list.All("Folkbokforingspost")) != 1 {
		return post{}, errNoPost
	}
	read, err := folkbokforing.Read(list.Child("Folkbokforingspost"))
	switch {
	case errors.Is(err, folkbokforing.ErrNoPerson):
		return post{}, errNoPost
	case errors.Is(err, folkbokforing.ErrNoNumber):
		return post{}, hub.Strange(err)
	case read.Person.ID != asked:
		return post{}, hub.ErrMismatch
	case err != nil:
		return post{}, err
	}
	return post{read.Whole(r.conf.Delivers, r.env.Clock().In(hub.Stockholm)), read.References}, nil
}
