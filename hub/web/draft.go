package web

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

// Who mends a mapping tries her draft on a form that is stored here, and sees its document
// before anybody activates the draft. The draft comes with the call, is compiled in memory
// and forgotten; nothing is sent.

// A draft is what an operator posts: which form, and the texts of the mapping and the
// schemas that it needs.
type draft struct {
	Submission string            `json:"submission"`
	Mapping    string            `json:"mapping"` // which of the files is the mapping: mappings/SYSTEM/DOCUMENT.yaml
	Files      map[string][]byte `json:"files"`   // by their names in the folder of a configuration, in base64: a schema need not be UTF-8
	Leg        string            `json:"leg"`     // where several legs use the mapping
	Reason     string            `json:"reason"`
	Why        bool              `json:"why"` // tell where each value came from
}

// What may be tried, and how long it may take. One is tried at a time: what a draft costs
// beyond that, it costs the next one.
const (
	mostDraft    = 4 << 20
	mostMapping  = 256 << 10
	longestDraft = 5 * time.Second
)

var (
	mappingName = regexp.MustCompile(`^mappings/[\pL\pN_-]{1,60}/[\pL\pN_.-]{1,100}\.yaml$`)
	legName     = regexp.MustCompile(`^[a-z0-9_-]{0,60}$`)
)

func (d draft) faults() []fault {
	faults := reasonFaults(d.Reason)
	note := noting(&faults)
	note(!segments["{id}"].MatchString(d.Submission), "/submission", "pattern")
	note(!mappingName.MatchString(d.Mapping), "/mapping", "pattern")
	note(!legName.MatchString(d.Leg), "/leg", "pattern")
	text, there := d.Files[d.Mapping]
	note(!there, "/files", "required")
	note(len(text) > mostMapping, "/files", "length")
	return faults
}

// A rehearsed draft: its document, or why there is none, and whether that is what was sent.
type rehearsed struct {
	Case     hub.CaseID   `json:"case"`
	Delivery hub.Key      `json:"delivery"`
	Leg      string       `json:"leg"`
	System   hub.SystemID `json:"system"`
	State    hub.State    `json:"state,omitempty"` // of the delivery; absent where there is none yet
	Type     string       `json:"type,omitempty"`
	Document []byte       `json:"document,omitempty"` // in base64: its charset is its type's
	SHA256   string       `json:"sha256,omitempty"`
	Why      string       `json:"why,omitempty"`   // for people
	Fault    *unmade      `json:"fault,omitempty"` // why there is no document
	Made     *compared    `json:"made,omitempty"`  // the delivery's document; absent where it has none
}

// An unmade document is why a mapping makes none.
type unmade struct {
	Where  string     `json:"where"` // file:line
	Reason hub.Reason `json:"reason"`
	Text   string     `json:"text"`
}

// A compared document is the one that the delivery has, beside the draft's.
type compared struct {
	Same   bool   `json:"same"` // byte for byte
	SHA256 string `json:"sha256"`
	Where  string `json:"where,omitempty"` // the first place where the contents differ
	Has    string `json:"has,omitempty"`   // the delivery's document, there
	Draft  string `json:"draft,omitempty"` // and the draft's
}

// rehearse tries a draft. What is tried goes on by itself when it takes too long, keeps its
// seat until it has ended, and is told to nobody.
func (s *Server) rehearse(c *call) error {
	var d draft
	if err := s.readLargeAct(c, mostDraft, &d); err != nil {
		return err
	}
	if faults := d.faults(); len(faults) > 0 {
		return refusedFields(faults...)
	}
	leave, err := s.rehearsing.take(c.operator)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.r.Context(), longestDraft)
	defer cancel()
	type outcome struct {
		answer rehearsed
		err    error
	}
	ended := make(chan outcome, 1)
	as, by := c.as, c.operator
	go func() {
		answer, err := s.tryDraft(ctx, as, by, d)
		leave() // before the answer: whoever has it may ask again at once
		ended <- outcome{answer, err}
	}()
	select {
	case o := <-ended:
		if o.err != nil {
			return o.err
		}
		return c.json(http.StatusOK, o.answer)
	case <-ctx.Done():
		return refusal("draft-too-costly")
	}
}

// tryDraft compiles a draft, gathers what its document is made of, and makes it.
func (s *Server) tryDraft(ctx context.Context, as hub.Viewer, by string, d draft) (a rehearsed, err error) {
	defer func() {
		if recover() != nil { // what was panicked with may be content
			a, err = rehearsed{}, refusal("draft-unusable")
		}
	}()
	m, problems := mapping.CompileDraft(d.Files, d.Mapping)
	if len(problems) > 0 {
		return a, unusable(problems)
	}
	r, err := s.Hub.Rehearse(ctx, as, hub.Draft{
		Submission: hub.ID(d.Submission), File: d.Mapping, Leg: d.Leg, Operation: m.Operation(), By: by, Reason: strings.TrimSpace(d.Reason),
	})
	if err != nil {
		return a, err
	}
	a = rehearsed{Case: r.Case, Delivery: r.Key, Leg: r.Leg, System: r.System, State: r.State}
	doc, why, err := m.Explain(ctx, r.Known, typeOf(r.Form))
	if d.Why {
		a.Why = string(why.Reveal())
	}
	if err != nil {
		a.Fault = unmadeOf(err)
		return a, nil
	}
	sum := doc.SHA256()
	a.Type, a.Document, a.SHA256 = doc.Type, doc.Reveal(), hex.EncodeToString(sum[:])
	a.Made = comparedWith(r.Sent, doc)
	return a, nil
}

// unusable points at all that is wrong with a draft, in the words that check has for it.
func unusable(problems []mapping.Problem) *problem {
	p := refusal("draft-unusable")
	for _, found := range problems {
		p.faults = append(p.faults, fault{"/files/" + document.PointerStep(found.File), found.String()})
	}
	return p
}

// typeOf gives what a form's schema says of its answers, nil where it does not tell.
func typeOf(f hub.Form) *document.Type {
	if described, is := f.(interface{ Type() *document.Type }); is {
		return described.Type()
	}
	return nil
}

func unmadeOf(err error) *unmade {
	var m *hub.MappingError
	if !errors.As(err, &m) {
		return &unmade{Reason: hub.ReasonMapping, Text: "the document could not be made"}
	}
	return &unmade{m.Where, m.Reason, m.Text}
}

func comparedWith(made, draft hub.Document) *compared {
	if made.Reveal() == nil {
		return nil
	}
	sum := made.SHA256()
	of := &compared{Same: sum == draft.SHA256(), SHA256: hex.EncodeToString(sum[:])}
	if !of.Same {
		of.Where, of.Has, of.Draft = mapping.Difference(made, draft)
	}
	return of
}
