package hub

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"sync"
	"time"
)

// leaseFor is how long a row may be in one process's hands. Work on it ends a little
// before.
const (
	leaseFor = 10 * time.Minute
	fence    = 5 * time.Second
)

// lease takes a row in hand from now. The Store gives tokens of its own to what
// is claimed there; those given here are negative, so that the two never meet.
func (h *Hub) lease() Lease {
	return Lease{Boot: h.Boot, Token: -h.tokens.Add(1), Until: h.Clock().Add(leaseFor)}
}

// prepare adds what the configuration and the content say about an arriving form, and
// gives what was read of it, for who goes on with it. Nothing here can refuse it: what
// a route cannot read is held later, in the open.
func (h *Hub) prepare(a *Arrival) reading {
	a.Now = h.Clock()
	a.Fingerprint = fingerprint(a.Submission)
	s := &a.Submission
	r := h.bundle.Load().Route(s.Municipality, s.Source.System, s.Service)
	a.Tellers = h.tellers(s.Source.System, r)
	if r == nil {
		a.Followers = sender(s.Parties)
		return reading{}
	}
	a.Own, a.Voice, a.Expect, a.Waits = r.Own, r.Voice(), r.Promised, r.waits(*s)
	read := r.read(*s)
	if read.err == nil {
		s.Parties = read.parties
	}
	a.Followers = sender(s.Parties)
	return read
}

// tellers are those who want to be told how a case is getting on: the platform, where it
// can be told, and whom the route names.
func (h *Hub) tellers(source SystemID, r *Route) []SystemID {
	var all []SystemID
	if d := h.dispatchers[source]; d != nil && d.system.Teller != nil {
		all = append(all, source)
	}
	if r != nil {
		all = append(all, r.Tell...)
	}
	return all
}

// A reading is what a route makes of a form: its answers typed by the form's schema,
// and the parties that came with it or are found in it.
type reading struct {
	by      *Route // nil when there is none
	answers Answers
	parties []Party
	err     error // a *stopped: why a person must look
}

// read reads a form by the route. A rule or a schema that panics is a reason to hold
// the form, and none to refuse it.
func (r *Route) read(s Submission) (read reading) {
	defer func() {
		if recover() != nil {
			read = reading{by: r, err: stop(ReasonCrashLoop, "panic while it was read")}
		}
	}()
	fitted, err := r.fit(s)
	if err != nil {
		return reading{by: r, err: stop(ReasonUnreadable, "%s", err)}
	}
	parties, err := r.findParties(Known{Submission: fitted})
	if err != nil {
		return reading{by: r, err: stop(ReasonRule, "%s", err)}
	}
	return reading{by: r, answers: fitted.Answers, parties: parties}
}

// reserve finds room among the arrivals, so that the form can be handed on in
// memory. One that is large, or for which there is no room, waits in the Store.
func (h *Hub) reserve(a *Arrival) bool {
	if h.ended || a.Submission.Original.Size > handedBytes {
		return false
	}
	select {
	case h.slots <- struct{}{}:
		a.Lease = h.lease()
		return true
	default:
		return false
	}
}

func (h *Hub) release(handed bool) {
	if handed {
		<-h.slots
	}
}

// handBack gives the forms that wait in memory back to the Store when the hub stops, so that
// another process takes them up at once. What comes in from now on waits there.
func (h *Hub) handBack(ctx context.Context) {
	h.ending.Lock()
	h.ended = true
	h.ending.Unlock()
	var all sync.WaitGroup
	defer all.Wait()
	for {
		select {
		case w := <-h.arrivals:
			<-h.slots
			all.Go(func() {
				_, _, err := h.Store.Apply(ctx, w.c.ID, Lapsed{When{h.Clock()}, w.key, w.lease})
				if err != nil && !errors.Is(err, ErrLost) {
					h.failed("hand a form back", err) // who takes over from this process finds it
				}
			})
		default:
			return
		}
	}
}

// fingerprint tells whether two forms are the same form: by what they say and by
// what their files hold, not by how they were written.
func fingerprint(s Submission) [32]byte {
	type file struct {
		Name, SHA256 string
		Fetch        Fetch
	}
	var files []file
	for _, a := range s.Attachments {
		files = append(files, file{a.Name, string(a.Blob.SHA256[:]), a.Fetch})
	}
	contents, _ := Submission{Source: s.Source, Parties: s.Parties, Answers: s.Answers}.RevealContents()
	rest, _ := json.Marshal(struct {
		Municipality         Municipality
		Service, FormVersion string
		Submitted            time.Time
		Files                []file
	}{s.Municipality, s.Service, s.FormVersion, s.Submitted, files})
	return sha256.Sum256(append(append(contents, 0), rest...))
}

// fit gives the submission with its answers typed by the form's schema.
func (r *Route) fit(s Submission) (Submission, error) {
	if r.Form == nil {
		return s, nil
	}
	form := r.Form(s.FormVersion)
	if form == nil {
		return s, nil
	}
	answers, err := form.Fit(s.Answers)
	if err == nil {
		s.Answers = answers
	}
	return s, err
}

// findParties gives the parties that came with a submission and those that the route
// finds in its answers. A role that came with it is not looked for. The error is that
// of the first rule that could not be followed: it names the role and no value.
func (r *Route) findParties(known Known) ([]Party, error) {
	all := known.Submission.Parties
	came := map[string]bool{}
	for _, p := range all {
		came[p.Role] = true
	}
	var failed error
	for _, rule := range r.Parties {
		if came[rule.Role] {
			continue
		}
		found, err := rule.Find(known)
		if err != nil && failed == nil {
			failed = err
		}
		for _, p := range found {
			p.Role, p.Follows = rule.Role, rule.Follows
			if rule.Reach != nil {
				p.Email, p.Phone = rule.Reach(known)
			}
			all = append(all[:len(all):len(all)], p)
		}
	}
	return all, failed
}
